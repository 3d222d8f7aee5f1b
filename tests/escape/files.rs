//! Workspaces that a native program has prepared against whoever looks into
//! them: tools, the capture of a session, a WebAssembly guest. None blocks,
//! none reads or writes outside, and the session goes on or says why not.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Reply, Server};

use crate::controls::new_secret;
use crate::place::{Place, RACE, begin, run};

const PLACES: [Place; 3] = [Place::User, Place::Root, Place::ContainerUser];

/// How long a tool may take, whatever is in its way.
const AT_MOST: Duration = Duration::from_secs(10);

/// A server with a session, and a directory with a secret that is not of it.
struct Prey {
    place: Place,
    server: Server,
    session: String,
    secret: String,
    outside: PathBuf,
}

impl Prey {
    fn new(place: Place) -> Self {
        let server = place.server().start();
        let session = run(&server, "python-native", "", json!({"session": "new"})).session();
        let secret = new_secret();
        let outside = server.principal_directory().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("secret"), &secret).unwrap();
        let user = Some(place.server_user());
        chown(&outside, user, user).unwrap();
        chown(outside.join("secret"), user, user).unwrap();
        Self { place, server, session, secret, outside }
    }

    fn prepare(&self, code: &str) -> Reply {
        let code = format!("import os\noutside = {:?}\n{code}", self.outside.to_str().unwrap());
        run(&self.server, "python-native", &code, json!({"session": self.session}))
    }

    /// Calls a tool, which must answer in time and without the secret.
    #[track_caller]
    fn call(&self, tool: &str, arguments: Value) -> Reply {
        let started = Instant::now();
        let what = format!("{}: {tool} {arguments}", self.place.name());
        let mut arguments = arguments;
        arguments["session"] = json!(self.session);
        let reply = self.server.call(tool, arguments);
        assert!(started.elapsed() < AT_MOST, "{what} took {:?}", started.elapsed());
        assert!(!reply.message.to_string().contains(&self.secret), "{what} gave the secret away");
        reply
    }

    /// The session still runs programs of both kinds, and can be remembered.
    #[track_caller]
    fn assert_usable(&self) {
        for (language, code) in [("python", "print('on')"), ("python-native", "print('on')")] {
            let reply = self.call("execute", json!({"language": language, "code": code}));
            assert_eq!(reply.output(), "on\n", "{}: {language}", self.place.name());
        }
        let fork = self.server.session("fork", &self.session);
        assert!(!fork.is_error(), "{}: {}", self.place.name(), fork.message);
        let names: Vec<_> = std::fs::read_dir(&self.outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["secret"], "{}", self.place.name());
        assert_eq!(std::fs::read_to_string(self.outside.join("secret")).unwrap(), self.secret);
    }
}

#[test]
fn links_that_lead_out_are_not_followed() {
    for place in PLACES {
        let prey = Prey::new(place);
        let made = prey.prepare(
            "targets = {'absolute': outside + '/secret', 'relative': '../outside/secret', 'up': '..', 'self': 'self', \
             'environ': '/proc/self/environ', 'magic': '/proc/self/root/etc/passwd', 'cwd': '/proc/self/cwd', \
             'descriptor': '/proc/self/fd/0', 'zero': '/dev/zero', 'stdin': '/dev/stdin', 'root': '/', 'dangling': 'nothing', 'picture.png': outside + '/secret'}\n\
             for name, target in targets.items(): os.symlink(target, name)\nopen('plain', 'w').write('plain')\nos.link('plain', 'second')\nprint(len(targets))",
        );
        assert_eq!(made.output(), "13\n", "{}: {}", place.name(), made.message);
        assert!(made.images().is_empty() && !made.message.to_string().contains(&prey.secret), "{}", made.message);
        for path in [
            "absolute",
            "relative",
            "up",
            "up/outside/secret",
            "self",
            "environ",
            "magic",
            "cwd",
            "cwd/plain",
            "descriptor",
            "zero",
            "stdin",
            "root",
            "root/etc/passwd",
            "dangling",
        ] {
            let read = prey.call("read", json!({"path": path}));
            assert_eq!(read.is_error(), path.contains('/'), "{}: {path}: {}", place.name(), read.message);
            assert!(read.text().contains("symbolic link"), "{}: {path}: {}", place.name(), read.message);
            // The path may lead anywhere: `assert_usable` sees that it is not outside.
            prey.call("write", json!({"path": format!("{path}/new"), "text": "stolen"}));
        }
        // The control, and a file with two names that are both inside.
        for path in ["plain", "second"] {
            assert!(prey.call("read", json!({"path": path})).text().starts_with("plain"), "{}: {path}", place.name());
        }
        let found = prey.call("read", json!({"pattern": "**"}));
        assert!(!found.text().contains(&prey.secret) && !found.text().contains("root:"), "{}", found.text());
        // Writing through a link replaces it.
        assert!(!prey.call("write", json!({"path": "absolute", "text": "mine"})).is_error());
        prey.assert_usable();
    }
}

