//! Programs that take all they can get. Each ends in a typed outcome, leaves
//! nothing behind, and neither the server nor a run beside it suffers.

use std::io::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::Reply;

use crate::controls::new_secret;
use crate::left::assert_nothing_left;
use crate::place::{Place, assert_native_usable, begin, run};

/// A program that goes too far.
struct Bomb {
    name: &'static str,
    language: &'static str,
    code: &'static str,
    /// Limits other than those of all.
    limits: fn() -> Value,
    /// How the bomb may end. More than one where the kernel decides by a race.
    ends: &'static [&'static str],
    /// How the bomb ends where no control group counts what it takes: it is refused.
    ungrouped: &'static [&'static str],
}

const fn bomb(name: &'static str, code: &'static str, ends: &'static [&'static str]) -> Bomb {
    Bomb { name, language: "python-native", code, limits: || json!({}), ends, ungrouped: &[] }
}

const WALL: &str = "limit_exceeded wall_time_ms";
const CPU: &str = "limit_exceeded cpu_time_ms";
const MEMORY: &str = "limit_exceeded memory_bytes";
const PROCESSES: &str = "limit_exceeded processes";
const DISK: &str = "limit_exceeded disk_bytes";
const FILES: &str = "limit_exceeded disk_files";
const OPEN: &str = "limit_exceeded open_files";

