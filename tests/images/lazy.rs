//! An image costs something where it is wanted, and nowhere else.

use std::fs::{DirBuilder, read_dir};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use serde_json::{Value, json};
use tests::{Reply, RuntimesFolder, Server, Tally, eventually, target_directory};

/// A cache with the image of this build alone.
fn cache() -> tempfile::TempDir {
    // The server has the image compiled.
    drop(Server::start());
    let cache = tempfile::tempdir().unwrap();
    DirBuilder::new().mode(0o700).create(cache.path().join("c")).unwrap();
    for name in compiled(&target_directory().join("belljar-test-cache"), "python-") {
        let shared = target_directory().join("belljar-test-cache").join(&name);
        std::fs::copy(shared, cache.path().join("c").join(&name)).unwrap();
    }
    cache
}

/// The compiled images of a language.
fn compiled(cache: &Path, prefix: &str) -> Vec<String> {
    let names = read_dir(cache).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(prefix) && name.ends_with(".cwasm")).collect()
}

/// For each worker, whether it has code of the image of `tally`.
fn has_tally(server: &Server) -> Vec<bool> {
    let maps = |pid| std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    server.workers().iter().map(|worker| maps(worker.pid()).contains("/tally-")).collect()
}

fn run(server: &Server, language: &str, code: &str, more: Value) -> Reply {
    let mut arguments = json!({"language": language, "code": code});
    arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.call("execute", arguments)
}

#[test]
fn an_image_is_compiled_and_loaded_when_it_is_first_wanted() {
    let (folder, cache) = (RuntimesFolder::with([Tally::default()]), cache());
    let own = cache.path().join("c");
    let start = |workers: &str| {
        let server = Server::with().flag(workers).flag("--runtimes").flag(folder.path());
        server.env("BELLJAR_CACHE_DIRECTORY", &own).start()
    };
    let server = start("--workers=1");
    server.assert_usable();
    assert_eq!(has_tally(&server), [false]);
    assert_eq!(compiled(&own, "tally-"), [""; 0], "a language that nobody wanted was compiled");
    assert_eq!(run(&server, "tally", "a1", json!({})).value(), Some("1"));
    assert_eq!(compiled(&own, "tally-").len(), 1);
    // The worker that nobody used made way, and the new one can do both.
    assert_eq!(has_tally(&server), [true]);
    let worker = server.workers()[0].pid();
    server.assert_usable();
    let session = run(&server, "tally", "a40", json!({"session": "new"})).session();
    assert_eq!(server.execute_in(&session, "n = 2; n").value(), Some("2"));
    assert_eq!(run(&server, "tally", "a2", json!({"session": session})).value(), Some("42"));
    assert_eq!(server.workers().iter().map(tests::Process::pid).collect::<Vec<_>>(), [worker]);
    // A worker that starts anew has what is wanted then, compiled or not.
    drop(server);
    let next = start("--workers=1");
    next.assert_usable();
    assert_eq!(has_tally(&next), [false]);
}

#[test]
fn a_worker_in_use_stays_when_another_image_is_wanted() {
    let folder = RuntimesFolder::with([Tally::default()]);
    let server = Server::with().flag("--workers=1").flag("--runtimes").flag(folder.path()).start();
    let session = server.new_session();
    server.execute_in(&session, "kept = 7").assert_status("exited 0");
    assert_eq!(run(&server, "tally", "a1", json!({})).value(), Some("1"));
    let mut has = has_tally(&server);
    has.sort_unstable();
    assert_eq!(has, [false, true], "one more than there may be, for the session is in the first");
    assert_eq!(server.execute_in(&session, "kept").value(), Some("7"));
    // A session that goes on in another language goes where both are.
    assert_eq!(run(&server, "tally", "a5", json!({"session": session})).value(), Some("5"));
    assert_eq!(server.execute_in(&session, "kept").value(), Some("7"));
    assert_eq!(run(&server, "tally", "a5", json!({"session": session})).value(), Some("10"));
}

#[test]
fn an_image_that_is_not_as_described_runs_nothing_and_nothing_else_suffers() {
    // Another file of the same length, one that starts with more memory than its
    // description says, one that breaks a rule of the ABI, and one that speaks
    // another version than its description says.
    let replaced = Tally { id: "replaced", build: 3, ..Tally::default() };
    let smaller = Tally { id: "smaller", build: 4, ..Tally::default() }.with("initial_bytes", 1 << 20);
    let breaks = Tally { id: "breaks", build: 5, besides: "(data $d \"x\") (func (data.drop $d))", ..Tally::default() };
    let other_abi = Tally { id: "other-abi", abi: 2, build: 6, ..Tally::default() };
    let folder = RuntimesFolder::with([Tally::default(), replaced, smaller, breaks, other_abi]);
    let description = folder.of("other-abi").join("runtime.toml");
    let text = std::fs::read_to_string(&description).unwrap();
    std::fs::write(description, text.replace("abi = 2", "abi = 1")).unwrap();
    let file = folder.of("replaced").join("image.wasm.zst");
    let mut image = std::fs::read(&file).unwrap();
    *image.last_mut().unwrap() ^= 1;
    std::fs::write(&file, image).unwrap();
    let server = Server::with().flag("--runtimes").flag(folder.path()).start();
    let run = |language, code| server.call("execute", json!({"language": language, "code": code}));
    for (language, logged) in [
        ("replaced", "image.wasm.zst is not the one that compressed_sha256 beside it names"),
        ("smaller", "instance.initial_bytes of its runtime.toml is 1048576, and its memory starts with 2097152"),
        ("breaks", "Instruction(\"data.drop\")"),
        ("other-abi", "it should speak ABI version 1, and speaks 2"),
    ] {
        let reply = run(language, "a1");
        assert!(reply.message.get("error").is_some() || reply.is_error(), "{}", reply.message);
        // It is logged beside the answer, not before it.
        eventually(logged, || server.log().contains(logged).then_some(()));
        assert_eq!(run("tally", "a1").value(), Some("1"), "after {language}");
        server.assert_usable();
    }
}
