//! Native programs that take the space of a disk faster than anybody looks, each in
//! another way. The disk is the server's alone, so all that is taken of it shows.

use std::fs::{DirBuilder, File, read_dir};
use std::io::Read as _;
use std::os::unix::fs::{DirBuilderExt as _, chown};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tests::{LoopDisk, Process, Reply, Restriction, SOME_USER, Server, Watch, alone, eventually};

const MIB: u64 = 1 << 20;
const LIMIT: u64 = 32 * MIB;
/// What an attack of a second may take where the warden gets its turns.
const MOST: u64 = LIMIT / 4 * 5 + 64 * MIB;
/// What it may take on a machine that is busy with anything: a test holds everywhere.
const MOST_WHEN_BUSY: u64 = 8 * LIMIT;

const PYTHON: &str = "/usr/bin/python3";
const PROGRAM: &str = include_str!("space.py");

/// The ways of `space.py`, each with the error that it is refused with. What is let
/// through is counted.
const WAYS: [(&str, Option<&str>); 29] = [
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
    ("MADV_POPULATE_WRITE", None),
    ("setsid", None),
    ("many descriptors", None),
    ("many names", None),
    ("threads", None),
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
    ("hard links", None),
    ("long links", None),
    ("attributes", None),
];

/// Without walls, until it has taken more than it might, or has ended: what it took, and
/// what it said.
fn outside(disk: &LoopDisk, way: &str) -> (u64, String) {
    let directory = tempfile::tempdir_in(disk.path()).unwrap();
    let before = disk.used_bytes();
    let mut command = Command::new(PYTHON);
    command.args(["-c", PROGRAM, way]).current_dir(&directory).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let mut taken = 0;
    eventually("a program to take what it can", || {
        taken = taken.max(disk.used_bytes().saturating_sub(before));
        (taken > MOST || child.try_wait().unwrap().is_some()).then_some(())
    });
    end_with_descendants(&mut child);
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    drop(directory);
    // Some give space back with the next change that they write down.
    nix::unistd::syncfs(File::open(disk.path()).unwrap()).unwrap();
    eventually("what it took to be given back", || (disk.used_bytes() < before + MIB).then_some(()));
    (taken, said)
}

