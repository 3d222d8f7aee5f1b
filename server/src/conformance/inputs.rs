//! What asks its client for something. In the newer era the answer to a call says
//! what is wanted, and the call comes again with it; in the older one a request goes
//! to the client while the call waits.

use rmcp::model::{
    CallToolResponse, CallToolResult, ClientCapabilities, ContentBlock, CreateMessageRequest, ElicitRequest,
    ElicitRequestParams, InputRequest, InputRequests, InputRequiredResult, InputResponses, SamplingMessage,
    ServerRequest,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::Value;

use super::fixtures::FIXTURES;
use super::{sealed, text};

/// A tool that asks before it answers.
#[derive(Debug)]
pub(super) struct Asking {
    name: &'static str,
    /// What is asked for, one round after the other.
    rounds: &'static [&'static [&'static str]],
    /// Whether the client keeps its state.
    has_state: bool,
}

const fn asking(name: &'static str, rounds: &'static [&'static [&'static str]], has_state: bool) -> Asking {
    Asking { name, rounds, has_state }
}

const ALL: [Asking; 10] = [
    asking("test_input_required_result_capabilities", &[&["client_roots", "greeting", "user_name"]], false),
    asking("test_input_required_result_elicitation", &[&["user_name"]], false),
    asking("test_input_required_result_list_roots", &[&["client_roots"]], false),
    asking("test_input_required_result_multi_round", &[&["step1"], &["step2"]], true),
    asking("test_input_required_result_multiple_inputs", &[&["client_roots", "greeting", "user_name"]], true),
    asking("test_input_required_result_prompt", &[&["user_context"]], false),
    asking("test_input_required_result_request_state", &[&["confirm"]], true),
    asking("test_input_required_result_sampling", &[&["capital_question"]], false),
    asking("test_input_required_result_tampered_state", &[&["confirm"]], true),
    asking("test_streaming_elicitation", &[&["user_name"]], false),
];

impl Asking {
    /// The tool of this name, if it asks before it answers.
    pub(super) fn of(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|asking| asking.name == name)
    }

    /// What is to be asked for, after what was given: answers and a state. `None` when
    /// all is there.
    ///
    /// # Errors
    ///
    /// When the state is not one of this server, or the client has none of what is
    /// needed to answer.
    pub(super) fn ask(
        &self,
        (answers, state): (Option<&InputResponses>, Option<&str>),
        context: &RequestContext<RoleServer>,
    ) -> Result<Option<InputRequiredResult>, ErrorData> {
        let state = state.map(|state| sealed::open(self.name, state)).transpose()?;
        let client = context.client_capabilities().unwrap_or_default();
        let round = state.filter(|_| self.has_state).unwrap_or_default();
        let missing = |keys: &[&str]| {
            let is_there = |key: &str| answers.and_then(|answers| answers.get(key)).is_some_and(Value::is_object);
            let wanted = keys.iter().filter(|key| !is_there(key));
            let known = wanted.filter_map(|key| Some(((*key).to_owned(), FIXTURES.inputs.get(*key)?.clone())));
            known.filter(|(_, input)| can_answer(&client, input)).collect::<InputRequests>()
        };
        let keys = self.rounds.get(round).copied().unwrap_or_default();
        if keys.iter().filter_map(|key| FIXTURES.inputs.get(*key)).all(|input| !can_answer(&client, input)) {
            let needed = ClientCapabilities::builder().enable_elicitation().build();
            return Err(ErrorData::missing_required_client_capability(needed));
        }
        let (wanted, round) = match missing(keys) {
            // A tool without the state that it gave does not know what the answers are to.
            wanted if wanted.is_empty() && (state.is_some() || !self.has_state) => {
                let Some(next) = self.rounds.get(round + 1) else { return Ok(None) };
                (missing(next), round + 1)
            }
            wanted if wanted.is_empty() => (InputRequests::new(), round),
            wanted => (wanted, round),
        };
        let state = self.has_state.then(|| sealed::seal(self.name, round));
        Ok(Some(InputRequiredResult::new(Some(wanted), state)))
    }
}

fn can_answer(client: &ClientCapabilities, input: &InputRequest) -> bool {
    match input {
        InputRequest::CreateMessage(_) => client.sampling.is_some(),
        InputRequest::Elicitation(_) => client.elicitation.is_some(),
        InputRequest::ListRoots(_) => client.roots.is_some(),
        _ => false,
    }
}

/// Asks the client while the call waits, with `said` in its place.
pub(super) async fn inline(
    key: &str,
    said: Option<&str>,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let client = context.client_capabilities().unwrap_or_default();
    let Some(input) = FIXTURES.inputs.get(key).filter(|input| can_answer(&client, input)) else {
        return Ok(failed("The client has not said that it can answer this"));
    };
    let answered = context.peer.send_request(request(input.clone(), said)).await;
    Ok(match answered.map(|answer| serde_json::to_value(&answer)) {
        Ok(Ok(answer)) => match answer.pointer("/content/text").and_then(Value::as_str) {
            Some(said) => text(format!("LLM response: {said}")).into(),
            None => text(format!("User response: {answer}")).into(),
        },
        Ok(Err(error)) => failed(error.to_string()),
        Err(error) => failed(error.to_string()),
    })
}

fn request(input: InputRequest, said: Option<&str>) -> ServerRequest {
    match (input, said) {
        (InputRequest::CreateMessage(CreateMessageRequest { mut params, .. }), said) => {
            params.messages.extend(said.map(SamplingMessage::user_text));
            ServerRequest::CreateMessageRequest(CreateMessageRequest::new(params))
        }
        (InputRequest::Elicitation(ElicitRequest { mut params, .. }), said) => {
            if let (ElicitRequestParams::FormElicitationParams { message, .. }, Some(said)) = (&mut params, said) {
                said.clone_into(message);
            }
            ServerRequest::ElicitRequest(ElicitRequest::new(params))
        }
        (InputRequest::ListRoots(request), _) => ServerRequest::ListRootsRequest(request),
        _ => ServerRequest::PingRequest(Default::default()),
    }
}

fn failed(reason: impl Into<String>) -> CallToolResponse {
    CallToolResult::error(vec![ContentBlock::text(reason)]).into()
}
