//! Files that Python holds open must be the same afterwards, or fail by name.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use super::*;
use crate::run::abi::GuestRequest;
use crate::run::limits::{Limits, Resource};
use crate::run::outcome::Status;
use crate::run::program::Program;
use crate::wasm::calls::RunCalls;
use crate::wasm::engine;
use crate::wasm::slot::Slot;
use crate::wasm::{
    CodeCache, Determinism, DiskQuota, Image, ImageName, Links, MemoryLease, RunControl, RunParts, Stdio,
};
use crate::workspace::Workspace;
use crate::workspace::survey::DiskUse;

struct Plenty;

impl MemoryLease for Plenty {
    fn take(&self, _bytes: u64) -> bool {
        true
    }
}

static IMAGE: LazyLock<Image> = LazyLock::new(|| {
    let directory = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("belljar-test-cache");
    DirBuilder::new().recursive(true).mode(0o700).create(&directory).unwrap();
    let cache = CodeCache::open(directory).unwrap();
    let runtime = guest_runtimes::Catalogue::built_in().first().cloned().unwrap();
    let guest_runtimes::Kind::Wasm(image) = runtime.kind() else { panic!("it has an image") };
    let name = ImageName::of(&runtime, image);
    cache.compile(name, &image.compressed().unwrap()).unwrap();
    let instance = *image.instance();
    let engine = engine::engine(instance.stack_bytes).unwrap();
    Image::load(engine, cache.find(name).unwrap().unwrap(), instance, 4).unwrap()
});

fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("nothing here waits"),
    }
}

/// A session whose instance can be replaced by another.
struct Session {
    parent: tempfile::TempDir,
    workspace: Arc<Workspace>,
    determinism: Option<Determinism>,
    limits: Limits,
    slot: Slot,
}

impl Session {
    fn new() -> Self {
        Self::with(None)
    }

    fn with(determinism: Option<Determinism>) -> Self {
        let parent = tempfile::tempdir().unwrap();
        let workspace = Arc::new(Workspace::create(parent.path().join("w")).unwrap());
        let mut slot = Slot::new(&IMAGE, Arc::new(Plenty)).unwrap();
        slot.parts().1.open(&workspace, &Arc::default(), determinism).unwrap();
        Self { parent, workspace, determinism, limits: Limits::defaults(), slot }
    }

    /// Runs `code`, which must not fail, and returns what it printed.
    fn run(&mut self, code: &str) -> String {
        let parts = RunParts {
            calls: RunCalls::new(Box::new(|_, _| {})),
            control: Arc::new(RunControl::default()),
            stdio: Stdio::new(Vec::new(), 4096, &self.parent.path().join("spool"), None),
            quota: DiskQuota::new(Arc::clone(&self.workspace), &self.limits, DiskUse::default()),
            links: Links::default(),
            limits: self.limits,
        };
        let program = Program { code: code.to_owned(), ..Program::default() };
        let mut request = GuestRequest { last: false, ..GuestRequest::new(&program, &self.limits) };
        let finished = self.slot.run(&mut request, parts, true).unwrap();
        let error = finished.error.map(|error| error.traceback);
        assert_eq!((finished.status, error), (Status::Exited(0), None), "{code}");
        String::from_utf8(finished.stdout.head).unwrap().trim_end().to_owned()
    }

    fn capture(&mut self) -> (Vec<u8>, HostState) {
        let (bytes, host, _) = self.slot.parts();
        let state = ready(host.capture());
        (bytes.to_vec(), postcard::from_bytes(&postcard::to_stdvec(&state).unwrap()).unwrap())
    }

    /// Goes on in a new instance, which has only what was saved.
    fn resume(&mut self, (memory, state): &(Vec<u8>, HostState)) {
        self.slot = Slot::new(&IMAGE, Arc::new(Plenty)).unwrap();
        let (bytes, host, fresh) = self.slot.parts();
        assert_eq!(bytes.len(), memory.len(), "the tests' programs must not make memory grow");
        bytes.copy_from_slice(memory);
        *fresh = false;
        host.open(&self.workspace, &Arc::default(), self.determinism).unwrap();
        ready(host.restore(state)).unwrap();
    }

    /// Captures, lets `meanwhile` loose on the workspace, and goes on.
    fn move_over(&mut self, meanwhile: impl FnOnce(PathBuf)) {
        let saved = self.capture();
        meanwhile(self.workspace.host_path().to_owned());
        self.resume(&saved);
    }
}

fn write(path: PathBuf, bytes: &str) {
    use std::io::Write as _;
    std::fs::File::create(path).unwrap().write_all(bytes.as_bytes()).unwrap();
}

