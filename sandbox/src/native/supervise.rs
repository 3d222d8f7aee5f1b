//! Takes what a confined program prints and what its warden reports, until no
//! process of it is left. Blocks; a thread per run.
//!
//! The warden ends a run, not the end of its output: a program may close its
//! output and live on, or leave a descendant that keeps it open.

use std::io::{self, Seek as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use jailer::{Confinement, Descriptor, Ended, Enforced, Identity, Refusal, Report, Stop};
use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::{Gid, Uid};
use tokio::sync::oneshot;

use super::calls;
use super::calls::CallSockets;
use super::tier::Form;
use crate::run::output::OutputCapture;
use crate::run::stream::LiveOutput;
use crate::run::stream::{Stream, spool_path};

/// How long a warden may take to end a tree once it must.
const OVERDUE: Duration = Duration::from_secs(5);
/// How much is read at once, and of one pipe before the others have their turn.
const CHUNK_BYTES: usize = 256 << 10;
/// How much of output is still taken when the warden is gone: what a pipe
/// holds.
const REST_BYTES: usize = 1 << 20;

/// Output of a run: what is kept of it, and who hears of it.
pub(super) struct Streams {
    pub(super) stdout: OutputCapture,
    pub(super) stderr: OutputCapture,
    live: Option<LiveOutput>,
}

impl Streams {
    pub(super) fn new(output_bytes: u64, spool: &Path, live: Option<LiveOutput>) -> Self {
        let budget = usize::try_from(output_bytes).unwrap_or(usize::MAX);
        let capture = |stream| OutputCapture::new(budget, spool_path(spool, stream));
        Self { stdout: capture(Stream::Stdout), stderr: capture(Stream::Stderr), live }
    }

    fn write(&mut self, stream: Stream, bytes: &[u8]) {
        match stream {
            Stream::Stdout => self.stdout.write(bytes),
            Stream::Stderr => self.stderr.write(bytes),
        }
        if let Some(live) = &mut self.live {
            live(stream, bytes);
        }
    }
}

/// How a run ended, and what its entry point said.
pub(super) struct Supervised {
    pub(super) end: End,
    pub(super) enforced: Option<Enforced>,
    /// The reply of the entry point: at most as much as was asked for, and one byte
    /// more if there was more.
    pub(super) reply: Vec<u8>,
}

/// How a run ended.
pub(super) enum End {
    /// The run ended in order.
    Ended(Ended),
    /// The program never ran.
    Refused(Refusal),
    /// The jailer is gone and has not said how it went.
    Lost,
}

/// The ends of the pipes of a run that are ours.
struct Pipes {
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    reply: Option<OwnedFd>,
}

/// What a run is to be.
pub(super) struct Orders<'a> {
    pub(super) confinement: Confinement,
    /// What must be enforced around the program.
    pub(super) form: &'a Form,
    pub(super) cgroups: &'a [std::fs::File],
    /// The directories that are handed over to the program.
    pub(super) directories: &'a [BorrowedFd<'a>],
    pub(super) stdin: &'a [u8],
    /// The largest reply.
    pub(super) reply_bytes: usize,
    /// The sockets by which the program calls its host, and its end of the first.
    pub(super) calls: Option<(CallSockets, OwnedFd)>,
    /// Told when the jailer can hear that it is to stop.
    pub(super) sent: oneshot::Sender<()>,
}

/// Has a program run.
pub(super) fn supervise(control: &UnixStream, orders: Orders<'_>, streams: &mut Streams) -> io::Result<Supervised> {
    let Orders { mut confinement, form, cgroups, directories, stdin, reply_bytes, calls, sent } = orders;
    let identity = confinement.identity;
    let limits = confinement.limits;
    let mut deadline = Instant::now() + Duration::from_millis(limits.wall_time_ms + limits.grace_ms) + OVERDUE;
    let input = input(stdin)?;
    let ((our_stdout, stdout), (our_stderr, stderr), (our_reply, reply)) =
        (pipe(identity)?, pipe(identity)?, pipe(identity)?);
    confinement.descriptors = vec![Descriptor::Input, Descriptor::Output, Descriptor::Error, Descriptor::Result];
    let mut descriptors = vec![input.as_fd(), stdout.as_fd(), stderr.as_fd(), reply.as_fd()];
    let (mut sockets, calls) = calls.unzip();
    if let Some(calls) = &calls {
        confinement.descriptors.push(Descriptor::Calls);
        descriptors.push(calls.as_fd());
    }
    for group in cgroups {
        confinement.descriptors.push(Descriptor::CgroupProcs);
        descriptors.push(group.as_fd());
    }
    for directory in directories {
        confinement.descriptors.push(Descriptor::Mount);
        descriptors.push(*directory);
    }
    // A jailer that is gone already says why it went, or its silence does.
    let _ = jailer::send_confinement(control, &confinement, &descriptors);
    // The confinement has the program's code in it, which is no longer needed here.
    drop(confinement);
    // The caller may not be waiting for this any more.
    let _ = sent.send(());
    drop((input, stdout, stderr, reply, calls));

    let mut pipes = Pipes { stdout: Some(our_stdout), stderr: Some(our_stderr), reply: Some(our_reply) };
    let mut said = Supervised { end: End::Lost, enforced: None, reply: Vec::new() };
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut is_overdue = false;
    loop {
        let Some(left) = deadline.checked_duration_since(Instant::now()) else {
            if is_overdue {
                break;
            }
            is_overdue = true;
            tracing::error!("a warden did not end its program in time");
            // The warden may still end its program now; if not, the caller ends it.
            let _ = jailer::send_stop(control, Stop::Kill);
            deadline += OVERDUE / 10;
            continue;
        };
        let ready = wait(control, &pipes, sockets.as_ref(), left)?;
        // What a program wrote before it called is told before the call is, and may have
        // come after the pipes were looked at.
        if ready.pipes || ready.calls {
            pipes.drain(&mut buffer, CHUNK_BYTES, reply_bytes, streams, &mut said.reply)?;
        }
        if let Some(sockets) = sockets.as_mut().filter(|_| ready.calls) {
            sockets.take();
        }
        if ready.control {
            match jailer::read_report(control) {
                Ok(Some(Report::Started(enforced))) => {
                    if !form.is_met_by(&enforced) {
                        // The outcome of a run without what must be enforced will be refused.
                        let _ = jailer::send_stop(control, Stop::Kill);
                    }
                    said.enforced = Some(enforced);
                }
                Ok(Some(Report::Refused(refusal))) => {
                    said.end = End::Refused(refusal);
                    break;
                }
                Ok(Some(Report::Ended(ended))) => {
                    said.end = End::Ended(ended);
                    break;
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(%error, "the connection to a jailer broke");
                    break;
                }
            }
        }
    }
    pipes.drain(&mut buffer, REST_BYTES, reply_bytes, streams, &mut said.reply)?;
    Ok(said)
}

