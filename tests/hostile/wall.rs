//! The wall around worker processes: that it stands around every worker of a
//! real server, that nothing runs without it, and that it asks little of the
//! host. What it holds back is tried in `sandbox/jailer/tests/wall`.

use nix::sys::signal::Signal;
use tests::{Restriction, SOME_USER, Server, eventually};

const FILES: &str = "\
import os
os.mkdir('a')
os.mkdir('b')
with open('a/f', 'w') as file: file.write('kept')
os.rename('a/f', 'a/g')
os.utime('a/g', (1, 1))
with open('a/g', 'a') as file: os.fsync(file.fileno()); os.fdatasync(file.fileno()); file.truncate(4)
os.posix_fadvise(os.open('a/g', os.O_RDONLY), 0, 0, os.POSIX_FADV_NORMAL)
print(open('a/g').read(), os.stat('a/g').st_mtime > 0, sorted(os.listdir()))
";

fn field(status: &str, name: &str) -> String {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

/// What the kernel says of every thread of a process.
fn statuses(process: i32) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("status")).ok()).collect()
}

#[test]
fn every_thread_of_every_worker_is_confined_and_the_server_is_not() {
    let server = Server::with().flag("--workers=2").start();
    assert_eq!(server.execute(FILES).output(), "kept True ['a', 'b']\n");
    let held: Vec<_> = (0..4)
        .map(|_| {
            let pending = server.begin_execute("print('begun')\nimport time\ntime.sleep(60)", serde_json::json!({}));
            server.client.progress(&pending, "begun");
            pending
        })
        .collect();
    let filters = |status: &String| field(status, "Seccomp_filters").parse::<u32>().unwrap_or(0);
    let own = statuses(server.process().pid());
    let workers = server.workers();
    assert_eq!(workers.len(), 2);
    for worker in workers {
        let threads = statuses(worker.pid());
        assert!(threads.len() > 2, "each run has one, and one reads");
        for status in threads {
            assert_eq!((&*field(&status, "Seccomp"), &*field(&status, "NoNewPrivs")), ("2", "1"), "{status}");
            for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                assert_eq!(field(&status, set).trim_matches('0'), "", "{set}");
            }
            assert!(filters(&status) > own.iter().map(filters).max().unwrap());
        }
    }
    for pending in held {
        server.client.notify("notifications/cancelled", serde_json::json!({"requestId": pending.id()}));
    }
}

/// Each protection, taken away, and the step that must say so.
#[test]
fn where_a_protection_cannot_be_had_nothing_runs_and_the_error_names_the_step() {
    // PR_SET_NO_NEW_PRIVS is 38, of linux/prctl.h.
    for (call, step) in [
        ("capset", "capabilities"),
        ("prctl:38", "no_new_privs"),
        ("landlock_create_ruleset", "landlock"),
        ("landlock_add_rule", "landlock"),
        ("landlock_restrict_self", "landlock"),
        ("seccomp", "seccomp"),
    ] {
        let server = Server::with().restricted(Restriction::default().error(call, "ENOSYS")).start();
        let reply = server.execute("open('ran', 'w').close()\nprint('ran')");
        assert!(reply.refusal().contains(&format!("the step `{step}`")), "{call}: {}", reply.message);
        eventually("the worker to be gone", || server.workers().is_empty().then_some(()));
        // The server lives, and says the same again.
        assert_eq!(server.execute("1").refusal(), reply.refusal(), "{call}");
    }
}

#[test]
fn a_server_that_cannot_protect_its_own_memory_does_not_start() {
    let directory = tempfile::tempdir().unwrap();
    // PR_SET_DUMPABLE is 4, of linux/prctl.h.
    let restriction = Restriction::default().error("prctl:4", "ENOSYS");
    let output = Server::with().restricted(restriction).command(directory.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("failed to protect the own process"), "{output:?}");
}

#[test]
fn a_kernel_that_only_says_yes_is_found_out() {
    // The call "succeeds" with nothing done.
    for (call, what) in [("landlock_restrict_self", "a directory outside"), ("seccomp", "a system call")] {
        let server = Server::with().restricted(Restriction::default().error(call, "0")).start();
        let reply = server.execute("print('ran')");
        assert!(reply.refusal().contains("the step `proof`"), "{call}: {}", reply.message);
        assert!(server.log().contains(what), "{call}");
    }
}

#[test]
fn a_worker_that_hit_the_wall_is_lost_and_the_log_says_so() {
    let server = Server::with().flag("--workers=1").start();
    let pending = server.begin_execute("print('begun')\nwhile True: pass", serde_json::json!({}));
    server.client.progress(&pending, "begun");
    // The signal is the one that the kernel sends for a call that no worker needs.
    server.workers()[0].signal(Signal::SIGSYS);
    pending.wait().assert_status("trapped worker_lost");
    server.assert_usable();
    eventually("the log to name the signal", || server.log().contains("(SIGSYS)").then_some(()));
}