/// Some of them are in sessions of their own, and no more are to come.
fn end_with_descendants(child: &mut Child) {
    let pid = child.id().try_into().unwrap();
    let _ = kill(Pid::from_raw(pid), Signal::SIGSTOP);
    Process::descendants_of(pid).iter().for_each(|process| process.signal(Signal::SIGKILL));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A server on the disk.
fn start(disk: &LoopDisk, restriction: Restriction) -> Server {
    start_in(&disk.path(), restriction)
}

fn start_in(place: &Path, restriction: Restriction) -> Server {
    let number = read_dir(place).unwrap().count();
    let state = place.join(format!("state-{number}"));
    DirBuilder::new().mode(0o700).create(&state).unwrap();
    chown(&state, Some(SOME_USER), Some(SOME_USER)).unwrap();
    let server = Server::with().restricted(restriction).env("BELLJAR_STATE_DIRECTORY", state);
    server.flag(format!("--native-program=python-native={PYTHON}")).start()
}

/// Within the walls: the reply, and what was taken.
fn inside(disk: &LoopDisk, server: &Server, way: &str) -> (Reply, u64) {
    let limits = json!({"wall_time_ms": 1000, "cpu_time_ms": 20_000, "memory_bytes": 512 * MIB, "processes": 64,
                        "disk_bytes": LIMIT, "disk_files": 9000, "open_files": 64});
    let arguments = json!({"language": "python-native", "code": PROGRAM, "args": [way],
                           "session": "new", "limits": limits});
    let place = disk.path();
    let used = move || {
        let state = nix::sys::statvfs::statvfs(&place).unwrap();
        (state.blocks() - state.blocks_free()) * state.fragment_size()
    };
    let before = used();
    let watch = Watch::every(Duration::from_millis(1), move || used().saturating_sub(before));
    let reply = server.call("execute", arguments);
    let taken = watch.finish();
    server.session("close", &reply.session());
    (reply, taken)
}

/// Others that are busy, each in a session of its own.
struct Busy(Vec<Child>);

impl Busy {
    fn start(disk: &LoopDisk) -> Self {
        let compute = "while True: pass";
        let write = "import os, sys\nwhile True:\n    with open(sys.argv[1], 'wb', buffering=0) as file:\n        for _ in range(50): file.write(bytes(1 << 20))";
        let elsewhere = disk.path().with_file_name("busy");
        let start = |code: &str| {
            let mut command = Command::new("setsid");
            command.args([PYTHON, "-c", code]).arg(&elsewhere).stdin(Stdio::null()).spawn().unwrap()
        };
        Self([compute, compute, write].map(start).into())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in &mut self.0 {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
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
    let refused = WAYS.into_iter().filter(|(_, error)| error.is_some()).collect();
    let places = [(Restriction::user(SOME_USER), WAYS.to_vec()), (Restriction::docker_user(SOME_USER), refused)];
    for (restriction, ways) in places {
        let server = start(&disk, restriction.clone());
        for (way, refused) in ways {
            let (reply, taken) = inside(&disk, &server, way);
            let what = format!("{way} {restriction:?}: {} MiB: {}", taken / MIB, reply.message);
            match refused {
                Some(error) => assert_eq!(reply.output(), format!("refused {error}\n"), "{what}"),
                // Processor time of a busy machine may not suffice for all of it.
                None => assert!(reply.status().starts_with("limit_exceeded "), "{what}"),
            }
            assert!(taken < MOST_WHEN_BUSY, "{what}");
        }
    }
}

#[test]
fn it_is_counted_as_soon_beside_others_that_are_busy() {
    let _alone = alone();
    let Some(disk) = LoopDisk::new("ext4", 700 * MIB) else { return };
    for restriction in [Restriction::user(SOME_USER), Restriction::docker_user(SOME_USER)] {
        let server = start(&disk, restriction.clone());
        let _busy = Busy::start(&disk);
        for way in ["write", "setsid", "MADV_POPULATE_WRITE", "many names", "unlink", "small files", "attributes"] {
            let (reply, taken) = inside(&disk, &server, way);
            assert!(taken < MOST_WHEN_BUSY, "{way} {restriction:?}: {} MiB: {}", taken / MIB, reply.message);
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

#[test]
fn files_without_a_name_are_counted_on_an_overlay_of_two_disks() {
    let _alone = alone();
    // What is only in the upper one has the device of that, unlike its directory.
    let (Some(lower), Some(upper)) = (LoopDisk::new("ext4", 64 * MIB), LoopDisk::new("xfs", 700 * MIB)) else { return };
    let parts = ["files", "work", "merged"].map(|name| upper.path().join(name));
    parts.iter().for_each(|part| DirBuilder::new().create(part).unwrap());
    let [files, work, merged] = &parts;
    let options =
        format!("lowerdir={},upperdir={},workdir={}", lower.path().display(), files.display(), work.display());
    let mount = Command::new("mount").args(["-t", "overlay", "overlay", "-o", &options]).arg(merged).status().unwrap();
    assert!(mount.success());
    {
        let server = start_in(merged, Restriction::user(SOME_USER));
        for way in ["unlink", "O_TMPFILE"] {
            let (reply, taken) = inside(&upper, &server, way);
            assert_eq!(reply.status(), "limit_exceeded disk_bytes", "{way}: {}", reply.message);
            assert!(taken < MOST_WHEN_BUSY, "{way}: {} MiB", taken / MIB);
        }
    }
    assert!(Command::new("umount").arg("--lazy").arg(merged).status().unwrap().success());
}

#[test]
fn what_a_file_system_sets_aside_is_nobodys() {
    let _alone = alone();
    // XFS has nearly as much again past the end of a file while it grows.
    let code = "import os, time
file = open('f', 'wb', buffering=0)
file.write(bytes(18 << 20))
time.sleep(0.3)
print(os.fstat(file.fileno()).st_blocks * 512 > 32 << 20)";
    for kind in ["xfs", "btrfs", "ext4"] {
        let Some(disk) = LoopDisk::new(kind, 700 * MIB) else { continue };
        let server = start(&disk, Restriction::user(SOME_USER));
        let arguments = json!({"language": "python-native", "code": code, "limits": {"disk_bytes": LIMIT}});
        let output = if kind == "xfs" { "True\n" } else { "False\n" };
        assert_eq!(server.call("execute", arguments).output(), output, "{kind}");
    }
}
