//! Sessions that are not in memory.

use serde_json::json;
use tests::Server;

#[test]
fn an_idle_session_takes_no_memory_and_no_directory_and_comes_back() {
    let server = Server::with().flag("--hibernate-seconds=1").flag("--session-lifetime-seconds=60").start();
    let code = "import os\nheld = bytes(range(250)) * 400_000\nos.mkdir('d')\nopen('d/f', 'w').write('kept')";
    let session = server.execute_in("new", code).session();
    let workspace = server.workspace(&session);
    assert!(workspace.join("d/f").exists());
    let used = |health: &serde_json::Value| health["memory_used_bytes"].as_u64().unwrap();
    assert!(used(&server.health()) > 100_000_000);
    server.wait_for_health("the session to hibernate", |health| health["sessions_live"] == 0);
    // Workers keep a little for the next run.
    let idle = server.wait_for_health("its memory to be given back", |health| used(health) <= 64 << 20);
    let resident = |server: &Server| server.workers().iter().map(tests::Process::resident_bytes).sum::<u64>();
    let resident_idle = resident(&server);
    tests::eventually("its directory to go", || (!workspace.exists()).then_some(()));
    // The next look at the store counts the session.
    let health = server.wait_for_health("the store to be looked at", |health| health["sessions_hibernated"] == 1);
    assert_eq!(health["sessions_live"], 0);
    let listed = server.call("session", json!({"action": "list"}));
    assert_eq!(listed.structured()["sessions"][0]["live"], false);
    // Reading brings back files and no memory.
    assert!(server.read(&session, "d/f").text().starts_with("kept\n"));
    let health = server.health();
    assert_eq!((&health["sessions_live"], used(&health)), (&json!(1), used(&idle)));
    let look = "print(len(held), held[-1], open('d/f').read())";
    assert_eq!(server.execute_in(&session, look).output(), "100000000 249 kept\n");
    let resident = resident(&server);
    assert!(resident > resident_idle + 90_000_000, "{resident} bytes with the session, {resident_idle} without");
}

#[test]
fn at_the_limit_the_session_that_was_not_used_for_longest_makes_room() {
    let server = Server::with().flag("--sessions=2").start();
    let sessions: Vec<_> = (0..5).map(|n| server.execute_in("new", &format!("own = {n}")).session()).collect();
    let live = || {
        let listed = server.call("session", json!({"action": "list"}));
        let sessions = listed.structured()["sessions"].as_array().unwrap().clone();
        let live = sessions.into_iter().filter(|listed| listed["live"] == true);
        let mut ids: Vec<_> = live.map(|listed| listed["id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    let pair = |one: usize, other: usize| {
        let mut ids = [sessions[one].clone(), sessions[other].clone()].to_vec();
        ids.sort();
        ids
    };
    assert_eq!(live(), pair(3, 4));
    for (n, other) in [(0, 4), (4, 0), (1, 4), (0, 1)] {
        assert_eq!(server.execute_in(&sessions[n], "own").value(), Some(n.to_string().as_str()));
        assert_eq!(live(), pair(n, other), "after {n}");
    }
    // All sessions come back, again and again.
    for round in 1..4 {
        for (n, session) in sessions.iter().enumerate() {
            let reply = server.execute_in(session, "own += 10\nown");
            assert_eq!(reply.value(), Some((n + 10 * round).to_string().as_str()));
        }
    }
    assert_eq!(server.health()["sessions_live"], 2);
}

#[test]
fn a_session_that_runs_does_not_make_room() {
    let server = Server::with().flag("--sessions=1").start();
    let busy = server.execute_in("new", "x = 1").session();
    let code = "import os, time\nprint('begun')\nwhile not os.path.exists('go'): time.sleep(0.01)\nx";
    let run = server.begin_execute(code, json!({"session": busy, "limits": {"wall_time_ms": 120_000}}));
    server.client.progress(&run, "begun");
    let refused = server.execute_in("new", "1");
    assert!(
        refused.refusal().contains("busy: all sessions are in use at this moment (1 of 1 in use)"),
        "{}",
        refused.text()
    );
    std::fs::write(server.workspace(&busy).join("go"), "").unwrap();
    assert_eq!(run.wait().value(), Some("1"));
    assert_eq!(server.execute_in("new", "2").value(), Some("2"));
    assert_eq!(server.execute_in(&busy, "x").value(), Some("1"));
}

#[test]
fn many_sessions_at_once_in_the_places_of_few_lose_nothing() {
    let server = Server::with().flag("--sessions=4").flag("--runs=2").start();
    let sessions: Vec<_> = (0..12).map(|n| server.execute_in("new", &format!("own = [{n}]")).session()).collect();
    for round in 1..=5 {
        for group in sessions.chunks(3) {
            let pending: Vec<_> = group
                .iter()
                .map(|session| server.begin_execute("own.append(0)\nlen(own)", json!({"session": session})))
                .collect();
            for pending in pending {
                assert_eq!(pending.wait().value(), Some((round + 1).to_string().as_str()));
            }
        }
    }
}

#[test]
fn a_session_that_this_server_is_too_small_for_says_so_and_gives_its_files() {
    let server = Server::start();
    let code = "x = bytearray(150 << 20)\nopen('f', 'w').write('kept')";
    let session = server.execute_in("new", code).session();
    let small = server.kill().flag("--memory-bytes=134217728").start();
    let refused = small.execute_in(&session, "len(x)");
    let text = refused.refusal();
    assert!(text.contains("MiB of memory") && text.contains("memory_bytes of this server is 128 MiB"), "{text}");
    assert!(small.read(&session, "f").text().starts_with("kept\n"));
    // The control: nothing is lost, and a larger one goes on.
    let large = small.kill().start();
    assert_eq!(large.execute_in(&session, "len(x)").value(), Some("157286400"));
}
