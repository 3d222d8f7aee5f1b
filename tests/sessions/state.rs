//! What lives on from one call to the next, and what does not.

use nix::sys::signal::Signal;
use serde_json::json;
use tests::Server;

#[test]
fn variables_imports_functions_and_files_live_on() {
    let server = Server::start();
    let first = server.execute_in(
        "new",
        "import json\nfrom dataclasses import dataclass\n\n@dataclass\nclass Row:\n    n: int\n\nrows = [Row(1)]\n\
         def total():\n    return sum(row.n for row in rows)\n\nopen('a.txt', 'w').write('one')",
    );
    first.assert_status("exited 0");
    assert_eq!(first.session_state(), "kept");
    let expires_at = first.structured()["session"]["expires_at"].as_str().unwrap();
    // RFC 3339 in UTC sorts as text.
    assert!(expires_at > "2026-11-22T00:00:00Z" && expires_at.ends_with('Z'), "{expires_at}");
    let session = first.session();
    let second = server.execute_in(&session, "rows.append(Row(41))\ntotal()");
    assert_eq!(second.value(), Some("42"));
    assert_eq!(second.session(), session);
    assert_eq!(
        server.execute_in(&session, "json.dumps([open('a.txt').read(), repr(rows[1])])").value(),
        Some(r#"'["one", "Row(n=41)"]'"#)
    );
    // `_` is the last value, as in a notebook.
    assert_eq!(server.execute_in(&session, "_").value(), Some(r#"'["one", "Row(n=41)"]'"#));
}

#[test]
fn a_generator_and_an_open_file_go_on_where_they_were() {
    let server = Server::start();
    let session = server
        .execute_in("new", "def count():\n    n = 0\n    while True:\n        n += 1\n        yield n\n\nit = count()\nfile = open('log', 'w')\nnext(it)")
        .session();
    server.execute_in(&session, "next(it); file.write('first ')").assert_status("exited 0");
    assert_eq!(
        server.execute_in(&session, "file.write('second')\nfile.close()\nprint(next(it), open('log').read())").output(),
        "3 first second\n"
    );
}

#[test]
fn an_error_costs_nothing_but_the_run() {
    let server = Server::start();
    let session = server.execute_in("new", "x = 1").session();
    for (code, status) in
        [("x = 2\nundefined", "exited 1"), ("def broken(", "exited 1"), ("x += 1\nimport sys\nsys.exit(5)", "exited 5")]
    {
        let reply = server.execute_in(&session, code);
        reply.assert_status(status);
        assert_eq!(reply.session_state(), "kept");
    }
    assert_eq!(server.execute_in(&session, "x").value(), Some("3"));
}

#[test]
fn arguments_environment_input_and_folder_are_those_of_each_call() {
    let server = Server::start();
    let look = "import os, sys\nprint(sys.argv[1:], os.environ.get('A'), sys.stdin.read(), os.getcwd())";
    let session = server.new_session();
    let run = |more: serde_json::Value| {
        let mut arguments = json!({"session": session});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        server.execute_with(look, arguments).output().to_owned()
    };
    assert_eq!(run(json!({"args": ["1"], "env": {"A": "a"}, "stdin": "in"})), "['1'] a in /workspace\n");
    server.execute_in(&session, "os.mkdir('d')\nos.chdir('d')").assert_status("exited 0");
    assert_eq!(run(json!({})), "[] None  /workspace\n");
    assert_eq!(run(json!({"stdin": "again"})), "[] None again /workspace\n");
}

#[test]
fn sessions_know_nothing_of_each_other() {
    let server = Server::start();
    let one = server
        .execute_in(
            "new",
            "secret = 1\nimport builtins, json\nbuiltins.leak = 1\njson.leak = 1\nopen('f', 'w').write('one')",
        )
        .session();
    let other = server.new_session();
    let look = "import builtins, json, os\nprint('secret' in globals(), hasattr(builtins, 'leak'), hasattr(json, 'leak'), os.listdir())\n\
                try: print(os.listdir('..'))\nexcept OSError: pass";
    let seen = server.execute_in(&other, look);
    assert!(seen.output().starts_with("False False False []\n"), "{}", seen.stdout());
    for session in [&one, &other] {
        assert!(!seen.stdout().contains(session.as_str()), "a session sees the folders of others: {}", seen.stdout());
    }
    assert!(server.execute_in(&one, look).output().starts_with("True True True ['f']\n"));
    assert!(server.call("read", json!({"session": other, "path": "f"})).refusal().contains("no file `f`"));
    assert!(server.call("read", json!({"session": one, "path": "f"})).text().starts_with("one\n"));
}

#[test]
fn many_sessions_keep_their_own_state_side_by_side() {
    let server = Server::start();
    let sessions: Vec<_> = (0..30).map(|n| server.execute_in("new", &format!("own = [{n}]")).session()).collect();
    for round in 1..=3 {
        let pending: Vec<_> = sessions
            .iter()
            .map(|session| server.begin_execute("own.append(own[-1] + 100)\nown", json!({"session": session})))
            .collect();
        for (n, pending) in pending.into_iter().enumerate() {
            let expected: Vec<_> = (0..=round).map(|step| (n + 100 * step).to_string()).collect();
            assert_eq!(pending.wait().value(), Some(format!("[{}]", expected.join(", ")).as_str()));
        }
    }
    assert_eq!(server.health()["sessions_live"], 30);
}

#[test]
fn randomness_differs_between_sessions_and_goes_on_within_one() {
    let server = Server::start();
    let draw = |session: &str| server.execute_in(session, "import random\nrandom.random()").value().unwrap().to_owned();
    let (one, other) = (server.new_session(), server.new_session());
    let draws = [draw(&one), draw(&one), draw(&other), draw(&other)];
    let different: std::collections::HashSet<_> = draws.iter().collect();
    assert_eq!(different.len(), 4, "{draws:?}");
    server.execute_in(&one, "random.seed(5)").assert_status("exited 0");
    server.execute_in(&other, "random.seed(5)").assert_status("exited 0");
    assert_eq!(draw(&one), draw(&other), "a seed that the program sets counts across calls");
}

#[test]
fn a_session_whose_worker_was_killed_between_calls_loses_nothing() {
    let server = Server::start();
    let session = server.execute_in("new", "x = [1]\nopen('kept.txt', 'w').write('kept')").session();
    for worker in server.workers() {
        worker.signal(Signal::SIGKILL);
        worker.wait_until_gone();
    }
    server.wait_for_health("the loss of the workers", |health| health["workers"] == 0);
    let after = server.execute_in(&session, "x.append(2)\nprint(x, open('kept.txt').read())");
    assert_eq!(after.output(), "[1, 2] kept\n");
    assert_eq!(after.session_state(), "kept");
}

#[test]
fn a_session_whose_worker_is_killed_in_a_run_is_as_before_it() {
    let server = Server::with().flag("--workers=1").start();
    let begun = server.execute_in("new", "x = 1\nopen('f', 'w').write('before')");
    let session = begun.session();
    let code = "x = 2\nopen('f', 'w').write('after')\nopen('g', 'w').close()\nprint('begun')\nwhile True: pass";
    let run = server.begin_execute(code, json!({"session": session}));
    server.client.progress(&run, "begun");
    let [worker] = server.workers()[..] else { panic!("expected one worker") };
    worker.signal(Signal::SIGKILL);
    let reply = run.wait();
    reply.assert_status("trapped worker_lost");
    assert_eq!((reply.session_state(), reply.sequence()), ("rolled_back", begun.sequence()));
    let after = server.execute_in(&session, "import os\nprint(x, open('f').read(), os.listdir())");
    assert_eq!(after.output(), "1 before ['f']\n");
}

#[test]
fn the_first_run_of_a_session_can_be_undone_too() {
    let server = Server::start();
    let reply = server.execute_in("new", "x = 1\nopen('f', 'w').close()\nimport os\nos._exit(3)");
    reply.assert_status("exited 3");
    assert_eq!(reply.session_state(), "rolled_back");
    let look = "import os\nprint('x' in globals(), os.listdir())";
    assert_eq!(server.execute_in(&reply.session(), look).output(), "False []\n");
}

#[test]
fn databases_draw_other_numbers_in_every_run_session_and_fork() {
    let server = Server::start();
    let draw = "import sqlite3\nsqlite3.connect(':memory:').execute('select random(), hex(randomblob(8))').fetchone()";
    let session = server.execute_in("new", "import sqlite3\ndb = sqlite3.connect(':memory:')").session();
    let fork = server.session("fork", &session).session();
    let here = "db.execute('select random(), hex(randomblob(8))').fetchone()";
    let draws = [
        server.execute(draw),
        server.execute(draw),
        server.execute_in("new", draw),
        server.execute_in(&session, here),
        server.execute_in(&session, here),
        server.execute_in(&fork, here),
    ];
    let draws: Vec<_> = draws.iter().map(|reply| reply.value().unwrap()).collect();
    let different: std::collections::HashSet<_> = draws.iter().collect();
    assert_eq!(different.len(), draws.len(), "{draws:?}");
}
