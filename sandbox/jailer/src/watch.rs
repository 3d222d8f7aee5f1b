//! Limits of the whole tree that no kernel interface keeps without privileges:
//! processor time, memory, processes, and what is stored. They are looked at
//! again and again, as seldom as no limit can be passed by much meanwhile.

use std::io;
use std::time::{Duration, Instant};

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::unistd::{SysconfVar, sysconf};

use crate::confinement::{Cause, Confinement, TreeLimits, TreeUsage};
use crate::disk::{Disk, Use};
use crate::failure::{Doing, Failure};
use crate::growth::Growth;
use crate::memory::Memory;
use crate::parts::Parts;
use crate::processes::{Processes, Snapshot, Written};
use crate::standstill::Standstill;
use crate::tree::Tree;

/// How long it takes to the first look, and at least between two.
const SHORTEST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_millis(50);
const SHORTEST_GLANCE: Duration = Duration::from_millis(1);
const SHORTEST_DISK: Duration = Duration::from_millis(50);
const LONGEST_DISK: Duration = Duration::from_secs(2);

/// How much memory or file is written in a second at most: more than a processor fills.
const FILLED_BYTES_PER_SECOND: u64 = 3 << 30;

/// How much longer than a look the time until the next one is, so that looking
/// takes a small part of a processor.
const PAUSE: u32 = 10;

/// A measurement that takes longer is one in which much could be written.
const LONG: Duration = Duration::from_millis(2);

/// What is written while a tree stands still after which a measurement begins again, and
/// how often it does: others may write as much to the same disk.
const MUCH: u64 = 4 << 20;
const MOST_TURNS: u32 = 8;

/// Watches a tree.
#[derive(Debug)]
pub(crate) struct Watch {
    limits: TreeLimits,
    processes: Processes,
    memory: Memory,
    disk: Disk,
    growth: Growth,
    /// Whether some of what is written lies where it is not measured.
    shares: bool,
    standstill: Standstill,
    processors: u64,
    next: Instant,
    /// When to ask next what is left on the disk, between two looks.
    next_glance: Option<Instant>,
    next_disk: Instant,
    /// How long it took to measure the disk.
    measuring: Duration,
    most_processes: u64,
}

impl Watch {
    /// Gets ready to watch the descendants of this process, or the namespace
    /// that it is the first process of.
    pub(crate) fn new(confinement: &Confinement, parts: &Parts) -> Result<Self, Failure> {
        let limits = confinement.limits;
        let now = Instant::now();
        let processors = sysconf(SysconfVar::_NPROCESSORS_ONLN).doing("counting processors")?;
        Ok(Self {
            limits,
            processes: Processes::new(confinement.namespaces).doing("looking for processes")?,
            memory: Memory::new(confinement),
            disk: Disk::open(parts.writable(&confinement.mounts), &limits).doing("opening the writable mounts")?,
            growth: Growth::default(),
            shares: confinement.shares(),
            standstill: Standstill::default(),
            processors: processors.and_then(|count| u64::try_from(count).ok()).unwrap_or(1).max(1),
            next: now + SHORTEST,
            next_glance: None,
            next_disk: now,
            measuring: Duration::ZERO,
            most_processes: 1,
        })
    }

    /// When to look next.
    pub(crate) fn next(&self) -> Instant {
        self.next_glance.map_or(self.next, |glance| glance.min(self.next))
    }

    /// Looks, when it is time to. Says which limit is passed; the tree may stand
    /// still then.
    pub(crate) fn look(&mut self, tree: &Tree) -> io::Result<Option<Cause>> {
        let began = Instant::now();
        let is_glance = self.next_glance.is_some_and(|glance| began >= glance);
        if !(is_glance && self.glance(began, tree)) && began < self.next {
            return Ok(None);
        }
        let before = own_cpu_time()?;
        let snapshot = self.processes.look()?;
        let looking = own_cpu_time()?.saturating_sub(before);
        self.standstill.look(tree, &snapshot, |pid| self.processes.is_to_stop(pid));
        self.most_processes = self.most_processes.max(snapshot.threads);
        let memory = self.memory.measure(&snapshot, &mut self.processes, &self.disk, (&mut self.standstill, tree))?;
        let cpu_time = snapshot.cpu_time;
        let cpu_limit = Duration::from_millis(self.limits.cpu_time_ms);
        let mut room = self.limits.memory_bytes.saturating_sub(memory);
        let mut room_on_disk = u64::MAX;
        let cause = if memory > self.limits.memory_bytes {
            Some(Cause::Memory)
        } else if cpu_time >= cpu_limit {
            Some(Cause::CpuTime)
        } else if snapshot.threads > self.limits.processes.saturating_add(self.limits.processes / 4 + 8) {
            // The kernel refuses new processes at the limit, politely. This is for
            // where it counts others too, or none.
            Some(Cause::Processes)
        } else if self.disk.is_empty() {
            None
        } else {
            let (cause, on_disk) = self.look_at_disk(&snapshot, tree)?;
            (room, room_on_disk) = (room.min(on_disk), on_disk);
            cause
        };

        let mut standing = Duration::ZERO;
        if cause.is_none() && self.standstill.is_begun() {
            let now = self.processes.look()?;
            let by_themselves = self.processes.stopped_by_themselves(&now);
            self.standstill.end(tree, &now, by_themselves);
            standing = began.elapsed();
        }

        let until_full = self.until_full(room);
        let until_used = cpu_limit.saturating_sub(cpu_time) / 2;
        let soonest = until_full.min(until_used).clamp(SHORTEST, LONGEST);
        // Close to a limit a look may take its price, in processor time: a warden that
        // others kept from the processor must not look later still for that. What takes
        // longer than a look has its own measure.
        let pause = if soonest < looking * PAUSE { PAUSE / 5 } else { PAUSE };
        let now = Instant::now();
        self.next = now + soonest.max(looking * pause);
        // To look at many takes long, and what they may write meanwhile is much.
        self.next_glance = (snapshot.threads > self.processors)
            .then(|| now + (self.until_full(room_on_disk) / 4).max(SHORTEST_GLANCE).max(standing * 2));
        Ok(cause)
    }