const BOMBS: &[Bomb] = &[
    // Processes.
    bomb("fork bomb", "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", &[WALL, PROCESSES]),
    Bomb {
        language: "bash",
        ..bomb("fork bomb of a shell", "bomb() { bomb | bomb & }; bomb 2>/dev/null; sleep 60", &[WALL, PROCESSES])
    },
    bomb(
        "processes that end and are not waited for",
        "import os\nwhile True:\n    if os.fork() == 0: os._exit(0)",
        &[PROCESSES],
    ),
    bomb(
        "threads",
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        &[PROCESSES],
    ),
    bomb(
        "daemons that ignore being asked",
        "import os, signal, time\nfor _ in range(3):\n    if os.fork() == 0:\n        os.setsid()\n        if os.fork(): os._exit(0)\n        \
         for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(number, signal.SIG_IGN)\n        \
         time.sleep(600)\n    else: os.wait()\nprint('started')",
        &["exited 0"],
    ),
    bomb(
        "daemons that stop themselves",
        "import os, signal\nfor _ in range(3):\n    if os.fork() == 0:\n        os.setsid()\n        os.kill(os.getpid(), signal.SIGSTOP)\nprint('started')",
        &["exited 0"],
    ),
    bomb(
        "a process that adopts its own",
        "import ctypes, os, time\nctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\n\
         if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(600)\n    os._exit(0)\nos.wait()\nprint('started')",
        &["exited 0"],
    ),
    // Memory.
    bomb("memory at once", "x = bytearray(1 << 30)", &[MEMORY]),
    bomb("memory by and by", "x = []\nwhile True: x.append(bytearray(b'x') * (1 << 20))", &[MEMORY]),
    bomb(
        "memory of a tree",
        "import os, time\nfor _ in range(4):\n    if os.fork() == 0:\n        x = bytearray(b'x') * (60 << 20)\n        time.sleep(60)\ntime.sleep(60)",
        // A control group ends one process, and lets the others go on.
        &[MEMORY, WALL],
    ),
    Bomb {
        ungrouped: &[MEMORY],
        ..bomb(
            "shared memory",
            "import mmap\nx = mmap.mmap(-1, 600 << 20)\nfor _ in range(600): x.write(b'x' * (1 << 20))\nprint('had it')",
            &[MEMORY],
        )
    },
    Bomb {
        // Pages that belong to what is mapped, and not to a process.
        ungrouped: &[MEMORY, DISK],
        ..bomb(
            "shared memory that no process shows",
            "import mmap\nkept = []\nfor _ in range(75):\n    x = mmap.mmap(-1, 8 << 20)\n    x.write(b'x' * (8 << 20))\n    \
         x.madvise(mmap.MADV_DONTNEED)\n    kept.append(x)\nprint('had it')",
            &[MEMORY],
        )
    },
    bomb(
        "shared memory of a device",
        "import mmap\nkept = []\nzero = open('/dev/zero', 'r+b', buffering=0)\nfor _ in range(75):\n    x = mmap.mmap(zero.fileno(), 8 << 20)\n    \
             x.write(b'x' * (8 << 20))\n    x.madvise(mmap.MADV_DONTNEED)\n    kept.append(x)\nprint('had it')",
        &["exited 1"],
    ),
    bomb(
        "memory of a process that hides",
        "import ctypes\nctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\nx = []\nwhile True: x.append(bytearray(b'x') * (1 << 20))",
        &[MEMORY],
    ),
    bomb(
        "memory in files",
        "import os\nfor number in range(20): os.memfd_create(str(number))\nprint('had it')",
        &["exited 1"],
    ),
    bomb(
        "memory by key",
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nif libc.shmget(0, 64 << 20, 0o1600) < 0: raise OSError(ctypes.get_errno(), 'shmget')",
        &["exited 1"],
    ),
    Bomb {
        limits: || json!({"open_files": 200}),
        ..bomb(
            "temporary files",
            "import tempfile\nkept = []\nwhile True:\n    file = tempfile.TemporaryFile()\n    file.write(b'x' * (4 << 20))\n    file.flush()\n    kept.append(file)",
            &[MEMORY, DISK],
        )
    },
    bomb(
        "files in shared memory",
        "with open('/dev/shm/x', 'wb', buffering=0) as file:\n    while True: file.write(b'x' * (1 << 20))",
        // There is no such place without a file system of its own.
        &[MEMORY, DISK, "exited 1"],
    ),
    Bomb {
        limits: || json!({"processes": 64, "open_files": 64}),
        // The memory is the kernel's own, up to about 200 KiB for each socket.
        ..bomb(
            "memory in sockets",
            "import os, socket, time\ndef fill():\n    kept = []\n    try:\n        while True:\n            kept.append(socket.socketpair())\n            \
             for end in kept[-1]:\n                end.setblocking(False)\n                try:\n                    while True: end.send(b'x' * 65536)\n                \
             except BlockingIOError: pass\n    except OSError: return kept\nreading, writing = os.pipe()\nfor _ in range(40):\n    \
             if os.fork() == 0:\n        kept = fill()\n        os.write(writing, b'x')\n        time.sleep(60)\nfor _ in range(40): os.read(reading, 1)\ntime.sleep(6)\nprint('had it')",
            &[MEMORY],
        )
    },
    // Disk.
    bomb(
        "one file",
        "with open('f', 'wb', buffering=0) as file:\n    while True: file.write(b'x' * (1 << 20))",
        &[DISK],
    ),
    bomb(
        "many large files",
        "number = 0\nwhile True:\n    number += 1\n    with open(f'f{number}', 'wb') as file: file.write(b'x' * (1 << 20))",
        &[DISK],
    ),
    Bomb {
        limits: || json!({"open_files": 200}),
        ..bomb(
            "files that have no name any more",
            "import os\nkept = []\nwhile True:\n    file = open('f', 'wb', buffering=0)\n    os.unlink('f')\n    file.write(b'x' * (8 << 20))\n    kept.append(file)",
            &[DISK],
        )
    },
    bomb("many files", "number = 0\nwhile True:\n    number += 1\n    open(f'f{number}', 'w').close()", &[FILES]),
    bomb("a file that is mostly not there", "with open('f', 'wb') as file: file.truncate(1 << 40)", &[DISK]),
    Bomb {
        limits: || json!({"disk_files": 100_000, "wall_time_ms": 20_000}),
        ..bomb(
            "directories in directories",
            "import os\ntry:\n    for _ in range(99_000):\n        os.mkdir('d')\n        os.chdir('d')\nexcept OSError: pass\nprint('deep')",
            &["exited 0", "trapped guest_fault", FILES, DISK],
        )
    },
    // Descriptors.
    bomb("descriptors", "kept = []\nwhile True: kept.append(open('/dev/null'))", &[OPEN]),
    // Time.
    Bomb { limits: || json!({"cpu_time_ms": 500}), ..bomb("a loop", "while True: pass", &[CPU]) },
    Bomb {
        limits: || json!({"cpu_time_ms": 500}),
        ..bomb("loops of a tree", "import os\nfor _ in range(4): os.fork()\nwhile True: pass", &[CPU])
    },
    Bomb {
        limits: || json!({"cpu_time_ms": 500}),
        ..bomb(
            "loops of many short lives",
            "import os, signal, time\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\nlives = 0\nwhile True:\n    \
             try: child = os.fork()\n    except OSError: continue\n    if child == 0:\n        \
             end = time.process_time() + 0.2\n        while time.process_time() < end: pass\n        os._exit(0)\n    time.sleep(0.01)",
            &[CPU],
        )
    },
    bomb("sleep", "import time\ntime.sleep(600)", &[WALL]),
    bomb("a stop", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", &[WALL]),
    bomb(
        "not ending when asked",
        "import signal, time\nfor number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}: signal.signal(number, signal.SIG_IGN)\nwhile True: time.sleep(1)",
        &[WALL],
    ),
    // Output.
    bomb("output", "import os\nwhile True: os.write(1, b'line\\n' * 10_000)", &[WALL]),
    bomb("output of errors", "import os\nwhile True: os.write(2, b'line\\n' * 10_000)", &[WALL]),
    bomb("a line without end", "import os\nwhile True: os.write(1, b'x' * 50_000)", &[WALL]),
    bomb("no output and no end", "import os, time\nos.close(1)\nos.close(2)\ntime.sleep(600)", &[WALL]),
    bomb(
        "a result without end",
        "import os\ntry:\n    while True: os.write(3, b'x' * 50_000)\nexcept OSError: pass",
        &[WALL, "exited 0"],
    ),
    // Ends of other kinds.
    bomb(
        "arguments that are too long",
        "import os, sys\nos.execv(sys.executable, [sys.executable, '-c', '', *['x' * 100_000] * 50])",
        &["exited 1"],
    ),
    bomb(
        "an environment that is too large",
        "import os, sys\nos.execve(sys.executable, [sys.executable, '-c', ''], {str(n): 'x' * 100_000 for n in range(50)})",
        &["exited 1"],
    ),
    bomb("the exit code of a failed launcher", "import os\nos._exit(125)", &["exited 125"]),
    bomb("a fault", "import ctypes\nctypes.string_at(0)", &["signaled 11"]),
    bomb("a dump", "import os, resource\nos.abort()", &["signaled 6"]),
];

fn limits_of(bomb: &Bomb) -> Value {
    let mut limits = json!({
        "wall_time_ms": if bomb.ends.contains(&WALL) { 1500 } else { 15_000 },
        "cpu_time_ms": 20_000,
        "memory_bytes": 128 << 20,
        "processes": 24,
        "disk_bytes": 32 << 20,
        "disk_files": 300,
        "open_files": 32,
        "output_bytes": 8192,
    });
    let more = (bomb.limits)();
    limits.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    limits
}

const BESIDE: &str = "import os, subprocess, time
print('begun', flush=True)
failed = 0
while not os.path.exists('go'):
    try: subprocess.run(['true'], check=True)
    except OSError: failed += 1
    time.sleep(0.05)
print('ended well')";

fn explode(place: Place) {
    let server = place.server().start();
    assert_native_usable(&server);
    let session = run(&server, "python-native", "", json!({"session": "new"})).session();
    let limits = json!({"wall_time_ms": 300_000, "cpu_time_ms": 300_000});
    let sibling = begin(&server, "python-native", BESIDE, json!({"session": session, "limits": limits}));
    server.client.progress(&sibling, "begun");

    let mut differences = Vec::new();
    let mut longest = Duration::ZERO;
    for bomb in BOMBS {
        let mark = new_secret();
        let mut started = Instant::now();
        let more = json!({"env": {"MARK": mark}, "limits": limits_of(bomb)});
        let ends = if place.tier() == "isolated" || bomb.ungrouped.is_empty() { bomb.ends } else { bomb.ungrouped };
        let status_of = |reply: &Reply| match reply.result().get("structuredContent") {
            Some(_) => reply.status(),
            None => reply.message.to_string(),
        };
        let mut reply = run(&server, bomb.language, bomb.code, more.clone());
        let mut status = status_of(&reply);
        // Without namespaces a user's programs share one bound on processes, and
        // those of a test beside this one may have reached it.
        if place.tier() == "container" && status == PROCESSES && !ends.contains(&PROCESSES) {
            started = Instant::now();
            reply = run(&server, bomb.language, bomb.code, more);
            status = status_of(&reply);
        }
        let took = started.elapsed();
        if !ends.contains(&status.as_str()) {
            let error = reply.result()["structuredContent"]["error"]["value"].to_string();
            let output = reply.result()["structuredContent"]["stdout"].to_string();
            differences.push(format!("{}: {}: {status}: {output:.100} {error:.300}", place.name(), bomb.name));
        }
        longest = longest.max(assert_nothing_left(bomb.name, &mark));
        let allowed = Duration::from_millis(limits_of(bomb)["wall_time_ms"].as_u64().unwrap() + 8000);
        if took > allowed {
            differences.push(format!("{}: {}: answered after {took:?}", place.name(), bomb.name));
        }
        if reply.message.to_string().len() > 64 << 10 {
            differences.push(format!(
                "{}: {}: an answer of {} bytes",
                place.name(),
                bomb.name,
                reply.message.to_string().len()
            ));
        }
        // A program that fails to start would pass for one that was stopped.
        let next = run(&server, "python-native", "print(6 * 7)", json!({}));
        if next.result().get("structuredContent").is_none_or(|next| next["stdout"] != "42\n") {
            differences.push(format!("{}: {}: the next call got {}", place.name(), bomb.name, next.message));
        }
    }
    std::fs::write(server.workspace(&session).join("go"), "").unwrap();
    assert_eq!(differences, Vec::<String>::new());
    assert_eq!(sibling.wait().output(), "begun\nended well\n");
    server.assert_usable();
    let _ = writeln!(
        std::io::stderr().lock(),
        "escape: {:<15} {} programs that take too much; the last process was gone {longest:?} after an answer at most",
        place.name(),
        BOMBS.len(),
    );
}

#[test]
fn taking_too_much_from_a_user_on_their_machine() {
    explode(Place::User);
}

#[test]
fn taking_too_much_from_root_of_a_machine() {
    explode(Place::Root);
}

#[test]
fn taking_too_much_in_a_container() {
    explode(Place::ContainerUser);
}

#[test]
fn taking_too_much_as_root_of_a_container() {
    explode(Place::ContainerRoot);
}
