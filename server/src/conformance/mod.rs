//! What the conformance suite of MCP asks of a server besides the protocol itself:
//! tools, resources and prompts by its names, which only a build with the feature
//! `conformance` has, in place of ours and behind the same transport. They show what
//! the way between a client and a handler carries; nothing here runs any code.
//!
//! - `fixtures`: what is listed and answered as it is, from `fixtures.json`.
//! - `inputs`: what asks its client for something, in both eras. `sealed`: the state
//!   that a client keeps for it meanwhile.
//! - `listeners`: who is told of changes.

#![expect(deprecated, reason = "the suite asks for logging and sampling, which clients still have")]

mod fixtures;
mod inputs;
mod listeners;
mod sealed;

use std::sync::Arc;

use hyper::http::request::Parts;
use parking_lot::Mutex;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, CompleteRequestParams, CompleteResult,
    CompletionInfo, ContentBlock, CustomRequest, CustomResult, GetPromptRequestParams, GetPromptResponse,
    GetPromptResult, Implementation, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
    ListToolsResult, LoggingLevel, LoggingMessageNotification, LoggingMessageNotificationParam, PaginatedRequestParams,
    ProgressNotificationParam, PromptMessage, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult,
    ResourceContents, Role, ServerCapabilities, ServerConfig, ServerNotification, SetLevelRequestParams,
    SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::fixtures::FIXTURES;
use self::listeners::LISTENERS;
use crate::caller::{Caller, Held};
use crate::service::Service;
use crate::transport::message;

/// How long clients may cache what is listed: it never changes.
const TTL_MS: u64 = 60_000;

/// The server of one caller, on a connection or for a request.
#[derive(Clone)]
pub(crate) struct Handler {
    ended: CancellationToken,
    /// What a session of the `initialize` era wants to be told.
    level: Arc<Mutex<LoggingLevel>>,
}

impl Handler {
    /// A handler that takes what ours takes, and needs little of it.
    pub(crate) fn new(_: Arc<Service>, _: Arc<Caller>, ended: CancellationToken) -> Self {
        Self { ended, level: Arc::new(Mutex::new(LoggingLevel::Info)) }
    }

    /// Logs to the client, if the request or its session wants that.
    async fn log(&self, context: &RequestContext<RoleServer>, text: &str) {
        let is_modern = context.meta.protocol_version().is_some();
        let asked = if is_modern { context.meta.log_level() } else { Some(*self.level.lock()) };
        if asked.is_none_or(|asked| asked as u8 > LoggingLevel::Info as u8) {
            return;
        }
        let params = LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(text)).with_logger("fixtures");
        let notification = ServerNotification::LoggingMessageNotification(LoggingMessageNotification::new(params));
        // A client that has gone is told nothing more.
        let _ = context.peer.send_notification(notification).await;
    }
}

fn text(text: impl Into<String>) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}

