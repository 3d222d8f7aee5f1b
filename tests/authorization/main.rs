//! Does a token of a real authorization server let in? Installs `oidc-provider` from
//! npm, has a client find it from the address of `belljar` alone, sign a user in, run a
//! program, be refused and ask for more, once for each algorithm that both know.
//!
//! `cargo build --release && cargo run --release --bin authorization`

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program for people: it prints, and stops at the first thing that it cannot do without"
)]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};

use tests::Server;
use tests::http::HttpServer;
use tests::installed::{node, npm};
use tests::issuer::RESOURCE;

const ALGORITHMS: [&str; 4] = ["RS256", "PS256", "ES256", "EdDSA"];

/// What the client checks: as many lines that end so.
const CHECKS: usize = 6;

/// The authorization server. It is killed when dropped.
struct Provider {
    child: Child,
    issuer: String,
    /// Held, because a process ends that writes to nobody.
    _output: BufReader<ChildStdout>,
}

impl Provider {
    fn start(folder: &Path, algorithm: &str) -> Self {
        let mut command = Command::new(node(folder));
        command.arg(script(folder, "provider.mjs")).args([RESOURCE, algorithm]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("Node.js can be started");
        let output = child.stdout.take().expect("standard output is a pipe");
        let (mut output, mut line) = (BufReader::new(output), String::new());
        output.read_line(&mut line).expect("the provider can be read");
        Self { child, issuer: line.trim().to_owned(), _output: output }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A script beside what it imports, where Node.js looks for that.
fn script(folder: &Path, name: &str) -> PathBuf {
    let to = folder.join(name);
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("authorization").join(name);
    std::fs::copy(from, &to).expect("a file of the target directory can be written");
    to
}

fn run(folder: &Path, algorithm: &str) -> Result<(), String> {
    let provider = Provider::start(folder, algorithm);
    if provider.issuer.is_empty() {
        return Err("the authorization server did not start".to_owned());
    }
    let settings =
        Server::with().flag(format!("--oauth-resource={RESOURCE}")).flag(format!("--oauth-issuer={}", provider.issuer));
    let server = HttpServer::with(settings);
    server.wait_until_ready();
    let output = Command::new(node(folder))
        .arg(script(folder, "client.mjs"))
        .args([&format!("http://{}/mcp", server.address()), RESOURCE])
        .output()
        .expect("Node.js can be started");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.lines().for_each(|line| println!("{algorithm}: {line}"));
    let passed = said.lines().filter(|line| line.ends_with(": ok")).count();
    if output.status.success() && passed == CHECKS {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("{passed} of {CHECKS} passed\n{errors}\n{}", server.log()))
}

fn main() -> ExitCode {
    let (manifest, lock) = (include_str!("package.json"), include_str!("package-lock.json"));
    let folder = match npm("authorization", manifest, lock) {
        Ok(folder) => folder,
        Err(message) => {
            println!("authorization: {message}");
            return ExitCode::FAILURE;
        }
    };
    for algorithm in ALGORITHMS {
        if let Err(message) = run(&folder, algorithm) {
            println!("{algorithm}: {message}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
