//! Calls of native programs to their host, over a socket that all processes of a
//! run inherit, and over more that they ask for by it. One datagram is one call,
//! so that whatever several of them write at once stays apart:
//!
//! ```text
//! NUMBER NAME BYTES     a call; NUMBER is `-` when no answer is wanted
//! NUMBER KIND BYTES     its answer, on the socket that it came by
//! +                     asks for a socket of its own; the answer has it attached
//! ```
//!
//! Without line ends, at which shells write what they have so far.
//!
//! The thread that watches over a run reads, and the event loop answers. Neither
//! waits for a program: what is not read of it waits in its own socket, and it
//! alone waits for an answer that it does not take.

use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, recv, send, sendmsg, socketpair};
use tokio::sync::mpsc;

use crate::run::calls;
use crate::run::calls::{
    Answer, CallError, Calls, GuestCall, MAX_CALL_BYTES, MAX_CALLS, MAX_IN_FLIGHT, MAX_NAME_BYTES,
};

/// Names the descriptor in the environment of a program.
pub(super) const VARIABLE: &str = "BELLJAR_CALLS_FD";
/// The descriptor, as the jailer gives it.
pub(super) const DESCRIPTOR: &str = "4";

/// The most sockets of one run, each a descriptor of this process: a process that
/// gets none of its own can still call without an answer.
const MAX_SOCKETS: usize = 16;
/// The longest number and what is around it.
const HEAD_BYTES: usize = 16;
/// The longest datagram that may be a call.
const DATAGRAM_BYTES: usize = HEAD_BYTES + MAX_NAME_BYTES + MAX_CALL_BYTES;
/// How many datagrams are read before output has its turn.
const TURN: usize = 64;
/// How long nothing is read while as many calls are in flight as may be.
pub(super) const PAUSE: Duration = Duration::from_millis(5);
/// When it is first tried again to answer a program that does not take its
/// answers, and how long it takes between two tries in the end.
const TRY_AGAIN: Duration = Duration::from_millis(1);
const TRY_RARELY: Duration = Duration::from_millis(256);

/// A call on its way to who answers it.
pub(super) struct Asked {
    /// The call that is to be answered; its refusal, when it is past a bound.
    call: Result<GuestCall, CallError>,
    /// The socket that the answer goes to, and the number of the call.
    back: Option<(Arc<OwnedFd>, u32)>,
    _in_flight: InFlight,
}

/// Counts a call until it is dropped.
struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    fn begin(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The sockets of one run.
pub(super) struct CallSockets {
    open: Vec<Arc<OwnedFd>>,
    asked: mpsc::UnboundedSender<Asked>,
    in_flight: Arc<AtomicUsize>,
    made: u32,
    buffer: Vec<u8>,
}

/// What a datagram says.
#[derive(Debug, PartialEq, Eq)]
enum Said<'a> {
    Call { number: Option<u32>, name: &'a str, bytes: &'a [u8] },
    Socket,
    Nothing,
}

/// A pair: ours, and the program's.
fn pair() -> nix::Result<(OwnedFd, OwnedFd)> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
    // The program waits, and we never do.
    let flags = nix::fcntl::OFlag::from_bits_retain(nix::fcntl::fcntl(&theirs, nix::fcntl::FcntlArg::F_GETFL)?);
    nix::fcntl::fcntl(&theirs, nix::fcntl::FcntlArg::F_SETFL(flags - nix::fcntl::OFlag::O_NONBLOCK))?;
    Ok((ours, theirs))
}

fn parse(datagram: &[u8]) -> Said<'_> {
    if matches!(datagram, b"+" | b"+\n") {
        return Said::Socket;
    }
    let mut parts = datagram.splitn(3, |byte| *byte == b' ');
    let (number, name, bytes) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
    let (number, name) = (number.map(std::str::from_utf8), name.map(std::str::from_utf8));
    let (Some(Ok(number)), Some(Ok(name))) = (number, name) else { return Said::Nothing };
    let is_plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    match number.parse().ok().filter(|_| is_plain) {
        Some(number) => Said::Call { number: Some(number), name, bytes },
        None if number == "-" => Said::Call { number: None, name, bytes },
        None => Said::Nothing,
    }
}

impl CallSockets {
    /// The sockets of a run, with the program's end of the first and the calls that come.
    pub(super) fn new() -> nix::Result<(Self, OwnedFd, mpsc::UnboundedReceiver<Asked>)> {
        let (ours, theirs) = pair()?;
        let (asked, asking) = mpsc::unbounded_channel();
        let open = vec![Arc::new(ours)];
        Ok((Self { open, asked, in_flight: Arc::default(), made: 0, buffer: Vec::new() }, theirs, asking))
    }

