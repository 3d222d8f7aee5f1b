//! Processes that are killed from outside: the program, its warden, the guard
//! above it, the server. Whoever is left answers, and nothing of the run stays.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tests::{PATIENCE, Pending, Process, Server, eventually};

use crate::controls::new_secret;
use crate::left::{assert_gone, assert_nothing_left, jailers, marked};
use crate::place::{ALL, Place, assert_native_usable, begin, run};

/// A program with daemons that do not end when they are asked.
const STUBBORN: &str = "import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork(): os._exit(0)
        while True: time.sleep(1)
print('begun', flush=True)
while True: time.sleep(1)";

/// A run that is going on.
struct Going {
    pending: Pending,
    mark: String,
    jailers: Vec<Process>,
}

fn start(server: &Server, code: &str, limits: Value) -> Going {
    let before = jailers(server.process().pid());
    let mark = new_secret();
    let pending = begin(server, "python-native", code, json!({"env": {"MARK": mark}, "limits": limits}));
    server.client.progress(&pending, "begun");
    let jailers = jailers(server.process().pid()).into_iter().filter(|jailer| !before.contains(jailer)).collect();
    Going { pending, mark, jailers }
}

impl Going {
    /// Waits for the answer, and asserts that nothing stays. The answer may be
    /// that the run was lost, or whatever its program came to.
    #[track_caller]
    fn assert_answered(self, what: &str, within: Duration) -> String {
        let started = Instant::now();
        let reply = self.pending.wait();
        assert!(started.elapsed() < within, "{what}: answered after {:?}", started.elapsed());
        let status =
            if reply.result().get("structuredContent").is_some() { reply.status() } else { "refused".to_owned() };
        assert_nothing_left(what, &self.mark);
        assert_gone(what, || self.jailers.iter().filter(|jailer| jailer.is_running()).copied().collect());
        status
    }
}

#[test]
fn every_process_around_a_program_may_be_killed() {
    for place in ALL {
        let server = place.server().start();
        assert_native_usable(&server);
        let beside = start(&server, STUBBORN, json!({"wall_time_ms": 120_000}));
        let count = beside.jailers.len();
        assert!(count >= 2, "{}: a guard and a warden, not {:?}", place.name(), beside.jailers);
        for index in 0..count {
            let going = start(&server, STUBBORN, json!({}));
            assert_eq!(going.jailers.len(), count);
            let what = format!("{}: process {index} around the program", place.name());
            going.jailers[index].signal(Signal::SIGKILL);
            let status = going.assert_answered(&what, Duration::from_secs(3));
            assert_eq!(status, "trapped worker_lost", "{what}");
            assert_native_usable(&server);
        }
        // All processes around the program are killed at once.
        let going = start(&server, STUBBORN, json!({}));
        for jailer in &going.jailers {
            jailer.signal(Signal::SIGKILL);
        }
        let what = format!("{}: all processes around the program", place.name());
        assert_eq!(going.assert_answered(&what, Duration::from_secs(3)), "trapped worker_lost", "{what}");
        // The program itself is killed, too.
        let going = start(&server, STUBBORN, json!({}));
        let program = Process::children_of(going.jailers[count - 1].pid());
        let program = program.iter().min_by_key(|process| process.pid()).expect("the warden has a child");
        program.signal(Signal::SIGKILL);
        let what = format!("{}: the program", place.name());
        assert_eq!(going.assert_answered(&what, Duration::from_secs(3)), "signaled 9", "{what}");

        assert!(!marked(&beside.mark).is_empty(), "{}: the run beside it died", place.name());
        server.client.notify("notifications/cancelled", json!({"requestId": beside.pending.id()}));
        assert_nothing_left_soon(place.name(), &beside.mark);
        assert_native_usable(&server);
    }
}

/// Asserts that nothing of a run is left, from when the call was cancelled: the program
/// is asked first.
#[track_caller]
fn assert_nothing_left_soon(what: &str, mark: &str) {
    eventually(what, || marked(mark).is_empty().then_some(()));
}

