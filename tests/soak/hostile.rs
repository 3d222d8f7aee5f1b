//! Programs that go too far. Each ends in the outcome that it must have, and
//! what comes after it is as if it had not been.

use serde_json::{Value, json};

use super::mix::Caller;
use super::plain;

/// A limit, a program that reaches it, and how else it may end.
type Limit = (&'static str, &'static str, u64, &'static str);

const LIMITS: [Limit; 6] = [
    ("python", "wall_time_ms", 150, "import time\ntime.sleep(60)"),
    ("python", "cpu_time_ms", 100, "while True: pass"),
    ("python", "memory_bytes", 64 << 20, "x = []\nwhile True: x.append(bytes(1 << 20))"),
    ("python", "disk_bytes", 1 << 20, "open('f', 'wb').write(bytes(4 << 20))"),
    ("python", "open_files", 16, "kept = []\nwhile True: kept.append(open('f', 'w'))"),
    ("bash", "wall_time_ms", 200, "sleep 60"),
];

pub(crate) fn limit(caller: &mut Caller<'_>) {
    if caller.below(LIMITS.len() + 1) == 0 {
        let reply = caller.run("python", "print('x' * 2_000_000)", json!({"limits": {"output_bytes": 4096}}));
        assert!(reply.status() == "exited 0" && reply.stdout().len() < 8192, "{} bytes", reply.stdout().len());
        return;
    }
    let (language, name, amount, code) = LIMITS[caller.below(LIMITS.len())];
    let reply = caller.run(language, code, json!({"limits": {name: amount}}));
    assert_eq!(reply.status(), format!("limit_exceeded {name}"), "{}", reply.message);
    plain::python(caller);
}

/// Programs whose instances are dropped; a session is as before.
pub(crate) fn crash(caller: &mut Caller<'_>) {
    const CRASHES: [(&str, &str); 2] =
        [("import os\nos.abort()", "trapped unreachable"), ("import os\nos._exit(3)", "exited 3")];
    let (code, expected) = CRASHES[caller.below(CRASHES.len())];
    let token = caller.token();
    let session = caller.run("python", &format!("n = '{token}'"), json!({"session": "new"})).session();
    let reply = caller.run("python", &format!("n = 0\n{code}"), json!({"session": session}));
    assert_eq!((reply.status().as_str(), reply.session_state()), (expected, "rolled_back"), "{}", reply.message);
    let after = caller.run("python", "print(n)", json!({"session": session}));
    assert_eq!(after.output(), format!("{token}\n"));
    caller.close(&session);
}

/// Programs of the machine that take what they can get, in small.
pub(crate) fn native(caller: &mut Caller<'_>) {
    let limits = |more: Value| {
        let mut limits =
            json!({"wall_time_ms": 1000, "processes": 12, "memory_bytes": 64 << 20, "disk_bytes": 8 << 20});
        if let (Value::Object(limits), Value::Object(more)) = (&mut limits, more) {
            limits.extend(more);
        }
        json!({"limits": limits})
    };
    const LATE: &[&str] = &["limit_exceeded wall_time_ms", "limit_exceeded processes"];
    const FULL: &[&str] = &["limit_exceeded disk_bytes"];
    const MEMORY: &[&str] = &["limit_exceeded memory_bytes"];
    const WELL: &[&str] = &["exited 0"];
    // What the warden cannot look into counts as too many files, where it looks in time.
    const HIDDEN: &[&str] = &["exited 0", "limit_exceeded disk_files"];
    let programs: [(&str, &str, Value, &[&str]); 8] = [
        ("bash", "b() { b | b & }; b 2>/dev/null; sleep 60", json!({"wall_time_ms": 300}), LATE),
        ("bash", "yes | head -c 3000000", json!({}), WELL),
        ("bash", "mkdir -p a/b/c; echo x > a/b/c/f; chmod 000 a/b/c a/b a 2>/dev/null; true", json!({}), HIDDEN),
        ("bash", "for n in 1 2 3; do (trap '' TERM; sleep 500) & done; disown -a; echo on", json!({}), WELL),
        (
            "bash",
            "n=0; while head -c 1000000 /dev/zero > f$n; do n=$((n + 1)); done",
            json!({"wall_time_ms": 5000}),
            FULL,
        ),
        (
            "python-native",
            "x = []\nwhile True: x.append(bytearray(b'x') * (1 << 20))",
            json!({"wall_time_ms": 5000}),
            MEMORY,
        ),
        (
            "python-native",
            "import mmap\nwith open('m', 'w+b') as f:\n    f.truncate(1 << 20)\n    m = mmap.mmap(f.fileno(), 1 << 20)\n    \
             m[:4] = b'seen'\n    m.flush()\nprint(open('m', 'rb').read(4))",
            json!({"wall_time_ms": 5000}),
            WELL,
        ),
        ("bash", "kill -9 $$; sleep 5", json!({}), &["signaled 9"]),
    ];
    let (language, code, more, ends) = &programs[caller.below(programs.len())];
    let reply = caller.run(language, code, limits(more.clone()));
    assert!(ends.contains(&reply.status().as_str()), "{code}: {}", reply.message);
    plain::bash(caller);
}
