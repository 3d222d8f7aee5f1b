//! What outlasts the server.

use nix::sys::signal::Signal;
use serde_json::json;
use tests::{Builder, Server};

/// Makes one of everything that lives in an interpreter, in several calls.
const BEFORE: [&str; 3] = [
    "import asyncio, collections, decimal, functools, itertools, json, re, time\n\
     class Base: pass\n\
     class Row(Base):\n    def __init__(self, n): self.n = n\n\
     rows = [Row(n) for n in range(1000)]\n\
     Point = collections.namedtuple('Point', 'x y')\n\
     def count():\n    n = 0\n    while True:\n        n += 1\n        yield n\n\
     numbers = count()\n\
     words = iter(['a', 'b', 'c'])\n\
     pairs = itertools.cycle([1, 2])\n\
     def adder(total):\n    def add(n):\n        nonlocal total\n        total += n\n        return total\n    return add\n\
     add = adder(10)\n\
     @functools.lru_cache\n\
     def square(n): return n * n",
    "json.mark = 'mine'\n\
     decimal.getcontext().prec = 5\n\
     digits = re.compile(r'\\d+')\n\
     loop = asyncio.new_event_loop()\n\
     fired = []\n\
     timer = loop.call_later(0.2, fired.append, 'timer')\n\
     begun = time.monotonic()",
    "[next(numbers), next(numbers), next(words), next(pairs), add(1), square(3)]",
];

const AFTER: &str = "print(isinstance(rows[0], Row), isinstance(rows[0], Base), type(rows[-1]) is Row, sum(row.n for row in rows))\n\
     print(Point(1, 2), next(numbers), next(words), next(pairs), add(5), square(3), square.cache_info().hits)\n\
     print(json.mark, 1 / decimal.Decimal(3), digits.findall('a1b22'), time.monotonic() >= begun, fired)\n\
     loop.run_until_complete(asyncio.sleep(0.3))\n\
     print('not yet', fired) if not fired else print(fired)";

const EXPECTED: &str =
    "True True True 499500\nPoint(x=1, y=2) 3 b 2 16 9 1\nmine 0.33333 ['1', '22'] True []\n['timer']\n";

/// Makes one of everything that a workspace holds.
const FILES: &str = "import os, hashlib\n\
     os.makedirs('a/b/c')\nos.mkdir('empty')\n\
     open('a/b/c/deep.txt', 'w').write('deep')\n\
     open('none', 'w').close()\n\
     open('large.bin', 'wb').write(bytes(n * n % 251 for n in range(300_000)) * 10)\n\
     open('na\\u00efve \\u540d', 'w').write('name')\n\
     for n in range(50): open(f'a/{n}', 'w').write(str(n))\n\
     os.utime('a/b/c/deep.txt', ns=(1_000_000_000_123_456_789, 1_100_000_000_123_456_789))";

const LISTING: &str = "import os, hashlib\n\
     for folder, folders, files in sorted(os.walk('.')):\n    \
         print(folder, sorted(folders), os.stat(folder).st_mtime_ns if folder != '.' else '')\n    \
         for name in sorted(files):\n        \
             path = os.path.join(folder, name)\n        \
             print(ascii(path), os.stat(path).st_mtime_ns, hashlib.sha256(open(path, 'rb').read()).hexdigest())";

fn filled(server: &Server) -> String {
    let session = server.new_session();
    for code in BEFORE {
        server.execute_in(&session, code).assert_status("exited 0");
    }
    session
}

#[test]
fn everything_in_the_interpreter_outlasts_a_killed_server() {
    let server = Server::start();
    let (control, session) = (filled(&server), filled(&server));
    assert_eq!(server.execute_in(&control, AFTER).output(), EXPECTED, "without a restart");
    let next = server.kill().start();
    assert_eq!(next.health()["sessions_live"], 0, "a start looks at no session");
    assert_eq!(next.execute_in(&session, AFTER).output(), EXPECTED);
}

#[test]
fn every_file_outlasts_a_killed_server() {
    let server = Server::start();
    let session = server.execute_in("new", FILES).session();
    let before = server.execute_in(&session, LISTING).output().to_owned();
    assert!(before.contains("1100000000123456789") && before.lines().count() > 50, "{before}");
    let next = server.kill().start();
    // The files alone come back for a reader, too.
    assert_eq!(next.read(&session, "a/b/c/deep.txt").text(), "deep\n[lines 1-1 of 1]");
    assert_eq!(next.execute_in(&session, LISTING).output(), before);
}