struct Ready {
    control: bool,
    pipes: bool,
    calls: bool,
}

fn wait(control: &UnixStream, pipes: &Pipes, sockets: Option<&CallSockets>, left: Duration) -> io::Result<Ready> {
    let left = if sockets.is_some_and(CallSockets::is_full) { left.min(calls::PAUSE) } else { left };
    let timeout = PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX);
    let mut watched = vec![PollFd::new(control.as_fd(), PollFlags::POLLIN)];
    let open = [&pipes.stdout, &pipes.stderr, &pipes.reply].into_iter().flatten();
    watched.extend(open.map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
    let pipes = watched.len();
    let called = sockets.into_iter().flat_map(CallSockets::open);
    watched.extend(called.map(|socket| PollFd::new(socket, PollFlags::POLLIN)));
    match poll(&mut watched, timeout) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    let is_ready = |watched: &PollFd<'_>| watched.any().unwrap_or(false);
    let any = |watched: &[PollFd<'_>]| watched.iter().any(is_ready);
    Ok(Ready { control: is_ready(&watched[0]), pipes: any(&watched[1..pipes]), calls: any(&watched[pipes..]) })
}

impl Pipes {
    /// Takes what is there, of each pipe at most about `most` bytes.
    fn drain(
        &mut self,
        buffer: &mut [u8],
        most: usize,
        reply_bytes: usize,
        streams: &mut Streams,
        reply: &mut Vec<u8>,
    ) -> io::Result<()> {
        take(&mut self.stdout, buffer, most, |bytes| streams.write(Stream::Stdout, bytes))?;
        take(&mut self.stderr, buffer, most, |bytes| streams.write(Stream::Stderr, bytes))?;
        take(&mut self.reply, buffer, most, |bytes| {
            // What is past the bound is taken all the same: its writer must
            // not wait for ever.
            let room = (reply_bytes + 1).saturating_sub(reply.len());
            reply.extend_from_slice(&bytes[..room.min(bytes.len())]);
        })
    }
}

/// Reads a pipe, and closes it at its end.
fn take(pipe: &mut Option<OwnedFd>, buffer: &mut [u8], most: usize, mut sink: impl FnMut(&[u8])) -> io::Result<()> {
    let mut taken = 0;
    while let Some(open) = pipe.as_ref().filter(|_| taken < most) {
        match nix::unistd::read(open, buffer) {
            Ok(0) => *pipe = None,
            Ok(length) => {
                sink(&buffer[..length]);
                taken += length;
            }
            Err(nix::errno::Errno::EAGAIN) => return Ok(()),
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// A pipe: our end, which does not block, and the program's. It belongs to who
/// the program will be, which can open it once more as `/dev/stdout` then.
fn pipe(identity: Option<Identity>) -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    if let Some(Identity { uid, gid }) = identity {
        nix::unistd::fchown(&theirs, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    }
    let flags = OFlag::from_bits_retain(fcntl(&ours, FcntlArg::F_GETFL)?);
    fcntl(&ours, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok((ours, theirs))
}

/// A file with `bytes` that nobody can change, at its start.
fn input(bytes: &[u8]) -> io::Result<OwnedFd> {
    let file = memfd_create(c"stdin", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    let mut file = std::fs::File::from(file);
    file.write_all(bytes)?;
    file.rewind()?;
    let all = SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE;
    fcntl(&file, FcntlArg::F_ADD_SEALS(all))?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn standard_input_is_read_from_its_start_and_cannot_be_changed() {
        let mut file = std::fs::File::from(input(b"text").unwrap());
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");
        assert!(file.write_all(b"x").is_err());
    }

    #[test]
    fn a_pipe_is_read_until_nothing_is_there_and_closed_at_its_end() {
        let (ours, theirs) = pipe(None).unwrap();
        let (mut ours, mut buffer, mut seen) = (Some(ours), [0; 4], Vec::new());
        nix::unistd::write(&theirs, b"0123456789").unwrap();
        take(&mut ours, &mut buffer, usize::MAX, |bytes| seen.extend_from_slice(bytes)).unwrap();
        assert!(seen == b"0123456789" && ours.is_some());
        drop(theirs);
        take(&mut ours, &mut buffer, usize::MAX, |bytes| seen.extend_from_slice(bytes)).unwrap();
        assert!(ours.is_none());
    }
}
