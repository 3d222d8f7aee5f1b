//! What a program may not do. Each attempt is made outside first, where it
//! succeeds, so that a denial means something.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::Test;
use crate::jail::{Host, Jail, NOBODY};

pub(crate) const TESTS: &[Test] = &[
    ("attempts_fail", attempts_fail),
    ("namespaces_are_not_nested", namespaces_are_not_nested),
    ("threads_share_descriptors", threads_share_descriptors),
];

/// Each attempt prints its name and `open`, or the error number. The arguments
/// are a process outside and a directory outside, of the same user. Numbers of
/// calls are those of 64-bit x86, where tests run.
const ATTEMPTS: &str = r#"
import ctypes, mmap, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
victim, outside = int(sys.argv[1]), sys.argv[2]
def call(number, *args):
    if libc.syscall(number, *args) < 0: raise OSError(ctypes.get_errno(), "")
def attempt(name, function):
    try: function(); print(name, "open")
    except OSError as error: print(name, error.errno)
attempt("read", lambda: open(outside + "/secret").read())
attempt("write", lambda: open(outside + "/new", "w"))
attempt("list", lambda: os.listdir(outside))
attempt("chmod", lambda: os.chmod(outside + "/secret", 0o600))
def utime(path):
    before = int(os.stat(path).st_mtime)
    os.utime(path, (1, before + 5))
    if int(os.stat(path).st_mtime) == before: raise PermissionError(1, "without effect")
attempt("utime", lambda: utime(outside + "/secret"))
attempt("signal", lambda: os.kill(victim, 0))
attempt("limits", lambda: call(302, victim, 7, None, ctypes.create_string_buffer((50).to_bytes(8, "little") * 2)))
attempt("priority", lambda: os.setpriority(os.PRIO_PROCESS, victim, 19))
attempt("affinity", lambda: os.sched_setaffinity(victim, os.sched_getaffinity(0)))
attempt("environment", lambda: open(f"/proc/{victim}/environ").read())
attempt("tcp", lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
attempt("unix", lambda: socket.socket(socket.AF_UNIX))
attempt("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
attempt("memfd", lambda: os.memfd_create("x"))
attempt("shm", lambda: call(29, 0, 4096, 0o1600))
attempt("unshare", lambda: call(272, 0x10000000))
attempt("keyring", lambda: call(250, 0, -3, 0))
attempt("personality", lambda: call(135, 0xffffffff))
"#;

/// Attempts that end the same for any user in here, so that a control outside would tell nothing.
const CLOSED_WITH_NAMESPACES: [&str; 2] = ["chmod", "utime"];

fn attempts_fail() {
    for namespaces in [true, false] {
        for host in Jail::hosts() {
            let owner = match host {
                Host::This => None,
                Host::Unprivileged => Some(NOBODY),
                Host::Identity => Some(NOBODY - 1),
            };
            let outside = tempfile::tempdir().unwrap();
            std::fs::write(outside.path().join("secret"), "secret").unwrap();
            std::fs::set_permissions(outside.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
            for path in [outside.path().to_owned(), outside.path().join("secret")] {
                std::os::unix::fs::chown(path, owner, owner).unwrap();
            }
            let as_owner = |mut command: Command| {
                use std::os::unix::process::CommandExt;
                if let Some(owner) = owner {
                    command.uid(owner).gid(owner);
                }
                command
            };
            let mut victim = Command::new("/bin/sleep");
            victim.arg("600").stdout(Stdio::null());
            let mut victim = as_owner(victim).spawn().unwrap();
            let (pid, directory) = (victim.id().to_string(), outside.path().to_str().unwrap().to_owned());
            let arguments = ["-I", "-c", ATTEMPTS, &pid, &directory];

            let mut control = Command::new("/usr/bin/python3");
            control.args(arguments);
            let control = String::from_utf8(as_owner(control).output().unwrap().stdout).unwrap();
            let attempts = control.lines().count();
            assert_eq!(control.lines().filter(|line| line.ends_with(" open")).count(), attempts, "{control}");

            let finished = Jail::new(namespaces, *host, "/usr/bin/python3", &arguments).run();
            victim.kill().unwrap();
            victim.wait().unwrap();
            assert_eq!(finished.output.lines().count(), attempts, "{finished:?}");
            let open: Vec<&str> = finished.output.lines().filter(|line| line.ends_with(" open")).collect();
            assert_eq!(open, Vec::<&str>::new(), "{namespaces} {host:?}: {finished:?}");
            if !namespaces {
                let denied = |name: &str| finished.output.contains(&format!("{name} 1\n"));
                assert!(CLOSED_WITH_NAMESPACES.iter().all(|name| denied(name)), "{finished:?}");
            }
        }
    }
}

fn namespaces_are_not_nested() {
    // The attempt is made with clone instead of unshare: libc comes here when clone3 is not there.
    let code = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nprint(libc.syscall(56, 0x10000000 | 17, None), ctypes.get_errno())\nprint(libc.syscall(435, None, 0), ctypes.get_errno())";
    for namespaces in [true, false] {
        for host in Jail::hosts() {
            let finished = Jail::python(namespaces, *host, code).run();
            assert_eq!(finished.output, "-1 1\n-1 38\n", "{finished:?}");
        }
    }
}

fn threads_share_descriptors() {
    // The kernel would make no such thread, so that nothing happens outside.
    let code = "import ctypes, threading\nlibc = ctypes.CDLL(None, use_errno=True)\nt = threading.Thread(target=print, args=['thread']); t.start(); t.join()\nprint(libc.syscall(56, 0x10000, None), ctypes.get_errno())";
    let control = Command::new("/usr/bin/python3").args(["-I", "-c", code]).output().unwrap();
    assert_eq!(control.stdout, b"thread\n-1 22\n");
    for namespaces in [true, false] {
        for host in Jail::hosts() {
            let finished = Jail::python(namespaces, *host, code).run();
            assert_eq!(finished.output, "thread\n-1 1\n", "{finished:?}");
        }
    }
}
