//! Starts the processes that this one binary becomes when asked by its first
//! argument, workers and the one that compiles, and those of the jailer, whose
//! executable it holds.
//!
//! All of them are started from one thread that lives as long as the server,
//! because the kernel ends a child with the *thread* that started it
//! (`PR_SET_PDEATHSIG`). Nothing runs between fork and exec: the standard
//! library then uses the path whose cost does not grow with the server.

use std::io::{self, PipeWriter};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc;

use nix::sys::signal::Signal;
use tokio::sync::oneshot;

use super::jailer_executable::{jailer_command, not_executable};
use super::standard_error;
use super::this_binary::{WORKER, this_binary};
use crate::children;

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
    /// The standard error of this process, if not all processes of its kind share one.
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
