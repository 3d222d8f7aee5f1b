//! What clients of MCP get of the server over HTTP: installs SDKs and what is made
//! of them, and has each list tools, run programs, use a session, read a file, get an
//! image and an error, and cancel a call.
//!
//! `cargo build --release && cargo run --release --bin http-clients`
//!
//! It starts a server of its own, unless `--url` and `--authorization` name another
//! and what its clients send as `Authorization`. `--binary FILE` takes another
//! `belljar`; other words are names of clients, of which all run by default.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program for people: it prints, and stops at the first thing that it cannot do without"
)]

mod clients;
mod trial;

use std::path::PathBuf;
use std::process::ExitCode;

use tests::Server;
use tests::http::HttpServer;

use crate::clients::{CLIENTS, Installation};
use crate::trial::{STEPS, Target, Trial};

#[derive(Debug, Default)]
struct Arguments {
    binary: Option<PathBuf>,
    url: Option<String>,
    authorization: Option<String>,
    /// None for all.
    names: Vec<String>,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self::default();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
            match word.as_str() {
                "--binary" => arguments.binary = Some(value()?.into()),
                "--url" => arguments.url = Some(value()?),
                "--authorization" => arguments.authorization = Some(value()?),
                name if CLIENTS.iter().any(|client| client.name == name) => arguments.names.push(word),
                other => {
                    let names: Vec<_> = CLIENTS.iter().map(|client| client.name).collect();
                    return Err(format!(
                        "`{other}` is none of --binary FILE, --url URL, --authorization VALUE, and the clients {}",
                        names.join(", ")
                    ));
                }
            }
        }
        if arguments.url.is_some() != arguments.authorization.is_some() {
            return Err("--url and --authorization belong together".to_owned());
        }
        Ok(arguments)
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse(std::env::args().skip(1));
    let prepared = arguments.and_then(|arguments| Ok((arguments, Installation::make()?)));
    let (arguments, installation) = match prepared {
        Ok(prepared) => prepared,
        Err(message) => {
            println!("http-clients: {message}");
            return ExitCode::FAILURE;
        }
    };
    let (target, _server) = match (arguments.url, arguments.authorization) {
        (Some(url), Some(authorization)) => (Target { url, authorization }, None),
        _ => {
            // One place: a call that is not cancelled keeps every later one waiting.
            let builder = Server::with().text_only().flag("--runs=1");
            let binary = arguments.binary.unwrap_or_else(tests::binary);
            let server = HttpServer::with(builder.binary(binary));
            server.wait_until_ready();
            let url = format!("http://{}/mcp", server.address());
            (Target { url, authorization: format!("Bearer {}", server.token()) }, Some(server))
        }
    };
    println!("| client | version | MCP | {} |", STEPS.map(|(_, heading)| heading).join(" | "));
    println!("| --- | --- | --- |{}", " --- |".repeat(STEPS.len()));
    let mut problems = Vec::new();
    for client in CLIENTS {
        if !arguments.names.is_empty() && !arguments.names.iter().any(|name| name == client.name) {
            continue;
        }
        let trial = Trial::run(client, &installation, &target);
        let came: Vec<_> = STEPS.iter().map(|(step, _)| if trial.has_passed(step) { "yes" } else { "no" }).collect();
        let version = installation.version(client);
        println!("| {} | {version} | {} | {} |", client.name, trial.protocol, came.join(" | "));
        problems.extend(trial.problems.iter().map(|problem| format!("{}: {problem}", client.name)));
    }
    problems.iter().for_each(|problem| println!("{problem}"));
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
