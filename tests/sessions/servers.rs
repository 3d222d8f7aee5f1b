//! Two servers over one state directory, as two windows of an editor have.

use nix::sys::signal::Signal;
use serde_json::json;
use tests::{Server, eventually};

#[test]
fn each_goes_on_from_what_the_other_left() {
    let one = Server::start();
    let other = one.beside().start();
    let session = one.execute_in("new", "n = 0\nseen = []\nimport os\nos.mkdir('d')").session();
    for round in 1..=12 {
        let (server, observer) = if round % 2 == 0 { (&one, &other) } else { (&other, &one) };
        let code = format!(
            "n += 1\nseen.append(n)\nopen('d/n', 'w').write(str(n))\nopen('d/{round}', 'w').close()\nlen(seen)"
        );
        let reply = server.execute_in(&session, &code);
        assert_eq!(reply.value(), Some(round.to_string().as_str()));
        assert_eq!(reply.sequence(), 1 + round);
        // A server that only looks sees it as well.
        assert!(observer.read(&session, "d/n").text().starts_with(&format!("{round}\n")), "{round}");
    }
    let look = "print(n, seen == list(range(1, 13)), sorted(map(int, set(os.listdir('d')) - {'n'})) == seen)";
    for server in [&one, &other] {
        assert_eq!(server.execute_in(&session, look).output(), "12 True True\n");
    }
}

#[test]
fn every_tool_sees_what_the_other_did() {
    let one = Server::start();
    let other = one.beside().start();
    let session = one.execute_in("new", "x = 1").session();
    other.write(&session, "f", "by the other").result();
    assert_eq!(one.execute_in(&session, "print(x, open('f').read())\nx = 2").output(), "1 by the other\n");
    let snapshot = other.snapshot(&session);
    one.execute_in(&session, "x = 3\nopen('f', 'w').write('later')").assert_status("exited 0");
    other.session_at("restore", &session, &snapshot).result();
    assert!(one.read(&session, "f").text().starts_with("by the other\n"));
    assert_eq!(one.execute_in(&session, "x").value(), Some("2"));
    let fork = other.session("fork", &session).session();
    assert_eq!(one.execute_in(&fork, "print(x, open('f').read())").output(), "2 by the other\n");
    let list = |server: &Server| {
        let mut sessions = server.call("session", json!({"action": "list"})).structured()["sessions"].clone();
        for listed in sessions.as_array_mut().unwrap() {
            listed.as_object_mut().unwrap().remove("live");
            listed.as_object_mut().unwrap().remove("age_seconds");
        }
        sessions
    };
    assert_eq!(list(&one), list(&other));
    one.session("close", &session).result();
    for refused in [other.execute_in(&session, "x"), other.read(&session, "f"), other.write(&session, "f", "x")] {
        assert!(refused.refusal().contains("it was closed"), "{}", refused.text());
    }
    assert_eq!(other.execute_in(&fork, "x").value(), Some("2"));
}

#[test]
fn results_of_a_run_are_read_from_the_server_that_made_it_and_the_other_says_so() {
    let one = Server::start();
    let other = one.beside().start();
    let run = one.execute_in("new", "for n in range(20_000): print(n)").run().to_owned();
    let own = other.execute_in("new", "print(1)").run().to_owned();
    let read = |server: &Server| server.call("read", json!({"run": run, "stream": "stdout"}));
    let refused = read(&other);
    let places = format!("(`{}…`, and here `{}…`)", &run[..8], &own[..8]);
    assert!(refused.refusal().contains(&format!("no run `{run}`")), "{}", refused.text());
    assert!(refused.refusal().contains(&places), "{}", refused.text());
    // The control.
    assert!(read(&one).text().contains("\n17\n"), "{}", read(&one).text());
}

