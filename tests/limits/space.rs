//! Native programs that take the space of a disk faster than anybody looks, each in
//! another way. The disk is the server's alone, so all that is taken of it shows.

use std::fs::{DirBuilder, read_dir};
use std::io::Read as _;
use std::os::unix::fs::{DirBuilderExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::json;
use tests::{LoopDisk, Reply, Restriction, SOME_USER, Server, Watch, alone, eventually};

const MIB: u64 = 1 << 20;
const LIMIT: u64 = 32 * MIB;
/// What an attack of a second may take.
const MOST: u64 = LIMIT / 4 * 5 + 64 * MIB;

const PYTHON: &str = "/usr/bin/python3";
const PROGRAM: &str = include_str!("space.py");

/// The ways of `space.py`, each with the error that it is refused with. What is let
/// through is counted.
const WAYS: [(&str, Option<&str>); 23] = [
    ("fallocate", Some("ENOTSUP")),
    ("fallocate past the end", Some("ENOTSUP")),
    ("fallocate of zeros", Some("ENOTSUP")),
    ("fallocate of zeros past the end", Some("ENOTSUP")),
    ("posix_fallocate", None),
    ("write", None),
    ("writev", None),
    ("O_DIRECT", None),
    ("ftruncate and mmap", None),
    ("mremap", None),
    ("copy_file_range", Some("ENOSYS")),
    ("FICLONE", Some("EPERM")),
    ("FICLONERANGE", Some("EPERM")),
    ("sendfile", None),
    ("splice", None),
    ("tee", None),
    ("vmsplice", Some("EPERM")),
    ("O_TMPFILE", None),
    ("unlink", None),
    ("SCM_RIGHTS", None),
    ("small files", None),
    ("long links", None),
    ("attributes", None),
];

/// Without walls, until it has taken more than it might, or has ended: what it took, and
/// what it said.
fn outside(disk: &LoopDisk, way: &str) -> (u64, String) {
    let directory = tempfile::tempdir_in(disk.path()).unwrap();
    let before = disk.used_bytes();
    let mut command = Command::new(PYTHON);
    command.args(["-c", PROGRAM, way]).current_dir(&directory).process_group(0).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let mut taken = 0;
    eventually("a program to take what it can", || {
        taken = taken.max(disk.used_bytes().saturating_sub(before));
        (taken > MOST || child.try_wait().unwrap().is_some()).then_some(())
    });
    // It may have ended by itself.
    let _ = killpg(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGKILL);
    child.wait().unwrap();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    drop(directory);
    eventually("what it took to be given back", || (disk.used_bytes() < before + MIB).then_some(()));
    (taken, said)
}

/// A server on the disk.
fn start(disk: &LoopDisk, restriction: Restriction) -> Server {
    let number = read_dir(disk.path()).unwrap().count();
    let state = disk.path().join(format!("state-{number}"));
    DirBuilder::new().mode(0o700).create(&state).unwrap();
    chown(&state, Some(SOME_USER), Some(SOME_USER)).unwrap();
    let server = Server::with().restricted(restriction).env("BELLJAR_STATE_DIRECTORY", state);
    server.flag(format!("--native-program=python-native={PYTHON}")).start()
}

/// Within the walls: the reply, and what was taken.
fn inside(disk: &LoopDisk, server: &Server, way: &str) -> (Reply, u64) {
    let limits = json!({"wall_time_ms": 1000, "cpu_time_ms": 20_000, "memory_bytes": 512 * MIB, "processes": 64,
                        "disk_bytes": LIMIT, "disk_files": 9000, "open_files": 64});
    let arguments = json!({"language": "python-native", "code": PROGRAM, "args": [way], "limits": limits});
    let place = disk.path();
    let used = move || {
        let state = nix::sys::statvfs::statvfs(&place).unwrap();
        (state.blocks() - state.blocks_free()) * state.fragment_size()
    };
    let before = used();
    let watch = Watch::every(Duration::from_millis(1), move || used().saturating_sub(before));
    let reply = server.call("execute", arguments);
    let taken = watch.finish();
    // Files of a run are kept until the next one, or two.
    server.call("execute", json!({"language": "python-native", "code": "print(1)"}));
    (reply, taken)
}

/// The first of some runs that took what it might, or else the last.
fn least(runs: impl Iterator<Item = (Reply, u64)>) -> (Reply, u64) {
    let mut last = None;
    for run in runs {
        let is_within = run.1 < MOST;
        last = Some(run);
        if is_within {
            break;
        }
    }
    last.unwrap()
}

#[test]
fn whatever_takes_space_in_no_time_is_refused_or_counted() {
    let _alone = alone();
    let Some(disk) = LoopDisk::new("ext4", 700 * MIB) else { return };
    let mut short = Vec::new();
    for (way, refused) in WAYS {
        // This file system cannot share space.
        if !way.starts_with("FICLONE") {
            let (taken, said) = outside(&disk, way);
            if taken <= MOST || refused.is_some_and(|error| said.contains(error)) {
                short.push(format!("{way}: {} MiB, {said}", taken / MIB));
            }
        }
    }
    assert_eq!(short, Vec::<String>::new(), "without walls, each takes more than it might");
    for restriction in [Restriction::user(SOME_USER), Restriction::docker_user(SOME_USER)] {
        let server = start(&disk, restriction.clone());
        for (way, refused) in WAYS {
            // Whoever watches may wait for its turn on a busy machine, but not each time.
            let runs = (0..3).map(|_| inside(&disk, &server, way));
            let (reply, taken) = least(runs);
            let what = format!("{way} {restriction:?}: {} MiB: {}", taken / MIB, reply.message);
            match refused {
                Some(error) => assert_eq!(reply.output(), format!("refused {error}\n"), "{what}"),
                // Processor time of a busy machine may not suffice for all of it.
                None => assert!(reply.status().starts_with("limit_exceeded "), "{what}"),
            }
            assert!(taken < MOST, "{what}");
        }
    }
}

#[test]
fn files_share_no_space_where_a_file_system_can() {
    let _alone = alone();
    for kind in ["btrfs", "xfs"] {
        let Some(disk) = LoopDisk::new(kind, 700 * MIB) else { continue };
        let ways = ["FICLONE", "FICLONERANGE", "copy_file_range"];
        for way in &ways {
            let (taken, said) = outside(&disk, way);
            assert!(taken > MOST || said == "done\n", "{kind}: {way}: {said}");
        }
        let server = start(&disk, Restriction::user(SOME_USER));
        for way in ways {
            let refused = WAYS.iter().find(|(name, _)| *name == way).unwrap().1.unwrap();
            let (reply, _) = inside(&disk, &server, way);
            assert_eq!(reply.output(), format!("refused {refused}\n"), "{kind}: {way}");
        }
    }
}
