//! The MCP server: who we are, which tools there are, and routing a call to
//! its tool. Both protocol eras arrive here the same.

use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, Implementation, ListToolsResult, PaginatedRequestParams,
    ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use sandbox::{Error, Principal};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::service::Service;
use crate::tools::{self, Call, TOOLS, reply};
use crate::transport::unsent::Unsent;

/// How many calls of `read` go on at once: each may make a reply with an image.
const READS: usize = 8;

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
    reads: Arc<Semaphore>,
}

impl Handler {
    pub(crate) fn new(
        service: Arc<Service>,
        principal: Principal,
        ended: CancellationToken,
        unsent: Arc<Unsent>,
    ) -> Self {
        let (tools, reads) = (Arc::default(), Arc::new(Semaphore::new(READS)));
        Self { service, principal, tools, ended, unsent, reads }
    }

    /// Every tool. What they say of this machine is found out once.
    async fn tools(&self) -> &[Tool] {
        let define = || async { tools::definitions(&self.service, &self.service.executor.languages().await) };
        self.tools.get_or_init(define).await
    }
}

impl Handler {
    /// Waits until a call may begin. A `read` holds one of the places for reads
    /// until it is over.
    ///
    /// # Errors
    ///
    /// [`Error::Cancelled`] when nobody waits for it any longer.
    async fn place(&self, tool: &str, cancel: &CancellationToken) -> Result<Option<OwnedSemaphorePermit>, Error> {
        let place = async {
            let place = match tool {
                tools::read::NAME => Arc::clone(&self.reads).acquire_owned().await.ok(),
                _ => None,
            };
            self.unsent.room().await;
            place
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Error::Cancelled),
            place = place => Ok(place),
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
        let _place = match self.place(&request.name, &context.ct).await {
            Ok(place) => place,
            Err(error) => return reply::error(error).map(CallToolResponse::from),
        };
        let call = Call { service: &self.service, principal: &self.principal, context: &context, ended: &self.ended };
        let result = (tool.call)(&call, request.arguments.unwrap_or_default()).await;
        let result = result.or_else(|error| {
            if !tool.runs {
                reply::log(&error);
            }
            reply::error(error)
        });
        result.map(CallToolResponse::from)
    }
}
