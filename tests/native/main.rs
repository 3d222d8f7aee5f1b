//! Native languages through the real protocol, as root and as an ordinary
//! user.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails its test")]

mod files;
mod installers;
mod languages;
mod packages;
mod probe;
mod processes;
mod refusals;
mod sessions;
mod shortage;

use serde_json::{Value, json};
use tests::{Builder, Reply, Restriction, SOME_USER, Server};

/// Servers of every user that a machine may start one as.
fn servers(with: impl Fn(Builder) -> Builder) -> [(&'static str, Server); 2] {
    let user = Server::with().restricted(Restriction::user(SOME_USER));
    [("root", with(Server::with()).start()), ("user", with(user).start())]
}

/// Runs a program with more arguments of `execute`.
fn run(server: &Server, language: &str, code: &str, more: Value) -> Reply {
    let mut arguments = json!({"language": language, "code": code});
    if let (Value::Object(arguments), Value::Object(more)) = (&mut arguments, more) {
        arguments.extend(more);
    }
    server.call("execute", arguments)
}
