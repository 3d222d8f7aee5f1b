//! The setting `runtimes`: languages from a folder of an operator's.

use std::process::Output;

use serde_json::json;
use tests::{RuntimesFolder, Server, Tally};

fn command(folder: &RuntimesFolder, arguments: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    let mut command = Server::with().command(&home.path().join("state"));
    command.args(arguments).env("BELLJAR_RUNTIMES", folder.path()).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_language_of_a_folder_is_like_one_of_the_build() {
    let folder = RuntimesFolder::with([Tally::default()]);
    let server = Server::with().flag("--runtimes").flag(folder.path()).start();
    let tools = server.client.request("tools/list", json!({})).wait();
    let execute = tools.result()["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "execute").unwrap();
    let language = &execute["inputSchema"]["properties"]["language"];
    assert!(language["enum"].as_array().unwrap().contains(&json!("tally")), "{language}");
    assert!(language["description"].as_str().unwrap().contains("tally: counts"), "{language}");
    let refused = server.call("execute", json!({"language": "cobol", "code": ""}));
    assert!(
        refused.refusal().contains("must be one of python, javascript, bash, python-native, tally"),
        "{}",
        refused.refusal()
    );

    let call = |code: &str, session: &str| {
        server.call("execute", json!({"language": "tally", "code": code, "session": session}))
    };
    let session = call("a40", "new").session();
    assert_eq!(call("a2", &session).value(), Some("42"));
    let snapshot = server.snapshot(&session);
    assert_eq!(call("a1", &session).value(), Some("43"));
    server.session_at("restore", &session, &snapshot).result();
    assert_eq!(call("a0", &session).value(), Some("42"));
    assert_eq!(server.execute_in(&session, "n = 7").session_state(), "kept");
    // Both languages are there after a crash of everything.
    let next = server.kill().flag("--runtimes").flag(folder.path()).start();
    let more = next.call("execute", json!({"language": "tally", "code": "a1", "session": session}));
    assert_eq!((more.value(), more.session_state()), (Some("43"), "kept"));
    assert_eq!(next.execute_in(&session, "n").value(), Some("7"));
}

#[test]
fn commands_know_it_too() {
    let folder = RuntimesFolder::with([Tally::default()]);
    assert!(said(&command(&folder, &["runtimes"])).contains("tally"));
    assert!(command(&folder, &["prepare"]).status.success());
    let ran = command(&folder, &["run", "--language", "tally", "-c", "d7"]);
    assert!(ran.status.success(), "{}", said(&ran));
}

#[test]
fn a_folder_with_bad_content_is_refused_by_file_and_key() {
    for (from, to, expected) in [
        (
            "warm_slots = 1",
            "warm_slots = 1000",
            "runtime.toml: instance.warm_slots must be between 0 and 256, got 1000",
        ),
        ("abi = 1", "abi = 3", "runtime.toml: abi must be between 1 and 2, got 3"),
        ("id = \"tally\"", "id = \"python\"", "runtime.toml: id must be another than that of other runtimes"),
        ("hot_bytes", "hat_bytes", "unknown field `hat_bytes`"),
        ("compressed_bytes = ", "compressed_bytes = 1", "runtime.toml: compressed_bytes is 1"),
    ] {
        let folder = RuntimesFolder::with([Tally::default()]);
        let file = folder.of("tally").join("runtime.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace(from, to)).unwrap();
        let refused = command(&folder, &["runtimes"]);
        assert!(!refused.status.success(), "{to}");
        assert!(said(&refused).contains(expected), "{to}: {}", said(&refused));
        assert!(said(&refused).contains(file.to_str().unwrap()), "{to}: {}", said(&refused));
    }
    let folder = RuntimesFolder::with([]);
    let nowhere = Server::with().command(folder.path()).args(["--runtimes", "/nowhere", "runtimes"]).output().unwrap();
    assert!(said(&nowhere).contains("failed to read /nowhere"), "{}", said(&nowhere));
}
