//! Starts the jailer as the server does, and collects what comes of it.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jailer::{
    Access, Confinement, Descriptor, Ended, Enforced, Identity, Mount, Program, Refusal, Report, Scratch, Stop,
    TreeLimits, read_report, send_confinement, send_stop,
};
use tempfile::TempDir;

use crate::lacking;

/// Longer than any step takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A user without rights.
pub(crate) const NOBODY: u32 = 65534;

/// Who starts the jailer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// The user of the tests.
    This,
    /// A user without rights.
    Unprivileged,
    /// Root, and the program gets an identity of its own.
    Identity,
}

/// A confinement to be.
pub(crate) struct Jail {
    pub(crate) confinement: Confinement,
    pub(crate) host: Host,
    pub(crate) workspace: TempDir,
    /// System calls that this kernel is to lack.
    pub(crate) lacking: Vec<i64>,
    /// Whether the program gets a descriptor for its result.
    pub(crate) result: bool,
    /// Whether the program is in a control group, as far as the jailer can tell.
    pub(crate) cgroup: bool,
    /// What is done to the workspace once it was opened to be handed over.
    pub(crate) replacing: Option<fn(&Path)>,
    /// How long after it was asked for the program is to be killed.
    pub(crate) killed_after: Option<Duration>,
}

/// A jailer at work.
pub(crate) struct Running {
    pub(crate) jailer: Child,
    pub(crate) connection: UnixStream,
    output: File,
    error: File,
    result: File,
    pub(crate) enforced: Enforced,
    _parent: Option<lacking::Parent>,
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) ended: Ended,
    pub(crate) output: String,
    pub(crate) error: String,
    pub(crate) result: String,
    pub(crate) jailer_code: Option<i32>,
}

impl Jail {
    pub(crate) fn new(namespaces: bool, host: Host, program: &str, args: &[&str]) -> Self {
        let workspace = tempfile::tempdir().unwrap();
        let owner = match host {
            Host::This => None,
            Host::Unprivileged => Some(NOBODY),
            Host::Identity => Some(NOBODY - 1),
        };
        if owner.is_some() {
            std::os::unix::fs::chown(workspace.path(), owner, owner).unwrap();
        }
        let mut mounts = Vec::new();
        for path in ["/usr", "/bin", "/lib", "/lib64", "/etc/alternatives", "/etc/ld.so.cache"] {
            if Path::new(path).exists() {
                mounts.push(Mount { source: path.into(), destination: path.into(), access: Access::Read });
            }
        }
        let inside = if namespaces { PathBuf::from("/workspace") } else { workspace.path().to_owned() };
        mounts.push(Mount { source: workspace.path().into(), destination: inside.clone(), access: Access::Write });
        let scratch = |destination: &str| Scratch { destination: destination.into(), bytes: 64 << 20, files: 4096 };
        let scratch = if namespaces { vec![scratch("/tmp"), scratch("/dev/shm")] } else { Vec::new() };
        let mut all_args = vec![program.into()];
        all_args.extend(args.iter().map(Into::into));
        let confinement = Confinement {
            parent: std::process::id(),
            program: Program {
                path: program.into(),
                args: all_args,
                env: vec![("PATH".into(), "/usr/bin:/bin".into()), ("HOME".into(), inside.clone().into())],
                directory: inside,
            },
            mounts,
            namespaces,
            scratch,
            files: Vec::new(),
            settings: None,
            identity: (host == Host::Identity).then_some(Identity { uid: NOBODY - 1, gid: NOBODY - 1 }),
            landlock_abi: 6,
            limits: TreeLimits {
                wall_time_ms: 30_000,
                cpu_time_ms: 30_000,
                memory_bytes: 1 << 30,
                disk_bytes: 256 << 20,
                disk_files: 10_000,
                open_files: 256,
                processes: 64,
                grace_ms: 200,
            },
            descriptors: Vec::new(),
        };
        Self {
            confinement,
            host,
            workspace,
            lacking: Vec::new(),
            result: false,
            cgroup: false,
            replacing: None,
            killed_after: None,
        }
    }

    pub(crate) fn bash(namespaces: bool, host: Host, script: &str) -> Self {
        Self::new(namespaces, host, "/bin/bash", &["-c", script])
    }