#[test]
fn a_stopped_warden_or_guard_delays_no_limit_for_long() {
    for place in [Place::User, Place::ContainerUser] {
        let server = place.server().start();
        assert_native_usable(&server);
        for index in 0..2 {
            let going = start(&server, STUBBORN, json!({"wall_time_ms": 3000}));
            going.jailers[index].signal(Signal::SIGSTOP);
            let what = format!("{}: process {index} around the program stopped", place.name());
            let status = going.assert_answered(&what, Duration::from_secs(20));
            assert!(
                ["limit_exceeded wall_time_ms", "trapped worker_lost"].contains(&status.as_str()),
                "{what}: {status}"
            );
            assert_native_usable(&server);
        }
    }
}

#[test]
fn a_launcher_that_is_killed_while_it_sets_up_is_answered() {
    for place in ALL {
        let server = place.server().start();
        assert_native_usable(&server);
        let mut lost = 0;
        for round in 0..12_u32 {
            let mark = new_secret();
            let pending = begin(
                &server,
                "python-native",
                "import time\ntime.sleep(60)",
                json!({"env": {"MARK": mark}, "limits": {"wall_time_ms": 5000}}),
            );
            let first = busy_wait_for_jailer(&server);
            // Each round kills a little later in the set-up, which takes some milliseconds.
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_micros(700) * round {
                std::hint::spin_loop();
            }
            first.signal(Signal::SIGKILL);
            let reply = pending.wait();
            assert!(reply.is_error(), "{}: {}", place.name(), reply.message);
            lost += 1;
            let what = format!("{}: a guard killed in round {round}", place.name());
            assert_nothing_left(&what, &mark);
            assert_gone(&what, || jailers(server.process().pid()));
        }
        assert_eq!(lost, 12);
        assert_native_usable(&server);
    }
}

fn busy_wait_for_jailer(server: &Server) -> Process {
    let started = Instant::now();
    loop {
        if let Some(jailer) = jailers(server.process().pid()).first() {
            return *jailer;
        }
        assert!(started.elapsed() < PATIENCE, "no jailer was started");
    }
}

#[test]
fn a_killed_server_leaves_no_program() {
    for place in ALL {
        let server = place.server().start();
        assert_native_usable(&server);
        let runs: Vec<_> = (0..3).map(|_| start(&server, STUBBORN, json!({}))).collect();
        server.signal(Signal::SIGKILL);
        server.wait();
        for run in runs {
            assert_nothing_left(place.name(), &run.mark);
            assert_gone(place.name(), || run.jailers.iter().filter(|jailer| jailer.is_running()).copied().collect());
            assert!(run.pending.wait_or_end().is_none(), "a killed server cannot answer");
        }
    }
}

#[test]
fn a_client_that_leaves_takes_its_programs_along() {
    for place in ALL {
        let server = place.server().start();
        assert_native_usable(&server);
        let going = start(&server, STUBBORN, json!({}));
        server.client.close();
        let reply = going.pending.wait_or_end();
        assert_eq!(server.wait().code(), Some(0), "{}: {}", place.name(), server.log());
        assert_eq!(reply.expect("the run is answered").status(), "cancelled");
        assert_nothing_left(place.name(), &going.mark);
    }
}

/// A program asks its warden to end, and is refused: see `signal.warden`. Here it tries
/// everything that it can see.
#[test]
fn a_program_cannot_end_what_ends_it() {
    let code = "import os, signal
for pid in [os.getppid(), *range(1, 300)]:
    if pid == os.getpid(): continue
    for number in (signal.SIGSTOP, signal.SIGKILL):
        try: os.kill(pid, number)
        except OSError: pass
print('begun', flush=True)
while True: pass";
    for place in ALL {
        let server = place.server().start();
        assert_native_usable(&server);
        let mark = new_secret();
        let reply =
            run(&server, "python-native", code, json!({"env": {"MARK": mark}, "limits": {"wall_time_ms": 1500}}));
        assert_eq!(reply.status(), "limit_exceeded wall_time_ms", "{}: {}", place.name(), reply.message);
        assert_nothing_left(place.name(), &mark);
    }
}
