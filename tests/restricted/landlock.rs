//! Landlock as an older kernel has it. A filter cannot tell, because what is
//! asked of Landlock lies in memory; so a process of ours is asked about each
//! call. What the older kernel would take goes on to this one, which keeps its
//! promises to older programs.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use crate::filter::{Action, Condition, Rule};
use crate::sys::{self, Question};

// linux/landlock.h
const VERSION_FLAG: u64 = 1;
const ERRATA_FLAG: u64 = 2;
/// The ABI that has each of the rights over files, by bit.
const FILE_RIGHTS_SINCE: [u32; 16] = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 5];

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Value(i64),
    Fail(Errno),
    /// The kernel does what the call asks.
    Continue,
}

pub(crate) fn rules() -> [Rule; 2] {
    [libc::SYS_landlock_create_ruleset, libc::SYS_landlock_restrict_self].map(|call| Rule {
        call,
        condition: Condition::Always,
        action: Action::Ask,
    })
}

/// What a kernel with this ABI says to `landlock_create_ruleset`. `attribute`
/// is what the pointer leads to.
fn create_ruleset(abi: u32, attribute: Option<&[u8]>, flags: u64) -> Answer {
    match flags {
        VERSION_FLAG => return Answer::Value(abi.into()),
        // Errata can be asked for since ABI 7; then that is a question like any other.
        ERRATA_FLAG if abi < 7 => return Answer::Fail(Errno::EINVAL),
        0 => {}
        _ => return Answer::Continue,
    }
    let Some(attribute) = attribute else { return Answer::Continue };
    // The structure grew by a field of eight bytes with ABI 4 and with 6.
    let known_bytes = match abi {
        ..=3 => 8,
        4 | 5 => 16,
        6.. => 24,
    };
    if attribute.iter().skip(known_bytes).any(|byte| *byte != 0) {
        return Answer::Fail(Errno::E2BIG);
    }
    let files = attribute.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let known: u64 =
        FILE_RIGHTS_SINCE.iter().enumerate().filter(|(_, since)| **since <= abi).map(|(bit, _)| 1 << bit).sum();
    if files & !known != 0 { Answer::Fail(Errno::EINVAL) } else { Answer::Continue }
}

/// What a kernel with this ABI says to `landlock_restrict_self`.
fn restrict_self(abi: u32, flags: u64) -> Answer {
    if abi < 7 && flags != 0 { Answer::Fail(Errno::EINVAL) } else { Answer::Continue }
}

fn answer(abi: u32, question: &Question) -> Answer {
    let [first, second, third, ..] = question.arguments;
    if question.call == libc::SYS_landlock_restrict_self {
        return restrict_self(abi, second);
    }
    let attribute = || {
        // A page is the most that the kernel takes.
        let mut bytes = vec![0; usize::try_from(second).ok().filter(|length| *length <= 4096)?];
        let memory = File::open(format!("/proc/{}/mem", question.pid)).ok()?;
        memory.read_exact_at(&mut bytes, first).ok()?;
        Some(bytes)
    };
    let bytes = if first == 0 { None } else { attribute() };
    create_ruleset(abi, bytes.as_deref(), third)
}

/// Starts the process that answers, with the rights that this one still has.
/// It is nobody's child, and ends when no process is left that could ask.
pub(crate) fn start_supervisor(abi: u32) -> io::Result<UnixStream> {
    let (ours, theirs) = UnixStream::pair()?;
    if sys::fork_away(&[theirs.as_raw_fd()])? {
        // Whatever goes wrong here, calls are answered with ENOSYS once the
        // listener is closed, and a test shows it.
        let _ = supervise(abi, &theirs);
        std::process::exit(0);
    }
    Ok(ours)
}

fn supervise(abi: u32, stream: &UnixStream) -> io::Result<()> {
    let listener = sys::receive_descriptor(stream)?;
    loop {
        let mut ready = [PollFd::new(std::os::fd::AsFd::as_fd(&listener), PollFlags::POLLIN)];
        poll(&mut ready, PollTimeout::NONE)?;
        let is_asked = ready[0].revents().is_some_and(|events| events.contains(PollFlags::POLLIN));
        if !is_asked {
            return Ok(());
        }
        // The process that asked may be gone by now, at either step.
        let Ok(question) = sys::next_question(&listener) else { continue };
        let _ = sys::answer_question(&listener, &question, answer(abi, &question));
    }
}

/// Gives the supervisor what it listens to, and waits until it has it.
pub(crate) fn hand_over(supervisor: &UnixStream, listener: &OwnedFd) -> io::Result<()> {
    let descriptors = [listener.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&descriptors)];
    sendmsg::<()>(supervisor.as_raw_fd(), &[io::IoSlice::new(b"x")], &rights, MsgFlags::empty(), None)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(fields: &[u64]) -> Vec<u8> {
        fields.iter().flat_map(|field| field.to_le_bytes()).collect()
    }

    #[test]
    fn an_old_kernel_tells_its_version_and_refuses_what_came_later() {
        assert_eq!(create_ruleset(4, None, VERSION_FLAG), Answer::Value(4));
        assert_eq!(create_ruleset(4, None, ERRATA_FLAG), Answer::Fail(Errno::EINVAL));
        assert_eq!(create_ruleset(7, None, ERRATA_FLAG), Answer::Continue);
        for (abi, fields, expected) in [
            (4, &[0x7fff, 3, 0][..], Answer::Continue),
            (4, &[0x7fff, 3, 1], Answer::Fail(Errno::E2BIG)),
            (6, &[0xffff, 3, 3], Answer::Continue),
            (6, &[0xffff, 3, 3, 0], Answer::Continue),
            (6, &[0xffff, 3, 3, 1], Answer::Fail(Errno::E2BIG)),
            (4, &[0xffff], Answer::Fail(Errno::EINVAL)),
            (5, &[0xffff], Answer::Continue),
            (1, &[0x2000], Answer::Fail(Errno::EINVAL)),
            (3, &[0x7fff, 1], Answer::Fail(Errno::E2BIG)),
        ] {
            assert_eq!(create_ruleset(abi, Some(&attribute(fields)), 0), expected, "{abi} {fields:x?}");
        }
        assert_eq!(restrict_self(6, 1), Answer::Fail(Errno::EINVAL));
        assert_eq!(restrict_self(6, 0), Answer::Continue);
        assert_eq!(restrict_self(7, 1), Answer::Continue);
    }
}
