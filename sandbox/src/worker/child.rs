//! Starts the processes that this one binary becomes when asked by its first
//! argument, workers and the one that compiles, and those of the jailer, whose
//! executable it holds.
//!
//! All of them are started from one thread that lives as long as the server,
//! because the kernel ends a child with the *thread* that started it
//! (`PR_SET_PDEATHSIG`). Nothing runs between fork and exec: the standard
//! library then uses the path whose cost does not grow with the server.

#![expect(clippy::disallowed_methods, reason = "starts our own processes, and passes on the one variable they need")]

use std::io::{self, BufRead, BufReader, PipeWriter, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use tokio::sync::oneshot;

use super::standard_error;
use crate::children;
use crate::error::{Error, IoContext as _};
use crate::process::{jailer_command, not_executable};
use crate::wasm::{CodeCache, ImageName};

const WORKER: &str = "worker-process";
const COMPILE: &str = "compile-process";

/// The largest compressed image. Above any of ours.
const MAX_COMPRESSED_BYTES: u64 = 64 << 20;

/// The one environment variable that our own processes get.
const LOG_VARIABLE: &str = "BELLJAR_LOG";

/// Becomes one of our own processes if `arguments` ask for it. Call it first
/// in `main`, before any thread exists; `None` means go on as usual.
pub fn role(arguments: &[String], start_log: fn()) -> Option<ExitCode> {
    let Some(WORKER | COMPILE) = arguments.get(1).map(String::as_str) else { return None };
    start_log();
    if !dies_with_its_parent(arguments.get(2)) {
        return Some(ExitCode::FAILURE);
    }
    match arguments.get(1).map(String::as_str) {
        Some(WORKER) => Some(super::serve::main()),
        Some(COMPILE) => {
            let [_, _, _, runtime, digest, directory] = arguments else { return Some(ExitCode::FAILURE) };
            Some(compile_main(ImageName { runtime, digest }, directory))
        }
        _ => None,
    }
}

/// Has the kernel end this process with the thread that started it, and says
/// whether that is still there: it may have ended before we asked.
fn dies_with_its_parent(parent: Option<&String>) -> bool {
    prctl::set_pdeathsig(Signal::SIGKILL).is_ok()
        && parent.is_some_and(|parent| *parent == nix::unistd::getppid().to_string())
}

/// This binary, as a command without any of the server's environment. The
/// link stays right when the file is replaced while the server runs.
fn this_binary(role: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("belljar").arg(role).arg(std::process::id().to_string()).env_clear();
    // Ctrl-C at a terminal is for the server, which drains; not for what it
    // started.
    command.process_group(0);
    // What it says is read by us, and not shown as it is.
    command.env("NO_COLOR", "1");
    if let Ok(filter) = std::env::var(LOG_VARIABLE) {
        command.env(LOG_VARIABLE, filter);
    }
    command
}

/// What a process of ours does, with a connection to the server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    /// Hosts guests in WebAssembly.
    Worker,
    /// Confines a native program.
    Jailer,
}

/// A process of ours and the server's end of its connection.
pub(crate) struct StartedChild {
    pub(crate) child: Child,
    pub(crate) stream: UnixStream,
    /// Where it says what it has to say, if not all of its kind say it in one
    /// place.
    errors: Option<OwnedFd>,
}

fn start(role: Role, jailers_errors: &PipeWriter) -> io::Result<StartedChild> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = match role {
        Role::Worker => this_binary(WORKER),
        Role::Jailer => jailer_command()?,
    };
    // Standard output is the protocol's, and standard error our log: none of
    // them must even have it. One pipe does for all jailers, which close it in
    // their first steps.
    command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(match role {
        Role::Worker => Stdio::piped(),
        Role::Jailer => Stdio::from(jailers_errors.try_clone()?),
    });
    let mut child = children::start(&mut command).map_err(|error| match role {
        Role::Worker => error,
        Role::Jailer => not_executable(error),
    })?;
    let errors = child.stderr.take().map(OwnedFd::from);
    Ok(StartedChild { child, stream: ours, errors })
}

enum Job {
    Start(Role, oneshot::Sender<io::Result<StartedChild>>),
    Reap(Child, oneshot::Sender<ExitStatus>),
}

