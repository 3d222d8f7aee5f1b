//! What real clients hand their models: installs coding agents from npm, runs
//! each headless with `belljar` as its only MCP server against a fake model
//! server on loopback, and compares what the model got of a plot with what
//! `belljar` answered.
//!
//! `cargo build --release && cargo run --release --bin real-clients`
//!
//! `--all` takes more clients, `--binary FILE` another `belljar`; what follows
//! `--` are arguments for it. Nothing of the user's is read or written except
//! npm's configuration: each client has a home of its own.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program for people: it prints, and stops at the first thing that it cannot do without"
)]

mod clients;
mod http;
mod installation;
mod model;
mod processes;
mod recording;
mod report;
mod trial;
mod wires;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clients::Client;
use installation::Installation;
use report::Report;
use trial::{Server, Trial};

/// Which clients are run, and with which `belljar`.
#[derive(Debug, Default)]
struct Arguments {
    all: bool,
    binary: Option<PathBuf>,
    server: Vec<String>,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self::default();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--all" => arguments.all = true,
                "--binary" => arguments.binary = Some(words.next().ok_or("--binary wants a FILE")?.into()),
                "--" => arguments.server.extend(words.by_ref()),
                other => return Err(format!("unknown argument `{other}`: use --all, --binary FILE, -- ARGUMENTS")),
            }
        }
        Ok(arguments)
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            println!("real-clients: {message}");
            return ExitCode::FAILURE;
        }
    };
    let server = Server::prepare(arguments.binary.unwrap_or_else(tests::binary), arguments.server);
    processes::adopt_orphans();
    let clients: Vec<_> = Client::ALL.iter().filter(|client| arguments.all || !client.is_extra).collect();
    let installation = match Installation::of(&clients) {
        Ok(installation) => installation,
        Err(message) => {
            println!("real-clients: {message}");
            return ExitCode::FAILURE;
        }
    };

    let trials = run(&clients, &installation, &server);
    print!("{}", Report(&trials));

    if let Some(server) = with_structure(server) {
        println!("\nFor comparison, the same with `{STRUCTURE}`, which some clients hand on instead of our text:\n");
        print!("{}", Report(&run(&clients, &installation, &server)));
    }
    if trials.iter().all(Trial::is_success) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(clients: &[&'static Client], installation: &Installation, server: &Server) -> Vec<Trial> {
    clients
        .iter()
        .map(|client| {
            println!("running {} {}", client.name, client.version);
            Trial::run(client, installation, server)
        })
        .collect()
}

/// Has a server send structured content as well.
const STRUCTURE: &str = "--structured-content";

/// The server with structured content, where that is a choice that was not made.
fn with_structure(mut server: Server) -> Option<Server> {
    let help = Command::new(&server.binary).arg("--help").output().expect("the binary can be started");
    if !String::from_utf8_lossy(&help.stdout).contains(STRUCTURE) {
        println!("\nThis belljar has no `{STRUCTURE}`, so there is nothing to compare with.");
        return None;
    }
    if server.arguments.iter().any(|argument| argument == STRUCTURE) {
        return None;
    }
    server.arguments.push(STRUCTURE.to_owned());
    Some(server)
}
