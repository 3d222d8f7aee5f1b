//! Keys of a store that are added and removed while a server runs.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use tests::{Server, binary};

use super::golden::Golden;

/// `belljar store-keys` with words behind it: what it says, or why not.
fn keys(state: &Path, words: &[&str]) -> Result<String, String> {
    let mut command = Command::new(binary());
    command.arg("store-keys").args(words).env_clear().env("HOME", state).env("BELLJAR_STATE_DIRECTORY", state);
    let done = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if done.status.success() { Ok(text(done.stdout)) } else { Err(text(done.stderr)) }
}

/// How many objects of a store are sealed with a key.
fn sealed_with(state: &Path, id: &str) -> usize {
    fn count(directory: &Path, id: &str) -> usize {
        let paths = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let of = |path: std::path::PathBuf| {
            if path.is_dir() {
                return count(&path, id);
            }
            let hexadecimal = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            usize::from(std::fs::read(path).unwrap().get(8..16).is_some_and(|found| hexadecimal(found) == id))
        };
        paths.map(of).sum()
    }
    count(&state.join("store/objects/local"), id)
}

#[test]
fn a_store_of_earlier_builds_gets_another_key_without_a_stop() {
    let golden = Golden::of_this_format();
    let (server, state, session) = (golden.start(), golden.state(), golden.session.clone());
    let old = keys(&state, &[]).unwrap();
    let old = old.strip_suffix("  seals\n").unwrap_or_else(|| panic!("{old}")).to_owned();
    assert!(sealed_with(&state, &old) > 1);
    assert_eq!(server.execute_in(&session, "more()").value(), Some("42"));

    let new = keys(&state, &["rotate"]).unwrap();
    let new = new.strip_suffix("  seals from now on\n").unwrap_or_else(|| panic!("{new}")).to_owned();
    assert_eq!(keys(&state, &["list"]).unwrap(), format!("{new}  seals\n{old}  opens\n"));
    // The server goes on, and so does another that was started before and has seen nothing of it.
    assert_eq!(server.execute_in(&session, "more()").value(), Some("43"));
    assert!(sealed_with(&state, &new) > 0);
    let beside = golden.start();
    assert_eq!(beside.execute_in(&session, "more(), point.x").value(), Some("(44, 8)"));
    assert!(beside.read(&session, "data/lines.txt").text().starts_with("one\ntwo\n"));
    assert_eq!(server.execute_in(&session, "more()").value(), Some("45"));
    let refused = keys(&state, &["forget", &old]).unwrap_err();
    assert!(refused.contains("are sealed with it") && refused.contains(&session), "{refused}");

    // Once the session is gone, nothing needs the old key.
    server.session("close", &session).result();
    // An object that was sealed with it may still be on its way.
    let refused = keys(&state, &["forget", &old]).unwrap_err();
    assert!(refused.contains("a server may still store what it sealed before"), "{refused}");
    File::open(state.join("store/key")).unwrap().set_modified(SystemTime::now() - Duration::from_secs(61)).unwrap();
    assert_eq!(keys(&state, &["forget", &old]).unwrap(), format!("{old}  is forgotten\n"));
    let other = beside.execute_in("new", "y = 1").session();
    drop(server.kill());
    assert_eq!(golden.start().execute_in(&other, "y").value(), Some("1"));
    assert_eq!(keys(&state, &[]).unwrap(), format!("{new}  seals\n"));
}

#[test]
fn where_there_is_no_store_there_is_no_key_to_change() {
    let server = Server::start();
    let empty = tempfile::tempdir().unwrap();
    for words in [&["list"][..], &["rotate"], &["forget", "0123456789abcdef"]] {
        let refused = keys(empty.path(), words).unwrap_err();
        assert!(refused.contains("the first session makes one"), "{refused}");
    }
    let refused = keys(server.state_directory(), &["forget", "0123456789abcdef"]).unwrap_err();
    assert!(refused.contains("no key `0123456789abcdef`; `belljar store-keys` lists"), "{refused}");
}
