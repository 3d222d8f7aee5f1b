//! What it costs to start a confined program: the jailer in its strongest form
//! without control groups, bubblewrap with the same binds, and no wall at all,
//! in turn. And a whole call of a native language.

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jailer::{Access, Confinement, Descriptor, Mount, Program, Report, Scratch, TreeLimits};

use crate::connection::Connection;
use crate::figures::{Samples, milliseconds};

const PROGRAM: &str = "/usr/bin/true";
const ROUNDS: u32 = 300;

/// A user for the programs when this one is root, who may become anybody.
const SOME_USER: u32 = 64_243;

/// What the program sees.
const SYSTEM: [&str; 6] = ["/usr", "/bin", "/lib", "/lib64", "/etc/alternatives", "/etc/ld.so.cache"];

/// The first argument by which this program does [`launches`] alone.
pub(crate) const ROLE: &str = "native-launches";

/// Prints all figures of native programs.
pub(crate) fn measure() {
    launches();
    if nix::unistd::geteuid().is_root() {
        // Bubblewrap changes no user, and the jailer changes its own for root.
        let status = Command::new("/proc/self/exe").arg(ROLE).uid(SOME_USER).gid(SOME_USER).current_dir("/").status();
        assert!(status.expect("it can be started").success(), "the same as another user");
    }
    calls();
}

/// Prints what it costs this user to start a confined program.
pub(crate) fn launches() {
    let workspace = tempfile::tempdir().expect("a directory can be made");
    let is_root = nix::unistd::geteuid().is_root();
    if is_root {
        std::os::unix::fs::chown(workspace.path(), Some(SOME_USER), Some(SOME_USER)).expect("root can");
    }
    let bubblewrap = Command::new("bwrap").arg("--version").output().is_ok_and(|output| output.status.success());
    let (mut ours, mut theirs, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(timed(|| jail(workspace.path(), is_root)));
        plain.push(timed(|| run(&mut Command::new(PROGRAM))));
        if bubblewrap {
            theirs.push(timed(|| run(&mut wrapped(workspace.path()))));
        }
    }
    let [ours, plain] = [ours, plain].map(Samples::of);
    println!("as {}", if is_root { "root" } else { "a user" });
    println!("start {PROGRAM}, no wall       p10 {}  p50 {}", milliseconds(plain.p10()), plain.p50());
    println!("  jailer, namespaces and all      p10 {}  p50 {}", milliseconds(ours.p10()), ours.p50());
    if bubblewrap {
        let theirs = Samples::of(theirs);
        let ratio = ours.p10().as_secs_f64() / theirs.p10().as_secs_f64();
        println!("  bubblewrap, the same binds      p10 {}  p50 {}", milliseconds(theirs.p10()), theirs.p50());
        println!("  jailer against bubblewrap       {ratio:.2} × at p10");
    } else {
        println!("  bubblewrap is not installed");
    }
}

fn calls() {
    let mut server = Connection::start();
    for (language, code) in [("bash", "echo hi"), ("python-native", "print('hi')")] {
        for _ in 0..3 {
            assert_eq!(server.execute_in(language, code).stdout(), "hi\n");
        }
        let samples = Samples::take(100, || timed(|| assert_eq!(server.execute_in(language, code).stdout(), "hi\n")));
        println!("confined {language:<14} over MCP     p50 {}  p95 {}", samples.p50(), samples.p95());
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

fn run(command: &mut Command) {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().expect("the program can be started");
    assert!(status.success(), "{command:?}: {status}");
}

fn wrapped(workspace: &Path) -> Command {
    let mut command = Command::new("bwrap");
    command.args(["--unshare-all", "--die-with-parent", "--clearenv", "--proc", "/proc", "--dev", "/dev"]);
    command.args(["--tmpfs", "/tmp"]);
    for path in SYSTEM.map(Path::new).into_iter().filter(|path| path.exists()) {
        match std::fs::read_link(path) {
            Ok(target) => command.arg("--symlink").arg(target).arg(path),
            Err(_) => command.arg("--ro-bind").args([path, path]),
        };
    }
    command.arg("--bind").arg(workspace).args(["/workspace", "--chdir", "/workspace", PROGRAM]);
    command
}

/// Starts the jailer as the server does, and waits until its program is gone.
fn jail(workspace: &Path, is_root: bool) {
    let (ours, theirs) = UnixStream::pair().expect("a connection can be made");
    let mut jailer = sandbox::jailer_command()
        .expect("memory can be executed")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .spawn()
        .expect("the jailer can be started");
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null").expect("it is there");
    let written = std::fs::File::open(workspace).expect("it is there");
    let descriptors = [null.as_fd(), null.as_fd(), null.as_fd(), written.as_fd()];
    jailer::send_confinement(&ours, &confinement(workspace, is_root), &descriptors).expect("the jailer listens");
    loop {
        match jailer::read_report(&ours).expect("the jailer reports") {
            Some(Report::Ended(ended)) => break assert_eq!(ended.wait_status, Some(0), "{ended:?}"),
            Some(Report::Started(_)) => {}
            other => panic!("the program was not run: {other:?}"),
        }
    }
    jailer.wait().expect("a child can be waited for");
}

fn confinement(workspace: &Path, is_root: bool) -> Confinement {
    let system = SYSTEM.map(Path::new).into_iter().filter(|path| path.exists());
    let mut mounts: Vec<Mount> =
        system.map(|path| Mount { source: path.into(), destination: path.into(), access: Access::Read }).collect();
    mounts.push(Mount { source: workspace.into(), destination: "/workspace".into(), access: Access::Write });
    Confinement {
        parent: std::process::id(),
        program: Program {
            path: PROGRAM.into(),
            args: vec![PROGRAM.into()],
            env: Vec::new(),
            directory: "/workspace".into(),
        },
        mounts,
        namespaces: true,
        scratch: vec![Scratch { destination: "/tmp".into(), bytes: 64 << 20, files: 4096 }],
        files: Vec::new(),
        settings: None,
        identity: is_root.then_some(jailer::Identity { uid: SOME_USER, gid: SOME_USER }),
        landlock_abi: 1,
        limits: TreeLimits {
            wall_time_ms: 30_000,
            cpu_time_ms: 30_000,
            memory_bytes: 256 << 20,
            disk_bytes: 256 << 20,
            disk_files: 10_000,
            open_files: 64,
            processes: 64,
            grace_ms: 100,
        },
        descriptors: vec![Descriptor::Input, Descriptor::Output, Descriptor::Error, Descriptor::Mount],
    }
}
