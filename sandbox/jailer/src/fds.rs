//! The descriptors of the jailer and of the program.

use std::fs::OpenOptions;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use crate::confinement::Descriptor;
use crate::failure::{Doing, Failure};
use crate::sys;

/// Where the program finds its result descriptor.
const RESULT: RawFd = 3;
/// Where the program finds the descriptor by which it calls its host.
const CALLS: RawFd = 4;

/// What the jailer owns itself lies above all numbers that a program is given.
const FIRST_OWN: RawFd = 16;

/// Descriptors by what they are for.
#[derive(Debug, Default)]
pub(crate) struct Descriptors {
    input: Option<OwnedFd>,
    output: Option<OwnedFd>,
    error: Option<OwnedFd>,
    result: Option<OwnedFd>,
    calls: Option<OwnedFd>,
    cgroups: Vec<OwnedFd>,
    mounts: Vec<OwnedFd>,
}

impl Descriptors {
    /// Takes what came with a confinement.
    pub(crate) fn sort(list: &[Descriptor], received: Vec<OwnedFd>) -> Result<Self, Failure> {
        let mut sorted = Self::default();
        for (descriptor, purpose) in received.into_iter().zip(list) {
            let place = match purpose {
                Descriptor::Input => &mut sorted.input,
                Descriptor::Output => &mut sorted.output,
                Descriptor::Error => &mut sorted.error,
                Descriptor::Result => &mut sorted.result,
                Descriptor::Calls => &mut sorted.calls,
                Descriptor::CgroupProcs => {
                    sorted.cgroups.push(descriptor);
                    continue;
                }
                Descriptor::Mount => {
                    // A mount is needed until the program has its own descriptors.
                    sorted.mounts.push(above(descriptor.as_fd())?);
                    continue;
                }
            };
            if place.replace(descriptor).is_some() {
                return Err(Failure::new("sorting descriptors", format!("there are two for {purpose:?}")));
            }
        }
        Ok(sorted)
    }

    /// Closes everything else that this process was born with, and gives it
    /// standard streams of its own.
    pub(crate) fn isolate(&self, connection: &UnixStream) -> Result<(), Failure> {
        let mut kept: Vec<RawFd> = self.all().map(|descriptor| descriptor.as_raw_fd()).collect();
        kept.push(connection.as_raw_fd());
        kept.sort_unstable();
        let mut first = libc::STDERR_FILENO + 1;
        for descriptor in kept {
            if descriptor > first {
                sys::close_range(first, descriptor - 1).doing("closing what was inherited")?;
            }
            first = first.max(descriptor + 1);
        }
        sys::close_range(first, RawFd::MAX).doing("closing what was inherited")?;
        let null = OpenOptions::new().read(true).write(true).open("/dev/null").doing("opening /dev/null")?;
        for stream in libc::STDIN_FILENO..=libc::STDERR_FILENO {
            sys::install(null.as_fd(), stream).doing("replacing a standard stream")?;
        }
        Ok(())
    }

    /// The files to write to for joining control groups.
    pub(crate) fn take_cgroups(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.cgroups)
    }

    /// The directories that the program may write.
    pub(crate) fn take_mounts(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.mounts)
    }

    /// Gives the program its descriptors. All others of this process close when
    /// it executes. Gives back `channel`, which may have had to move.
    pub(crate) fn install(self, channel: UnixStream) -> Result<UnixStream, Failure> {
        let channel = UnixStream::from(above(channel.as_fd())?);
        let own = |descriptor: Option<OwnedFd>| descriptor.map(|descriptor| above(descriptor.as_fd())).transpose();
        let numbered = [
            (libc::STDIN_FILENO, own(self.input)?),
            (libc::STDOUT_FILENO, own(self.output)?),
            (libc::STDERR_FILENO, own(self.error)?),
            (RESULT, own(self.result)?),
            (CALLS, own(self.calls)?),
        ];
        for (number, descriptor) in &numbered {
            if let Some(descriptor) = descriptor {
                sys::install(descriptor.as_fd(), *number).doing("installing a descriptor")?;
            }
        }
        Ok(channel)
    }

    fn all(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let streams = [&self.input, &self.output, &self.error, &self.result, &self.calls];
        streams.into_iter().flatten().chain(&self.cgroups).chain(&self.mounts).map(AsFd::as_fd)
    }
}

fn above(descriptor: BorrowedFd<'_>) -> Result<OwnedFd, Failure> {
    let copy = fcntl(descriptor, FcntlArg::F_DUPFD_CLOEXEC(FIRST_OWN)).doing("moving a descriptor")?;
    Ok(sys::own_new(copy))
}
