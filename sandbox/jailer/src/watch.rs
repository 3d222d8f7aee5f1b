//! Limits of the whole tree that no kernel interface keeps without privileges:
//! processor time, memory, processes, and what is stored. They are looked at
//! again and again, as seldom as no limit can be passed by much meanwhile.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::statvfs::statvfs;
use nix::sys::time::TimeValLike;

use crate::confinement::{Cause, Confinement, TreeLimits, TreeUsage};
use crate::disk::Disk;
use crate::failure::{Doing, Failure};
use crate::parts::Parts;
use crate::processes::{Processes, Snapshot};

/// The first look, and the shortest time between two.
const SHORTEST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_millis(50);
const SHORTEST_DISK: Duration = Duration::from_millis(50);
const LONGEST_DISK: Duration = Duration::from_secs(2);

/// More than processes fill in a second with pages of the usual size.
const FILLED_BYTES_PER_SECOND: u64 = 4 << 30;

/// What waits in a socket at most, with the size of buffer that they have.
const SOCKET_BYTES: u64 = 256 << 10;

/// How much longer than a look the time until the next one is, so that looking
/// takes a small part of a processor.
const PAUSE: u32 = 10;

/// Watches a tree.
#[derive(Debug)]
pub(crate) struct Watch {
    limits: TreeLimits,
    processes: Processes,
    scratch: Vec<PathBuf>,
    disk: Disk,
    next: Instant,
    next_disk: Instant,
    sockets: u64,
    most_memory: u64,
    most_processes: u64,
}

impl Watch {
    /// Gets ready to watch the descendants of this process, or the namespace
    /// that it is the first process of.
    pub(crate) fn new(confinement: &Confinement, parts: &Parts) -> Result<Self, Failure> {
        let limits = confinement.limits;
        let now = Instant::now();
        Ok(Self {
            limits,
            processes: Processes::new(confinement.namespaces).doing("looking for processes")?,
            scratch: confinement.scratch.iter().map(|scratch| scratch.destination.clone()).collect(),
            disk: Disk::open(parts.writable(&confinement.mounts), limits.disk_files)
                .doing("opening the writable mounts")?,
            next: now + SHORTEST,
            next_disk: now + SHORTEST_DISK,
            sockets: 0,
            most_memory: 0,
            most_processes: 1,
        })
    }

    /// When to look next.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// Looks, when it is time to. Says which limit is passed.
    pub(crate) fn look(&mut self) -> io::Result<Option<Cause>> {
        let began = Instant::now();
        if began < self.next {
            return Ok(None);
        }
        let snapshot = self.processes.look()?;
        self.most_processes = self.most_processes.max(snapshot.threads);
        let memory = self.memory(&snapshot);
        self.most_memory = self.most_memory.max(memory);
        let cpu_time = snapshot.cpu_time;
        let cpu_limit = Duration::from_millis(self.limits.cpu_time_ms);
        let cause = if memory > self.limits.memory_bytes {
            Some(Cause::Memory)
        } else if cpu_time >= cpu_limit {
            Some(Cause::CpuTime)
        } else if snapshot.threads > self.limits.processes.saturating_add(self.limits.processes / 4 + 8) {
            // The kernel refuses new ones at the limit, politely. This is for
            // where it counts others too, or none.
            Some(Cause::Processes)
        } else {
            self.look_at_disk(&snapshot.pids)
        };

        let now = Instant::now();
        let until_full = self.limits.memory_bytes.saturating_sub(memory).saturating_mul(1000) / FILLED_BYTES_PER_SECOND;
        let until_used = cpu_limit.saturating_sub(cpu_time) / 2;
        let soonest = Duration::from_millis(until_full).min(until_used).clamp(SHORTEST, LONGEST);
        // Close to a limit a look may take its price.
        let pause = if soonest == SHORTEST { PAUSE / 5 } else { PAUSE };
        self.next = now + soonest.max((now - began) * pause);
        Ok(cause)
    }

    /// What the tree used, once all of it is reaped.
    pub(crate) fn usage(&self, wall_time: Duration) -> io::Result<TreeUsage> {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        let largest = u64::try_from(usage.max_rss()).unwrap_or(0).saturating_mul(1024);
        Ok(TreeUsage {
            wall_time_ms: Some(milliseconds(wall_time)),
            cpu_time_ms: Some(milliseconds(cpu_time(&usage) + self.processes.lost_cpu_time())),
            memory_bytes: Some(self.most_memory.max(largest)),
            processes: Some(self.most_processes),
        })
    }

    fn memory(&mut self, snapshot: &Snapshot) -> u64 {
        let in_scratch = self
            .scratch
            .iter()
            .filter_map(|place| statvfs(place).ok())
            .map(|state| state.blocks().saturating_sub(state.blocks_free()).saturating_mul(state.fragment_size()));
        let in_sockets = self.sockets.saturating_mul(SOCKET_BYTES);
        let elsewhere = in_scratch.sum::<u64>().saturating_add(in_sockets);
        let at_most = snapshot.resident_bytes.saturating_add(elsewhere);
        if at_most <= self.limits.memory_bytes {
            return at_most;
        }
        let exact = self.processes.proportional_bytes(&snapshot.pids);
        exact.unwrap_or(snapshot.resident_bytes).saturating_add(elsewhere)
    }

    fn look_at_disk(&mut self, pids: &[i32]) -> Option<Cause> {
        let began = Instant::now();
        if self.disk.is_empty() || began < self.next_disk {
            return None;
        }
        let usage = self.disk.measure(pids);
        self.sockets = usage.sockets;
        let now = Instant::now();
        self.next_disk = now + ((now - began) * PAUSE).clamp(SHORTEST_DISK, LONGEST_DISK);
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
