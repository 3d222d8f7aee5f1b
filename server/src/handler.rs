//! The MCP server: who we are, which tools there are, and routing a call to
//! its tool. Both protocol eras arrive here the same.

use std::sync::Arc;

use hyper::http::request::Parts;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CustomRequest, CustomResult, Implementation, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use tokio_util::sync::CancellationToken;

use crate::caller::{Caller, Held};
use crate::identity::Identity;
use crate::service::Service;
use crate::tools::{Call, TOOLS, reply};
use crate::transport::message;

/// How long clients may cache the tool list: it never changes while we run.
const TOOL_LIST_TTL_MS: u64 = 3_600_000;

const INSTRUCTIONS: &str = "\
`execute` runs code in a sandbox. Without `session` each call starts clean; `session: \"new\"` returns a handle under \
which variables and files in /workspace live on. `write` puts a file into a session, `read` shows its files and \
the full output of a run. There is no network and no package installation.";

/// The server of one caller, on a connection or for a request.
#[derive(Clone)]
pub(crate) struct Handler {
    service: Arc<Service>,
    caller: Arc<Caller>,
    /// When the client has closed its end, or the transport is about to go.
    ended: CancellationToken,
}

impl Handler {
    pub(crate) const fn new(service: Arc<Service>, caller: Arc<Caller>, ended: CancellationToken) -> Self {
        Self { service, caller, ended }
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
        let mut result = ListToolsResult::with_all_items(self.service.tools(&self.caller.principal).await.to_vec());
        result.ttl_ms = Some(TOOL_LIST_TTL_MS);
        Ok(result)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.service.known_tools(&self.caller.principal)?.iter().find(|tool| tool.name == name).cloned()
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
        let parts = context.extensions.get::<Parts>();
        let held = parts.and_then(|parts| parts.extensions.get::<Arc<Held>>()).cloned();
        if let Some(held) = &held {
            held.count_call();
        }
        let place = match self.caller.place(&self.service.executor, tool.looks, &context.ct).await {
            Ok(place) => place,
            Err(error) => return reply::error(error).map(CallToolResponse::from),
        };
        let principal = &self.caller.principal;
        let identity = parts.and_then(|parts| parts.extensions.get::<Arc<Identity>>());
        let ceilings = identity.map(|identity| identity.ceilings).unwrap_or_default();
        let call = Call { service: &self.service, principal, ceilings, context: &context, ended: &self.ended };
        let result = (tool.call)(&call, request.arguments.unwrap_or_default()).await;
        let result = result.or_else(|error| {
            if tool.looks.is_some() {
                reply::log(&error);
            }
            reply::error(error)
        });
        if let (Some(held), Ok(result)) = (held, &result) {
            held.keep((place, self.caller.unsent.begin(result)));
        }
        result.map(CallToolResponse::from)
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        Err(message::unknown(&request))
    }
}