#[test]
fn of_calls_at_once_each_is_carried_out_wholly_or_not_at_all() {
    let one = Server::start();
    let other = one.beside().start();
    let session = one.execute_in("new", "n = 0").session();
    let call = "n += 1\nopen('n', 'w').write(str(n))\nopen('log', 'a').write('x')\nn";
    let drive = |server: &Server| {
        let mut values = Vec::new();
        for _ in 0..40 {
            let reply = server.execute_in(&session, call);
            if reply.is_error() {
                assert!(reply.refusal().contains("changed by another server meanwhile"), "{}", reply.text());
            } else {
                values.push(reply.value().unwrap().parse::<usize>().unwrap());
            }
        }
        values
    };
    let mut values = std::thread::scope(|scope| {
        let second = scope.spawn(|| drive(&other));
        [drive(&one), second.join().unwrap()].concat()
    });
    values.sort_unstable();
    assert!(!values.is_empty());
    assert_eq!(values, (1..=values.len()).collect::<Vec<_>>(), "a number was given twice, or to nobody");
    let look = "print(n, open('n').read(), len(open('log').read()))";
    let expected = format!("{0} {0} {0}\n", values.len());
    for server in [&one, &other] {
        assert_eq!(server.execute_in(&session, look).output(), expected);
    }
}

/// Stops a server in the middle of a run, lets another go on with the session
/// by `take_over`, and then lets the first one finish.
fn overtaken(take_over: impl Fn(&Server, &str)) -> (Server, Server, String) {
    let one = Server::start();
    let other = one.beside().start();
    let session = one.execute_in("new", "x = 'before'\nopen('f', 'w').write('before')").session();
    let workspace = one.workspace(&session);
    let code = "import os, time\nx = 'stopped'\nopen('f', 'w').write('stopped')\nopen('g', 'w').close()\nprint('begun')\n\
                while not os.path.exists('go'): time.sleep(0.01)\nopen('over', 'w').close()";
    let mut run = one.begin_execute(code, json!({"session": session, "limits": {"wall_time_ms": 300_000}}));
    one.client.progress(&run, "begun");
    one.signal(Signal::SIGSTOP);
    take_over(&other, &session);
    // The run comes to its end while its server is still stopped.
    std::fs::write(workspace.join("go"), "").unwrap();
    eventually("the run to end", || workspace.join("over").exists().then_some(()));
    assert!(run.is_open());
    one.signal(Signal::SIGCONT);
    let reply = run.wait();
    assert!(reply.refusal().contains("changed by another server meanwhile"), "{}", reply.text());
    assert!(reply.text().contains("nothing of this call was kept"), "{}", reply.text());
    (one, other, session)
}

#[test]
fn a_server_that_was_stopped_in_a_run_cannot_commit_what_another_went_past() {
    // The other server makes many changes, too: by then the number that the first one
    // is after is free again in the store.
    for changes in [1, 30] {
        let (one, other, session) = overtaken(|server, session| {
            for n in 1..=changes {
                let code = format!("x += ' {n}'\nopen('f', 'a').write(' {n}')");
                server.execute_in(session, &code).assert_status("exited 0");
            }
        });
        let numbers: String = (1..=changes).map(|n| format!(" {n}")).collect();
        let look = "import os\nprint(x)\nprint(open('f').read(), os.listdir())";
        let expected = format!("before{numbers}\nbefore{numbers} ['f']\n");
        assert!(one.read(&session, "f").text().starts_with(&format!("before{numbers}\n")));
        // The session goes on from there, and so does the other from what it does.
        for server in [&one, &other, &one] {
            assert_eq!(server.execute_in(&session, look).output(), expected);
        }
    }
}

#[test]
fn a_server_that_was_stopped_in_a_run_cannot_bring_a_closed_session_back() {
    let (one, other, session) = overtaken(|server, session| {
        server.session("close", session).result();
    });
    for server in [&one, &other] {
        let refused = server.execute_in(&session, "x");
        assert!(refused.refusal().contains("it was closed"), "{}", refused.text());
    }
    assert_eq!(one.store().commits(&session), Vec::<std::path::PathBuf>::new());
    one.assert_usable();
}

#[test]
fn the_end_of_one_server_is_nothing_to_the_other() {
    let one = Server::start();
    let other = one.beside().start();
    let (mine, shared) = (other.execute_in("new", "x = 1").session(), one.execute_in("new", "y = 2").session());
    drop(one.kill());
    assert_eq!(other.execute_in(&mine, "x").value(), Some("1"));
    assert_eq!(other.execute_in(&shared, "y").value(), Some("2"));
}