    /// Whether no call may be read for a while.
    pub(super) fn is_full(&self) -> bool {
        !self.open.is_empty() && self.in_flight.load(Ordering::SeqCst) >= MAX_IN_FLIGHT
    }

    /// The sockets to watch for calls.
    pub(super) fn open(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let count = if self.is_full() { 0 } else { self.open.len() };
        self.open[..count].iter().map(AsFd::as_fd)
    }

    /// Reads the calls that are there, as many as one turn has.
    pub(super) fn take(&mut self) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(DATAGRAM_BYTES, 0);
        let mut empty = 0;
        for _ in 0..TURN {
            let Some(socket) = self.open.first().map(Arc::clone) else { break };
            if empty >= self.open.len() || self.is_full() {
                break;
            }
            // A socket that is never empty must not keep out the others.
            self.open.rotate_left(1);
            match recv(socket.as_raw_fd(), &mut buffer, READ) {
                Ok(0) | Err(Errno::ECONNRESET) => drop(self.open.pop()),
                Ok(length) => {
                    empty = 0;
                    self.hear(&socket, &buffer[..length.min(DATAGRAM_BYTES)], length);
                }
                Err(_) => empty += 1,
            }
        }
        self.buffer = buffer;
    }

    fn hear(&mut self, socket: &Arc<OwnedFd>, datagram: &[u8], length: usize) {
        let made = self.made;
        // A datagram that makes no sense counts, too: it costs as much as one that does.
        self.made = made.saturating_add(1);
        match parse(datagram) {
            Said::Call { number, name, bytes } => {
                let checked = GuestCall::check(name.len(), bytes.len() + length - datagram.len(), made);
                let call = checked.map(|()| GuestCall { name: name.to_owned(), bytes: bytes.to_vec() });
                let back = number.map(|number| (Arc::clone(socket), number));
                // Nobody answers any more when the run was given up.
                let _ = self.asked.send(Asked { call, back, _in_flight: InFlight::begin(&self.in_flight) });
            }
            Said::Socket => self.give_socket(socket),
            Said::Nothing => {}
        }
        if self.made > MAX_CALLS {
            // The program was told that it is past the bound, where it asked; what
            // comes now would be read for nothing.
            self.open.clear();
        }
    }

    fn give_socket(&mut self, socket: &OwnedFd) {
        let made = if self.open.len() < MAX_SOCKETS { pair() } else { Err(Errno::EMFILE) };
        let Ok((ours, theirs)) = made else {
            let _ = send(socket.as_raw_fd(), b"+ 3", QUIET);
            return;
        };
        let attached = [theirs.as_raw_fd()];
        let control = [ControlMessage::ScmRights(&attached)];
        // A program that takes no answers gets no socket.
        if sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(b"+ 0")], &control, QUIET, None).is_ok() {
            self.open.push(Arc::new(ours));
        }
    }
}

/// Flags by which the length is that of the datagram, however much there is room for.
const READ: MsgFlags = MsgFlags::MSG_DONTWAIT.union(MsgFlags::MSG_TRUNC);
const QUIET: MsgFlags = MsgFlags::MSG_DONTWAIT.union(MsgFlags::MSG_NOSIGNAL);

/// Answers what a run asks, until it is dropped.
pub(super) async fn answer(calls: &Calls, mut asking: mpsc::UnboundedReceiver<Asked>) -> std::convert::Infallible {
    let mut answering = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(asked) = asking.recv() => answering.push(answer_one(calls, asked)),
            Some(()) = answering.next() => {}
            else => std::future::pending().await,
        }
    }
}

async fn answer_one(calls: &Calls, Asked { call, back, _in_flight }: Asked) {
    let answer: Answer = match call {
        Ok(call) => calls.answer(call).await,
        Err(error) => Err(error),
    };
    let Some((socket, number)) = back else { return };
    let (kind, bytes) = calls::told(answer);
    let head = format!("{number} {kind} ");
    let mut wait = TRY_AGAIN;
    loop {
        let parts = [IoSlice::new(head.as_bytes()), IoSlice::new(&bytes)];
        match sendmsg::<()>(socket.as_raw_fd(), &parts, &[], QUIET, None) {
            Err(Errno::EAGAIN | Errno::ENOBUFS) => {
                tokio::time::sleep(wait).await;
                wait = TRY_RARELY.min(wait * 2);
            }
            Err(Errno::EINTR) => {}
            // The process that made the call may be gone.
            Ok(_) | Err(_) => return,
        }
    }
}