fn unknown(what: &str, name: &str) -> ErrorData {
    ErrorData::invalid_params(format!("there is no {what} {name:?}"), None)
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_logging()
            .enable_completions()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_tools()
            .enable_tool_list_changed()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("belljar-conformance", env!("CARGO_PKG_VERSION")))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(FIXTURES.tools.clone()).with_ttl_ms(TTL_MS))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        FIXTURES.tools.iter().find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        // A server that ends waits for the call as for one of ours.
        let parts = context.extensions.get::<Parts>();
        if let Some(held) = parts.and_then(|parts| parts.extensions.get::<Arc<Held>>()) {
            held.count_call();
        }
        let name = request.name.as_ref();
        if let Some(content) = FIXTURES.results.get(name) {
            return Ok(CallToolResult::success(content.clone()).into());
        }
        if let Some(asking) = inputs::Asking::of(name) {
            let given = (request.input_responses.as_ref(), request.request_state.as_deref());
            return Ok(match asking.ask(given, &context)? {
                Some(asked) => asked.into(),
                None => text(format!("{name} has got {}", json!(request.input_responses))).into(),
            });
        }
        let argument = |name: &str| request.arguments.as_ref().and_then(|arguments| arguments.get(name)?.as_str());
        match name {
            "test_custom_header" => match argument("value") {
                Some(value) => Ok(text(value).into()),
                None => Err(ErrorData::invalid_params("value must be a string", None)),
            },
            "test_elicitation" => inputs::inline("form", argument("message"), &context).await,
            "test_elicitation_sep1034_defaults" => inputs::inline("defaults", None, &context).await,
            "test_elicitation_sep1330_enums" => inputs::inline("enums", None, &context).await,
            "test_error_handling" => {
                let reason = "This tool intentionally returns an error for testing";
                Ok(CallToolResult::error(vec![ContentBlock::text(reason)]).into())
            }
            "test_logging_tool" => {
                self.log(&context, "This request asked for it").await;
                Ok(text("Logged if the request asked for it").into())
            }
            "test_missing_capability" => {
                let needed = ClientCapabilities::builder().enable_sampling().build();
                let can_sample = context.client_capabilities().is_some_and(|client| client.sampling.is_some());
                if can_sample {
                    return Ok(text("The client can sample").into());
                }
                Err(ErrorData::missing_required_client_capability(needed))
            }
            "test_sampling" => inputs::inline("sampling", argument("prompt"), &context).await,
            "test_tool_with_logging" => {
                for said in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
                    self.log(&context, said).await;
                }
                Ok(text("Logged three times").into())
            }
            "test_tool_with_progress" => {
                if let Some(token) = context.meta.get_progress_token() {
                    for progress in [0.0, 50.0, 100.0] {
                        let progress = ProgressNotificationParam::new(token.clone(), progress).with_total(100.0);
                        let _ = context.peer.notify_progress(progress).await;
                    }
                }
                Ok(text("Reported three times").into())
            }
            "test_trigger_prompt_change" => Ok(text(LISTENERS.prompts_changed().await).into()),
            "test_trigger_tool_change" => Ok(text(LISTENERS.tools_changed().await).into()),
            _ => Err(unknown("tool", name)),
        }
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(FIXTURES.resources.clone()).with_ttl_ms(TTL_MS))
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(FIXTURES.templates.clone()).with_ttl_ms(TTL_MS))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let uri = request.uri;
        let id = uri.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data"));
        let contents = match (FIXTURES.contents.get(&uri), id) {
            (Some(contents), _) => contents.clone(),
            (None, Some(id)) => {
                let made = json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")});
                ResourceContents::text(made.to_string(), &uri).with_mime_type("application/json")
            }
            (None, None) => {
                let reason = format!("there is no resource {uri:?}");
                return Err(ErrorData::resource_not_found(reason, Some(json!({"uri": uri}))));
            }
        };
        Ok(ReadResourceResult::new(vec![contents]).with_ttl_ms(TTL_MS).into())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        LISTENERS.subscribe(request.uri, &context);
        Ok(())
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        LISTENERS.unsubscribe(&request.uri, &context);
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.supported_by(&self.get_info().capabilities))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let _listener = LISTENERS.enter(context.sink());
        tokio::select! {
            () = context.cancelled() => {}
            () = self.ended.cancelled() => {}
        }
        Ok(())
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(FIXTURES.prompts.clone()).with_ttl_ms(TTL_MS))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        if let Some(messages) = FIXTURES.messages.get(&request.name) {
            return Ok(GetPromptResult::new(messages.clone()).into());
        }
        if let Some(asking) = inputs::Asking::of(&request.name) {
            let given = (request.input_responses.as_ref(), request.request_state.as_deref());
            if let Some(asked) = asking.ask(given, &context)? {
                return Ok(asked.into());
            }
            let got = json!(request.input_responses).to_string();
            return Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, got)]).into());
        }
        let argument = |name: &str| {
            let given = request.arguments.as_ref().and_then(|arguments| arguments.get(name));
            given.and_then(Value::as_str).unwrap_or_default()
        };
        let messages = match request.name.as_str() {
            "test_prompt_with_arguments" => {
                let said = format!("Prompt with arguments: arg1='{}', arg2='{}'", argument("arg1"), argument("arg2"));
                vec![PromptMessage::new_text(Role::User, said)]
            }
            "test_prompt_with_embedded_resource" => {
                let said = "Embedded resource content for testing.";
                let resource = ResourceContents::text(said, argument("resourceUri"));
                vec![
                    PromptMessage::new(Role::User, ContentBlock::resource(resource)),
                    PromptMessage::new_text(Role::User, "Please process the embedded resource above."),
                ]
            }
            name => return Err(unknown("prompt", name)),
        };
        Ok(GetPromptResult::new(messages).into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let known = ["paris", "park", "party"].into_iter().filter(|known| known.starts_with(&request.argument.value));
        let completion = CompletionInfo::new(known.map(str::to_owned).collect());
        Ok(CompleteResult::new(completion.map_err(|error| ErrorData::internal_error(error, None))?))
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        *self.level.lock() = request.level;
        Ok(())
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        Err(message::unknown(&request, context.protocol_version().as_ref()))
    }
}