/// Defines `tried(function, ...)`, which tells how a call failed.
const TRIED: &str = "
import os, errno
def tried(function, *arguments):
    try: return function(*arguments)
    except OSError as error: return errno.errorcode[error.errno]
";

#[test]
fn files_go_on_at_their_offset_under_their_numbers() {
    let programs = [
        ("import os; open('text', 'w').write('abcdefgh'); open('log', 'w').write('log:')", ""),
        (
            "
reader, hole, both = [os.open('text', os.O_RDWR) for _ in range(3)]
log = open('log', 'a'); listing = os.scandir('.'); first = next(listing).name
os.read(reader, 3); os.lseek(both, 5, os.SEEK_SET)
last = [os.open('text', os.O_RDONLY) for _ in range(3)][-1]
os.close(hole); os.close(last)",
            "",
        ),
        ("print(os.read(reader, 2)); os.write(both, b'X'); print(os.read(both, 9))", "b'de'\nb'gh'"),
        (
            "with open('log', 'a') as other: other.write('more')
log.write('most'); log.flush(); print(open('log').read())",
            "log:moremost",
        ),
        ("print(sorted([first, *(entry.name for entry in listing)]))", "['log', 'text']"),
        (
            "new = [os.open('text', os.O_RDONLY) for _ in range(4)]; print(new, os.read(new[0], 9), os.read(reader, 9))",
            "[11, 8, 5, 12] b'abcdeXgh' b'Xgh'",
        ),
    ];
    // The control stays in its instance; not even a new number may differ.
    for moves in [false, true] {
        let mut session = Session::new();
        for (code, expected) in programs {
            assert_eq!(session.run(code), expected, "moves: {moves}, {code}");
            if moves {
                session.move_over(|_| {});
            }
        }
    }
}

#[test]
fn reading_only_and_writing_only_stay_what_they_are() {
    let mut session = Session::new();
    session.run(&format!(
        "{TRIED}
open('text', 'w').write('old')
reader = os.open('text', os.O_RDONLY); writer = os.open('text', os.O_WRONLY)
def check(): print(tried(os.write, reader, b'x'), tried(os.read, writer, 1), tried(os.write, writer, b'n'))"
    ));
    let before = session.run("check()");
    assert_eq!(before, "EBADF EBADF 1");
    session.move_over(|_| {});
    assert_eq!(session.run("check(); print(open('text').read())"), format!("{before}\nnnd"));
}

#[test]
fn files_are_found_where_they_were_moved_to() {
    let mut session = Session::new();
    session.run(
        "
import os
os.makedirs('a/b'); open('a/b/text', 'w').write('abcdef'); open('other', 'w').write('other')
folder = os.open('a', os.O_RDONLY | os.O_DIRECTORY)
text = os.open('b/text', os.O_RDONLY, dir_fd=folder)
other = os.open('other', os.O_RDONLY)
os.read(text, 2); os.rename('a', 'z'); os.rename('other', 'z/b/other')
open('other', 'w').write('wrong')",
    );
    session.move_over(|workspace| {
        // The workspace is as a restored one would be: the same paths and times, other inodes.
        let (path, old) = (workspace.join("z/b/text"), workspace.join("old"));
        std::fs::rename(&path, &old).unwrap();
        write(path.clone(), "abcdef");
        let modified = std::fs::metadata(old).unwrap().modified().unwrap();
        std::fs::File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
    });
    assert_eq!(
        session.run("print(os.read(text, 9), os.read(other, 9), os.stat('b/other', dir_fd=folder).st_size)"),
        "b'cdef' b'other' 5"
    );
}

