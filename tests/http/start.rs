//! Where the server listens, with which token, and what it says of that.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;
use tests::Server;
use tests::http::{HttpServer, Request, legacy, modern};

/// How a server ends that does not start.
pub(crate) fn refusal(flags: &[&str]) -> String {
    let state = tempfile::tempdir().unwrap();
    let output = Server::with().command(&state.path().join("state")).arg("serve").args(flags).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

fn token_file(path: &Path, text: &str, mode: u32) -> String {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    format!("--token-file={}", path.display())
}

#[test]
fn only_this_machine_is_served() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let said = refusal(&[&format!("--listen={address}")]);
        assert!(said.contains("which others can reach") && said.contains("authentication"), "{said}");
        assert!(!said.contains("Authorization"), "it said hello: {said}");
    }
    let server = HttpServer::start();
    let said = refusal(&[&format!("--listen={}", server.address())]);
    assert!(said.contains("failed to listen on") && said.contains("--listen :0"), "{said}");
}

#[test]
fn a_command_beside_the_server_tells_whether_calls_are_welcome() {
    let (server, state) = (HttpServer::start(), tempfile::tempdir().unwrap());
    let ask = |address: String| {
        let mut command = Server::with().command(&state.path().join("state"));
        let output = command.args(["health", "--listen", &address]).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    let port = server.address().port();
    assert_eq!(ask(server.address().to_string()), (Some(0), "{\"status\":\"ready\"}\n".to_owned()));
    assert_eq!(ask(format!("0.0.0.0:{port}")).0, Some(0), "every address is this one too");
    let (code, said) = ask(":0".to_owned());
    assert!(code == Some(1) && said.contains("name the port"), "{code:?} {said}");
    drop(server);
    let (code, said) = ask(format!("127.0.0.1:{port}"));
    assert!(code == Some(1) && said.contains(&format!("nobody listens on 127.0.0.1:{port}")), "{code:?} {said}");
}

#[test]
fn a_server_that_cannot_serve_shows_no_token() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    std::fs::create_dir(&state).unwrap();
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o777)).unwrap();
    let output = Server::with().command(&state).args(["serve", "--listen=:0"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(&state.display().to_string()), "{said}");
    assert!(!said.contains("belljar serves") && !said.contains("Authorization"), "it said hello: {said}");
}

#[test]
fn a_new_token_is_printed_once_and_lets_in() {
    let server = HttpServer::start();
    assert_eq!(server.execute("print(1)").output(), "1\n");
    let (said, token) = (server.log(), server.token());
    // 256 bits in base64.
    assert_eq!(token.len(), "belljar_".len() + 43);
    let lines = said.lines().filter(|line| line.contains(token)).count();
    assert_eq!(lines, 5, "once by itself and once for each client: {said}");
    for client in ["claude mcp add", "codex mcp add", "VS Code", "curl"] {
        assert!(said.contains(client), "{client}: {said}");
    }
    assert_ne!(HttpServer::start().token(), token);
}

#[test]
fn the_lines_for_curl_work_as_they_are() {
    let server = HttpServer::start();
    let said = server.log();
    let lines: String =
        said.lines().skip_while(|line| *line != "curl:").skip(1).map(|line| format!("{line}\n")).collect();
    let output = std::process::Command::new("bash").args(["-c", &lines]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("\"text\":\"42\\n\""), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_token_of_the_operator_is_in_a_file_that_nobody_else_reads_and_is_never_shown() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    let token = "0123456789abcdef0123456789abcdef";
    let said = refusal(&[&token_file(&path, token, 0o644)]);
    assert!(said.contains("mode 0644") && said.contains("chmod 600"), "{said}");
    let said = refusal(&[&token_file(&path, "short", 0o600)]);
    assert!(said.contains("must hold one line"), "{said}");
    let flag = token_file(&path, &format!("{token}\n"), 0o600);
    let server = HttpServer::with(Server::with().flag(flag).flag("--log=trace"));
    server.wait_until_ready();
    let ping = legacy(
        1,
        "initialize",
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}),
    );
    let with =
        |token: &str| server.connect().ask(&server.request(&ping).field("Authorization", &format!("Bearer {token}")));
    assert_eq!(with(token).status, 200);
    assert_eq!(with(&"0".repeat(32)).reason(), "wrong_token");
    let said = server.log();
    assert!(!said.contains("shown again") && !said.contains(token), "{said}");
    assert!(said.contains(&path.display().to_string()), "{said}");
}

#[test]
fn what_is_sent_as_a_token_is_not_logged() {
    let server = HttpServer::with(Server::with().flag("--log=trace"));
    server.wait_until_ready();
    let before = server.log().matches(server.token()).count();
    let secret = "a-token-of-another-server-0123456789";
    let request = Request::post(server.address(), b"{}").field("Authorization", &format!("Bearer {secret}"));
    assert_eq!(server.connect().ask(&request).status, 401);
    assert_eq!(server.execute("print(1)").output(), "1\n");
    let said = server.log();
    assert!(said.contains("a request was refused") && !said.contains(secret), "{said}");
    assert_eq!(said.matches(server.token()).count(), before);
}

#[test]
fn a_token_file_among_what_native_programs_see_keeps_them_from_running() {
    let directory = tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o755)).tempdir_in("/usr/lib");
    // Only root can put a file there, and the tests of this project are for root.
    let directory = directory.unwrap();
    let path = directory.path().join("token");
    let token = "0123456789abcdef0123456789abcdef";
    let server = HttpServer::with(Server::with().flag(token_file(&path, token, 0o600)));
    let arguments = json!({"language": "bash", "code": format!("cat {}", path.display())});
    let call = modern("tools/call", json!({"name": "execute", "arguments": arguments}));
    let request = server.request(&call).field("Authorization", &format!("Bearer {token}"));
    let reply = server.connect().ask(&request).reply();
    assert!(reply.refusal().contains("which native programs see: put it elsewhere"), "{}", reply.text());
    // A wall that was asked for is not to be had, and balancers are told.
    let reason = tests::eventually("the machine to be known", || {
        let answer = server.get("/readyz");
        let reason = answer.json()["reasons"][0].as_str().unwrap_or_default().to_owned();
        (answer.status == 503 && !reason.contains("starting")).then_some(reason)
    });
    assert!(reason.contains("native programs cannot be confined") && reason.contains("doctor"), "{reason}");
}
