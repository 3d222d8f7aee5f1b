//! Nothing of a tree is left, whoever is killed.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use jailer::{Cause, Report, Stop, read_report, send_stop};
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Test;
use crate::jail::{Host, Jail, Running, processes_with, until, wait};

pub(crate) const TESTS: &[Test] = &[
    ("daemons_outlive_a_plain_parent", daemons_outlive_a_plain_parent),
    ("nothing_outlives_the_program", nothing_outlives_the_program),
    ("nothing_outlives_the_warden", nothing_outlives_the_warden),
    ("nothing_outlives_the_jailer", nothing_outlives_the_jailer),
    ("a_warden_that_was_stopped_goes_on", a_warden_that_was_stopped_goes_on),
    ("nothing_outlives_the_connection", nothing_outlives_the_connection),
    ("nothing_outlives_the_server", nothing_outlives_the_server),
    ("asked_to_end", asked_to_end),
    ("killed_at_the_start", killed_at_the_start),
    ("a_bomb_is_killed", a_bomb_is_killed),
];

/// Three processes that detached themselves and ignore what they can.
const DAEMONS: &str = r#"
import os, signal, sys, time
word = sys.argv[1]
for i in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(s, signal.SIG_IGN)
            os.execv(sys.executable, [sys.executable, "-I", "-c", "import time; print('up', flush=True); time.sleep(600)", word])
        os._exit(0)
    os.wait()
"#;

const PYTHON: &str = "/usr/bin/python3";

fn everywhere(test: impl Fn(bool, Host)) {
    for namespaces in [true, false] {
        for host in Jail::hosts() {
            test(namespaces, *host);
        }
    }
}

