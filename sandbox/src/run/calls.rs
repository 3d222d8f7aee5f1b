//! Calls of a program to its host, made while it runs: what one is, how far it
//! may go, and who answers.
//!
//! The bounds hold on both sides of each border: a worker keeps its guests to
//! them, and the server the worker (`worker/pool/expected.rs`).

use std::pin::Pin;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::abi;
use crate::policy::Policy;

/// The longest name of a call, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 64;
/// The most that a call brings along, and an answer: what a datagram on a socket
/// of default size holds (native programs call by datagrams). What is larger
/// goes by way of a file.
pub(crate) const MAX_CALL_BYTES: usize = 128 << 10;
/// The most calls of a run that have no answer yet, or one that the program has
/// not taken: so many times the bytes of both is what a run makes others hold.
pub(crate) const MAX_IN_FLIGHT: usize = 16;
/// The longest reason of a call that is not answered.
const MAX_REASON_BYTES: usize = 4 << 10;
/// The most calls of one run: thirty a second for the longest run there is.
pub(crate) const MAX_CALLS: u32 = 10_000;

/// What a program asks of its host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestCall {
    /// What answers it.
    pub name: String,
    /// The bytes that the call brings along, as `name` understands them.
    pub bytes: Vec<u8>,
}

/// Why a call is not answered. The program is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum CallError {
    /// The policy of the run does not grant the call.
    #[error("{0}")]
    Denied(String),
    /// The call is past a bound.
    #[error("{what} may be {most} at most, and this is {value}")]
    PastBound {
        /// What is counted, with its unit.
        what: String,
        /// The bound.
        most: u64,
        /// The value that was past it.
        value: u64,
    },
    /// What was to answer the call cannot, or does not understand it.
    #[error("{0}")]
    Failed(String),
}

/// What a program gets for a call.
pub type Answer = Result<Vec<u8>, CallError>;

/// An answer that is yet to come.
pub type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Answers the calls of one run.
pub trait CallHandler: Send + Sync {
    /// Begins to answer a call that the policy of the run grants. The future is
    /// dropped when the run ends.
    fn answer(&self, call: GuestCall) -> Answering;
}

/// The calls of one run, as whoever brings them to their handler has them.
#[derive(Clone, Default)]
pub(crate) struct Calls {
    policy: Arc<Policy>,
    handler: Option<Arc<dyn CallHandler>>,
}

impl Calls {
    pub(crate) fn new(policy: Arc<Policy>, handler: Option<Arc<dyn CallHandler>>) -> Self {
        Self { policy, handler }
    }

    /// Whether a call of this name would come to a handler.
    pub(crate) fn grants(&self, name: &str) -> bool {
        self.handler.is_some() && self.policy.calls.contains(name)
    }

    /// Whether any call would come to a handler.
    pub(crate) fn grants_any(&self) -> bool {
        self.handler.is_some() && !self.policy.calls.is_empty()
    }

    /// Answers a call that is within the bounds.
    ///
    /// # Cancellation
    ///
    /// Safe: the handler stops.
    pub(crate) async fn answer(&self, call: GuestCall) -> Answer {
        let name = call.name.clone();
        let handler = self.handler.as_ref().filter(|_| self.policy.calls.contains(&name));
        let Some(handler) = handler else { return Err(self.denied(&name)) };
        let answer = handler.answer(call).await.map_err(CallError::short)?;
        at_most(&format!("bytes of an answer of `{name}`"), MAX_CALL_BYTES as u64, answer.len() as u64)?;
        Ok(answer)
    }

    fn denied(&self, name: &str) -> CallError {
        let name = name.escape_debug();
        let reason = if self.handler.is_none() || self.policy.calls.is_empty() {
            format!("this program may not call `{name}`: nothing that its host answers is granted to it")
        } else {
            let granted: Vec<_> = self.policy.calls.iter().map(|name| format!("`{name}`")).collect();
            format!("this program may not call `{name}`: granted to it are {}", granted.join(", "))
        };
        CallError::Denied(reason)
    }
}

