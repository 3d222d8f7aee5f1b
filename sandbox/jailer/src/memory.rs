//! How much memory a tree uses. What is cheap to learn comes first: only when
//! the sum over all processes, in which what they share counts for each of
//! them, is past the limit, the kernel is asked who shares what. That takes it
//! long, so the tree stands still meanwhile.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::statvfs::statvfs;

use crate::confinement::Confinement;
use crate::cpu_time::Identity;
use crate::disk::Disk;
use crate::processes::{Process, Processes, Snapshot};
use crate::standstill::Standstill;
use crate::tree::Tree;

/// What waits in a socket at most, with the size of buffer that they have.
const SOCKET_BYTES: u64 = 256 << 10;

/// What the kernel holds for a file of a scratch file system.
const INODE_BYTES: u64 = 1 << 10;

/// How much longer than the kernel took to say who shares what its word is good
/// for, and the least.
const GOOD_FOR: u32 = 20;
const GOOD_FOR_AT_LEAST: Duration = Duration::from_millis(100);

/// What a tree uses, and may use.
#[derive(Debug)]
pub(crate) struct Memory {
    limit: u64,
    scratch: Vec<PathBuf>,
    sockets: u64,
    /// How many descriptors there were when sockets were last counted.
    descriptors: u64,
    shared: Option<Shared>,
    /// What each process showed when it was first seen.
    first: HashMap<Identity, u64>,
    most: u64,
}

/// The last word of the kernel on who shares what.
#[derive(Debug)]
struct Shared {
    proportional_bytes: u64,
    /// What each process showed when the kernel was asked: its memory, and what of it is its own.
    seen: HashMap<Identity, (u64, u64)>,
    largest: u64,
    good_until: Instant,
}

impl Memory {
    pub(crate) fn new(confinement: &Confinement) -> Self {
        Self {
            limit: confinement.limits.memory_bytes,
            scratch: confinement.scratch.iter().map(|scratch| scratch.destination.clone()).collect(),
            sockets: 0,
            descriptors: 0,
            shared: None,
            first: HashMap::new(),
            most: 0,
        }
    }

    /// The most memory that was used, as far as it was seen.
    pub(crate) fn most(&self) -> u64 {
        self.most
    }

    pub(crate) fn set_sockets(&mut self, sockets: u64) {
        self.sockets = sockets;
    }

    /// How much memory is used, at most. When that is past the limit, it really is.
    pub(crate) fn measure(
        &mut self,
        snapshot: &Snapshot,
        processes: &mut Processes,
        disk: &Disk,
        (standstill, tree): (&mut Standstill, &Tree),
    ) -> io::Result<u64> {
        self.first = self.first_seen(snapshot);
        let in_scratch = self.in_scratch();
        let in_processes = snapshot.resident_bytes.saturating_add(snapshot.table_bytes);
        let any =
            snapshot.descriptors.saturating_mul(SOCKET_BYTES).saturating_add(in_scratch).saturating_add(in_processes);
        if snapshot.descriptors != self.descriptors && any > self.limit {
            self.sockets = disk.count_sockets(&snapshot.pids());
            self.descriptors = snapshot.descriptors;
        }
        let elsewhere = in_scratch.saturating_add(self.sockets.saturating_mul(SOCKET_BYTES));
        if in_processes.saturating_add(elsewhere) <= self.limit {
            self.shared = None;
            self.most = self.most.max(snapshot.resident_bytes.saturating_add(elsewhere));
            return Ok(in_processes.saturating_add(elsewhere));
        }
        let elsewhere = elsewhere.saturating_add(processes.table_bytes(snapshot)?);
        let at_most = snapshot.resident_bytes.saturating_add(elsewhere);
        if at_most <= self.limit {
            self.shared = None;
            self.most = self.most.max(at_most);
            return Ok(at_most);
        }
        if let Some(shared) = self.shared.as_ref().filter(|shared| Instant::now() < shared.good_until) {
            let at_most = shared.bound(snapshot).saturating_add(elsewhere);
            if at_most <= self.limit {
                return Ok(at_most);
            }
        }
        let grown = self.grown(snapshot, processes).saturating_add(elsewhere);
        if grown > self.limit {
            self.most = self.most.max(grown);
            return Ok(grown);
        }
        let used = self.ask(snapshot, processes, elsewhere, (standstill, tree))?;
        self.most = self.most.max(used);
        Ok(used)
    }

    fn first_seen(&self, now: &Snapshot) -> HashMap<Identity, u64> {
        let first = now.processes.iter().map(|process| {
            let identity = (process.pid, process.started);
            (identity, self.first.get(&identity).copied().unwrap_or(process.resident_bytes))
        });
        first.collect()
    }