    /// How long it takes at least to fill so much.
    fn until_full(&self, room: u64) -> Duration {
        let filled = FILLED_BYTES_PER_SECOND.saturating_mul(self.processors);
        Duration::from_millis(room.saturating_mul(1000) / filled)
    }

    /// Whether the disk has so much less space now that a limit may be passed; then the
    /// tree stands still.
    fn glance(&mut self, now: Instant, tree: &Tree) -> bool {
        let bound = self.growth.bound(&self.disk.free(), Written::default());
        let is_past = bound.is_some_and(|bound| self.is_past(bound));
        if is_past {
            self.standstill.begin(tree);
        }
        let room = bound.map_or(0, |(bytes, _)| self.limits.disk_bytes.saturating_sub(bytes));
        self.next_glance = Some(now + (self.until_full(room) / 4).max(SHORTEST_GLANCE));
        is_past
    }

    /// What the tree used, once all of it is reaped.
    pub(crate) fn usage(&self, wall_time: Duration) -> io::Result<TreeUsage> {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        let largest = u64::try_from(usage.max_rss()).unwrap_or(0).saturating_mul(1024);
        Ok(TreeUsage {
            wall_time_ms: Some(milliseconds(wall_time)),
            cpu_time_ms: Some(milliseconds(cpu_time(&usage) + self.processes.lost_cpu_time())),
            memory_bytes: Some(self.memory.most().max(largest)),
            processes: Some(self.most_processes),
        })
    }

    /// Measures the disk when it is time to, or when a limit may be passed. Says
    /// which one is, and how many bytes are left.
    fn look_at_disk(&mut self, snapshot: &Snapshot, tree: &Tree) -> io::Result<(Option<Cause>, u64)> {
        let began = Instant::now();
        let written = self.processes.written(snapshot);
        let free = self.disk.free();
        let bound = self.growth.bound(&free, written);
        let may_be_passed = bound.is_some_and(|bound| self.is_past(bound));
        if let Some((bytes, _)) = bound.filter(|_| !may_be_passed)
            && (began < self.next_disk || self.growth.is_unchanged(&free, written))
        {
            return Ok((None, self.limits.disk_bytes.saturating_sub(bytes)));
        }
        // Many would keep us from measuring, which takes long then, and write meanwhile. Who
        // waits for a processor may have a directory locked.
        let mut is_paused =
            self.standstill.is_begun() || snapshot.threads > self.processors || may_be_passed && self.measuring > LONG;
        let pids = snapshot.pids();
        let mut turns = 0;
        let (free, usage) = loop {
            if is_paused {
                self.standstill.begin(tree);
            }
            let free = self.disk.free();
            let is_late = || {
                let now = self.disk.free();
                if is_paused {
                    // What was under way goes on, and is in files that are counted first.
                    return turns < MOST_TURNS && now.taken_since(&free).0 > MUCH;
                }
                // Measured beside those that write, it may take them past a limit meanwhile,
                // or keep us from looking at all else.
                let bound = self.growth.bound(&now, written);
                began.elapsed() > LONGEST || bound.is_some_and(|bound| self.is_past(bound))
            };
            match self.measure_disk(&pids, written, &is_late) {
                // What one file gave up and another took meanwhile was counted for both,
                // and nobody is to be ended for that.
                Some(usage) if is_paused || self.passed(&usage).is_none() => break (free, usage),
                _ => is_paused = true,
            }
            turns += 1;
        };
        self.growth.measured(&usage, free, written);
        self.memory.set_sockets(usage.sockets);
        let now = Instant::now();
        self.measuring = now - began;
        self.next_disk = now + (self.measuring * PAUSE).clamp(SHORTEST_DISK, LONGEST_DISK);
        let cause = self.passed(&usage);
        Ok((cause, self.limits.disk_bytes.saturating_sub(usage.bytes)))
    }

    fn is_past(&self, (bytes, files): (u64, u64)) -> bool {
        bytes > self.limits.disk_bytes || files > self.limits.disk_files
    }

    /// `None` when it became late.
    fn measure_disk(&self, pids: &[i32], written: Written, is_late: &dyn Fn() -> bool) -> Option<Use> {
        let mut usage = self.disk.measure(pids, is_late)?;
        let hidden = self.growth.hidden(&usage, written);
        if usage.bytes.saturating_add(hidden) > self.limits.disk_bytes
            && (self.shares || self.disk.hides_some(pids, &usage))
        {
            usage.bytes = usage.bytes.saturating_add(hidden);
        }
        Some(usage)
    }

    fn passed(&self, usage: &Use) -> Option<Cause> {
        if usage.bytes > self.limits.disk_bytes {
            Some(Cause::DiskBytes)
        } else if usage.files > self.limits.disk_files {
            Some(Cause::DiskFiles)
        } else {
            None
        }
    }
}

fn own_cpu_time() -> io::Result<Duration> {
    Ok(cpu_time(&getrusage(UsageWho::RUSAGE_SELF)?))
}

fn cpu_time(usage: &Usage) -> Duration {
    let microseconds = (usage.user_time() + usage.system_time()).num_microseconds();
    Duration::from_micros(u64::try_from(microseconds).unwrap_or(0))
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