/// What native programs write to their socket.
#[cfg(feature = "fuzzing")]
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let said: [&[u8]; 4] =
        [b"+\n", b"7 progress {\"fraction\": 0.5}", b"- display {\"text\": \"x\"}\n", b"4294967295 a  b"];
    said.map(<[u8]>::to_vec).into()
}

/// Reads one datagram: a call says again what it said.
#[cfg(feature = "fuzzing")]
pub(crate) fn datagram(data: &[u8]) {
    let Said::Call { number, name, bytes } = parse(data) else { return };
    assert!(!name.contains(' '), "a name ends where the bytes begin");
    let number = number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let again = [number.as_bytes(), b" ", name.as_bytes(), b" ", bytes].concat();
    assert_eq!(parse(&again), parse(data), "it is another call");
}

#[cfg(test)]
mod tests {
    use nix::sys::socket::{ControlMessageOwned, recvmsg};

    use super::*;
    use crate::policy::Policy;
    use crate::run::calls::{Answering, CallHandler};

    /// A handler that answers with what it was asked, and never answers `wait`.
    struct Echo;

    impl CallHandler for Echo {
        fn answer(&self, call: GuestCall) -> Answering {
            if call.name == "wait" { Box::pin(std::future::pending()) } else { Box::pin(async { Ok(call.bytes) }) }
        }
    }

    fn calls() -> Calls {
        let policy = Policy { calls: ["echo", "wait"].map(str::to_owned).into(), ..Policy::default() };
        Calls::new(Arc::new(policy), Some(Arc::new(Echo)))
    }

    /// One run: what the program says is read and answered.
    struct Run {
        sockets: CallSockets,
        program: OwnedFd,
        asking: Option<mpsc::UnboundedReceiver<Asked>>,
    }

    impl Run {
        fn new() -> Self {
            let (sockets, program, asking) = CallSockets::new().unwrap();
            Self { sockets, program, asking: Some(asking) }
        }

        fn say(&self, datagram: &[u8]) {
            send(self.program.as_raw_fd(), datagram, QUIET).unwrap();
        }

        /// Reads and answers all there is.
        fn serve(&mut self) {
            for _ in 0..10 {
                self.sockets.take();
            }
            let event_loop = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let mut asking = self.asking.take().unwrap();
            event_loop.block_on(async {
                while let Ok(asked) = asking.try_recv() {
                    let one = calls();
                    let _ = tokio::time::timeout(Duration::from_millis(20), answer_one(&one, asked)).await;
                }
            });
            self.asking = Some(asking);
        }

        /// What the program is told next.
        fn told(&self) -> Option<String> {
            let mut buffer = vec![0; DATAGRAM_BYTES];
            let length = recv(self.program.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT).ok()?;
            Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
        }
    }

    #[test]
    fn a_datagram_is_a_call_or_nothing() {
        let call = |number, name, bytes| Said::Call { number, name, bytes };
        for (datagram, said) in [
            (&b"1 a bytes and\nmore "[..], call(Some(1), "a", &b"bytes and\nmore "[..])),
            (b"- a", call(None, "a", b"")),
            (b"4294967295 a  b", call(Some(u32::MAX), "a", b" b")),
            (b"1 ", call(Some(1), "", b"")),
            (b"+", Said::Socket),
            (b"+\n", Said::Socket),
            (b"+ ", Said::Nothing),
            (b"4294967296 a", Said::Nothing),
            (b"-1 a", Said::Nothing),
            (b"+1 a", Said::Nothing),
            (b" a", Said::Nothing),
            (b"1a", Said::Nothing),
            (b"1", Said::Nothing),
            (b"1 \xff x", Said::Nothing),
            (b"\xff a", Said::Nothing),
            (b"\n", Said::Nothing),
            (b"", Said::Nothing),
        ] {
            assert_eq!(parse(datagram), said, "{}", String::from_utf8_lossy(datagram));
        }
    }

    #[test]
    fn calls_are_answered_where_they_came_from_and_only_if_that_was_wanted() {
        let mut run = Run::new();
        for datagram in [&b"7 echo bytes"[..], b"- echo x", b"8 shell ", b"what", b"9 echo"] {
            run.say(datagram);
        }
        run.serve();
        assert_eq!(run.told().unwrap(), "7 0 bytes");
        let denied = "8 2 this program may not call `shell`: granted to it are `echo`, `wait`";
        assert_eq!(run.told().unwrap(), denied);
        assert_eq!(run.told().unwrap(), "9 0 ");
        assert_eq!(run.told(), None);
    }