    /// All users that this test can start a jailer as.
    pub(crate) fn hosts() -> &'static [Host] {
        if nix::unistd::geteuid().is_root() { &[Host::Unprivileged, Host::Identity] } else { &[Host::This] }
    }

    pub(crate) fn python(namespaces: bool, host: Host, code: &str) -> Self {
        Self::new(namespaces, host, "/usr/bin/python3", &["-I", "-c", code])
    }

    pub(crate) fn limits(mut self, change: impl FnOnce(&mut TreeLimits)) -> Self {
        change(&mut self.confinement.limits);
        self
    }

    /// Starts the jail, or tells why the jailer would not.
    pub(crate) fn start(&mut self) -> Result<Running, (Refusal, Option<i32>)> {
        let (connection, theirs) = UnixStream::pair().unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut command = Command::new("/proc/self/exe");
        command.args(["jailer-process", &std::process::id().to_string()]).env_clear().process_group(0);
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(Stdio::inherit());
        if self.host == Host::Unprivileged {
            command.uid(NOBODY).gid(NOBODY);
        }
        let (mut jailer, parent) = lacking::spawn(command, &self.lacking);
        let (output, program_output) = pipe();
        let (error, program_error) = pipe();
        let (result, program_result) = pipe();
        self.confinement.descriptors = vec![Descriptor::Output, Descriptor::Error];
        let mut descriptors = vec![program_output.as_fd(), program_error.as_fd()];
        if self.result {
            self.confinement.descriptors.push(Descriptor::Result);
            descriptors.push(program_result.as_fd());
        }
        let procs = tempfile::tempfile().unwrap();
        if self.cgroup {
            self.confinement.descriptors.push(Descriptor::CgroupProcs);
            descriptors.push(procs.as_fd());
        }
        let writable = self.confinement.mounts.iter().filter(|mount| mount.access == Access::Write);
        let handed: Vec<_> = writable.map(|mount| File::open(&mount.source).unwrap()).collect();
        self.confinement.descriptors.extend(handed.iter().map(|_| Descriptor::Mount));
        descriptors.extend(handed.iter().map(AsFd::as_fd));
        if let Some(replace) = self.replacing {
            replace(self.workspace.path());
        }
        send_confinement(&connection, &self.confinement, &descriptors).unwrap();
        drop((program_output, program_error, program_result));
        if let Some(time) = self.killed_after {
            std::thread::sleep(time);
            // The program may have ended by itself.
            let _ = send_stop(&connection, Stop::Kill);
        }
        match read_report(&connection).expect("a report") {
            Some(Report::Started(enforced)) => {
                Ok(Running { jailer, connection, output, error, result, enforced, _parent: parent })
            }
            Some(Report::Refused(refusal)) => {
                let code = wait(&mut jailer);
                assert_eq!(read_report(&connection).unwrap(), None, "nothing follows a refusal");
                Err((refusal, code))
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn run(&mut self) -> Finished {
        match self.start() {
            Ok(running) => running.finish(),
            Err(refused) => panic!("refused: {refused:?}"),
        }
    }
}

impl Running {
    /// Reads all output, and waits for the end.
    pub(crate) fn finish(mut self) -> Finished {
        let mut error = self.error;
        let errors = std::thread::spawn(move || {
            let mut text = Vec::new();
            error.read_to_end(&mut text).unwrap();
            text
        });
        let mut output = Vec::new();
        self.output.read_to_end(&mut output).unwrap();
        let mut result = Vec::new();
        self.result.read_to_end(&mut result).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let error = text(&errors.join().unwrap());
        let ended = match read_report(&self.connection).expect("a report") {
            Some(Report::Ended(ended)) => ended,
            other => panic!("{other:?}"),
        };
        let jailer_code = wait(&mut self.jailer);
        Finished { ended, output: text(&output), error, result: text(&result), jailer_code }
    }

    /// Reads one line of output.
    pub(crate) fn line(&mut self) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        while self.output.read(&mut byte).unwrap() == 1 && byte != [b'\n'] {
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    }

    /// The process between the jailer and the program.
    pub(crate) fn warden(&self) -> i32 {
        let jailer = self.jailer.id();
        let children = std::fs::read_to_string(format!("/proc/{jailer}/task/{jailer}/children")).unwrap();
        children.split_whitespace().next().expect("a warden").parse().unwrap()
    }
}

/// Waits for a process, not for ever.
pub(crate) fn wait(child: &mut Child) -> Option<i32> {
    until("the jailer ends", || child.try_wait().unwrap()).code()
}

/// Asks again until there is an answer, not for ever.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "waiting until {what}");
        std::thread::yield_now();
    }
}

/// How many processes have this word among their arguments.
pub(crate) fn processes_with(word: &str) -> Vec<i32> {
    let pids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &i32| {
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        arguments.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes())
    })
    .collect()
}

fn pipe() -> (File, OwnedFd) {
    let (reader, writer) = std::io::pipe().unwrap();
    (File::from(OwnedFd::from(reader)), OwnedFd::from(writer))
}
