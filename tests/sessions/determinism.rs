//! Runs the same calls from the same state, with the same clocks and entropy: they must
//! end the same.

use serde_json::{Value, json};
use tests::{Reply, Server};

const BEFORE: &str = "import asyncio, os, random, secrets, tempfile, time, uuid\nclass Thing: pass\nkept = [Thing() for _ in range(100)]\n\
     open('f', 'w').write('start')";

const CALLS: [&str; 8] = [
    "[random.random(), random.Random().random(), random.sample(range(1000), 5)]",
    "[time.time(), time.monotonic(), time.perf_counter_ns(), time.strftime('%c'), os.times()]",
    "[uuid.uuid4(), uuid.uuid1(), secrets.token_hex(), os.urandom(16)]",
    "print({str(n) for n in range(50)}, {object() for _ in range(5)}, hash('text'), id(kept), id(Thing()), kept[7])",
    "async def tick(n):\n    await asyncio.sleep(0.01 * n)\n    return n, time.monotonic()\n\
     print(asyncio.run(tick(1)))\nawait asyncio.gather(*(tick(n) for n in (3, 1, 2)))",
    "def fail(n):\n    return 1 / n if n == 0 else fail(n - 1)\nprint('before', file=sys.stderr) if 'sys' in globals() else None\nfail(5)",
    "open('f', 'a').write(str(random.random()))\nos.makedirs('d', exist_ok=True)\n\
     for n in range(5): open(f'd/{n}', 'w').write(secrets.token_hex(n))\n\
     with tempfile.NamedTemporaryFile(dir='.') as file: print(file.name)\nprint(open('f').read(), os.stat('f').st_mtime_ns, os.stat('d').st_ctime)",
    "import re, decimal\nlost = 0\ntry:\n    while True: lost += 1\nexcept BaseException as error: print(type(error).__name__, lost)",
];

/// An outcome without what tells one run from another: handles, the number
/// and the end of its session, and the host's own clocks.
fn essence(reply: &Reply) -> String {
    let mut outcome: Value = reply.structured().clone();
    outcome.as_object_mut().unwrap().remove("run");
    outcome["session"] = outcome["session"]["state"].clone();
    let usage = outcome["usage"].as_object_mut().unwrap();
    assert!(usage.contains_key("fuel"));
    usage.remove("wall_time_ms");
    usage.remove("cpu_time_ms");
    outcome.to_string()
}

/// Every call, with a bound on fuel that ends the endless one.
fn run_all(server: &Server, session: &str) -> Vec<String> {
    CALLS
        .iter()
        .map(|code| {
            let limits = json!({"session": session, "limits": {"fuel": 500_000_000}});
            essence(&server.execute_with(code, limits))
        })
        .collect()
}

#[test]
fn a_rewound_session_does_the_same_again_to_the_byte() {
    let server = Server::with().flag("--deterministic").start();
    let session = server.execute_in("new", BEFORE).session();
    let snapshot = server.snapshot(&session);
    let first = run_all(&server, &session);
    for (code, outcome) in CALLS.iter().zip(&first) {
        assert!(outcome.contains(r#""status":"exited""#) || outcome.contains("limit_exceeded"), "{code}: {outcome}");
    }
    let after = run_all(&server, &session);
    assert_ne!(first[0], after[0], "a session that goes on does not repeat itself");
    server.session_at("restore", &session, &snapshot).result();
    assert_eq!(run_all(&server, &session), first, "rewound");
    assert_eq!(run_all(&server, &session), after, "and on from there");
    let fork = server.session_at("fork", &session, &snapshot).session();
    let next = server.kill().flag("--deterministic").start();
    assert_eq!(run_all(&next, &fork), first, "forked, on another server");
    // Every call is in a server, and so in an instance, of its own.
    next.session_at("restore", &session, &snapshot).result();
    let mut next = next;
    for (code, expected) in CALLS.iter().zip(&first) {
        next = next.kill().flag("--deterministic").start();
        let reply = next.execute_with(code, json!({"session": session, "limits": {"fuel": 500_000_000}}));
        assert_eq!(essence(&reply), *expected, "in an instance of its own");
    }
}

#[test]
fn without_the_flag_it_does_not() {
    let server = Server::start();
    let session = server.execute_in("new", BEFORE).session();
    let snapshot = server.snapshot(&session);
    let first = run_all(&server, &session);
    server.session_at("restore", &session, &snapshot).result();
    let second = run_all(&server, &session);
    for number in [0, 1, 2, 6] {
        assert_ne!(first[number], second[number], "{}", CALLS[number]);
    }
}
