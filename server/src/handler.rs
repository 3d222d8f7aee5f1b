//! The MCP server: who we are, which tools there are, and routing a call to
//! its tool. Both protocol eras arrive here the same.

use std::sync::Arc;

use hyper::http::request::Parts;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult, CustomRequest, CustomResult,
    GetPromptRequestParams, GetPromptResponse, Implementation, ListPromptsResult, ListResourceTemplatesResult,
    ListResourcesResult, ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse,
    ServerCapabilities, ServerConfig, SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use sandbox::{Error, Look, RequestedLimits};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::caller::{Caller, Held, Turn};
use crate::identity::Identity;
use crate::origin::Origin;
use crate::prompts;
use crate::resources::{self, LASTING_TTL_MS, Listeners, Refusal, Subscriptions};
use crate::service::Service;
use crate::tools::{Call, TOOLS, reply};
use crate::transport::gate::Gate;
use crate::transport::message;

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
    /// What a client of the `initialize` era subscribed to on this connection.
    subscriptions: Arc<Subscriptions>,
    /// What clients of the newer era listen to.
    listeners: Arc<Listeners>,
}

impl Handler {
    pub(crate) fn new(service: Arc<Service>, caller: Arc<Caller>, ended: CancellationToken) -> Self {
        Self { service, caller, ended, subscriptions: Arc::default(), listeners: Arc::default() }
    }
}

/// Something that the transport added to a request: what it holds, who calls.
fn of_request<T: Send + Sync + 'static>(context: &RequestContext<RoleServer>) -> Option<Arc<T>> {
    // A request that comes by POST has it among the parts of its HTTP request.
    let of_post = || context.extensions.get::<Parts>()?.extensions.get::<Arc<T>>();
    context.extensions.get::<Arc<T>>().or_else(of_post).cloned()
}

/// The highest limits of a run that the credential of a request allows.
fn ceilings(context: &RequestContext<RoleServer>) -> RequestedLimits {
    of_request::<Identity>(context).map(|identity| identity.ceilings).unwrap_or_default()
}

impl Handler {
    /// Waits for the turn of a call, which a drain waits for from here on.
    async fn turn(
        &self,
        looks: Option<Look>,
        held: Option<&Arc<Held>>,
        cancel: &CancellationToken,
    ) -> Result<Option<Turn>, Error> {
        if let Some(held) = held {
            held.count_call();
        }
        self.caller.turn(&self.service.executor, looks, cancel).await
    }

    /// Does what runs nothing, in its place; its answer counts until it is with the
    /// client. `uri` is what is asked for, if it is a resource.
    async fn answer<T: Serialize>(
        &self,
        look: Look,
        context: &RequestContext<RoleServer>,
        uri: Option<&str>,
        work: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, ErrorData> {
        let held = of_request::<Held>(context);
        let turn = self.turn(Some(look), held.as_ref(), &context.ct).await;
        let turn = turn.map_err(|error| Refusal::from(error).error(uri))?;
        let answer = work.await.map_err(|refusal| refusal.error(uri))?;
        if let Some(held) = held {
            let on_its_way = self.caller.unsent.begin(&answer);
            held.keep((turn.map(Turn::answered), on_its_way));
        }
        Ok(answer)
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_prompts()
            .enable_completions()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("belljar", env!("CARGO_PKG_VERSION")).with_title("Belljar"))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        resources::refuse_cursor(request.as_ref()).map_err(|refusal| refusal.error(None))?;
        let mut result = ListToolsResult::with_all_items(self.service.tools(&self.caller.principal).await.to_vec());
        result.ttl_ms = Some(LASTING_TTL_MS);
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
        let held = of_request::<Held>(&context);
        let turn = match self.turn(tool.looks, held.as_ref(), &context.ct).await {
            Ok(turn) => turn,
            Err(error) => return reply::error(error).map(CallToolResponse::from),
        };
        let principal = &self.caller.principal;
        let ceilings = ceilings(&context);
        let origin = || Origin::of(&context, of_request::<Identity>(&context).as_deref());
        let origin = self.service.wants_origin().then(origin);
        let call = Call { service: &self.service, principal, ceilings, origin, context: &context, ended: &self.ended };
        let result = (tool.call)(&call, request.arguments.unwrap_or_default()).await;
        let result = result.or_else(|error| {
            if tool.looks.is_some() {
                reply::log(&error);
            }
            reply::error(error)
        });
        if let (Some(held), Ok(result)) = (held, &result) {
            let on_its_way = self.caller.unsent.begin(result);
            held.keep((turn.map(Turn::answered), on_its_way));
        }
        result.map(CallToolResponse::from)
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let list = resources::list(&self.service, &self.caller.principal, request.as_ref());
        self.answer(Look::Read, &context, None, list).await
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        resources::refuse_cursor(request.as_ref()).map_err(|refusal| refusal.error(None))?;
        Ok(resources::templates())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let ceilings = ceilings(&context);
        let read = resources::read(&self.service, &self.caller.principal, &ceilings, &request.uri);
        Ok(self.answer(Look::Read, &context, Some(&request.uri), read).await?.into())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let (to, uri) = ((context.peer.clone(), of_request::<Gate>(&context)), &request.uri);
        let added = self.subscriptions.add(&self.service, &self.caller, to, &self.ended, uri);
        self.answer(Look::Session, &context, Some(uri), added).await
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.subscriptions.remove(&request.uri);
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(self.listeners.begin(&self.service, &self.caller, requested))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        // To listen goes on for as long as the client likes, and counts as a
        // subscription: the place of the request is for others, and its bytes are in
        // memory until it ends. A server that ends has its last word out first.
        if let Some(held) = of_request::<Held>(context.request_context()) {
            held.leave_place();
            held.count_call();
        }
        let telling = self.listeners.tell(&self.service, &self.ended, &context);
        telling.await.map_err(|refusal| refusal.error(None))
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        resources::refuse_cursor(request.as_ref()).map_err(|refusal| refusal.error(None))?;
        Ok(prompts::list())
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let got = prompts::get(&self.service, &self.caller.principal, &request.name, arguments);
        Ok(self.answer(Look::Session, &context, None, got).await?.into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let completed = prompts::complete(&self.service, &self.caller.principal, request);
        Ok(CompleteResult::new(self.answer(Look::Read, &context, None, completed).await?))
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        Err(message::unknown(&request, context.protocol_version().as_ref()))
    }
}
