//! Programs that take memory or disk faster than anybody looks, or where nobody
//! looks. How much they get depends on the machine, so figures here are loose;
//! the README of this crate has those that were measured.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use jailer::Cause;
use nix::libc;

use crate::Test;
use crate::jail::{Host, Jail};
use crate::limits::{everywhere, killed};

pub(crate) const TESTS: &[Test] = &[
    ("space_is_not_reserved", space_is_not_reserved),
    ("space_is_not_shared_or_reserved_through_ioctl", space_is_not_shared_or_reserved_through_ioctl),
    ("many_write_at_once", many_write_at_once),
    ("files_that_nothing_shows", files_that_nothing_shows),
    ("many_take_memory_at_once", many_take_memory_at_once),
    ("page_tables", page_tables),
    ("names_in_scratch", names_in_scratch),
    ("what_is_shared_is_not_much", what_is_shared_is_not_much),
    ("what_stood_still_goes_on", what_stood_still_goes_on),
    ("turns_at_the_processor", turns_at_the_processor),
];

const LIBC: &str = "import ctypes, errno, mmap, os, signal, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_size_t]
";

fn python(namespaces: bool, host: Host, code: &str) -> Jail {
    Jail::python(namespaces, host, &format!("{LIBC}{code}"))
}

/// What the files of a workspace take.
fn taken(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().metadata().unwrap());
    entries.map(|entry| entry.blocks() * 512).sum()
}

fn space_is_not_reserved() {
    let reserve = "file = open('f', 'wb')
for mode in (0, 1, 2 | 1, 16, 16 | 1):
    answer = libc.fallocate(file.fileno(), mode, ctypes.c_long(0), ctypes.c_long(1 << 20))
    print(answer, errno.errorcode[ctypes.get_errno()], end=' ')
os.posix_fallocate(file.fileno(), 0, 1 << 20)
print(os.fstat(file.fileno()).st_size)
try: os.copy_file_range(file.fileno(), file.fileno(), 1)
except OSError as error: print(errno.errorcode[error.errno], flush=True)
large = open('g', 'wb')
os.posix_fallocate(large.fileno(), 0, 30 << 20)";
    everywhere(|namespaces, host| {
        let finished = python(namespaces, host, reserve).limits(|limits| limits.disk_bytes = 20 << 20).run();
        let refused = "-1 ENOTSUP ".repeat(5);
        assert!(finished.output.starts_with(&format!("{refused}1048576\nENOSYS\n")), "{finished:?}");
        assert!(finished.error.contains("File too large") || finished.ended.cause.is_some(), "{finished:?}");
    });
}

/// What takes space through `ioctl`: FICLONE and FICLONERANGE, by which files
/// share it where a file system can, and the reservations of XFS, which Linux
/// has for every file system.
const SPACE_BY_IOCTL: &str = "import struct
libc.ioctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p]
one, other = open('one', 'w+b'), open('other', 'w+b')
one.write(b'x' * 65536); one.flush()
def ask(operation, argument):
    ctypes.set_errno(0)
    answer = libc.ioctl(other.fileno(), operation, argument)
    return 'done' if answer == 0 else errno.errorcode[ctypes.get_errno()]
span = ctypes.create_string_buffer(struct.pack('qQQQ', one.fileno(), 0, 65536, 0))
room = ctypes.create_string_buffer(struct.pack('hxxxxxxqqiI4I', 0, 0, 1 << 20, 0, 0, 0, 0, 0, 0))
print(ask(0x40049409, ctypes.c_void_p(one.fileno())), ask(0x4020940d, span), ask(0x40305828, room), ask(0x4030582a, room))
print(os.fstat(other.fileno()).st_blocks * 512 >= 1 << 20, flush=True)";

