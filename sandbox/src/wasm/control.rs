//! Steers one run from outside: deadlines, cancellation, and the polite and
//! the certain way of ending it.
//!
//! The driver polls the guest's future on a thread of its own and compares
//! real clocks at every safe point. A run that passes a deadline is first
//! interrupted softly: the guest raises an exception at its next safe point
//! and keeps its state. When that does not end it within a grace period, its
//! future is dropped, which unwinds the guest at once and leaves its memory
//! torn.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use parking_lot::Mutex;

use super::calls::Waited;
use crate::run::calls::Answer;
use crate::run::limits::{Limits, Resource};

/// Why a run is asked to stop. The numbers are those of the guest ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Reason {
    WallTime = 1,
    CpuTime = 2,
    Fuel = 3,
    Cancelled = 4,
}

impl Reason {
    const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::WallTime),
            2 => Some(Self::CpuTime),
            3 => Some(Self::Fuel),
            4 => Some(Self::Cancelled),
            _ => None,
        }
    }
}

/// How long a guest may take to react to a soft interrupt. A session has
/// state worth waiting for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grace {
    deadline: Duration,
    cancel: Duration,
}

impl Grace {
    pub(super) const fn new(has_state: bool) -> Self {
        if has_state {
            Self { deadline: Duration::from_millis(500), cancel: Duration::from_secs(1) }
        } else {
            Self { deadline: Duration::from_millis(100), cancel: Duration::from_millis(100) }
        }
    }
}

/// A guest that swallowed one interrupt gets another after this long.
const INTERRUPT_AGAIN: Duration = Duration::from_millis(50);

/// One run as seen from other threads and from inside its own host calls.
#[derive(Debug, Default)]
pub(crate) struct RunControl {
    cancelled: AtomicBool,
    /// A soft interrupt that has not reached the guest yet; 0 is none.
    pending: AtomicU8,
    /// The first reason this run was interrupted for; 0 is none.
    first: AtomicU8,
    course: Mutex<Course>,
    thread: Mutex<Option<Thread>>,
    /// Answers to calls that the guest has not been told of.
    answers: Mutex<VecDeque<(u32, Answer)>>,
}

/// Where a run is on its way to its end. Only its own thread changes it.
#[derive(Clone, Copy, Debug, Default)]
struct Course {
    limits: Option<Deadlines>,
    /// When the guest is interrupted next, and when it is dropped.
    stopping: Option<(Instant, Instant)>,
    /// When a sleeping host call wants to be polled again.
    wake_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Deadlines {
    wall: Instant,
    /// The processor time at which the run is over, on the clock of this thread.
    cpu: Duration,
    grace: Grace,
}

/// What is to become of a guest at a safe point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The guest goes on, interrupted softly or not at all.
    GoOn,
    /// The time and the grace of the guest are over.
    Drop,
}

