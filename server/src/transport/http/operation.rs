//! What a message asks for, as far as it matters before anything is done: the method
//! and, of a call, the tool. It is read from the body, which is what rmcp carries out,
//! in both eras the same. What this cannot read is not handed on: a message with two
//! methods would be checked by one and carried out by the other.

use sandbox::Look;
use serde::Deserialize;

use super::refusal::Refusal;
use crate::identity::{Accounts, Demand, Identity, Scope};
use crate::tools::TOOLS;
use crate::transport::message;

/// Methods that count as a call: whatever has the server do something for this one request.
const CALLS: [&str; 7] = [
    "tools/call",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    LISTEN,
    "prompts/get",
    "completion/complete",
];

/// The method that goes on for as long as its client likes.
const LISTEN: &str = "subscriptions/listen";

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operation {
    /// What the operation is called in a refusal.
    what: &'static str,
    /// The scope without which the operation is refused.
    needs: Scope,
    /// What the operation takes of its tenant's quotas.
    demand: Demand,
}

#[derive(Deserialize)]
struct Message {
    method: Option<String>,
    params: Option<Params>,
}

#[derive(Deserialize)]
struct Params {
    name: Option<serde_json::Value>,
}

impl Operation {
    /// The operation of a request without a message: to wait for what may come, or to
    /// end a session of the `initialize` era.
    pub(super) const OF_NO_MESSAGE: Self = Self { what: "this", needs: Scope::Read, demand: Demand::Nothing };

    /// What the message in `body` asks for.
    pub(super) fn of(body: &[u8]) -> Result<Self, Refusal> {
        let Ok(Message { method, params }) = serde_json::from_slice(body) else {
            return Err(Refusal::no_message(body));
        };
        let name = params.and_then(|params| params.name);
        let name = name.as_ref().and_then(serde_json::Value::as_str);
        let tool = TOOLS.iter().find(|tool| Some(tool.name) == name);
        let method = method.as_deref().unwrap_or_default();
        if method == LISTEN
            && let Some(refusal) = message::too_much_to_listen(body)
        {
            return Err(Refusal::NoMessage(refusal));
        }
        let demand = if CALLS.contains(&method) { Demand::Call } else { Demand::Nothing };
        Ok(match tool.filter(|_| method == "tools/call") {
            Some(tool) => {
                let demand = match tool.looks {
                    None => Demand::Run,
                    // Whoever has nothing left may ask why.
                    Some(Look::Glance) => Demand::Nothing,
                    Some(_) => demand,
                };
                Self { what: tool.name, needs: tool.needs, demand }
            }
            // Everything else looks at what there is, or is answered by rmcp as nothing that there is.
            None => Self { what: "this", needs: Scope::Read, demand },
        })
    }

    /// Refuses the operation to whom it is not allowed, and to a tenant that has used
    /// up what it may use.
    pub(super) fn check(self, identity: &Identity, accounts: &Accounts) -> Result<(), Refusal> {
        if !identity.scopes.allow(self.needs) {
            return Err(Refusal::Scope { what: self.what, needs: self.needs, has: identity.scopes.to_string() });
        }
        accounts.take(&identity.principal, self.demand).map_err(Refusal::Quota)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(body: &str) -> Result<&'static str, &'static str> {
        Operation::of(body.as_bytes()).map(|operation| operation.needs.name()).map_err(|refusal| refusal.reason())
    }

    #[test]
    fn a_call_needs_what_its_tool_says_however_it_is_written() {
        let call =
            |name: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":{name}}}}}"#);
        for (name, expected) in [
            ("\"execute\"", "sandbox:execute"),
            ("\"ex\\u0065cute\"", "sandbox:execute"),
            ("\"write\"", "sandbox:execute"),
            ("\"session\"", "sandbox:execute"),
            ("\"read\"", "sandbox:read"),
            ("\"health_check\"", "sandbox:read"),
            ("\"no such tool\"", "sandbox:read"),
        ] {
            assert_eq!(needs(&call(name)), Ok(expected), "{name}");
        }
        let escaped = r#"{"params":{"n\u0061me":"execute"},"m\u0065thod":"tools/c\u0061ll","id":1,"jsonrpc":"2.0"}"#;
        assert_eq!(needs(escaped), Ok("sandbox:execute"));
        assert_eq!(needs(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#), Ok("sandbox:read"));
        assert_eq!(needs(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#), Ok("sandbox:read"));
    }

    #[test]
    fn a_message_that_says_two_things_is_none() {
        for body in [
            r#"{"method":"tools/list","method":"tools/call","params":{"name":"execute"},"id":1,"jsonrpc":"2.0"}"#,
            r#"{"method":"tools/call","params":{"name":"read","name":"execute"},"id":1,"jsonrpc":"2.0"}"#,
            r#"{"method":"tools/call","params":{"name":"read"},"params":{"name":"execute"},"id":1,"jsonrpc":"2.0"}"#,
            r#"{"method":"tools/call","params":{"name":"read"},"p\u0061rams":{"name":"execute"},"id":1,"jsonrpc":"2.0"}"#,
            r#"[{"method":"tools/list","id":1,"jsonrpc":"2.0"}]"#,
            "{\"method\":\"tools/call\"",
            "",
        ] {
            assert_eq!(needs(body), Err("no_message"), "{body}");
        }
    }
}
