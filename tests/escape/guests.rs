//! Greedy programs in a WebAssembly guest, which has neither processes nor descriptors
//! of the host to take.

use serde_json::{Value, json};
use tests::{Process, Server};

use crate::place::Place;

/// A program, its further limits, and how it may end.
type Bomb = (&'static str, &'static str, fn() -> Value, &'static [&'static str]);

const BOMBS: &[Bomb] = &[
    ("fork", "import os\nos.fork()", || json!({}), &["exited 1"]),
    ("programs", "import subprocess\nsubprocess.run(['true'])", || json!({}), &["exited 1"]),
    (
        "threads without end",
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        || json!({}),
        &["limit_exceeded memory_bytes"],
    ),
    ("signals", "import os\nos.kill(1, 9)", || json!({}), &["exited 1"]),
    ("sockets", "import socket\nsocket.socket()", || json!({}), &["exited 1"]),
    ("memory at once", "x = bytearray(1 << 30)", || json!({}), &["limit_exceeded memory_bytes"]),
    (
        "memory by and by",
        "x = []\nwhile True: x.append(bytearray(1 << 20))",
        || json!({}),
        &["limit_exceeded memory_bytes"],
    ),
    ("many small objects", "x = []\nwhile True: x.append([x])", || json!({}), &["limit_exceeded memory_bytes"]),
    ("shared memory", "import mmap\nmmap.mmap(-1, 1 << 20)", || json!({}), &["exited 1"]),
    (
        "one file",
        "with open('f', 'wb') as file:\n    while True: file.write(b'x' * (1 << 20))",
        || json!({}),
        &["limit_exceeded disk_bytes"],
    ),
    (
        "many files",
        "n = 0\nwhile True:\n    n += 1\n    open(f'f{n}', 'w').close()",
        || json!({}),
        &["limit_exceeded disk_files"],
    ),
    (
        "a file that is mostly not there",
        "with open('f', 'wb') as file: file.truncate(1 << 40)",
        || json!({}),
        &["limit_exceeded disk_bytes"],
    ),
    (
        "directories in directories",
        "import os\nwhile True:\n    os.mkdir('d')\n    os.chdir('d')",
        || json!({}),
        &["limit_exceeded disk_files", "exited 1"],
    ),
    (
        "descriptors",
        "kept = []\nopen('f', 'w').close()\nwhile True: kept.append(open('f'))",
        || json!({}),
        &["limit_exceeded open_files"],
    ),
    ("a loop", "while True: pass", || json!({"cpu_time_ms": 500}), &["limit_exceeded cpu_time_ms"]),
    ("fuel", "while True: pass", || json!({"fuel": 2_000_000_000}), &["limit_exceeded fuel"]),
    ("sleep", "import time\ntime.sleep(600)", || json!({"wall_time_ms": 1000}), &["limit_exceeded wall_time_ms"]),
    (
        "not ending when asked",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        || json!({"wall_time_ms": 1000}),
        &["limit_exceeded wall_time_ms"],
    ),
    (
        "output",
        "while True: print('line\\n' * 1000)",
        || json!({"wall_time_ms": 1000}),
        &["limit_exceeded wall_time_ms"],
    ),
    (
        "output of errors",
        "import sys\nwhile True: print('line\\n' * 1000, file=sys.stderr)",
        || json!({"wall_time_ms": 1000}),
        &["limit_exceeded wall_time_ms"],
    ),
    (
        "a line without end",
        "while True: print('x' * 10_000, end='')",
        || json!({"wall_time_ms": 1000}),
        &["limit_exceeded wall_time_ms"],
    ),
    (
        "no output and no end",
        "import os, time\nos.close(1)\nos.close(2)\ntime.sleep(600)",
        || json!({"wall_time_ms": 1000}),
        &["limit_exceeded wall_time_ms"],
    ),
    (
        "recursion",
        "import sys\nsys.setrecursionlimit(10 ** 9)\ndef f(): f()\nf()",
        || json!({}),
        &["exited 1", "trapped stack_overflow", "limit_exceeded memory_bytes"],
    ),
    ("an exit", "import os\nos._exit(125)", || json!({}), &["exited 125"]),
    ("an abort", "import os\nos.abort()", || json!({}), &["trapped unreachable"]),
];

fn explode(server: &Server, place: Place) -> Vec<String> {
    let bystander = server.execute_in("new", "x = 'unhurt'").session();
    let mut differences = Vec::new();
    for (name, code, limits, ends) in BOMBS {
        let mut all = json!({
            "wall_time_ms": 20_000, "memory_bytes": 128 << 20, "disk_bytes": 32 << 20, "disk_files": 300, "open_files": 32, "output_bytes": 8192,
        });
        all.as_object_mut().unwrap().extend(limits().as_object().unwrap().clone());
        let reply = server.execute_with(code, json!({"limits": all}));
        let status = reply.status();
        if !ends.contains(&status.as_str()) {
            differences.push(format!("{}: {name}: {status}: {}", place.name(), reply.error("value")));
        }
        assert!(
            reply.message.to_string().len() < 64 << 10,
            "{name}: an answer of {} bytes",
            reply.message.to_string().len()
        );
        assert_eq!(server.execute_in(&bystander, "x").value(), Some("'unhurt'"), "{}: after {name}", place.name());
    }
    differences
}

#[test]
fn guests_that_take_too_much_get_a_typed_end() {
    let differences: Vec<String> = [Place::User, Place::ContainerRoot]
        .into_iter()
        .flat_map(|place| {
            let server = place.server().start();
            let differences = explode(&server, place);
            // No process of the host came of a bomb but workers.
            let children = Process::children_of(server.process().pid());
            assert!(children.len() <= 8, "{children:?}");
            server.assert_usable();
            differences
        })
        .collect();
    assert_eq!(differences, Vec::<String>::new());
}