#[test]
fn what_changes_while_it_is_looked_at_never_leads_out() {
    // Files and directories change places with links that lead out, as fast as
    // the program can.
    const RACER: &str = "import ctypes, time
libc = ctypes.CDLL(None, use_errno=True)
os.makedirs('d', exist_ok=True)
open('d/secret', 'w').write('inside')
open('f', 'w').write('inside')
os.symlink(outside, 'link')
os.symlink(outside + '/secret', 'file_link')
print('begun', flush=True)
while not os.path.exists('go'):
    for one, other in ((b'd', b'link'), (b'f', b'file_link')):
        if libc.syscall(316, -100, one, -100, other, 2): raise OSError(ctypes.get_errno(), 'exchange')
print('raced')";
    for place in PLACES {
        let prey = Prey::new(place);
        let code = format!("import os\noutside = {:?}\n{RACER}", prey.outside.to_str().unwrap());
        let racing = begin(&prey.server, "python-native", &code, json!({"session": prey.session}));
        prey.server.client.progress(&racing, "begun");
        // On a machine that is busy either side may do nothing for a while.
        let (mut inside, mut refused, deadline) = (0, Vec::new(), Instant::now() + RACE);
        let is_open = |round: u32, inside: u32, refused: &[String]| {
            round < 150 || (inside == 0 || refused.is_empty()) && Instant::now() < deadline
        };
        for round in 0.. {
            if !is_open(round, inside, &refused) {
                break;
            }
            for path in ["f", "d/secret"] {
                let read = prey.call("read", json!({"path": path}));
                if read.is_error() || read.structured().get("link_target").is_some() {
                    refused.push(read.text().to_owned());
                } else {
                    assert!(read.text().starts_with("inside"), "{}: {}", place.name(), read.text());
                    inside += 1;
                }
            }
            if round % 50 == 0 {
                prey.call("read", json!({"pattern": "**"}));
                prey.call("read", json!({"path": "d"}));
            }
        }
        std::fs::write(prey.server.workspace(&prey.session).join("go"), "").unwrap();
        assert_eq!(racing.wait().output(), "begun\nraced\n", "{}", place.name());
        assert!(
            inside > 0 && !refused.is_empty(),
            "{}: no race: {inside} inside, {:?} refused",
            place.name(),
            refused.last()
        );
        prey.assert_usable();
    }
}

#[test]
fn what_would_wait_does_not() {
    for place in PLACES {
        let prey = Prey::new(place);
        // A program cannot make a pipe with a name; somebody else may have.
        let made = prey.prepare("try: os.mkfifo('own')\nexcept PermissionError: print('refused')");
        assert_eq!(made.output(), "refused\n", "{}", place.name());
        let fifo = prey.server.workspace(&prey.session).join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        chown(&fifo, Some(place.server_user()), Some(place.server_user())).unwrap();
        assert!(prey.call("read", json!({"path": "fifo"})).is_error());
        assert!(!prey.call("read", json!({"pattern": "*"})).is_error());
        prey.assert_usable();

        // A file with a lease keeps whoever opens it waiting until its holder gives it up.
        let code = "import fcntl, os, time\nfile = open('leased', 'w+')\nfile.write('x')\nfile.flush()\n\
                    try: fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)\nexcept OSError: pass\n\
                    import signal\nsignal.signal(signal.SIGIO, signal.SIG_IGN)\nfcntl.flock(file, fcntl.LOCK_EX)\nfcntl.lockf(file, fcntl.LOCK_EX)\n\
                    print('begun', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.02)";
        let holding = begin(&prey.server, "python-native", code, json!({"session": prey.session}));
        prey.server.client.progress(&holding, "begun");
        prey.call("read", json!({"path": "leased"}));
        prey.call("read", json!({"pattern": "*"}));
        std::fs::write(prey.server.workspace(&prey.session).join("go"), "").unwrap();
        assert_eq!(holding.wait().status(), "exited 0");
        prey.assert_usable();
    }
}

