//! A client that sends one call after the other, and keeps account of what became of each.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::Reply;
use tests::http::{Answer, Connection, Request, modern};

use crate::replica::TOKEN;

/// How long a client waits before it sends again what was refused.
const BREATH: Duration = Duration::from_millis(50);
/// How long a client tries before it gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// What became of calls.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) acknowledged: usize,
    /// How many calls were refused by a server, or by the proxy, so that they could be sent again.
    refused: usize,
    no_server: usize,
    slowest: Duration,
    pub(crate) faults: Vec<String>,
}

impl Tally {
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.no_server += other.no_server;
        self.slowest = self.slowest.max(other.slowest);
        self.faults.extend(other.faults);
        self
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acknowledged, refused, no_server, slowest, faults } = self;
        write!(
            formatter,
            "{acknowledged} calls acknowledged, the slowest after {slowest:?} with all that it was sent again; {refused} \
             refused by a server that drained, {no_server} by the proxy; {} faults",
            faults.len()
        )
    }
}

/// What may come of a call.
enum Outcome {
    Done(Reply),
    /// The call was not begun.
    Refused,
    NoServer,
    Failed(String),
}

pub(crate) struct Caller {
    proxy: SocketAddr,
    counts: bool,
    tally: Tally,
}

impl Caller {
    /// A client that counts in a session, or whose runs take their time.
    pub(crate) fn new(proxy: SocketAddr, counts: bool) -> Self {
        Self { proxy, counts, tally: Tally::default() }
    }

    pub(crate) fn call_until(mut self, stop: &AtomicBool) -> Tally {
        if self.counts {
            self.count(stop)
        } else {
            self.take_time(stop)
        }
        self.tally
    }

    fn take_time(&mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) && self.tally.faults.is_empty() {
            let arguments = json!({"language": "python", "code": "import time\ntime.sleep(0.5)\nprint('whole')"});
            let Some(reply) = self.execute(&arguments) else { return };
            self.expect(&reply, "whole\n");
        }
    }

    /// Each call appends its number to a list and to a file. `if_sequence` refuses one
    /// that would be done twice.
    fn count(&mut self, stop: &AtomicBool) {
        let first = json!({"language": "python", "code": "seen = []", "session": "new"});
        let Some(reply) = self.execute(&first) else { return };
        let (session, mut sequence, mut number) = (reply.session(), reply.sequence(), 0);
        while !stop.load(Ordering::Relaxed) && self.tally.faults.is_empty() {
            number += 1;
            let code = format!("seen.append({number})\nopen('seen', 'a').write('{number} ')\nprint({number})");
            let arguments = json!({"language": "python", "code": code, "session": session, "if_sequence": sequence});
            let Some(reply) = self.execute(&arguments) else { return };
            self.expect(&reply, &format!("{number}\n"));
            sequence = reply.sequence();
        }
        let code = format!(
            "print(seen == list(range(1, {number} + 1)), open('seen').read().split() == [str(n) for n in seen])"
        );
        let last = json!({"language": "python", "code": code, "session": session});
        if let Some(reply) = self.execute(&last) {
            self.expect(&reply, "True True\n");
        }
    }

    fn expect(&mut self, reply: &Reply, output: &str) {
        if reply.status() != "exited 0" || reply.stdout() != output {
            self.tally.faults.push(format!("expected {output:?}, got {}", reply.message));
        }
    }

    /// Sends a call until it is done.
    fn execute(&mut self, arguments: &Value) -> Option<Reply> {
        let began = Instant::now();
        loop {
            match self.send(arguments) {
                Outcome::Done(reply) => {
                    self.tally.acknowledged += 1;
                    self.tally.slowest = self.tally.slowest.max(began.elapsed());
                    return Some(reply);
                }
                Outcome::Refused => self.tally.refused += 1,
                Outcome::NoServer => self.tally.no_server += 1,
                Outcome::Failed(how) => {
                    self.tally.faults.push(how);
                    return None;
                }
            }
            if began.elapsed() > PATIENCE {
                self.tally.faults.push(format!("refused for {PATIENCE:?}: {arguments}"));
                return None;
            }
            std::thread::sleep(BREATH);
        }
    }

    fn send(&self, arguments: &Value) -> Outcome {
        let message = modern("tools/call", json!({"name": "execute", "arguments": arguments}));
        let Some(mut connection) = Connection::try_to(self.proxy) else {
            return Outcome::Failed("the proxy does not listen".to_owned());
        };
        connection.send(&Request::call(self.proxy, TOKEN, &message));
        let Some(answer) = connection.answer_or_end() else {
            return Outcome::Failed(format!("no answer to a call that may have been begun: {arguments}"));
        };
        classify(&answer)
    }
}

fn classify(answer: &Answer) -> Outcome {
    // The proxy says so itself, in HTML, when it reached nobody.
    let is_of_server = answer.field("Content-Type").is_some_and(|kind| !kind.starts_with("text/html"));
    match answer.status {
        200 => {
            let reply = answer.reply();
            let is_refused = reply.message.get("result").is_some()
                && reply.is_error()
                && reply.result().get("structuredContent").is_none();
            match is_refused {
                false => Outcome::Done(reply),
                true if reply.text().contains("try again") => Outcome::Refused,
                true => Outcome::Failed(format!("refused for good: {}", reply.message)),
            }
        }
        503 if !is_of_server => Outcome::NoServer,
        _ if is_of_server && answer.field("Retry-After").is_some() => Outcome::Refused,
        status => Outcome::Failed(format!("{status}: {}", answer.body)),
    }
}