fn space_is_not_shared_or_reserved_through_ioctl() {
    // Without the wall a file system that cannot share says so, and every one reserves.
    let open = tempfile::tempdir().unwrap();
    let code = format!("{LIBC}{SPACE_BY_IOCTL}");
    let command = std::process::Command::new("python3").args(["-c", &code]).current_dir(&open).output().unwrap();
    let output = String::from_utf8(command.stdout).unwrap();
    let (answers, reserved) = output.trim().split_once('\n').unwrap();
    let answers: Vec<_> = answers.split(' ').collect();
    let shares = |answer: &str| ["done", "ENOTSUP", "EINVAL"].contains(&answer);
    assert!(shares(answers[0]) && shares(answers[1]), "{output}");
    assert_eq!((&answers[2..], reserved), (&["done", "done"][..], "True"));
    everywhere(|namespaces, host| {
        let finished = python(namespaces, host, SPACE_BY_IOCTL).run();
        assert_eq!(finished.output, "EPERM EPERM EPERM EPERM\nFalse\n", "{finished:?}");
    });
}

fn many_write_at_once() {
    // The processes share their memory, and each writes all of it in one go.
    let write = "data = b'x' * (18 << 20)
for number in range(40):
    if os.fork() == 0:
        if number % 2:
            file = open(f'f{number}', 'w+b')
            file.truncate(len(data))
            mapped = mmap.mmap(file.fileno(), len(data))
            for at in range(0, len(data), 4096): mapped[at] = 1
        else: open(f'f{number}', 'wb', buffering=0).write(data)
        time.sleep(60)
time.sleep(60)";
    everywhere(|namespaces, host| {
        let mut jail = python(namespaces, host, write).limits(|limits| limits.disk_bytes = 20 << 20);
        killed(&jail.run(), Cause::DiskBytes);
        // A quarter more than the limit, and 64 MiB.
        assert!(taken(jail.workspace.path()) < 89 << 20, "{}", taken(jail.workspace.path()));
    });
}

fn files_that_nothing_shows() {
    // A hidden file has neither a name nor a descriptor: one is mapped, one waits in a socket.
    let file = "def file(number):
    file = open('f', 'w+b', buffering=0)
    os.unlink('f')
    for _ in range(9): file.write(b'x' * (1 << 20))
    return file
kept = []
for number in range(10):
    with file(number) as nameless:
        HIDE
print('had it', flush=True)
time.sleep(60)";
    let hides = [
        "libc.mmap(None, 4096, 3, 1, nameless.fileno(), 0)",
        "kept.append(socket.socketpair()); socket.send_fds(kept[-1][0], [b'x'], [nameless.fileno()])",
        "kept.append(os.dup(nameless.fileno()))",
    ];
    everywhere(|namespaces, host| {
        for hide in hides {
            let jail = python(namespaces, host, &file.replace("HIDE", hide));
            killed(&jail.limits(|limits| limits.disk_bytes = 20 << 20).run(), Cause::DiskBytes);
            // A hidden file is nobody's business where there is room for it.
            let briefly = file.replace("HIDE", hide).replace("time.sleep(60)", "time.sleep(0.3)");
            let finished = python(namespaces, host, &briefly).run();
            assert_eq!((finished.ended.cause, finished.output.as_str()), (None, "had it\n"), "{finished:?}");
        }
    });
}

fn many_take_memory_at_once() {
    // Forty that keep whoever watches them from the processor, by all means
    // that they have: turns of their own, and pages that come at one go.
    let fill = "for _ in range(40):
    if os.fork() == 0:
        HOW
        time.sleep(60)
time.sleep(60)";
    let ways = [
        "kept = bytearray(b'x') * (50 << 20)",
        "os.setsid(); kept = [bytearray(b'x') * (1 << 20) for _ in range(50)]",
        "os.setsid(); libc.mmap(None, 50 << 20, 3, 0x8022, -1, 0)",
    ];
    everywhere(|namespaces, host| {
        for way in ways {
            let code = fill.replace("HOW", way);
            let finished = python(namespaces, host, &code).limits(|limits| limits.memory_bytes = 64 << 20).run();
            killed(&finished, Cause::Memory);
            assert!(finished.ended.usage.wall_time_ms.unwrap() < 5000, "{finished:?}");
        }
    });
}

