//! The MCP server: who we are, which tools there are, and routing a call to
//! its tool. Both protocol eras arrive here the same.

use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, Implementation, ListToolsResult, PaginatedRequestParams,
    ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use sandbox::{Error, Place, Principal};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::service::Service;
use crate::tools::{self, Call, TOOLS, reply};
use crate::transport::unsent::Unsent;

/// How long clients may cache the tool list: it never changes while we run.
const TOOL_LIST_TTL_MS: u64 = 3_600_000;

const INSTRUCTIONS: &str = "\
`execute` runs code in a sandbox. Without `session` each call starts clean; `session: \"new\"` returns a handle under \
which variables and files in /workspace live on. `write` puts a file into a session, `read` shows its files and \
the full output of a run. There is no network and no package installation.";

/// The server of one principal.
#[derive(Clone)]
pub(crate) struct Handler {
    service: Arc<Service>,
    principal: Principal,
    tools: Arc<OnceCell<Vec<Tool>>>,
    /// When the client has closed its end, or the transport is about to go.
    ended: CancellationToken,
    unsent: Arc<Unsent>,
}

impl Handler {
    pub(crate) fn new(
        service: Arc<Service>,
        principal: Principal,
        ended: CancellationToken,
        unsent: Arc<Unsent>,
    ) -> Self {
        Self { service, principal, tools: Arc::default(), ended, unsent }
    }

    /// Every tool. What they say of this machine is found out once.
    async fn tools(&self) -> &[Tool] {
        let executor = &self.service.executor;
        let policy = executor.policy(&self.principal);
        let define = || async { tools::definitions(&self.service, policy, &executor.languages(&self.principal).await) };
        self.tools.get_or_init(define).await
    }
}

impl Handler {
    /// Waits until a call may begin. What runs nothing holds a place until it is
    /// over; a run takes its own.
    ///
    /// # Errors
    ///
    /// [`Error::Cancelled`] when nobody waits for it any longer, [`Error::Busy`] when
    /// too many wait.
    async fn place(&self, tool: &tools::Entry, cancel: &CancellationToken) -> Result<Option<Place>, Error> {
        let place = match tool.looks {
            Some(look) => Some(self.service.executor.place(&self.principal, look, cancel).await?),
            None => None,
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Error::Cancelled),
            () = self.unsent.room() => Ok(place),
        }
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("belljar", env!("CARGO_PKG_VERSION")).with_title("Belljar"))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut result = ListToolsResult::with_all_items(self.tools().await.to_vec());
        result.ttl_ms = Some(TOOL_LIST_TTL_MS);
        Ok(result)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.tools.get()?.iter().find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(tool) = TOOLS.iter().find(|tool| tool.name == request.name) else {
            let shown: String = request.name.chars().take(64).collect();
            return Err(ErrorData::invalid_params(format!("unknown tool {shown:?}"), None));
        };
        let _place = match self.place(tool, &context.ct).await {
            Ok(place) => place,
            Err(error) => return reply::error(error).map(CallToolResponse::from),
        };
        let call = Call { service: &self.service, principal: &self.principal, context: &context, ended: &self.ended };
        let result = (tool.call)(&call, request.arguments.unwrap_or_default()).await;
        let result = result.or_else(|error| {
            if tool.looks.is_some() {
                reply::log(&error);
            }
            reply::error(error)
        });
        result.map(CallToolResponse::from)
    }
}