#[test]
fn a_session_outlasts_every_end_of_its_server_and_many_of_them() {
    let mut next = Server::start();
    let session = next.execute_in("new", "n = 0").session();
    for (round, signal) in
        [Some(Signal::SIGTERM), Some(Signal::SIGKILL), None, Some(Signal::SIGKILL)].iter().enumerate()
    {
        let reply = next.execute_in(&session, "n += 1\nopen('n', 'a').write('x')\nprint(n, open('n').read())");
        assert_eq!(reply.output(), format!("{} {}\n", round + 1, "x".repeat(round + 1)));
        match signal {
            Some(signal) => next.signal(*signal),
            None => next.client.close(),
        }
        next.wait();
        next = next.kill().start();
    }
    assert_eq!(next.execute_in(&session, "n").value(), Some("4"));
}

#[test]
fn copies_of_one_state_draw_different_random_numbers() {
    let server = Server::start();
    let draw = "import os, random, uuid, secrets\nprint(random.random(), random.Random().random(), uuid.uuid4(), os.urandom(8), secrets.token_hex())";
    let session = server.execute_in("new", draw).session();
    let copies: Vec<_> = (0..2).map(|_| server.session("fork", &session).session()).collect();
    let next = server.kill().start();
    let draws: Vec<String> = [&session, &copies[0], &copies[1]]
        .iter()
        .map(|session| next.execute_in(session, draw).output().to_owned())
        .collect();
    let parts = |draw: &String| draw.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        for (part, same) in parts(&draws[one]).iter().zip(parts(&draws[other])) {
            assert_ne!(*part, same, "{draws:?}");
        }
    }
}

#[test]
fn store_and_durability_say_what_a_session_outlasts() {
    for (level, outlasts) in [("--durability=process", true), ("--durability=disk", true), ("--store=memory", false)] {
        let start = |builder: Builder| builder.flag(level).start();
        let server = start(Server::with());
        let session = server.execute_in("new", "x = 1\nopen('f', 'w').write('kept')").session();
        let look = "print(x, open('f').read())";
        assert_eq!(server.execute_in(&session, look).output(), "1 kept\n", "{level}");
        // Memory is given up and taken again without a restart, too.
        let snapshot = server.snapshot(&session);
        server.execute_in(&session, "x = 2").assert_status("exited 0");
        server.session_at("restore", &session, &snapshot).result();
        assert_eq!(server.execute_in(&session, look).output(), "1 kept\n", "{level}");
        let next = start(server.kill());
        let reply = next.execute_in(&session, look);
        if outlasts {
            assert_eq!(reply.output(), "1 kept\n", "{level}");
        } else {
            assert!(reply.refusal().contains(&format!("no session `{session}`")), "{}", reply.text());
            assert_eq!(next.store().everything().len(), 0, "nothing of it was on disk");
        }
        assert_eq!(next.execute_in("new", "print(1)").output(), "1\n");
    }
}

#[test]
fn a_run_that_the_server_died_under_never_was() {
    let server = Server::start();
    let session = server.execute_in("new", "ran = []").session();
    let run = server.begin_execute("ran.append(1)\nprint('begun')\nwhile True: pass", json!({"session": session}));
    server.client.progress(&run, "begun");
    let next = server.kill().start();
    assert!(run.wait_or_end().is_none(), "a killed server cannot answer");
    assert_eq!(next.execute_in(&session, "ran").value(), Some("[]"));
}

#[test]
fn every_way_to_change_a_file_is_saved_also_when_it_is_all_that_a_run_does() {
    let mut server = Server::start();
    let session = server.new_session();
    server.execute_in(&session, "import os\nkept = open('kept', 'w+')").assert_status("exited 0");
    // What a run changes, and what tells that it is there afterwards.
    let changes = [
        ("os.mkdir('d')", "os.path.isdir('d')"),
        ("os.close(os.open('d/new', os.O_CREAT | os.O_WRONLY))", "os.path.getsize('d/new') == 0"),
        ("_ = kept.write('text'); kept.flush()", "open('kept').read() == 'text'"),
        ("_ = os.pwrite(kept.fileno(), b'T', 0)", "open('kept').read() == 'Text'"),
        ("os.ftruncate(kept.fileno(), 2)", "open('kept').read() == 'Te'"),
        ("os.utime('kept', (5, 5))", "os.stat('kept').st_mtime == 5"),
        ("os.rename('d/new', 'd/moved')", "os.listdir('d') == ['moved']"),
        ("os.unlink('d/moved')", "os.listdir('d') == []"),
        ("os.rmdir('d')", "not os.path.exists('d')"),
    ];
    for (change, told_by) in changes {
        let before = server.execute_in(&session, told_by).value() == Some("True");
        let status = server.execute_in(&session, change).status();
        server = server.kill().start();
        let after = server.execute_in(&session, told_by);
        assert_eq!(after.value(), Some("True"), "{change}: {status} {}", after.text());
        assert!(!before, "{change}: it was so before");
    }
}
