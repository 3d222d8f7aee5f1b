//! Holds the server against the conformance suite of MCP, in both eras: once with
//! the fixtures that the suite asks for behind our transport, in a build for that
//! alone, and once as it is shipped.
//!
//! `cargo build --release && cargo run --release --bin conformance`
//!
//! What does not pass must be in `baseline.toml`, and nothing else may be there.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program for people: it prints, and stops at the first thing that it cannot do without"
)]

mod baseline;
mod fixtures;
mod results;
mod suite;

use std::path::PathBuf;
use std::process::ExitCode;

use tests::Server;
use tests::http::HttpServer;

use crate::baseline::Baseline;
use crate::suite::Suite;

/// The revisions whose requirements are tried.
const REVISIONS: [&str; 2] = ["2025-11-25", "2026-07-28"];

fn main() -> ExitCode {
    let is_built = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [word] if word == "--built" => true,
        _ => {
            println!("conformance [--built]: with it, the binary with the fixtures is not built again");
            return ExitCode::from(2);
        }
    };
    let suite = match Suite::install() {
        Ok(suite) => suite,
        Err(message) => {
            println!("conformance: {message}");
            return ExitCode::FAILURE;
        }
    };
    let with_fixtures = if is_built { fixtures::binary() } else { fixtures::build() };
    fixtures::check(&with_fixtures, true);
    fixtures::check(&tests::binary(), false);

    let baseline = Baseline::read();
    println!("\n| server | revision | scenarios | checks | passed | as the baseline says | against it |");
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: |");
    let mut complaints = Vec::new();
    for (name, binary) in [("fixtures", with_fixtures), ("shipped", tests::binary())] {
        for revision in REVISIONS {
            complaints.extend(hold(name, binary.clone(), revision, &suite, &baseline));
        }
    }
    println!();
    for complaint in &complaints {
        println!("{complaint}");
    }
    if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs what a revision requires against a server, and returns what is not as it
/// should be.
fn hold(name: &str, binary: PathBuf, revision: &str, suite: &Suite, baseline: &Baseline) -> Vec<String> {
    let server = HttpServer::with(Server::with().text_only().binary(binary));
    server.wait_until_ready();
    let outcome = suite.run(&format!("http://{}/mcp", server.address()), server.token(), revision, name);
    let results = match outcome {
        Ok(results) => results,
        Err(message) => return vec![format!("{name} {revision}: {message}")],
    };
    let verdict = baseline.judge(name, revision, &results);
    println!(
        "| {name} | {revision} | {} | {} | {} | {} | {} |",
        results.scenarios().count(),
        results.checks.len(),
        results.checks.iter().filter(|check| check.has_passed()).count(),
        verdict.expected,
        verdict.complaints.len()
    );
    server.signal(nix::sys::signal::Signal::SIGTERM);
    let mut complaints = verdict.complaints;
    let status = server.wait();
    if !status.success() {
        complaints.push(format!("{name} {revision}: after the suite the server ended with {status}"));
    }
    complaints
}