#[test]
fn workers_need_little_of_the_host() {
    // User namespaces are forbidden as on Ubuntu 24.04, and in containers.
    let user = Restriction::user(SOME_USER).option("--no-user-namespaces").option("--landlock-abi=4");
    let containers = [Restriction::docker_root(), Restriction::docker_user(SOME_USER)];
    let older = (1..=4).map(|abi| Restriction::default().option(&format!("--landlock-abi={abi}")));
    for restriction in containers.into_iter().chain([user]).chain(older) {
        let server = Server::with().restricted(restriction.clone()).start();
        let begun = server.execute_in("new", FILES);
        assert_eq!(begun.output(), "kept True ['a', 'b']\n", "{restriction:?}");
        // A file can be moved from Linux 5.19 on; before, it is as between two file systems.
        let moved = server.execute_in(&begun.session(), "import shutil\nshutil.move('a/g', 'b/g')\nopen('b/g').read()");
        assert_eq!(moved.value(), Some("'kept'"), "{restriction:?}");
    }
}

/// A limit of a process, in bytes: the first of its two. `None` without.
fn limit(process: i32, name: &str) -> Option<u64> {
    let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse().ok()
}

/// Memory of its own that a process has mapped, used or not.
fn mapped(process: i32) -> u64 {
    let pages = std::fs::read_to_string(format!("/proc/{process}/statm")).unwrap();
    pages.split_whitespace().nth(5).unwrap().parse::<u64>().unwrap() * 4096
}

#[test]
fn a_worker_has_the_memory_files_and_threads_that_its_runs_may_use() {
    const GIB: u64 = 1 << 30;
    let server = Server::with().flag("--workers=1").start();
    server.assert_usable();
    let worker = server.workers()[0].pid();
    let threads = statuses(worker).len();
    let spare = |when: &str| {
        let allowed = limit(worker, "Max data size").unwrap_or_else(|| panic!("{when}: no limit"));
        (allowed, allowed.checked_sub(mapped(worker)).unwrap_or_else(|| panic!("{when}: it has more than it may")))
    };
    let (first, left) = spare("after a run");
    assert!(left < GIB, "it could map {left} bytes more");
    let session = server.new_session();
    // A run that may use more gets more, and so does one that grows.
    let grown = "x = bytearray(700_000_000)\nx[::4096] = b'x' * len(x[::4096])\nprint(len(x))";
    let more = serde_json::json!({"limits": {"memory_bytes": GIB}, "session": session});
    assert_eq!(server.execute_with(grown, more.clone()).output(), "700000000\n");
    assert_eq!(server.execute_with("print(len(x))", more).output(), "700000000\n");
    let (second, left) = spare("with a large session");
    assert!(second > first + GIB / 2 && left < 3 * GIB, "{first}, {second}, {left}");
    assert!(limit(worker, "Max file size").unwrap() < 2 * GIB);
    let held: Vec<_> = (0..6)
        .map(|_| {
            let pending = server.begin_execute("print('begun')\nimport time\ntime.sleep(60)", serde_json::json!({}));
            server.client.progress(&pending, "begun");
            pending
        })
        .collect();
    assert_eq!((statuses(worker).len(), server.workers()[0].pid()), (threads, worker));
    for pending in held {
        server.client.notify("notifications/cancelled", serde_json::json!({"requestId": pending.id()}));
    }
    // The control: nobody else is bounded so.
    let own = server.process().pid();
    assert_eq!((limit(own, "Max data size"), limit(own, "Max file size")), (None, None));
}

/// Standard error of a worker is a pipe, which is written to here as the worker
/// could if it was broken into.
#[test]
fn what_a_worker_says_is_a_line_of_the_log_and_never_more() {
    use std::io::Write as _;
    let server = Server::with().env("NO_COLOR", "1").start();
    server.assert_usable();
    let worker = server.workers()[0].pid();
    let forged = "2026-11-27T00:00:00.000000Z ERROR a session was given to somebody else";
    let mut said = std::fs::File::options().write(true).open(format!("/proc/{worker}/fd/2")).unwrap();
    let escape = "\x1b[2J\u{202e}\r";
    write!(said, "before\n{forged}\n{escape}{forged}\nbroken {}\n", "x".repeat(1 << 20)).unwrap();
    eventually("the log to have it", || server.log().contains("broken xxx").then_some(()));
    let log = server.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("given to somebody else")).collect();
    assert_eq!(lines.len(), 2, "{log}");
    let own = format!("a worker said pid={worker} line=\"");
    assert!(lines.iter().all(|line| line.contains(&own) && !line.starts_with("2026-11-27T00:00:00.000000Z")), "{log}");
    assert!(!log.contains('\r') && !log.contains('\u{202e}') && !log.contains("\x1b[2J"), "{log:?}");
    assert!(log.len() < 16 << 10, "{}", log.len());
    // What is written past all bounds neither fills anything nor waits.
    let line = format!("{}\n", "y".repeat(1023));
    for _ in 0..(256 << 10) {
        said.write_all(line.as_bytes()).unwrap();
    }
    server.assert_usable();
    drop(said);
    let length = server.log().len();
    assert!(length < 1 << 20, "{length}");
    // The log is not emptied either, which a file would be.
    assert!(std::fs::File::options().write(true).truncate(true).open(format!("/proc/{worker}/fd/2")).is_ok());
    assert!(server.log().len() >= length && server.log().contains("before"));
    // A worker that ends says why.
    server.workers()[0].signal(Signal::SIGABRT);
    eventually("the log to say how", || server.log().contains("SIGABRT").then_some(()));
    server.assert_usable();
}