fn word() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("jail-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A program with daemons that goes on itself.
fn start_daemons(namespaces: bool, host: Host) -> (Jail, Running, String) {
    let word = word();
    let code = format!("{DAEMONS}\ntime.sleep(600)");
    let mut jail = Jail::new(namespaces, host, PYTHON, &["-I", "-c", &code, &word]);
    let mut running = jail.start().unwrap();
    (0..3).for_each(|_| assert_eq!(running.line(), "up"));
    assert_eq!(processes_with(&word).len(), 4, "three and the program");
    (jail, running, word)
}

/// Stops a process, as somebody outside may.
fn stop(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
    let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    until("it is stopped", || state().contains(") T ").then_some(()));
}

fn none_left(word: &str) {
    until("nothing is left", || processes_with(word).is_empty().then_some(()));
}

fn daemons_outlive_a_plain_parent() {
    let word = word();
    let mut plain = Command::new(PYTHON).args(["-I", "-c", DAEMONS, &word]).spawn().unwrap();
    assert!(plain.wait().unwrap().success());
    let daemons = until("the daemons run", || Some(processes_with(&word)).filter(|pids| pids.len() == 3));
    daemons.into_iter().for_each(|pid| kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap());
    none_left(&word);
}

fn nothing_outlives_the_program() {
    everywhere(|namespaces, host| {
        let word = word();
        let code = format!("{DAEMONS}\nprint('end')");
        let finished = Jail::new(namespaces, host, PYTHON, &["-I", "-c", &code, &word]).run();
        assert_eq!((finished.ended.wait_status, finished.ended.cause), (Some(0), None), "{finished:?}");
        assert_eq!(processes_with(&word), Vec::<i32>::new(), "the report came before the end");
    });
}

fn nothing_outlives_the_warden() {
    everywhere(|namespaces, host| {
        let (_jail, running, word) = start_daemons(namespaces, host);
        kill(Pid::from_raw(running.warden()), Signal::SIGKILL).unwrap();
        let finished = running.finish();
        assert_eq!(finished.ended.wait_status, None, "{finished:?}");
        assert_eq!(processes_with(&word), Vec::<i32>::new(), "the report came before the end");
    });
}

fn nothing_outlives_the_jailer() {
    everywhere(|namespaces, host| {
        for is_stopped in [false, true] {
            let (_jail, mut running, word) = start_daemons(namespaces, host);
            if is_stopped {
                stop(running.warden());
            }
            running.jailer.kill().unwrap();
            none_left(&word);
            assert_eq!(wait(&mut running.jailer), None);
            assert_eq!(read_report(&running.connection).unwrap(), None);
        }
    });
}

fn a_warden_that_was_stopped_goes_on() {
    everywhere(|namespaces, host| {
        let mut jail = Jail::bash(namespaces, host, "echo up; until [ -e go ]; do :; done");
        let mut running = jail.start().unwrap();
        assert_eq!(running.line(), "up");
        let warden = running.warden();
        stop(warden);
        kill(Pid::from_raw(warden), Signal::SIGCONT).unwrap();
        std::fs::write(jail.workspace.path().join("go"), "").unwrap();
        let finished = running.finish();
        assert_eq!((finished.ended.wait_status, finished.ended.cause), (Some(0), None), "{finished:?}");
    });
}

fn nothing_outlives_the_connection() {
    everywhere(|namespaces, host| {
        let (_jail, mut running, word) = start_daemons(namespaces, host);
        running.connection.shutdown(std::net::Shutdown::Both).unwrap();
        none_left(&word);
        assert_eq!(wait(&mut running.jailer), Some(0));
    });
}

/// A server of its own: runs a program with daemons until it is killed.
pub(crate) fn serve() {
    let [namespaces, host] = ["JAIL_NAMESPACES", "JAIL_HOST"].map(|name| std::env::var(name).unwrap());
    let host = Jail::hosts()[host.parse::<usize>().unwrap()];
    let code = format!("{DAEMONS}\ntime.sleep(600)");
    let word = std::env::var("JAIL_WORD").unwrap();
    let mut jail = Jail::new(namespaces == "true", host, PYTHON, &["-I", "-c", &code, &word]);
    let mut running = jail.start().unwrap();
    (0..3).for_each(|_| assert_eq!(running.line(), "up"));
    crate::say("ready");
    std::thread::sleep(Duration::from_secs(600));
}

fn nothing_outlives_the_server() {
    for namespaces in [true, false] {
        for host in 0..Jail::hosts().len() {
            let word = word();
            let place = tempfile::tempdir().unwrap();
            std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
            let mut server = Command::new("/proc/self/exe");
            server.arg("server-process").stdout(Stdio::piped()).env("TMPDIR", place.path()).env("JAIL_WORD", &word);
            server.env("JAIL_NAMESPACES", namespaces.to_string()).env("JAIL_HOST", host.to_string());
            let mut server = server.spawn().unwrap();
            let mut line = String::new();
            BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
            assert_eq!(line, "ready\n");
            // The guard and the warden have the server's number as an argument.
            let own = server.id().to_string();
            assert_eq!((processes_with(&word).len(), processes_with(&own).len()), (4, 2));
            let began = Instant::now();
            server.kill().unwrap();
            until("nothing is left", || {
                (processes_with(&word).is_empty() && processes_with(&own).is_empty()).then_some(())
            });
            assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
            server.wait().unwrap();
        }
    }
}

fn killed_at_the_start() {
    static RAN: AtomicU32 = AtomicU32::new(0);
    for milliseconds in (0..40).step_by(2) {
        everywhere(|namespaces, host| {
            let mut jail = Jail::bash(namespaces, host, "echo ran > ran; sleep 60");
            jail.killed_after = Some(Duration::from_millis(milliseconds));
            let refused = match jail.start() {
                Ok(running) => {
                    assert_eq!(running.finish().ended.cause, Some(Cause::Stopped));
                    false
                }
                Err(_) => true,
            };
            let has_run = jail.workspace.path().join("ran").exists();
            assert!(!(refused && has_run), "refused after {milliseconds} ms, and yet it ran");
            RAN.fetch_add(has_run.into(), Ordering::Relaxed);
        });
    }
    assert!(RAN.load(Ordering::Relaxed) > 0, "none has ever run");
}

fn asked_to_end() {
    everywhere(|namespaces, host| {
        let mut jail = Jail::bash(namespaces, host, "trap 'exit 5' TERM; echo up; while :; do sleep 0.01; done");
        let mut running = jail.start().unwrap();
        assert_eq!(running.line(), "up");
        send_stop(&running.connection, Stop::Ask).unwrap();
        let finished = running.finish();
        assert_eq!(finished.ended.cause, Some(Cause::Stopped));
        assert_eq!(finished.ended.wait_status, Some(5 << 8));

        let (_jail, running, word) = start_daemons(namespaces, host);
        send_stop(&running.connection, Stop::Kill).unwrap();
        let Some(Report::Ended(ended)) = read_report(&running.connection).unwrap() else { panic!("no end") };
        assert_eq!((ended.wait_status, ended.cause), (Some(libc::SIGKILL), Some(Cause::Stopped)));
        assert_eq!(processes_with(&word), Vec::<i32>::new());
    });
}

fn a_bomb_is_killed() {
    everywhere(|namespaces, host| {
        let word = word();
        let bomb = "import os\nprint('up', flush=True)\nwhile True:\n try: os.fork()\n except OSError: pass";
        let mut jail = Jail::new(namespaces, host, PYTHON, &["-I", "-c", bomb, &word]);
        let mut running = jail.start().unwrap();
        assert_eq!(running.line(), "up");
        until("there are many", || (processes_with(&word).len() > 40).then_some(()));
        kill(Pid::from_raw(running.warden()), Signal::SIGKILL).unwrap();
        running.finish();
        assert_eq!(processes_with(&word), Vec::<i32>::new());
    });
}
