//! `poll_oneoff`: guests sleep, and nothing else ever makes them wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::{Caller, Result};

use super::errno::{BADF, FAULT, INVAL, STALE, SUCCESS};
use super::guest_memory::{range, split, write_u32};
use crate::wasm::host::Host;

/// The most subscriptions one call may name.
const MAX_SUBSCRIPTIONS: u32 = 1024;

// Sizes and numbers of WASI preview 1.
const SUBSCRIPTION_BYTES: i32 = 48;
const EVENT_BYTES: usize = 32;
const EVENT_CLOCK: u8 = 0;
const CLOCK_REALTIME: u32 = 0;
const CLOCK_MONOTONIC: u32 = 1;
const CLOCK_ABSOLUTE: u16 = 1;

/// A sleep that the clock cannot express outlasts every deadline anyway.
const LONGEST_SLEEP: Duration = Duration::from_secs(1 << 32);

/// What a guest waits for.
enum Subscription {
    Clock { userdata: u64, wait: Duration },
    Descriptor { event: Event },
}

/// What a guest is told.
struct Event {
    userdata: u64,
    errno: i32,
    kind: u8,
}

impl Event {
    fn write(&self, event: &mut [u8]) {
        event.fill(0);
        event[..8].copy_from_slice(&self.userdata.to_le_bytes());
        event[8..10].copy_from_slice(&self.errno.to_le_bytes()[..2]);
        event[10] = self.kind;
        event[16] = 1;
    }
}

fn subscription(memory: &[u8], address: i32, host: &Host) -> Option<std::result::Result<Subscription, i32>> {
    let bytes = memory.get(range(memory, address, SUBSCRIPTION_BYTES)?)?;
    let word = |at: usize| bytes.get(at..at + 8).and_then(|word| Some(u64::from_le_bytes(word.try_into().ok()?)));
    let userdata = word(0)?;
    let kind = bytes[8];
    let subject = u32::from_le_bytes(bytes[16..20].try_into().ok()?);
    if kind != EVENT_CLOCK {
        let errno = if host.open_files.is_poisoned(subject) { STALE } else { SUCCESS };
        return Some(Ok(Subscription::Descriptor { event: Event { userdata, errno, kind } }));
    }
    let timeout = word(24)?;
    let absolute = u16::from_le_bytes(bytes[40..42].try_into().ok()?) & CLOCK_ABSOLUTE != 0;
    let already = match (subject, absolute) {
        (CLOCK_REALTIME | CLOCK_MONOTONIC, false) => 0,
        (CLOCK_MONOTONIC, true) => host.clock.monotonic(),
        (CLOCK_REALTIME, true) => u64::try_from(host.clock.time_of_day().as_nanos()).ok()?,
        _ => return Some(Err(INVAL)),
    };
    let wait = Duration::from_nanos(timeout.saturating_sub(already));
    Some(Ok(Subscription::Clock { userdata, wait: wait.min(LONGEST_SLEEP) }))
}

/// Waits for clocks. Files and standard streams are always ready, as POSIX
/// says of regular files; standard input is in memory.
pub(in crate::wasm) async fn poll_oneoff(
    mut caller: Caller<'_, Host>,
    subscriptions: i32,
    events: i32,
    count: i32,
    out: i32,
) -> Result<i32> {
    let (memory, host) = split(&mut caller)?;
    if count == 0 || count.cast_unsigned() > MAX_SUBSCRIPTIONS {
        return Ok(INVAL);
    }
    let begun = Instant::now();
    let mut clocks = Vec::new();
    let mut ready = Vec::new();
    for index in 0..count {
        let Some(address) = subscriptions.checked_add(index * SUBSCRIPTION_BYTES) else { return Ok(FAULT) };
        match subscription(memory, address, host) {
            None => return Ok(FAULT),
            Some(Err(errno)) => return Ok(errno),
            Some(Ok(Subscription::Clock { userdata, wait })) => clocks.push((wait, userdata)),
            Some(Ok(Subscription::Descriptor { event })) => ready.push(event),
        }
    }
    if ready.is_empty()
        && let Some((shortest, _)) = clocks.iter().min().copied()
    {
        let Some(run) = &host.run else { return Ok(BADF) };
        let Some(until) = begun.checked_add(shortest) else { return Ok(INVAL) };
        let (control, clock) = (Arc::clone(&run.control), host.clock.clone());
        control.sleep_until(until).await;
        clock.slept(shortest);
        // Woken early by an interrupt, the guest is told that its time is up;
        // it raises as soon as it runs. What is due later is for a later call,
        // so that how long the host took to wake up shows nowhere.
        ready.extend(clocks.iter().filter(|(wait, _)| *wait == shortest).map(|(_, userdata)| Event {
            userdata: *userdata,
            errno: SUCCESS,
            kind: EVENT_CLOCK,
        }));
    }
    let (memory, _) = split(&mut caller)?;
    let start = events.cast_unsigned() as usize;
    for (index, event) in ready.iter().enumerate() {
        let room = memory.get_mut(start + index * EVENT_BYTES..).and_then(|rest| rest.get_mut(..EVENT_BYTES));
        let Some(room) = room else { return Ok(FAULT) };
        event.write(room);
    }
    let count = u32::try_from(ready.len()).unwrap_or(u32::MAX);
    Ok(write_u32(memory, out, count).map_or(FAULT, |()| SUCCESS))
}