impl RunControl {
    /// Asks the run to stop, from any thread.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        self.wake();
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.lock().as_ref() {
            thread.unpark();
        }
    }

    /// Answers a call of the guest, from any thread.
    pub(crate) fn answer(&self, call: u32, answer: Answer) {
        self.answers.lock().push_back((call, answer));
        self.wake();
    }

    /// Takes the soft interrupt that waits for the guest, if there is one.
    pub(super) fn take_interrupt(&self) -> Option<Reason> {
        if self.pending.load(Ordering::Relaxed) == 0 {
            return None;
        }
        Reason::from_number(self.pending.swap(0, Ordering::SeqCst))
    }

    /// Whether a soft interrupt waits for the guest.
    fn is_interrupted(&self) -> bool {
        self.pending.load(Ordering::Relaxed) != 0
    }

    /// Interrupts the guest softly at its next safe point.
    pub(super) fn interrupt(&self, reason: Reason) {
        self.pending.store(reason as u8, Ordering::SeqCst);
        let _ = self.first.compare_exchange(0, reason as u8, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Why the guest was first interrupted.
    pub(super) fn interrupted_for(&self) -> Option<Reason> {
        Reason::from_number(self.first.load(Ordering::SeqCst))
    }

    /// Compares the clocks, and interrupts the guest if it is time. Called at
    /// every safe point: after each host call, because some take long and use
    /// no fuel, and whenever the guest has used enough fuel. `with_cpu_clock`
    /// is whether to look at that one too, which costs a system call.
    pub(super) fn steer(&self, with_cpu_clock: bool) -> Verdict {
        let now = Instant::now();
        let mut course = self.course.lock();
        let Some(limits) = course.limits else { return Verdict::GoOn };
        let reason = if self.cancelled.load(Ordering::SeqCst) {
            Reason::Cancelled
        } else if now >= limits.wall {
            Reason::WallTime
        } else if with_cpu_clock && thread_cpu_time() >= limits.cpu {
            Reason::CpuTime
        } else if let Some(reason) = self.interrupted_for() {
            reason
        } else {
            return Verdict::GoOn;
        };
        let (again, drop_at) = *course.stopping.get_or_insert_with(|| {
            let patience = if reason == Reason::Cancelled { limits.grace.cancel } else { limits.grace.deadline };
            // The fuel meter has interrupted the guest itself already.
            let first = if self.interrupted_for().is_some() { now + INTERRUPT_AGAIN } else { now };
            (first, now + patience)
        });
        if now >= drop_at {
            return Verdict::Drop;
        }
        if now >= again {
            course.stopping = Some((now + INTERRUPT_AGAIN, drop_at));
            self.interrupt(reason);
        }
        Verdict::GoOn
    }

    /// Sleeps until `until`, or until the guest is interrupted.
    pub(super) async fn sleep_until(&self, until: Instant) {
        std::future::poll_fn(|_| {
            let over = Instant::now() >= until || self.is_interrupted();
            self.course.lock().wake_at = (!over).then_some(until);
            if over { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Waits until a call has its answer, `only` this one if one is named, or
    /// until `until`, or until the guest is interrupted.
    pub(super) async fn answered(&self, only: Option<u32>, until: Option<Instant>) -> Waited {
        std::future::poll_fn(|_| {
            let waited = if let Some((call, answer)) = self.take_answer(only) {
                Some(Waited::Answered(call, answer))
            } else if self.is_interrupted() {
                Some(Waited::Interrupted)
            } else {
                until.filter(|until| Instant::now() >= *until).map(|_| Waited::TimedOut)
            };
            self.course.lock().wake_at = until.filter(|_| waited.is_none());
            waited.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    fn take_answer(&self, only: Option<u32>) -> Option<(u32, Answer)> {
        let mut answers = self.answers.lock();
        let at = answers.iter().position(|(call, _)| only.is_none_or(|only| *call == only))?;
        answers.remove(at)
    }

    /// How long the thread of the run may sleep when its guest waits: until
    /// the next thing happens that the guest cannot know of.
    fn may_sleep(&self) -> Duration {
        let course = *self.course.lock();
        // A deadline that has led to `stopping` no longer counts.
        let deadline = match (course.stopping, course.limits) {
            (Some((again, drop_at)), _) => Some(again.min(drop_at)),
            (None, limits) => limits.map(|limits| limits.wall),
        };
        let next = [deadline, course.wake_at].into_iter().flatten().min();
        next.map_or(INTERRUPT_AGAIN, |next| next.saturating_duration_since(Instant::now()))
    }
}

/// What a run has used of the clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    pub(super) wall: Duration,
    pub(super) cpu: Duration,
}

struct Unpark {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

/// Runs `guest` to its end on this thread, under the clocks of `limits`.
/// `None` when it had to be dropped; [`RunControl::interrupted_for`] then
/// tells why.
pub(super) fn drive<F: Future>(
    guest: F,
    control: &RunControl,
    limits: &Limits,
    grace: Grace,
) -> (Option<F::Output>, Clocks) {
    let thread = std::thread::current();
    *control.thread.lock() = Some(thread.clone());
    let unpark = Arc::new(Unpark { thread, woken: AtomicBool::new(false) });
    let waker = Waker::from(Arc::clone(&unpark));
    let mut context = Context::from_waker(&waker);
    let mut guest = pin!(guest);

    let (started, cpu_at_start) = (Instant::now(), thread_cpu_time());
    let limit = |resource| Duration::from_millis(limits.get(resource));
    control.course.lock().limits = Some(Deadlines {
        wall: started + limit(Resource::WallTimeMs),
        cpu: cpu_at_start + limit(Resource::CpuTimeMs),
        grace,
    });
    let output = loop {
        if let Poll::Ready(output) = guest.as_mut().poll(&mut context) {
            break Some(output);
        }
        if control.steer(true) == Verdict::Drop {
            break None;
        }
        // A sleeping host call ends early when it is polled interrupted.
        if unpark.woken.swap(false, Ordering::SeqCst) || control.is_interrupted() {
            continue;
        }
        let sleep = control.may_sleep();
        if !sleep.is_zero() {
            std::thread::park_timeout(sleep);
        }
    };
    (output, Clocks { wall: started.elapsed(), cpu: thread_cpu_time().saturating_sub(cpu_at_start) })
}

fn thread_cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}