    #[test]
    fn sockets_of_their_own_come_attached_and_there_is_a_bound_of_them() {
        let mut run = Run::new();
        (0..MAX_SOCKETS).for_each(|_| run.say(b"+"));
        run.serve();
        let mut own = Vec::new();
        for _ in 1..MAX_SOCKETS {
            let (mut buffer, mut control) = ([0; 16], nix::cmsg_space!([std::os::fd::RawFd; 1]));
            let mut parts = [std::io::IoSliceMut::new(&mut buffer)];
            let flags = MsgFlags::MSG_DONTWAIT;
            let message = recvmsg::<()>(run.program.as_raw_fd(), &mut parts, Some(&mut control), flags).unwrap();
            let Some(ControlMessageOwned::ScmRights(attached)) = message.cmsgs().unwrap().next() else { panic!() };
            own.push(crate::sys::own_received(attached[0]));
        }
        assert_eq!(run.told().unwrap(), "+ 3");
        // Each socket has the answers to its own calls, and makes room for another when
        // it is closed.
        let last = own.pop().unwrap();
        send(last.as_raw_fd(), b"1 echo own", QUIET).unwrap();
        run.say(b"1 echo first");
        run.serve();
        let mut buffer = [0; 16];
        let length = recv(last.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT).unwrap();
        assert_eq!((&buffer[..length], run.told().as_deref()), (&b"1 0 own"[..], Some("1 0 first")));
        drop(last);
        run.serve();
        run.say(b"+");
        run.serve();
        assert_eq!(run.told().unwrap(), "+ 0");
    }

    #[test]
    fn nothing_is_read_while_as_many_are_in_flight_as_may_be() {
        let mut run = Run::new();
        let pauses = |sockets: &mut CallSockets| {
            (0..9).for_each(|_| sockets.take());
            sockets.is_full()
        };
        for number in 0..MAX_IN_FLIGHT {
            assert!(!pauses(&mut run.sockets), "{number}");
            run.say(b"- wait ");
        }
        assert!(pauses(&mut run.sockets));
        run.say(b"1 echo late");
        assert_eq!(run.sockets.open().count(), 0);
        run.sockets.take();
        let asking = run.asking.as_mut().unwrap();
        assert_eq!(asking.len(), MAX_IN_FLIGHT, "the last is not read");
        drop(asking.try_recv());
        assert!(pauses(&mut run.sockets), "it is read now");
    }

    #[test]
    fn a_run_that_goes_past_its_calls_is_told_once_and_heard_no_more() {
        let mut run = Run::new();
        for made in 0..MAX_CALLS {
            // Datagrams that make no sense count as much as calls.
            run.say(if made % 2 == 0 { b"- echo " } else { b"what" });
            if made % 8 == 7 {
                run.serve();
            }
        }
        assert_eq!(run.told(), None);
        run.say(b"1 echo ");
        run.serve();
        assert_eq!(run.told().unwrap(), "1 3 calls of a run may be 10000 at most, and this is 10001");
        assert_eq!(run.told().as_deref(), Some(""), "its end");
        assert_eq!(send(run.program.as_raw_fd(), b"2 echo ", QUIET), Err(Errno::EPIPE));
    }

    #[test]
    fn a_call_that_is_too_long_is_refused_with_both_numbers() {
        let mut run = Run::new();
        let datagram = |bytes: usize| [&b"1 echo "[..], &vec![b'x'; bytes]].concat();
        run.say(&datagram(MAX_CALL_BYTES));
        run.serve();
        assert_eq!(run.told().unwrap().len(), "1 0 ".len() + MAX_CALL_BYTES);
        run.say(&datagram(MAX_CALL_BYTES + 1));
        run.serve();
        run.say(&datagram(200_000));
        run.say(&[b"2 ", &[b'n'; MAX_NAME_BYTES + 1][..], b" "].concat());
        run.serve();
        assert_eq!(run.told().unwrap(), "1 3 bytes of a call may be 131072 at most, and this is 131073");
        assert_eq!(run.told().unwrap(), "1 3 bytes of a call may be 131072 at most, and this is 200000");
        assert_eq!(run.told().unwrap(), "2 3 bytes of the name of a call may be 64 at most, and this is 65");
    }

    #[test]
    fn one_who_takes_no_answers_is_not_waited_for() {
        let mut run = Run::new();
        for _ in 0..8 {
            run.say(&[&b"1 echo "[..], &[b'x'; 100_000]].concat());
            run.sockets.take();
        }
        // Calls that do not fit are given up with the run.
        run.serve();
        assert!(run.told().is_some() && run.sockets.in_flight.load(Ordering::SeqCst) == 0);
    }
}
