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

fn many_write_at_once() {
    // Their memory is shared, and each writes all of it in one go.
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
        assert!(taken(jail.workspace.path()) < 200 << 20, "{}", taken(jail.workspace.path()));
    });
}

fn files_that_nothing_shows() {
    // Neither a name nor a descriptor: one is mapped, one waits in a socket.
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
            // With room for it, it is nobody's business.
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
    // still to be asked. Who had stopped by itself does not go on by that.
    let stand = "kept = bytearray(b'x') * (60 << 20)
reading, writing = os.pipe()
os.set_blocking(reading, False)
stopped = os.fork()
if stopped == 0:
    os.kill(os.getpid(), signal.SIGSTOP)
    os.write(writing, b'x')
    time.sleep(60)
os.waitpid(stopped, os.WUNTRACED)
turns = []
for _ in range(12):
    turns.append(os.fork())
    if turns[-1] == 0:
        for _ in range(100): time.sleep(0.005)
        os._exit(7)
print([os.waitpid(turn, 0)[1] >> 8 for turn in turns] == [7] * 12)
try: print(os.read(reading, 1))
except BlockingIOError: print('stopped still')
os.kill(stopped, signal.SIGKILL)";
    everywhere(|namespaces, host| {
        let finished = python(namespaces, host, stand).limits(|limits| limits.memory_bytes = 128 << 20).run();
        assert_eq!(finished.output, "True\nstopped still\n", "{finished:?}");
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
