//! Wall time, CPU time and fuel.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::{Server, eventually};

/// Programs that do not end by themselves, each stuck in another place.
const ENDLESS: [(&str, &str); 9] = [
    ("a loop", "while True: pass"),
    ("a sleep", "import time\ntime.sleep(30)"),
    ("asyncio", "import asyncio\nasyncio.run(asyncio.sleep(30))"),
    ("a catastrophic regular expression", "import re\nre.match(r'(a+)+$', 'a' * 40 + 'b')"),
    ("a loop in C", "sum(range(10 ** 15))"),
    ("one long operation in C", "len(str(7 ** (10 ** 7)))"),
    ("a generator", "max(n for n in iter(int, 1))"),
    ("output", "while True: print('x' * 100)"),
    (
        "swallowed interrupts",
        "while True:\n    try:\n        while True: pass\n    except BaseException:\n        pass",
    ),
];

/// Ten times the limit, and far below what the programs above would take.
const ON_TIME: Duration = Duration::from_secs(10);

/// Waits until no worker uses a processor: whatever ran has ended.
fn wait_until_idle(server: &Server) {
    let cpu_time = || server.workers().iter().map(tests::Process::cpu_time).sum::<Duration>();
    eventually("the workers to be idle", || {
        let before = cpu_time();
        std::thread::sleep(Duration::from_millis(200));
        (cpu_time() == before).then_some(())
    });
}

#[test]
fn whatever_a_program_is_stuck_in_it_is_answered_on_time_and_stops() {
    let server = Server::start();
    for (what, code) in ENDLESS {
        let started = Instant::now();
        // Python's own bound on integer texts must not end it first.
        let code = format!("import sys\nsys.set_int_max_str_digits(0)\n{code}");
        let reply = server.execute_with(&code, json!({"limits": {"wall_time_ms": 1000}}));
        assert!(started.elapsed() < ON_TIME, "{what} took {:?}", started.elapsed());
        assert_eq!(reply.status(), "limit_exceeded wall_time_ms", "{what}: {}", reply.message);
        assert!(reply.usage("wall_time_ms") >= 1000, "{what}");
        assert!(reply.text().contains("wall_time_ms reached its limit of 1000"), "{what}: {}", reply.text());
        server.assert_usable();
    }
    wait_until_idle(&server);
}

#[test]
fn a_session_goes_on_after_a_stopped_run_or_is_as_before_it() {
    let server = Server::start();
    for (what, code) in ENDLESS {
        let begun = server.execute_in("new", "x = 41\nopen('f', 'w').write('before')");
        let session = begun.session();
        let change = "import sys\nsys.set_int_max_str_digits(0)\nx = 42\nopen('f', 'w').write('after')";
        let limits = json!({"session": session, "limits": {"wall_time_ms": 1000}});
        let started = Instant::now();
        let reply = server.execute_with(&format!("{change}\n{code}"), limits);
        assert!(started.elapsed() < ON_TIME, "{what} took {:?}", started.elapsed());
        assert_eq!(reply.status(), "limit_exceeded wall_time_ms", "{what}: {}", reply.message);
        let (expected, more) = match reply.session_state() {
            "kept" => ("42 after\n", 1),
            "rolled_back" => ("41 before\n", 0),
            other => panic!("{what}: the state of the session is {other:?}"),
        };
        assert_eq!(reply.sequence(), begun.sequence() + more, "{what}, {}", reply.session_state());
        let after = server.execute_in(&session, "print(x, open('f').read())");
        assert_eq!(after.output(), expected, "{what}, {}", reply.session_state());
        // Only what does not come back to Python code may be undone.
        if ["a loop", "a sleep", "asyncio", "a generator", "output"].contains(&what) {
            assert_eq!(reply.session_state(), "kept", "{what}");
        }
    }
}

#[test]
fn a_stopped_program_sees_an_exception_and_can_clean_up() {
    let server = Server::start();
    let code = "try:\n    while True: pass\nfinally:\n    print('cleaned up')";
    let reply = server.execute_with(code, json!({"limits": {"wall_time_ms": 500}}));
    reply.assert_status("limit_exceeded wall_time_ms");
    assert_eq!(reply.stdout(), "cleaned up\n");
    assert_eq!(reply.error("name"), "ExecutionTimeout");
    assert!(reply.error("traceback").contains("line 2, in <module>"), "{}", reply.error("traceback"));
}

#[test]
fn wall_time_counts_sleeping_and_what_stays_below_is_left_alone() {
    let server = Server::start();
    let sleep =
        |limit: u64| server.execute_with("import time\ntime.sleep(1)", json!({"limits": {"wall_time_ms": limit}}));
    sleep(900).assert_status("limit_exceeded wall_time_ms");
    let below = sleep(3000);
    below.assert_status("exited 0");
    assert!((1000..3000).contains(&below.usage("wall_time_ms")), "{}", below.message);
}

#[test]
fn cpu_time_counts_work_and_not_sleeping() {
    let server = Server::start();
    let limits = json!({"limits": {"cpu_time_ms": 500, "wall_time_ms": 60_000}});
    let busy = server.execute_with("while True: pass", limits.clone());
    busy.assert_status("limit_exceeded cpu_time_ms");
    // On a loaded machine wall time may be far more; CPU time may not.
    assert!((500..5000).contains(&busy.usage("cpu_time_ms")), "{}", busy.message);
    let asleep = server.execute_with("import time\ntime.sleep(1.5)", limits);
    asleep.assert_status("exited 0");
    assert!(asleep.usage("wall_time_ms") >= 1500 && asleep.usage("cpu_time_ms") < 500, "{}", asleep.message);
}

#[test]
fn fuel_stops_a_program_just_above_its_limit_and_not_just_below() {
    let server = Server::start();
    let run = |limits: serde_json::Value| {
        server.execute_with(
            "total = 0\nfor n in range(3_000_000):\n    total += n\nprint(total)",
            json!({"limits": limits}),
        )
    };
    let free = run(json!({}));
    let fuel = free.usage("fuel");
    assert!(fuel > 200_000_000, "too little to measure: {fuel}");
    assert_eq!(run(json!({"fuel": fuel + fuel / 10})).output(), "4499998500000\n");
    let stopped = run(json!({"fuel": fuel - fuel / 10}));
    stopped.assert_status("limit_exceeded fuel");
    assert_eq!(stopped.stdout(), "");
}

#[test]
fn a_program_that_swallows_the_end_of_its_fuel_is_stopped_all_the_same() {
    let server = Server::start();
    let code = "while True:\n    try:\n        while True: pass\n    except BaseException:\n        pass";
    let reply = server.execute_with(code, json!({"limits": {"fuel": 100_000_000}}));
    reply.assert_status("limit_exceeded fuel");
    assert!(reply.usage("fuel") < 10_000_000_000, "{}", reply.message);
    server.assert_usable();
}

#[test]
fn a_cancelled_run_stops_and_its_session_survives() {
    let server = Server::with().flag("--runs=1").start();
    let session = server.execute_in("new", "x = 1").session();
    for code in ["while True: pass", "import time\ntime.sleep(60)"] {
        let code = format!("print('begun')\n{code}");
        let pending = server.begin_execute(&code, json!({"session": session, "limits": {"wall_time_ms": 60_000}}));
        server.client.progress(&pending, "begun");
        server.client.notify("notifications/cancelled", json!({"requestId": pending.id(), "reason": "test"}));
        // The one place is free again, and the variables are there.
        assert_eq!(server.execute_in(&session, "print(x)").output(), "1\n");
    }
    wait_until_idle(&server);
}