fn page_tables() {
    // Pages that were never written to are one, but each has its entry.
    let tables = "for _ in range(10):
    if os.fork() == 0:
        start = libc.mmap(None, 1 << 34, 1, 0x4022, -1, 0)
        for at in range(0, 1 << 34, 1 << 21): ctypes.c_ubyte.from_address(start + at).value
        time.sleep(60)
time.sleep(60)";
    everywhere(|namespaces, host| {
        let limit = |bytes| python(namespaces, host, tables).limits(|limits| limits.memory_bytes = bytes);
        killed(&limit(192 << 20).run(), Cause::Memory);
    });
}

fn names_in_scratch() {
    let names = "for number in range(4000): os.symlink('x' * 100, f'/dev/shm/{number}')\ntime.sleep(0.3)";
    for host in Jail::hosts() {
        let finished = python(true, *host, names).run();
        assert_eq!(finished.ended.cause, None, "{finished:?}");
        assert!(finished.ended.usage.memory_bytes.unwrap() >= 4000 << 10, "{finished:?}");
    }
}

fn what_is_shared_is_not_much() {
    // Forty times as much, if each counted for itself; then each has its own.
    let fork = "kept = bytearray(b'x') * (60 << 20)
for _ in range(40):
    if os.fork() == 0:
        end = time.time() + 0.4
        while time.time() < end: pass
        if OWN:
            for at in range(0, len(kept), 4096): kept[at] = 1
            time.sleep(60)
        os._exit(0)
for _ in range(40): os.wait()
print('fine')";
    everywhere(|namespaces, host| {
        let limit = |own| {
            let jail = python(namespaces, host, &fork.replace("OWN", own));
            jail.limits(|limits| limits.memory_bytes = 200 << 20).run()
        };
        let finished = limit("False");
        assert_eq!((finished.ended.cause, finished.output.as_str()), (None, "fine\n"), "{finished:?}");
        killed(&limit("True"), Cause::Memory);
    });
}

fn what_stood_still_goes_on() {
    // More than may be in memory if nothing were shared, so that all of it stands
    // still to be asked, time and again. Who stops by itself does not go on by that.
    let stand = "kept = bytearray(b'x') * (60 << 20)
reading, writing = os.pipe()
stops = os.fork()
if stops == 0:
    for _ in range(100):
        os.write(writing, b'a')
        os.kill(os.getpid(), signal.SIGSTOP)
        os.write(writing, b'b')
    os._exit(0)
turns = []
for _ in range(12):
    turns.append(os.fork())
    if turns[-1] == 0:
        for _ in range(100): time.sleep(0.005)
        os._exit(7)
woken = 0
for _ in range(100):
    assert os.read(reading, 1) == b'a'
    time.sleep(0.004)
    woken += bool(select.select([reading], [], [], 0)[0])
    while not select.select([reading], [], [], 0.001)[0]: os.kill(stops, signal.SIGCONT)
    assert os.read(reading, 1) == b'b'
print([os.waitpid(turn, 0)[1] >> 8 for turn in turns] == [7] * 12, woken)";
    everywhere(|namespaces, host| {
        let stand = format!("import select\n{stand}");
        let finished = python(namespaces, host, &stand).limits(|limits| limits.memory_bytes = 128 << 20).run();
        assert_eq!(finished.output, "True 0\n", "{finished:?}");
    });
}

fn turns_at_the_processor() {
    // Lower than its warden, and it cannot ask for shorter turns than that has.
    let code = "print(os.getpriority(os.PRIO_PROCESS, 0))
libc.syscall(SETATTR, 0, ctypes.create_string_buffer(48), 0)
print(errno.errorcode[ctypes.get_errno()])";
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // proc_pid_stat(5): the field `nice` is the 19th.
    let own: i32 = stat.rsplit(')').next().unwrap().split_whitespace().nth(19 - 3).unwrap().parse().unwrap();
    everywhere(|namespaces, host| {
        let code = code.replace("SETATTR", &libc::SYS_sched_setattr.to_string());
        let finished = python(namespaces, host, &code).run();
        assert_eq!(finished.output, format!("{}\nEPERM\n", (own + 5).min(19)), "{finished:?}");
    });
}
