//! What a program could do to those that it shares a user and a kernel with,
//! with files that it may only read. Each attempt is made outside first, where
//! it succeeds.

use std::os::unix::process::CommandExt;
use std::process::Command;

use jailer::{Access, Mount};

use crate::Test;
use crate::jail::{Host, Jail, NOBODY};

pub(crate) const TESTS: &[Test] = &[
    ("shared_things_stay_as_they_are", shared_things_stay_as_they_are),
    ("memory_is_shared_where_it_is_counted", memory_is_shared_where_it_is_counted),
];

/// Each attempt prints its name and `open`, or the error number. The argument
/// is a directory of the same user. Numbers of calls are those of 64-bit x86,
/// where tests run.
const ATTEMPTS: &str = r#"
import ctypes, fcntl, mmap, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
place = sys.argv[1]
file = place + "/file"
def call(number, *args):
    if libc.syscall(number, *args) < 0: raise OSError(ctypes.get_errno(), "")
def attempt(name, function):
    try: function(); print(name, "open")
    except OSError as error: print(name, error.errno)
directory, descriptor, zero = os.open(place, 0), os.open(file, 0), None
attempt("pair", lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
attempt("raw_pair", lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_RAW))
attempt("mode", lambda: os.fchmod(descriptor, 0o640))
attempt("owner", lambda: os.fchown(descriptor, -1, -1))
def utime():
    before = int(os.stat(file).st_mtime)
    os.utime(descriptor, (1, before + 5))
    if int(os.stat(file).st_mtime) == before: raise PermissionError(1, "without effect")
attempt("times", utime)
attempt("place", lambda: os.open(place, os.O_PATH))
attempt("old_place", lambda: call(2, place.encode(), os.O_PATH))
attempt("attribute", lambda: os.getxattr(file, "user.attribute"))
attempt("attributes", lambda: os.listxattr(file))
attempt("link_attributes", lambda: os.listxattr(file, follow_symlinks=False))
attempt("lease", lambda: fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK))
attempt("notify", lambda: fcntl.fcntl(directory, fcntl.F_NOTIFY, fcntl.DN_CREATE))
attempt("signals", lambda: fcntl.fcntl(socket.socketpair()[0], fcntl.F_SETOWN, os.getpid()))
attempt("watch", lambda: call(294, 0))
attempt("watches", lambda: call(253))
attempt("memory", lambda: mmap.mmap(-1, 4096))
attempt("zeros", lambda: mmap.mmap(os.open("/dev/zero", 0), 4096, mmap.MAP_SHARED, mmap.PROT_READ))
attempt("buffer", lambda: socket.socketpair()[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20))
attempt("hide", lambda: call(157, 4, 0, 0, 0, 0))
"#;

/// The error numbers with namespaces, and without.
const EXPECTED: &[(&str, &str, &str)] = &[
    ("pair", "1", "1"),
    ("raw_pair", "1", "1"),
    ("mode", "30", "1"),
    ("owner", "30", "1"),
    ("times", "30", "1"),
    ("place", "open", "1"),
    ("old_place", "open", "1"),
    ("attribute", "open", "95"),
    ("attributes", "open", "95"),
    ("link_attributes", "open", "95"),
    ("lease", "1", "1"),
    ("notify", "1", "1"),
    ("signals", "1", "1"),
    ("watch", "38", "38"),
    ("watches", "1", "1"),
    ("memory", "1", "1"),
    ("zeros", "19", "13"),
    ("buffer", "1", "1"),
    ("hide", "1", "1"),
];

fn shared_things_stay_as_they_are() {
    for host in Jail::hosts() {
        let owner = match host {
            Host::This => None,
            Host::Unprivileged => Some(NOBODY),
            Host::Identity => Some(NOBODY - 1),
        };
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        std::fs::write(&file, "text").unwrap();
        let set = "import os, sys; os.setxattr(sys.argv[1], 'user.attribute', b'value')";
        let set = Command::new("/usr/bin/python3").args(["-c", set]).arg(&file).status().unwrap();
        assert!(set.success(), "these tests need a temporary directory with attributes");
        for path in [place.path(), &file] {
            std::os::unix::fs::chown(path, owner, owner).unwrap();
        }
        let arguments = ["-I", "-c", ATTEMPTS, place.path().to_str().unwrap()];
        let mut control = Command::new("/usr/bin/python3");
        control.args(arguments);
        if let Some(owner) = owner {
            control.uid(owner).gid(owner);
        }
        let control = String::from_utf8(control.output().unwrap().stdout).unwrap();
        let open: String = EXPECTED.iter().map(|(name, _, _)| format!("{name} open\n")).collect();
        assert_eq!(control, open);
        for namespaces in [true, false] {
            let mut jail = Jail::new(namespaces, *host, "/usr/bin/python3", &arguments);
            let (source, destination) = (place.path().to_owned(), place.path().to_owned());
            jail.confinement.mounts.push(Mount { source, destination, access: Access::Read });
            if namespaces {
                // This scratch directory would cover the place.
                jail.confinement.scratch.retain(|scratch| !place.path().starts_with(&scratch.destination));
            }
            let finished = jail.run();
            let expected = EXPECTED.iter().map(|(name, with, without)| {
                let errno = if namespaces { with } else { without };
                format!("{name} {errno}\n")
            });
            assert_eq!(finished.output, expected.collect::<String>(), "{namespaces} {host:?}: {}", finished.error);
        }
    }
}

fn memory_is_shared_where_it_is_counted() {
    let code = "import mmap\nmmap.mmap(-1, 4096)\nprint(open('/dev/zero', 'rb').read(1))";
    for namespaces in [true, false] {
        for host in Jail::hosts() {
            let mut jail = Jail::python(namespaces, *host, code);
            assert_eq!(jail.run().ended.wait_status, Some(1 << 8));
            jail.cgroup = true;
            let finished = jail.run();
            assert_eq!(finished.output, "b'\\x00'\n", "{finished:?}");
        }
    }
}
