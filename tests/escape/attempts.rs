//! Every attempt in every place: it ends exactly as the table says.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::json;
use tests::{Process, Server, eventually};

use crate::controls::{Attempt, Control, controls, new_secret, outcomes, program, table};
use crate::left::marked;
use crate::place::{Place, assert_native_usable, begin, run};
use crate::victim::{Victim, bearing};

/// A run of the same server beside the one that attacks.
const SIBLING: &str = "import os, time
open('secret', 'w').write(os.environ['SECRET'])
print('begun', flush=True)
while not os.path.exists('go'): time.sleep(0.02)
print('ended well')";

/// What came of the attempts in one place.
#[derive(Default)]
struct Summary {
    denied: usize,
    allowed: Vec<String>,
    with_control: usize,
    control_missing: Vec<String>,
    without_control: usize,
    differences: Vec<String>,
}

impl Summary {
    fn count(&mut self, attempt: &Attempt, place: Place, outcome: &str) {
        let expected = attempt.expected(&place.expectations());
        let control = &controls()[&attempt.name];
        match control {
            Control::Works => self.with_control += 1,
            Control::Missing(error) => self.control_missing.push(format!("{} ({error})", attempt.name)),
            Control::None => self.without_control += 1,
        }
        // What the machine has not got cannot be denied in any other way.
        let is_missing = matches!(control, Control::Missing(error) if error == outcome);
        let is_expected = expected.split(" or ").any(|expected| expected == outcome);
        if !is_expected && !is_missing {
            self.differences.push(format!(
                "{}: {} ({}): expected {expected}, got {outcome}",
                place.name(),
                attempt.name,
                attempt.success
            ));
        }
        if outcome == "succeeded" {
            self.allowed.push(attempt.name.clone());
            if attempt.harmless.is_none() {
                self.differences.push(format!("{}: {} may not succeed anywhere", place.name(), attempt.name));
            }
        } else {
            self.denied += 1;
        }
    }

    /// Prints past the capture of the test's output, because it is the result.
    fn print(&self, place: Place) {
        let lines = [
            format!(
                "escape: {:<15} {} attempts: {} denied, {} allowed and harmless, {} not as expected",
                place.name(),
                table().len(),
                self.denied,
                self.allowed.len(),
                self.differences.len()
            ),
            format!(
                "        {:<15} control works for {}, is missing on this machine for {}, does not exist for {}",
                "",
                self.with_control,
                self.control_missing.len(),
                self.without_control
            ),
            format!("        {:<15} allowed: {}", "", self.allowed.join(", ")),
            format!("        {:<15} missing: {}", "", self.control_missing.join(", ")),
        ];
        let _ = writeln!(std::io::stderr().lock(), "{}", lines.join("\n"));
    }
}

/// The process of a run, outside: the one that has the mark in its environment.
fn process_of(mark: &str) -> Process {
    eventually("the run to have a process", || marked(mark).into_iter().next())
}

/// Process numbers within start at one. The same number outside would be
/// another process, and an attempt against it would mean nothing.
fn leave_low_numbers() {
    const ENOUGH: u32 = 2000;
    for _ in 0..ENOUGH {
        let mut child = Command::new("/bin/true").spawn().unwrap();
        let number = child.id();
        child.wait().unwrap();
        if number > ENOUGH {
            return;
        }
    }
    panic!("this machine gives low process numbers only");
}

fn attack(place: Place) {
    leave_low_numbers();
    let secret = new_secret();
    let names: Vec<_> = table().iter().map(|attempt| attempt.name.as_str()).collect();
    let victim = Victim::start(place.server_user(), &secret, &names);
    let server = place.server().env("SECRET", &secret).start();

    let sibling_session = run(&server, "python-native", "", json!({"session": "new"})).session();
    let sibling_mark = new_secret();
    let sibling = begin(
        &server,
        "python-native",
        SIBLING,
        json!({
            "session": sibling_session,
            "env": {"SECRET": secret, "MARK": sibling_mark},
            "limits": {"wall_time_ms": 120_000},
        }),
    );
    server.client.progress(&sibling, "begun");
    let sibling_process = process_of(&sibling_mark);

    let session = run(&server, "python-native", "", json!({"session": "new"})).session();
    let set_user_id = server.workspace(&session).join("set-user-id");
    std::fs::copy("/usr/bin/id", &set_user_id).unwrap();
    std::fs::set_permissions(&set_user_id, PermissionsExt::from_mode(0o4755)).unwrap();

    let server_pid = server.process().pid();
    let mut target = victim.target.clone();
    let more = json!({
        "mode": "sandbox",
        "server": server_pid,
        "sibling": sibling_process.pid(),
        "sibling_workspace": server.workspace(&sibling_session),
        "setuid_program": "./set-user-id",
        "key": server.store().key(),
    });
    target.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let before = bearing(server_pid);

    let limits = json!({"wall_time_ms": 60_000, "output_bytes": 256 << 10, "processes": 64});
    let reply = run(&server, "python-native", &program(&target), json!({"session": session, "limits": limits}));
    assert_eq!(reply.status(), "exited 0", "{}: {}", place.name(), reply.message);
    let outcomes = outcomes(reply.stdout());

    let mut summary = Summary::default();
    for attempt in table() {
        summary.count(attempt, place, &outcomes[&attempt.name]);
    }
    summary.print(place);
    summary.differences.extend(victim.changes());
    assert_eq!(summary.differences, Vec::<String>::new());
    assert_eq!(bearing(server_pid), before, "the server is not scheduled as it was");

    assert_survived(&server, &sibling_session, sibling);
}

/// The run beside, begun before, goes on and ends well, and the server works.
fn assert_survived(server: &Server, sibling_session: &str, sibling: tests::Pending) {
    std::fs::write(server.workspace(sibling_session).join("go"), "").unwrap();
    assert_eq!(sibling.wait().output(), "begun\nended well\n");
    assert_native_usable(server);
    server.assert_usable();
}

#[test]
fn attempts_against_a_user_on_their_machine() {
    attack(Place::User);
}

#[test]
fn attempts_against_root_of_a_machine() {
    attack(Place::Root);
}

#[test]
fn attempts_against_root_in_a_container() {
    attack(Place::ContainerRoot);
}

#[test]
fn attempts_against_a_user_in_a_container() {
    attack(Place::ContainerUser);
}

#[test]
fn attempts_where_namespaces_are_forbidden_and_landlock_is_old() {
    attack(Place::NoNamespaces);
}

/// `kill(-1, SIGKILL)`: everybody who can be reached.
#[test]
fn who_kills_everybody_kills_their_own_run() {
    for place in crate::place::ALL {
        let victim = Victim::start(place.server_user(), &new_secret(), &[]);
        let server = place.server().start();
        let session = run(&server, "python-native", "", json!({"session": "new"})).session();
        let sibling = begin(&server, "python-native", SIBLING, json!({"session": session, "env": {"SECRET": ""}}));
        server.client.progress(&sibling, "begun");
        let mark = new_secret();
        let code = "import os, signal\nif os.fork() == 0:\n    os.kill(-1, signal.SIGKILL)\n    os._exit(0)\nos.wait()\nsignal.pause()";
        let reply = run(&server, "python-native", code, json!({"env": {"MARK": mark}}));
        assert_eq!(reply.status(), "signaled 9", "{}: {}", place.name(), reply.message);
        crate::left::assert_nothing_left(place.name(), &mark);
        assert_eq!(victim.changes(), Vec::<String>::new());
        assert_survived(&server, &session, sibling);
    }
}
