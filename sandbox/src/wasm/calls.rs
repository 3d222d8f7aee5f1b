//! Calls of a guest to its host: the functions of ABI 2, and what there is of
//! the calls of one run in its worker.
//!
//! A guest begins calls, waits for whichever is answered first and takes the
//! answer, so that several can be in flight. While it waits its instance is
//! parked as in a sleep: no fuel is used, and whatever ends a run ends the wait.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::{Caller, Linker, Result};

use super::host::Host;
use super::wasi::OWN_MODULE;
use super::wasi::errno::{AGAIN, BADF, FAULT, INTR, NOTSUP, SUCCESS, TIMEDOUT};
use super::wasi::guest_memory::{range, split};
use crate::run::calls;
use crate::run::calls::{Answer, CallError, GuestCall, MAX_IN_FLIGHT};

/// Brings a call to who answers it, under its number in the run.
pub(crate) type SendCall = Box<dyn FnMut(u32, GuestCall) + Send>;

/// What `call_wait` tells of an answer: three words, its call, its kind, and its
/// size.
const TOLD_BYTES: i32 = 12;

/// The calls of one run.
pub(crate) struct RunCalls {
    send: SendCall,
    made: u32,
    /// Calls of which the guest has not been told the answer.
    open: BTreeSet<u32>,
    /// Answers that the guest was told of and has not taken.
    told: BTreeMap<u32, Vec<u8>>,
}

impl RunCalls {
    pub(crate) fn new(send: SendCall) -> Self {
        Self { send, made: 0, open: BTreeSet::new(), told: BTreeMap::new() }
    }

    fn in_flight(&self) -> usize {
        self.open.len() + self.told.len()
    }
}

/// How a wait for an answer ended.
pub(super) enum Waited {
    Answered(u32, Answer),
    TimedOut,
    Interrupted,
}

/// Adds the functions of ABI 2.
pub(super) fn add_to_linker(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(OWN_MODULE, "call_begin", call_begin)?;
    linker.func_wrap_async(OWN_MODULE, "call_wait", |caller, (timeout, out): (i64, i32)| {
        Box::new(call_wait(caller, timeout, out))
    })?;
    linker.func_wrap(OWN_MODULE, "call_take", call_take)?;
    Ok(())
}

/// Begins a call: answers its number, or an error as a negative number.
fn call_begin(mut caller: Caller<'_, Host>, name: i32, name_size: i32, bytes: i32, size: i32) -> Result<i32> {
    let (memory, host) = split(&mut caller)?;
    let Some(run) = &mut host.run else { return Ok(-NOTSUP) };
    let (Some(name), Some(bytes)) = (range(memory, name, name_size), range(memory, bytes, size)) else {
        return Ok(-FAULT);
    };
    let calls = &mut run.calls;
    if calls.in_flight() >= MAX_IN_FLIGHT {
        return Ok(-AGAIN);
    }
    // A number past the bound of calls is refused by the check below.
    let number = calls.made;
    let checked = GuestCall::check(name.len(), bytes.len(), number).and_then(|()| {
        let name = std::str::from_utf8(&memory[name]);
        let name = name.map_err(|_| CallError::Failed("the name of a call must be UTF-8".into()))?;
        Ok(GuestCall { name: name.to_owned(), bytes: memory[bytes].to_vec() })
    });
    let Some(next) = number.checked_add(1).filter(|next| i32::try_from(*next).is_ok()) else { return Ok(-AGAIN) };
    calls.made = next;
    calls.open.insert(number);
    match checked {
        Ok(call) => (calls.send)(number, call),
        // The guest learns of it as of every other answer.
        Err(error) => run.control.answer(number, Err(error)),
    }
    Ok(number.cast_signed())
}

/// Waits until a call is answered, and writes at `out` which, whether it failed,
/// and how long the answer is. A negative timeout, in nanoseconds, is none.
async fn call_wait(mut caller: Caller<'_, Host>, timeout: i64, out: i32) -> Result<i32> {
    let begun = Instant::now();
    let (memory, host) = split(&mut caller)?;
    if range(memory, out, TOLD_BYTES).is_none() {
        return Ok(FAULT);
    }
    let Some(run) = &host.run else { return Ok(NOTSUP) };
    let Some(first) = run.calls.open.first().copied() else { return Ok(BADF) };
    let timeout = u64::try_from(timeout).ok().map(Duration::from_nanos);
    // What a run does that is to be the same again must not depend on how long an
    // answer takes, nor on which of two comes first.
    let only = host.entropy.is_some().then_some(first);
    let until = timeout.filter(|_| only.is_none()).and_then(|timeout| begun.checked_add(timeout));
    let (control, clock) = (Arc::clone(&run.control), host.clock.clone());
    let waited = control.answered(only, until).await;
    let (memory, host) = split(&mut caller)?;
    let Some(run) = &mut host.run else { return Ok(NOTSUP) };
    let (number, answer) = match waited {
        Waited::Answered(number, answer) if run.calls.open.remove(&number) => (number, answer),
        // The guest did not ask for this answer.
        Waited::Answered(..) => return Ok(INTR),
        Waited::TimedOut => {
            clock.slept(timeout.unwrap_or_default());
            return Ok(TIMEDOUT);
        }
        Waited::Interrupted => return Ok(INTR),
    };
    let (kind, bytes) = calls::told(answer);
    let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    run.calls.told.insert(number, bytes);
    let Some(out) = range(memory, out, TOLD_BYTES) else { return Ok(FAULT) };
    for (word, value) in memory[out].chunks_exact_mut(4).zip([number, kind, size]) {
        word.copy_from_slice(&value.to_le_bytes());
    }
    Ok(SUCCESS)
}

/// Writes the first `size` bytes of an answer to `address`, and forgets it.
fn call_take(mut caller: Caller<'_, Host>, number: i32, address: i32, size: i32) -> Result<i32> {
    let (memory, host) = split(&mut caller)?;
    let Some(run) = &mut host.run else { return Ok(NOTSUP) };
    let number = number.cast_unsigned();
    let Some(answer) = run.calls.told.get(&number) else { return Ok(BADF) };
    let length = answer.len().min(size.cast_unsigned() as usize);
    let Some(room) = range(memory, address, i32::try_from(length).unwrap_or(i32::MAX)) else { return Ok(FAULT) };
    memory[room].copy_from_slice(&answer[..length]);
    run.calls.told.remove(&number);
    Ok(SUCCESS)
}
