//! Locks on files that a program may only read. They need no right but to read,
//! and whoever uses the file waits for them.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;

use nix::fcntl::{FcntlArg, Flock, FlockArg, fcntl};
use nix::libc;
use serde_json::json;

use crate::place::{ALL, Place, assert_native_usable, begin, run};

/// A program of the system's, which goes with this.
struct Installed(PathBuf);

impl Drop for Installed {
    fn drop(&mut self) {
        // A failure is all the same to the test that has ended.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn can_flock(path: &str) -> bool {
    Flock::lock(File::open(path).unwrap(), FlockArg::LockExclusiveNonblock).is_ok()
}

fn can_write_lock(path: &str) -> bool {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let all = libc::flock { l_type: libc::F_WRLCK as libc::c_short, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 };
    fcntl(&file, FcntlArg::F_SETLK(&all)).is_ok()
}

const HOLD: &str = "import fcntl, os, sys, time
held = []
for path in sys.argv[1:]:
    for lock in (fcntl.flock, fcntl.lockf):
        file = open(path)
        lock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        held.append(file)
print('begun', flush=True)
while not os.path.exists('go'): time.sleep(0.02)
print('held')";

#[test]
fn nobody_outside_waits_for_a_lock_of_a_program_with_namespaces() {
    let installed = Installed(format!("/usr/local/share/belljar-tests-{}", std::process::id()).into());
    std::fs::write(&installed.0, "x").unwrap();
    std::fs::set_permissions(&installed.0, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let paths = [installed.0.to_str().unwrap(), "/etc/ld.so.cache"];
    for place in ALL {
        let server = place.server().start();
        let session = run(&server, "bash", "", json!({"session": "new"})).session();
        assert!(paths.iter().all(|path| can_flock(path) && can_write_lock(path)), "{}", place.name());
        let holding = begin(&server, "python-native", HOLD, json!({"session": session, "args": paths}));
        server.client.progress(&holding, "begun");
        // The control: without namespaces nothing but the file itself is there.
        let is_apart = place.tier() != "container";
        for path in paths {
            assert_eq!((can_flock(path), can_write_lock(path)), (is_apart, is_apart), "{}: {path}", place.name());
        }
        let said = server.health()["protections"].to_string().contains(", locks of its own");
        assert_eq!(said, is_apart, "{}", place.name());
        let go = server.workspace(&session).join("go");
        std::fs::write(&go, "").unwrap_or_else(|error| panic!("{}: {}: {error}", place.name(), go.display()));
        assert_eq!(holding.wait().output(), "begun\nheld\n", "{}", place.name());
    }
}

/// What an older kernel has not got is not reported as if it was there.
#[test]
fn without_an_overlay_programs_run_and_the_protections_do_not_name_it() {
    for place in [Place::User, Place::Root] {
        let server = place.server_with(place.restriction().error("fsopen", "ENOSYS")).start();
        assert_native_usable(&server);
        let protections = server.health()["protections"].to_string();
        let tier = format!("native programs: tier {} ", place.tier());
        assert!(protections.contains(&tier) && !protections.contains(", locks of its own"), "{protections}");
        assert!(protections.contains("not here: locks of its own"), "{protections}");
    }
}

/// A program's own locks are as they are anywhere.
#[test]
fn processes_of_a_program_lock_each_other_out() {
    let code = "import fcntl, os
shared = ['own', '/etc/ld.so.cache']
open('own', 'w').close()
for path in shared:
    held = open(path)
    fcntl.flock(held, fcntl.LOCK_EX)
    if os.fork() == 0:
        try: fcntl.flock(open(path), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError: os._exit(7)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.wait()[1]))";
    for place in ALL {
        assert_eq!(
            run(&place.server().start(), "python-native", code, json!({})).output(),
            "7\n7\n",
            "{}",
            place.name()
        );
    }
}