/// Says how a worker ended, unless it was in order or by our own hand.
fn log_end(pid: u32, status: ExitStatus) {
    match status.signal().map(Signal::try_from) {
        Some(Ok(Signal::SIGSYS)) => {
            tracing::error!(pid, "a worker made a system call that no worker needs, and the kernel ended it (SIGSYS)");
        }
        None | Some(Ok(Signal::SIGKILL)) => {}
        Some(signal) => tracing::error!(pid, ?signal, "a worker was ended by a signal"),
    }
}

/// The thread that starts and reaps processes of ours.
#[derive(Debug)]
pub(crate) struct Spawner(mpsc::Sender<Job>);

impl Spawner {
    pub(crate) fn new() -> io::Result<Self> {
        let (sender, jobs) = mpsc::channel();
        let (errors, jailers_errors) = io::pipe()?;
        standard_error::pass_on(errors.into(), "a jailer", None)?;
        std::thread::Builder::new().name("spawner".into()).spawn(move || {
            for job in jobs {
                match job {
                    // A caller that went away drops the connection, and the
                    // process ends with it.
                    Job::Start(role, reply) => drop(reply.send(start(role, &jailers_errors))),
                    Job::Reap(mut child, ended) => match child.kill().and_then(|()| children::wait(&mut child)) {
                        Ok(status) => {
                            log_end(child.id(), status);
                            let _ = ended.send(status);
                        }
                        Err(error) => tracing::warn!(%error, pid = child.id(), "a worker could not be reaped"),
                    },
                }
            }
        })?;
        Ok(Self(sender))
    }

    pub(crate) async fn start(&self, role: Role) -> io::Result<StartedChild> {
        let (reply, started) = oneshot::channel();
        self.0.send(Job::Start(role, reply)).map_err(io::Error::other)?;
        let mut started = started.await.map_err(io::Error::other)??;
        if let Some(errors) = started.errors.take() {
            let passed_on = standard_error::pass_on(errors, "a worker", Some(started.child.id()));
            if let Err(error) = passed_on {
                drop(self.reap(started.child));
                return Err(error);
            }
        }
        Ok(started)
    }

    /// Ends a process, if it has not ended, and takes its exit status, which is
    /// the answer for whoever wants it.
    pub(crate) fn reap(&self, child: Child) -> oneshot::Receiver<ExitStatus> {
        let (ended, status) = oneshot::channel();
        // Without the thread the process is going away, and its children too.
        let _ = self.0.send(Job::Reap(child, ended));
        status
    }
}

/// Compiles an image into `cache`, in a process of its own. `progress` is told
/// how many functions of how many are done. Blocks.
///
/// # Errors
///
/// [`Error::Host`] when that process fails; its log says why.
pub(crate) fn compile(
    cache: &CodeCache,
    name: ImageName<'_>,
    compressed: &[u8],
    mut progress: impl FnMut(u64, u64),
) -> Result<(), Error> {
    let doing = || format!("compile guest image {} of `{}`", name.digest, name.runtime);
    let failed = |source: io::Error| Error::host(doing(), source);
    let mut command = this_binary(COMPILE);
    command.arg(name.runtime).arg(name.digest).arg(cache.directory()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = children::start(&mut command).map_err(failed)?;
    let stdout = child.stdout.take().ok_or_else(|| Error::host(doing(), "it has no output"))?;
    let stdin = child.stdin.take().ok_or_else(|| Error::host(doing(), "it has no input"))?;
    // It reads all of it before it says anything. If it cannot, its status and
    // its log say why.
    let _ = { stdin }.write_all(compressed);
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        if let Some((done, total)) = line.split_once(' ')
            && let (Ok(done), Ok(total)) = (done.parse(), total.parse())
        {
            progress(done, total);
        }
    }
    let status = children::wait(&mut child).map_err(failed)?;
    if status.success() { Ok(()) } else { Err(Error::host(doing(), status.to_string())) }
}

fn compile_main(name: ImageName<'_>, directory: &str) -> ExitCode {
    let report = |done: usize, total: usize| {
        // Every function would be thousands of lines; nobody reading is fine.
        if done.is_multiple_of(64) || done == total {
            let _ = writeln!(io::stdout().lock(), "{done} {total}");
        }
    };
    let mut compressed = Vec::new();
    let compiled = io::stdin()
        .take(MAX_COMPRESSED_BYTES)
        .read_to_end(&mut compressed)
        .doing(|| "receive a guest image".into())
        .and_then(|_| CodeCache::open(Path::new(directory).to_path_buf())?.compile(name, &compressed, report));
    match compiled {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = ?error, "compilation failed");
            ExitCode::FAILURE
        }
    }
}