#[test]
fn what_cannot_come_back_fails_by_name_and_is_never_another_file() {
    let mut session = Session::new();
    session.run(&format!(
        "{TRIED}
for name in ['deleted', 'replaced', 'missing', 'folder', 'longer', 'written', 'kept']: open(name, 'w').write(name)
os.mkdir('emptied')
files = {{name: os.open(name, os.O_RDWR) for name in ['deleted', 'replaced', 'missing', 'folder', 'longer', 'written', 'kept']}}
files['emptied'] = os.open('emptied', os.O_RDONLY)
os.remove('deleted'); os.remove('replaced'); open('replaced', 'w').write('other'); os.rmdir('emptied')
print([os.read(files[name], 3) for name in ['deleted', 'replaced']])"
    ));
    session.move_over(|workspace| {
        std::fs::remove_file(workspace.join("missing")).unwrap();
        std::fs::remove_file(workspace.join("folder")).unwrap();
        DirBuilder::new().create(workspace.join("folder")).unwrap();
        // Another file lies in the place of each: of another length, or of another time.
        let modified = std::fs::metadata(workspace.join("longer")).unwrap().modified().unwrap();
        for (name, text, modified) in
            [("longer", "another", modified), ("written", "another", modified + std::time::Duration::from_nanos(1))]
        {
            std::fs::remove_file(workspace.join(name)).unwrap();
            write(workspace.join(name), text);
            let file = std::fs::File::options().write(true).open(workspace.join(name)).unwrap();
            file.set_modified(modified).unwrap();
        }
    });
    let calls = "
calls = [
    lambda file: os.read(file, 9), lambda file: os.write(file, b'x'), lambda file: os.pread(file, 9, 0),
    lambda file: os.pwrite(file, b'x', 0), lambda file: os.lseek(file, 0, os.SEEK_SET), os.fstat,
    lambda file: os.ftruncate(file, 0), os.fsync, os.fdatasync,
    lambda file: os.stat('.', dir_fd=file), lambda file: os.open('kept', os.O_RDONLY, dir_fd=file),
    lambda file: os.rename('kept', 'moved', src_dir_fd=file), lambda file: os.remove('kept', dir_fd=file),
    lambda file: os.mkdir('made', dir_fd=file), lambda file: os.set_blocking(file, True),
]
for name, file in files.items():
    print(name, *sorted({str(tried(call, file)) for call in calls}))";
    let answers = session.run(calls);
    let poisoned: Vec<_> = answers.lines().filter(|line| line.ends_with(" ESTALE")).collect();
    let expected = ["deleted", "replaced", "missing", "folder", "longer", "written", "emptied"];
    assert_eq!(poisoned, expected.map(|name| format!("{name} ESTALE")), "{answers}");
    let control = answers.lines().find(|line| line.starts_with("kept")).unwrap();
    assert!(control.contains("b'kept'") && !control.contains("ESTALE"), "{control}");
    assert_eq!(
        session.run("print(open('replaced').read(), sorted(os.listdir('.')))"),
        "other ['folder', 'kept', 'longer', 'replaced', 'written']"
    );

    // The files are poisoned in the next instance too, and numbers stay taken until closed.
    session.move_over(|_| {});
    let taken = session.run(
        "
new = os.open('replaced', os.O_RDONLY)
print(new in files.values(), tried(os.read, files['replaced'], 9))
print(*[tried(os.close, file) for file in files.values()])
print(*[tried(os.read, file, 9) for file in files.values()])
again = [os.open('replaced', os.O_RDONLY) for _ in files]
print(sorted(again) == sorted(files.values()), {os.read(file, 9) for file in again}, os.read(new, 9))",
    );
    assert_eq!(
        taken,
        format!("False ESTALE\n{}\n{}\nTrue {{b'other'}} b'other'", ["None"; 8].join(" "), ["EBADF"; 8].join(" "))
    );
}

#[test]
fn devices_go_on_and_modes_are_seen() {
    let mut session = Session::new();
    session.run("import os\nnull, out = open('/dev/null', 'w'), open('/dev/stdout', 'w')\nfile = open('x', 'w')");
    session.move_over(|_| {});
    let code = "null.write('x'); null.flush(); out.write('shown'); out.flush()";
    assert_eq!(session.run(code), "shown");
    // Of what was brought back, too.
    session.run("os.fchmod(file.fileno(), 0o640)");
    assert_eq!(
        session.run("print(oct(os.fstat(file.fileno()).st_mode), oct(os.stat('x').st_mode))"),
        "0o100640 0o100640"
    );
}

#[test]
fn what_comes_back_counts_towards_the_limit_of_open_files() {
    let mut session = Session::new();
    session.run(&format!(
        "{TRIED}
open('x', 'w').write('x'); open('y', 'w').close()
a, b, c = os.open('x', os.O_RDONLY), os.open('y', os.O_RDONLY), os.open('x', os.O_RDONLY)
os.remove('y')"
    ));
    session.limits.set(Resource::OpenFiles, 2);
    session.move_over(|_| {});
    let printed = session.run(
        "print(os.read(a, 1), os.read(c, 1))
print(tried(os.open, 'x', os.O_RDONLY)); os.close(a)
print(tried(os.open, 'x', os.O_RDONLY)); os.close(b)
print(type(tried(os.open, 'x', os.O_RDONLY)).__name__)",
    );
    assert_eq!(printed, "b'x' b'x'\nEMFILE\nEMFILE\nint");
}

