//! What clients of MCP get of the server over HTTP: installs SDKs and what is made
//! of them, and has each list tools, run programs, use a session, read a file, get an
//! image and an error, and cancel a call.
//!
//! `cargo build --release && cargo run --release --bin http-clients`
//!
//! Each does all of it with a token, with a key, and with OAuth, where it signs its
//! user in; `--with token`, `key` or `oauth` is one of them. It starts servers of its
//! own, unless `--url` and `--authorization` name another and what its clients send as
//! `Authorization`. `--binary FILE` takes another `belljar`; other words are names of
//! clients, of which all run by default.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program for people: it prints, and stops at the first thing that it cannot do without"
)]

mod clients;
mod served;
mod trial;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::clients::{CLIENTS, Installation};
use crate::served::{CREDENTIALS, Served};
use crate::trial::{STEPS, Target, Trial};

#[derive(Debug, Default)]
struct Arguments {
    binary: Option<PathBuf>,
    url: Option<String>,
    authorization: Option<String>,
    credential: Option<String>,
    /// The clients that are asked for; none means all.
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
                "--with" => {
                    let credential = value()?;
                    if !CREDENTIALS.contains(&credential.as_str()) {
                        return Err(format!("--with is one of {}, got `{credential}`", CREDENTIALS.join(", ")));
                    }
                    arguments.credential = Some(credential);
                }
                "--authorization" => arguments.authorization = Some(value()?),
                name if CLIENTS.iter().any(|client| client.name == name) => arguments.names.push(word),
                other => {
                    let names: Vec<_> = CLIENTS.iter().map(|client| client.name).collect();
                    return Err(format!(
                        "`{other}` is none of --binary FILE, --with CREDENTIAL, --url URL, --authorization VALUE, and the clients {}",
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
    println!("| client | version | MCP | with | {} |", STEPS.map(|(_, heading)| heading).join(" | "));
    println!("| --- | --- | --- | --- |{}", " --- |".repeat(STEPS.len()));
    let mut problems = Vec::new();
    let credentials: Vec<&str> = match (&arguments.url, &arguments.credential) {
        (Some(_), _) => vec!["what was given"],
        (None, Some(credential)) => vec![credential],
        (None, None) => CREDENTIALS.to_vec(),
    };
    let binary = arguments.binary.unwrap_or_else(tests::binary);
    for credential in credentials {
        let served = match &arguments.url {
            Some(url) => {
                let authorization = arguments.authorization.clone();
                Served::elsewhere(Target { url: url.clone(), authorization })
            }
            None => Served::with(credential, binary.clone(), &installation),
        };
        for client in CLIENTS {
            let is_asked = arguments.names.is_empty() || arguments.names.iter().any(|name| name == client.name);
            if !is_asked {
                continue;
            }
            let trial = Trial::run(client, &installation, &served.target);
            let came: Vec<_> =
                STEPS.iter().map(|(step, _)| if trial.has_passed(step) { "yes" } else { "no" }).collect();
            let (version, protocol) = (installation.version(client), &trial.protocol);
            println!("| {} | {version} | {protocol} | {credential} | {} |", client.name, came.join(" | "));
            let told = trial.problems.iter().map(|problem| format!("{} with {credential}: {problem}", client.name));
            problems.extend(told);
        }
    }
    problems.iter().for_each(|problem| println!("{problem}"));
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
