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
use crate::processes::{Processes, Snapshot};
use crate::standstill::Standstill;
use crate::tree::Tree;

/// How long it takes to the first look, and at least between two.
const SHORTEST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_millis(50);
const SHORTEST_DISK: Duration = Duration::from_millis(50);
const LONGEST_DISK: Duration = Duration::from_secs(2);

/// How much memory or file is written in a second at most: more than a processor fills.
const FILLED_BYTES_PER_SECOND: u64 = 3 << 30;

/// How much longer than a look the time until the next one is, so that looking
/// takes a small part of a processor.
const PAUSE: u32 = 10;

/// A measurement that takes longer is one in which much could be written.
const LONG: Duration = Duration::from_millis(2);

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
            next_disk: now,
            measuring: Duration::ZERO,
            most_processes: 1,
        })
    }

    /// When to look next.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// Looks, when it is time to. Says which limit is passed; the tree may stand
    /// still then.
    pub(crate) fn look(&mut self, tree: &Tree) -> io::Result<Option<Cause>> {
        let began = Instant::now();
        if began < self.next {
            return Ok(None);
        }
        let snapshot = self.processes.look()?;
        let looking = began.elapsed();
        self.standstill.look(tree, &snapshot);
        self.most_processes = self.most_processes.max(snapshot.threads);
        let memory = self.memory.measure(&snapshot, &mut self.processes, &self.disk, (&mut self.standstill, tree))?;
        let cpu_time = snapshot.cpu_time;
        let cpu_limit = Duration::from_millis(self.limits.cpu_time_ms);
        let mut room = self.limits.memory_bytes.saturating_sub(memory);
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
            room = room.min(on_disk);
            cause
        };

        let filled = FILLED_BYTES_PER_SECOND.saturating_mul(self.processors);
        let until_full = Duration::from_millis(room.saturating_mul(1000) / filled);
        let until_used = cpu_limit.saturating_sub(cpu_time) / 2;
        let soonest = until_full.min(until_used).clamp(SHORTEST, LONGEST);
        // A look may take its price close to a limit. What takes longer than a look has
        // its own measure.
        let pause = if soonest < looking * PAUSE { PAUSE / 5 } else { PAUSE };
        self.next = Instant::now() + soonest.max(looking * pause);
        Ok(cause)
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
        let bound = self.growth.bound(&self.disk, written);
        let may_be_passed =
            bound.is_some_and(|(bytes, files)| bytes > self.limits.disk_bytes || files > self.limits.disk_files);
        if let Some((bytes, _)) = bound.filter(|_| !may_be_passed && began < self.next_disk) {
            return Ok((None, self.limits.disk_bytes.saturating_sub(bytes)));
        }
        // Many processes would keep us from measuring, and write while it takes long.
        let is_paused = may_be_passed && (snapshot.threads > self.processors || self.measuring > LONG);
        let mut pids = snapshot.pids();
        if is_paused {
            self.standstill.begin(tree);
            pids = self.processes.look()?.pids();
        }
        let free = self.disk.free();
        let mut usage = self.disk.measure(&pids);
        let hidden = self.growth.hidden(&usage, written);
        if usage.bytes.saturating_add(hidden) > self.limits.disk_bytes
            && (self.shares || self.disk.hides_some(&pids, &usage))
        {
            usage.bytes = usage.bytes.saturating_add(hidden);
        }
        self.growth.measured(&usage, free, written);
        self.memory.set_sockets(usage.sockets);
        let now = Instant::now();
        self.measuring = now - began;
        self.next_disk = now + (self.measuring * PAUSE).clamp(SHORTEST_DISK, LONGEST_DISK);
        let cause = self.passed(&usage);
        if is_paused && cause.is_none() {
            let after = self.processes.look()?;
            self.standstill.end(tree, &after, &self.processes.stopped_by_themselves(&after));
        }
        Ok((cause, self.limits.disk_bytes.saturating_sub(usage.bytes)))
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

fn cpu_time(usage: &Usage) -> Duration {
    let microseconds = (usage.user_time() + usage.system_time()).num_microseconds();
    Duration::from_micros(u64::try_from(microseconds).unwrap_or(0))
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