    /// What the processes have at least, as each has taken it since it was first seen:
    /// nobody else has that, but for what was forked from it, which was seen with it.
    /// The kernel knows at once. A tree that has outgrown the limit by this is ended
    /// without being stopped, by which pages that come at one go would not stop coming.
    fn grown(&self, snapshot: &Snapshot, processes: &mut Processes) -> u64 {
        let first = |process: &Process| self.first.get(&(process.pid, process.started)).copied().unwrap_or(u64::MAX);
        let at_most = snapshot.processes.iter().map(|process| process.resident_bytes.saturating_sub(first(process)));
        if at_most.fold(0, u64::saturating_add) <= self.limit {
            return 0;
        }
        let grown = snapshot.processes.iter().map(|process| {
            // A process that has ended has no memory.
            processes.anonymous_bytes(process.pid).unwrap_or(0).saturating_sub(first(process))
        });
        grown.fold(0, u64::saturating_add)
    }

    /// Asks the kernel. The tree stands still from then on.
    fn ask(
        &mut self,
        before: &Snapshot,
        processes: &mut Processes,
        elsewhere: u64,
        (standstill, tree): (&mut Standstill, &Tree),
    ) -> io::Result<u64> {
        let began = Instant::now();
        if before.threads > 1 {
            standstill.begin(tree);
        }
        let snapshot = processes.look()?;
        let enough = self.limit.saturating_sub(elsewhere);
        let proportional = processes.proportional_bytes(&snapshot, enough).unwrap_or(snapshot.resident_bytes);
        // A process goes on with what the kernel does for it at one go, so what it grew
        // by meanwhile counts.
        let after = processes.look()?;
        let grown = after.grown_since(&snapshot);
        let used = proportional.saturating_add(grown).saturating_add(elsewhere);
        if used > self.limit {
            return Ok(used);
        }
        let now = Instant::now();
        self.shared = Some(Shared {
            proportional_bytes: proportional.saturating_add(grown),
            seen: snapshot
                .processes
                .iter()
                .map(|process| ((process.pid, process.started), (process.resident_bytes, process.faulted_bytes)))
                .collect(),
            largest: snapshot.processes.iter().map(|process| process.resident_bytes).max().unwrap_or(0),
            good_until: now + ((now - began) * GOOD_FOR).max(GOOD_FOR_AT_LEAST),
        });
        Ok(used)
    }

    fn in_scratch(&self) -> u64 {
        let used = self.scratch.iter().filter_map(|place| statvfs(place).ok()).map(|state| {
            let blocks = state.blocks().saturating_sub(state.blocks_free()).saturating_mul(state.fragment_size());
            blocks.saturating_add(state.files().saturating_sub(state.files_free()).saturating_mul(INODE_BYTES))
        });
        used.sum()
    }
}

impl Shared {
    /// How much memory is used now at most, unless large pages took the place of what
    /// was given back.
    fn bound(&self, now: &Snapshot) -> u64 {
        let grown = now.processes.iter().map(|process| {
            let seen = self.seen.get(&(process.pid, process.started));
            // A process that has just begun has what its parent had, and shares it.
            let (resident, faulted) = seen.copied().unwrap_or((self.largest, 0));
            let new = process.resident_bytes.saturating_sub(resident);
            new.saturating_add(process.faulted_bytes.saturating_sub(faulted))
        });
        grown.fold(self.proportional_bytes, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, resident_bytes: u64, faulted_bytes: u64) -> Process {
        Process { pid, started: 1, resident_bytes, faulted_bytes, address_bytes: 0 }
    }

    #[test]
    fn what_is_shared_counts_once_until_it_is_written_to() {
        let shared = Shared {
            proportional_bytes: 100,
            seen: HashMap::from([((2, 1), (100, 100)), ((3, 1), (100, 0))]),
            largest: 100,
            good_until: Instant::now(),
        };
        let bound =
            |processes: &[Process]| shared.bound(&Snapshot { processes: processes.to_vec(), ..Snapshot::default() });
        assert_eq!(bound(&[process(2, 100, 100), process(3, 100, 0)]), 100);
        assert_eq!(bound(&[process(2, 100, 100), process(3, 100, 40)]), 140, "pages of its own");
        assert_eq!(bound(&[process(2, 150, 100), process(3, 100, 0)]), 150, "more pages");
        assert_eq!(bound(&[process(2, 20, 100), process(3, 100, 30), process(4, 100, 0)]), 130, "one that forked");
    }
}