#[test]
fn an_open_database_goes_on_and_is_not_damaged() {
    let mut session = Session::new();
    session.run(
        "
import sqlite3
database = sqlite3.connect('data.db')
database.execute('create table t (n)'); database.executemany('insert into t values (?)', [(n,) for n in range(100)])
database.commit(); database.execute('insert into t values (100)')",
    );
    session.move_over(|_| {});
    let printed = session.run(
        "
try:
    database.execute('insert into t values (101)'); database.commit(); print('kept')
except sqlite3.OperationalError as error: print('failed', error)
other = sqlite3.connect('data.db')
print(other.execute('pragma integrity_check').fetchall(), other.execute('select count(*) from t').fetchall())",
    );
    assert_eq!(printed, "kept\n[('ok',)] [(102,)]");
}

#[test]
fn clocks_go_on_and_never_backwards() {
    let mut session = Session::new();
    session.run("import time\nbefore = time.monotonic()");
    let (memory, mut state) = session.capture();
    state.clock_ns += 3_600_000_000_000;
    session.resume(&(memory, state));
    let passed: f64 = session.run("print(time.monotonic() - before)").parse().unwrap();
    assert!((3600.0..7200.0).contains(&passed), "{passed}");
}

#[test]
fn repeatable_runs_repeat_themselves_in_new_and_in_restored_instances() {
    let programs = [
        "import time, random, os, secrets\nprint(time.time(), time.monotonic(), random.random(), os.urandom(8).hex())",
        "begun = time.monotonic(); time.sleep(0.002); print(time.monotonic() - begun, time.time(), secrets.token_hex(8))",
        "print(random.random(), os.urandom(40).hex(), hash('text'), time.perf_counter_ns(), os.open('.', os.O_RDONLY))",
    ];
    let run_all = |seed, restored: bool| {
        let mut session = Session::with(Some(Determinism { seed }));
        let run = |code: &&str| {
            let printed = session.run(code);
            if restored {
                session.move_over(|_| {});
            }
            printed
        };
        programs.iter().map(run).collect::<Vec<_>>()
    };
    let once = run_all(1, false);
    assert_eq!(once, run_all(1, false));
    assert_eq!(once, run_all(1, true));
    let another = run_all(2, false);
    assert!(once.iter().zip(&another).all(|(one, other)| one != other), "{once:?} {another:?}");
    let slept: f64 = once[1].split(' ').next().unwrap().parse().unwrap();
    assert!((0.002..0.0021).contains(&slept), "{slept}");
}

#[test]
fn runs_are_not_repeatable_unless_asked_for() {
    let code = "import os\nprint(os.urandom(8).hex())";
    assert_ne!(Session::new().run(code), Session::new().run(code));
}

#[test]
fn a_state_from_a_damaged_store_is_refused_or_harmless() {
    let file = |path: &str| OpenFile::File {
        path: path.as_bytes().to_vec(),
        version: (0, 0),
        read: true,
        write: true,
        append: false,
        nonblocking: false,
        offset: u64::MAX,
    };
    let encode = |files: &[(u32, OpenFile)], end| {
        postcard::to_stdvec(&HostState { files: files.iter().cloned().collect(), end, ..HostState::default() }).unwrap()
    };
    let decode = |bytes: &[u8]| postcard::from_bytes::<HostState>(bytes);
    assert!(decode(&encode(&[(4, file("x"))], 5)).is_ok());
    let last = FIRST + MAX_OPEN_FILES;
    for bytes in [
        encode(&[(3, file("x"))], 5),
        encode(&[(last, file("x"))], 5),
        encode(&[], last + 1),
        encode(&[(4, file(&"x".repeat(MAX_PATH_BYTES + 1)))], 5),
    ] {
        assert!(decode(&bytes).is_err());
    }

    let mut session = Session::new();
    write(session.parent.path().join("secret"), "secret");
    session.run(&format!("{TRIED}\nopen('text', 'w').write('text')"));
    let (memory, mut state) = session.capture();
    let paths = ["../secret", "/etc/passwd", "text/../../secret", "te\0xt", "", "text"];
    state.files = (FIRST..).zip(paths.map(file)).collect();
    (state.clock_ns, state.entropy, state.end) = (u64::MAX, u64::MAX, 0);
    session.resume(&(memory, state));
    assert_eq!(session.run("print({tried(os.read, file, 9) for file in range(4, 10)})"), "{'ESTALE'}");
}

#[test]
fn files_larger_than_what_the_host_copies_are_read_and_written_whole() {
    let mut session = Session::new();
    let printed = session.run(
        "
data = bytes(20_000_000)
with open('big', 'wb') as file: file.write(data)
with open('big', 'rb') as file: print(file.read() == data)",
    );
    assert_eq!(printed, "True");
}
