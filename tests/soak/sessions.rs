//! Sessions, as agents use them and as nobody should.

use serde_json::json;

use super::mix::Caller;

/// How many sessions a caller goes on with.
const KEPT: usize = 4;
/// After how many runs a session is closed.
const LONG_ENOUGH: u64 = 25;

fn run(caller: &mut Caller<'_>, session: &str, code: &str) -> tests::Reply {
    caller.run("python", code, json!({"session": session}))
}

fn snapshot(caller: &mut Caller<'_>, session: &str) -> String {
    let reply = caller.call("session", json!({"action": "snapshot", "session": session}));
    reply.structured()["snapshot"]["id"].as_str().expect("a snapshot has a handle").to_owned()
}

/// From the first run to the end: files, a snapshot, a fork, and back.
pub(crate) fn life(caller: &mut Caller<'_>) {
    let token = caller.token();
    let opened = run(caller, "new", &format!("token, n = '{token}', 0\nopen('f', 'w').write(token)"));
    let session = opened.session();
    for expected in 1..=3 {
        let reply = run(caller, &session, "n += 1\nprint(token, n)");
        assert_eq!(reply.output(), format!("{token} {expected}\n"));
        assert_eq!(reply.session_state(), "kept");
    }
    let remembered = snapshot(caller, &session);
    let written = caller.call("write", json!({"session": session, "path": "d/g", "text": token}));
    assert!(!written.is_error(), "{}", written.message);
    assert_eq!(run(caller, &session, "n = 99\nprint(open('d/g').read())").output(), format!("{token}\n"));
    let forked = caller.call("session", json!({"action": "fork", "session": session, "snapshot": remembered}));
    let fork = forked.session();
    let (code, expected) = ("import os\nprint(token, n, sorted(os.listdir()))", format!("{token} 3 ['f']\n"));
    assert_eq!(run(caller, &fork, code).output(), expected);
    let restored = caller.call("session", json!({"action": "restore", "session": session, "snapshot": remembered}));
    assert!(!restored.is_error(), "{}", restored.message);
    assert_eq!(run(caller, &session, code).output(), expected);
    let file = caller.call("read", json!({"session": session, "path": "f"}));
    assert!(file.text().starts_with(&token), "{}", file.message);
    for session in [&session, &fork] {
        caller.close(session);
    }
    let late = run(caller, &session, "n");
    assert!(late.refusal().contains("closed") || late.refusal().contains("no session"), "{}", late.message);
}

/// A session that goes on while others come and go, so that it hibernates now
/// and then.
pub(crate) fn kept(caller: &mut Caller<'_>) {
    if caller.kept.len() < KEPT {
        let token = caller.token();
        let reply = run(caller, "new", &format!("token, n = '{token}', 0\ndata = list(range(2000))\nprint(token)"));
        assert_eq!(reply.output(), format!("{token}\n"));
        caller.kept.push((reply.session(), token, 0));
        return;
    }
    let index = caller.below(KEPT);
    let (session, token, count) = caller.kept[index].clone();
    let code = "n += 1\nopen('n', 'a').write('x')\nprint(token, n, len(open('n').read()), sum(data))";
    let reply = run(caller, &session, code);
    let count = count + 1;
    assert_eq!(reply.output(), format!("{token} {count} {count} 1999000\n"));
    caller.kept[index].2 = count;
    if count == LONG_ENOUGH {
        caller.kept.swap_remove(index);
        caller.close(&session);
    } else {
        *caller.tenant.session.lock().expect("nobody panics with it") = Some(session);
    }
}

/// One set of files for all languages, and no process that stays.
pub(crate) fn languages(caller: &mut Caller<'_>) {
    let token = caller.token();
    let session = run(caller, "new", &format!("open('f', 'w').write('{token}')\nn = 5")).session();
    let native =
        caller.run("bash", "cat f; mkdir d; ln -s f d/link; sleep 100 & echo more >> f", json!({"session": session}));
    assert_eq!(native.output(), token);
    assert_eq!(native.session_state(), "files_only");
    let more = run(caller, &session, "import os\nprint(open('f').read(), n, os.path.islink('d/link'))");
    assert_eq!(more.output(), format!("{token}more\n 5 True\n"));
    caller.close(&session);
}

/// What the other user has is not there, by whatever handle.
pub(crate) fn of_another(caller: &mut Caller<'_>) {
    let handle = caller.other.session.lock().expect("nobody panics with it").clone();
    let Some(session) = handle else { return };
    let calls = [
        ("execute", json!({"language": "python", "code": "print(token)", "session": session})),
        ("read", json!({"session": session, "path": "n"})),
        ("session", json!({"action": "fork", "session": session})),
        ("session", json!({"action": "close", "session": session})),
    ];
    for (tool, arguments) in calls {
        let reply = caller.call(tool, arguments);
        assert!(reply.refusal().contains("no session"), "{tool}: {}", reply.message);
    }
}