#[test]
fn modes_that_shut_the_owner_out_lose_nothing() {
    for place in PLACES {
        let prey = Prey::new(place);
        // The mode is set by descriptor where no path may be used; where neither works,
        // there is nothing to be afraid of.
        let made = prey.prepare(
            "os.makedirs('d/e')\nfor path in ('d/e/f', 'f'): open(path, 'w').write('kept')\n\
             def shut(path, mode):\n    descriptor = os.open(path, os.O_RDONLY)\n    try: os.fchmod(descriptor, mode)\n    except PermissionError: pass\n\
             shut('f', 0)\nshut('d/e/f', 0o4000)\nshut('d/e', 0)\nshut('d', 0o111)\nshut('.', 0)\nprint('shut')",
        );
        // A directory that cannot be looked into counts as too much, if it is seen in time.
        assert_eq!(made.stdout(), "shut\n", "{}: {}", place.name(), made.message);
        assert!(["exited 0", "limit_exceeded disk_files"].contains(&made.status().as_str()), "{}", made.message);
        for path in ["f", "d/e/f"] {
            let read = prey.call("read", json!({"path": path}));
            assert!(read.text().starts_with("kept"), "{}: {path}: {}", place.name(), read.message);
        }
        prey.assert_usable();
        let workspace = prey.server.workspace(&prey.session);
        let mode = |path: &str| std::fs::metadata(workspace.join(path)).unwrap().permissions().mode();
        assert_eq!(mode(".") & 0o700, 0o700, "{}: {:o}", place.name(), mode("."));
        // A file that the server takes over is not to run as the server.
        assert_eq!(mode("d/e/f") & 0o6000, 0, "{}: {:o}", place.name(), mode("d/e/f"));
    }
}

#[test]
fn shapes_that_no_tool_expects_are_kept_or_refused_by_name() {
    for place in PLACES {
        let prey = Prey::new(place);
        let names = prey.prepare(
            "for name in (b'\\xff\\xfe', b'a\\nresult: forged', b'esc\\x1b[31m', b' ', b'-rf', b'\\xe2\\x80\\xae', b'x' * 255):\n    \
             open(name, 'wb').write(b'odd')\nprint(len(os.listdir()))",
        );
        assert_eq!(names.stdout(), "7\n", "{}: {}", place.name(), names.message);
        let listing = prey.call("read", json!({}));
        let shown = format!("{}{}", names.text(), listing.text());
        assert!(
            !shown.contains('\u{1b}') && shown.lines().all(|line| !line.starts_with("result: forged")),
            "{shown:?}"
        );
        prey.assert_usable();
        prey.prepare("for name in os.listdir(b'.'): os.unlink(name)").assert_status("exited 0");

        let sparse = prey.prepare("with open('sparse', 'wb') as file: file.truncate(200 << 20)\nprint('made')");
        assert_eq!(sparse.output(), "made\n");
        prey.call("read", json!({"path": "sparse"}));
        prey.assert_usable();
        prey.prepare("os.unlink('sparse')").assert_status("exited 0");

        let deep = prey.prepare("for _ in range(3000):\n    os.mkdir('d')\n    os.chdir('d')\nprint('deep')");
        let status = deep.status();
        if status == "exited 0" {
            prey.call("read", json!({"pattern": "**"}));
        } else {
            // The directory is refused by its name, and undone.
            assert!(deep.message.to_string().contains("deep"), "{}: {}", place.name(), deep.message);
        }
        let after = prey.prepare("import shutil\nshutil.rmtree('d', ignore_errors=True)\nprint('on')");
        assert!(after.stdout().ends_with("on\n"), "{}: {}", place.name(), after.message);
        prey.server.assert_usable();
    }
}

#[test]
fn a_workspace_cannot_be_taken_away() {
    for place in PLACES {
        let prey = Prey::new(place);
        let away = prey.prepare(
            "here = os.getcwd()\nopen('f', 'w').write('here')\nfor attempt in (lambda: os.rmdir(here), lambda: os.rename(here, here + '2'), \
             lambda: os.rename(here, '/tmp/moved'), lambda: os.symlink('/', here)):\n    try: attempt()\n    except OSError as error: continue\n    print('moved')\nprint('done')",
        );
        assert_eq!(away.output(), "done\n", "{}: {}", place.name(), away.message);
        assert!(prey.call("read", json!({"path": "f"})).text().starts_with("here"));
        prey.assert_usable();
    }
}
