//! Memory of native programs where no control group counts it: forty processes that
//! take what they can, as fast as they can, seen from outside.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::json;
use tests::{Process, Restriction, SOME_USER, Server, Watch, alone, eventually};

const MIB: u64 = 1 << 20;
const LIMIT: u64 = 256 * MIB;
/// What the tree may hold at any time.
const MOST: u64 = LIMIT / 2 * 3 + 64 * MIB;
/// How long it may be there once it is past its limit, on a machine with nothing else
/// to do. A test may be kept waiting ten times as long.
const GONE: Duration = Duration::from_millis(500);

const PYTHON: &str = "/usr/bin/python3";

/// The attack, whose second argument is how much each process takes, in MiB.
const ATTACK: &str = "import ctypes, os, sys, time
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_size_t]
size = int(sys.argv[2]) << 20
def at_once(): return bytearray(b'x') * size
def by_and_by(): return [bytearray(b'x') * (1 << 20) for _ in range(size >> 20)]
def in_sessions():
    os.setsid()
    return at_once()
def populated(): return libc.mmap(None, size, 3, 0x8022, -1, 0)
def by_a_tree():
    for _ in range(5): os.fork()
    return at_once()
way = globals()[sys.argv[1]]
if way is by_a_tree: kept = way()
else:
    for _ in range(40):
        if os.fork() == 0:
            kept = way()
            time.sleep(60)
time.sleep(60)";

const WAYS: [&str; 5] = ["at_once", "by_and_by", "in_sessions", "populated", "by_a_tree"];

/// What the interpreter itself holds that is no file's, and all have in common that are
/// forked from it.
fn interpreter() -> u64 {
    let code = format!("{}\nprint('ready', flush=True)\ntime.sleep(60)", ATTACK.split_once("libc").unwrap().0);
    let mut command = Command::new(PYTHON);
    let mut child = command.args(["-c", &code]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let bytes = Process::find(child.id().try_into().unwrap()).unwrap().anonymous_bytes();
    child.kill().unwrap();
    child.wait().unwrap();
    bytes
}

/// What the processes of a tree hold that is no file's, and of what they have in `common`
/// one. The kernel's own word on that takes it so long that nothing would be seen
/// between two.
fn held(tree: &[Process], common: u64) -> u64 {
    let sizes = tree.iter().map(Process::anonymous_bytes).filter(|size| *size > 0);
    common + sizes.map(|size| size.saturating_sub(common)).sum::<u64>()
}

/// When a tree was first seen past its limit, and when it was gone after that.
type Times = Arc<Mutex<(Option<Instant>, Option<Instant>)>>;

fn watch(common: u64, find: impl Fn() -> Vec<Process> + Send + 'static) -> (Watch, Times) {
    let times = Times::default();
    let shared = Arc::clone(&times);
    let sample = move || {
        let tree = find();
        let bytes = held(&tree, common);
        let mut times = shared.lock().unwrap();
        if bytes > LIMIT {
            *times = (times.0.or_else(|| Some(Instant::now())), None);
        } else if tree.is_empty() && times.0.is_some() {
            times.1 = times.1.or_else(|| Some(Instant::now()));
        }
        bytes
    };
    (Watch::every(Duration::from_millis(1), sample), times)
}

/// The native programs of a server: what its jailers started.
fn programs_of(server: i32) -> Vec<Process> {
    let is_jailer = |process: &Process| process.arguments().first().is_some_and(|name| name == "belljar-jailer");
    let jailers: Vec<_> = Process::children_of(server).into_iter().filter(is_jailer).collect();
    let below = jailers.iter().flat_map(|jailer| Process::descendants_of(jailer.pid()));
    below.filter(|process| process.is_running() && !is_jailer(process)).collect()
}

/// Runs the attack. Says whether the tree never had more than it might, and was gone
/// soon.
fn is_held(server: &Server, way: &str, tier: &str, common: u64) -> bool {
    let pid = server.process().pid();
    let (watch, times) = watch(common, move || programs_of(pid));
    let limits = json!({"memory_bytes": LIMIT, "processes": 64, "wall_time_ms": 20_000});
    let arguments = json!({"language": "python-native", "code": ATTACK, "args": [way, "150"], "limits": limits});
    let reply = server.call("execute", arguments);
    eventually("all of it to be gone", || programs_of(pid).is_empty().then_some(()));
    let most = watch.finish();
    let (past, gone) = *times.lock().unwrap();
    let took = past.map_or(Duration::ZERO, |past| gone.unwrap_or_else(Instant::now) - past);
    let said = reply.usage("memory_bytes");
    let what = format!(
        "{tier} {way}: {} MiB, {} as its warden says, gone {took:?} after it was past its limit",
        most / MIB,
        said / MIB
    );
    let _ = writeln!(std::io::stderr().lock(), "limits: {what}");
    assert_eq!(reply.status(), "limit_exceeded memory_bytes", "{what}: {}", reply.message);
    most < MOST && said < MOST && took < GONE * 10
}

#[test]
fn forty_processes_that_take_memory_are_gone_before_they_have_much() {
    let _alone = alone();
    let common = interpreter();
    // Processes without walls have more than they might in no time.
    for way in WAYS {
        let mut control = Command::new(PYTHON);
        control.args(["-c", ATTACK, way, "40"]).process_group(0).stdin(Stdio::null());
        let mut child = control.spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let tree = move || Process::find(pid).into_iter().chain(Process::descendants_of(pid)).collect::<Vec<_>>();
        eventually("a program to take memory", || (held(&tree(), common) > MOST).then_some(()));
        // Some processes are in sessions of their own, and no more are to come.
        Process::find(pid).unwrap().signal(Signal::SIGSTOP);
        tree().iter().rev().for_each(|process| process.signal(Signal::SIGKILL));
        killpg(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        child.wait().unwrap();
    }
    let places = [("namespaced", Restriction::user(SOME_USER)), ("container", Restriction::docker_user(SOME_USER))];
    for (tier, restriction) in places {
        let flag = format!("--native-program=python-native={PYTHON}");
        let server = Server::with().restricted(restriction).flag(flag).start();
        let hello = server.call("execute", json!({"language": "python-native", "code": "print(1)"}));
        assert_eq!(hello.output(), "1\n");
        let protections = server.health()["protections"].to_string();
        assert!(protections.contains(&format!("native programs: tier {tier} ")), "{protections}");
        for way in WAYS {
            // The kernel may let whoever watches wait on a busy machine, but not each time.
            let is_held = (0..3).any(|_| is_held(&server, way, tier, common));
            assert!(is_held, "{tier} {way}: past {} MiB three times", MOST / MIB);
        }
        server.assert_usable();
    }
}