impl CallError {
    /// This error with its text so short that it may be kept: a handler may repeat what
    /// it was sent.
    fn short(self) -> Self {
        match self {
            Self::Failed(text) => Self::Failed(abi::cut(text, MAX_REASON_BYTES)),
            Self::Denied(text) => Self::Denied(abi::cut(text, MAX_REASON_BYTES)),
            Self::PastBound { .. } => self,
        }
    }
}

impl GuestCall {
    /// Whether a call is within the bounds, in a run that has made `made` calls before.
    pub(crate) fn check(name_bytes: usize, bytes: usize, made: u32) -> Result<(), CallError> {
        at_most("bytes of the name of a call", MAX_NAME_BYTES as u64, name_bytes as u64)?;
        at_most("bytes of a call", MAX_CALL_BYTES as u64, bytes as u64)?;
        at_most("calls of a run", u64::from(MAX_CALLS), u64::from(made) + 1)
    }
}

/// An answer as a program is told: its kind, by the numbers of the guest ABI, and
/// bytes.
pub(crate) fn told(answer: Answer) -> (u32, Vec<u8>) {
    let error = match answer {
        Ok(bytes) => return (0, bytes),
        Err(error) => error,
    };
    let kind = match error {
        CallError::Failed(_) => 1,
        CallError::Denied(_) => 2,
        CallError::PastBound { .. } => 3,
    };
    (kind, abi::cut(error.to_string(), MAX_CALL_BYTES).into_bytes())
}

fn at_most(what: &str, most: u64, value: u64) -> Result<(), CallError> {
    if value > most { Err(CallError::PastBound { what: what.to_owned(), most, value }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    struct Echo;

    impl CallHandler for Echo {
        fn answer(&self, call: GuestCall) -> Answering {
            let GuestCall { name, bytes } = call;
            Box::pin(async move { if name == "long" { Ok(vec![0; MAX_CALL_BYTES + 1]) } else { Ok(bytes) } })
        }
    }

    fn answer(granted: &[&str], handler: bool, name: &str) -> Result<Vec<u8>, String> {
        let granted = granted.iter().map(|name| (*name).to_owned()).collect();
        let policy = Policy { calls: granted, ..Policy::default() };
        let calls = Calls::new(Arc::new(policy), handler.then(|| Arc::new(Echo) as Arc<dyn CallHandler>));
        let call = GuestCall { name: name.to_owned(), bytes: b"bytes".to_vec() };
        calls.answer(call).now_or_never().unwrap().map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_granted_is_answered_and_what_is_not_is_told_what_is() {
        assert_eq!(answer(&["b", "a"], true, "a").unwrap(), b"bytes");
        let refused = answer(&["b", "a"], true, "c\n").unwrap_err();
        assert_eq!(refused, "this program may not call `c\\n`: granted to it are `a`, `b`");
        for (granted, handler) in [(&[][..], true), (&["c"], false)] {
            let refused = answer(granted, handler, "c").unwrap_err();
            assert_eq!(refused, "this program may not call `c`: nothing that its host answers is granted to it");
        }
    }

    #[test]
    fn every_bound_holds_at_its_value_and_is_named_past_it() {
        let check = |name, bytes, made| GuestCall::check(name, bytes, made).map_err(|error| error.to_string());
        check(MAX_NAME_BYTES, MAX_CALL_BYTES, MAX_CALLS - 1).unwrap();
        for (refused, expected) in [
            (check(65, 0, 0), "bytes of the name of a call may be 64 at most, and this is 65"),
            (check(1, 131_073, 0), "bytes of a call may be 131072 at most, and this is 131073"),
            (check(1, 0, MAX_CALLS), "calls of a run may be 10000 at most, and this is 10001"),
        ] {
            assert_eq!(refused.unwrap_err(), expected);
        }
        let refused = answer(&["long"], true, "long").unwrap_err();
        assert_eq!(refused, "bytes of an answer of `long` may be 131072 at most, and this is 131073");
    }
}
