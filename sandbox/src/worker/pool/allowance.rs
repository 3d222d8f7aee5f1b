//! What a worker may use of the machine, whatever it does. The kernel keeps it,
//! and only the server can change it: it grows with what the runs and sessions
//! of the worker may use together, and shrinks when the worker has rest.

use std::io;
use std::process::Child;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::{Pid, Resource as KernelResource, Rlimit, getrlimit, prlimit};

use crate::error::Error;
use crate::run::limits::{Limits, Resource};
use crate::run::output::SPOOL_BYTES;

const MIB: u64 = 1 << 20;

/// What a worker has beside its instances: the memory that its allocator keeps.
const REST_BYTES: u64 = 96 * MIB;
/// What an instance has beside its linear memory and the stack of its guest: that
/// of the host, tables, lists of pages.
const INSTANCE_BYTES: u64 = 24 * MIB;
/// What a run needs while it goes on: its order, its reply in several forms.
const RUN_BYTES: u64 = 160 * MIB;
/// How many slots may be warm beside those that were in use at once.
const READY: u64 = 2;

/// The limits that are in force for a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Allowance {
    /// Memory of its own, as the kernel counts it: mapped, used or not.
    data_bytes: u64,
    /// The largest file, in memory or on a disk.
    file_bytes: u64,
}

/// What is known of a worker when it has been prepared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Baseline {
    /// Memory that it has mapped then.
    pub(crate) data_bytes: u64,
    /// What the largest instance starts with.
    pub(crate) instance_bytes: u64,
    /// The most stack that a guest has.
    pub(crate) stack_bytes: u64,
    /// How many slots are kept warm at most, of all images.
    pub(crate) most_warm: u64,
}

/// What a run may need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    pub(crate) limits: Limits,
    /// How many bytes of an interpreter come with the run.
    pub(crate) brought_bytes: u64,
}

/// The most that a run may save of its memory.
pub(crate) const fn saved_bytes(memory_bytes: u64) -> u64 {
    memory_bytes + memory_bytes / 16 + 64 * MIB
}

impl Allowance {
    /// What is needed for these runs, beside so many other instances and what
    /// guests have grown by.
    fn of(baseline: Baseline, runs: &[Needs], others: u64, leased_bytes: u64) -> Self {
        let instances = others + runs.len() as u64;
        let mut allowance = Self {
            data_bytes: baseline.data_bytes
                + REST_BYTES
                + instances * (baseline.instance_bytes + baseline.stack_bytes + INSTANCE_BYTES)
                + leased_bytes,
            file_bytes: SPOOL_BYTES,
        };
        for Needs { limits, brought_bytes } in runs {
            // A session may have grown under another limit.
            let memory = limits.get(Resource::MemoryBytes).max(leased_bytes + baseline.instance_bytes);
            // A run has its memory again, as it is saved or put back.
            let again = saved_bytes(memory).max(*brought_bytes);
            allowance.data_bytes = allowance.data_bytes.saturating_add(again).saturating_add(RUN_BYTES);
            let largest = limits.get(Resource::DiskBytes).max(saved_bytes(memory));
            allowance.file_bytes = allowance.file_bytes.max(largest.saturating_add(MIB));
        }
        allowance
    }

    fn max(self, other: Self) -> Self {
        Self { data_bytes: self.data_bytes.max(other.data_bytes), file_bytes: self.file_bytes.max(other.file_bytes) }
    }
}

/// What one worker is allowed.
#[derive(Debug)]
pub(super) struct Allowed {
    baseline: Baseline,
    /// The most runs that the worker had at once.
    most_runs: AtomicU64,
    in_force: Mutex<Allowance>,
}

impl Allowed {
    /// How long a worker has had nothing to do when it gets less. It may still be
    /// stopping a run that nobody waits for.
    pub(super) const REST_TIME: Duration = Duration::from_secs(15);

    pub(super) fn new(baseline: Baseline) -> Self {
        Self { baseline, most_runs: AtomicU64::new(0), in_force: Mutex::default() }
    }

    /// What is needed for these runs, and so many `instances` of sessions.
    pub(super) fn needed(&self, runs: &[Needs], instances: u64, leased_bytes: u64) -> Allowance {
        let most_runs = self.most_runs.fetch_max(runs.len() as u64, Ordering::Relaxed).max(runs.len() as u64);
        // A slot that was in use stays warm, as far as that goes.
        let warm = (most_runs + READY).min(self.baseline.most_warm);
        Allowance::of(self.baseline, runs, instances + warm, leased_bytes)
    }

    /// Has what is `needed` in force, and no less than was before. `needed` is asked under
    /// the lock: what began meanwhile must not be missing from what comes into force last.
    ///
    /// # Errors
    ///
    /// [`Error::Unconfined`] when the kernel does not bound it.
    pub(super) fn raise(&self, needed: impl FnOnce() -> Allowance, child: &Mutex<Option<Child>>) -> Result<(), Error> {
        let mut in_force = self.in_force.lock();
        let wanted = in_force.max(needed());
        if wanted != *in_force {
            set(child, wanted).map_err(|source| Error::Unconfined { step: "rlimits", source: Box::new(source) })?;
            *in_force = wanted;
        }
        Ok(())
    }

    /// Has no more than is `needed` in force, which is asked as in [`Allowed::raise`];
    /// `None` leaves what is.
    pub(super) fn lower(&self, needed: impl FnOnce() -> Option<Allowance>, child: &Mutex<Option<Child>>) {
        let mut in_force = self.in_force.lock();
        let Some(needed) = needed().filter(|needed| needed != &*in_force) else { return };
        match set(child, needed) {
            Ok(()) => *in_force = needed,
            Err(error) => tracing::warn!(%error, "the memory of a worker cannot be bounded anew"),
        }
    }
}

fn set(child: &Mutex<Option<Child>>, allowance: Allowance) -> io::Result<()> {
    // The number is the child's own as long as nobody has waited for it.
    let child = child.lock();
    let Some(pid) = child.as_ref().map(Child::id).and_then(|id| Pid::from_raw(id.cast_signed())) else {
        return Ok(());
    };
    for (resource, bytes) in
        [(KernelResource::Data, allowance.data_bytes), (KernelResource::Fsize, allowance.file_bytes)]
    {
        let most = getrlimit(resource).maximum;
        let current = Some(most.map_or(bytes, |most| bytes.min(most)));
        prlimit(Some(pid), resource, Rlimit { current, maximum: most })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_worker_may_use_follows_what_its_runs_may_use() {
        let baseline =
            Baseline { data_bytes: 100 * MIB, instance_bytes: 60 * MIB, stack_bytes: 16 * MIB, most_warm: 8 };
        let idle = Allowance::of(baseline, &[], 2, 0);
        assert_eq!(idle, Allowance { data_bytes: (100 + 96 + 2 * 100) * MIB, file_bytes: SPOOL_BYTES });
        let limits = Limits::defaults();
        let needs = Needs { limits, brought_bytes: 0 };
        let busy = Allowance::of(baseline, &[needs; 2], 3, 7 * MIB);
        let of_run = 256 + 16 + 64 + 160;
        assert_eq!(busy.data_bytes - idle.data_bytes, (3 * 100 + 7 + 2 * of_run) * MIB);
        assert_eq!(busy.file_bytes, (256 + 16 + 64 + 1) * MIB);
        // A session that comes back is larger than its run may make it.
        let large = Allowance::of(baseline, &[Needs { limits, brought_bytes: 900 * MIB }], 0, 0);
        let grown = Allowance::of(baseline, &[needs], 0, 900 * MIB);
        assert_eq!(large.data_bytes, (100 + 96 + 100 + 900 + 160) * MIB);
        assert_eq!(grown.file_bytes, saved_bytes(960 * MIB) + MIB);
        // A limit that nobody could reach overflows nothing.
        let mut endless = limits;
        endless.set(Resource::DiskBytes, u64::MAX);
        assert_eq!(Allowance::of(baseline, &[Needs { limits: endless, ..needs }], 0, 0).file_bytes, u64::MAX);
    }

    #[test]
    fn what_is_needed_is_asked_while_nobody_else_changes_what_is_in_force() {
        let baseline = Baseline { data_bytes: MIB, instance_bytes: MIB, stack_bytes: MIB, most_warm: 1 };
        let (allowed, child) = (Allowed::new(baseline), Mutex::new(None));
        let run = Needs { limits: Limits::defaults(), brought_bytes: 0 };
        let needed = |runs: &[Needs]| {
            assert!(allowed.in_force.try_lock().is_none(), "a run could begin in between");
            allowed.needed(runs, 0, 0)
        };
        allowed.raise(|| needed(&[run]), &child).unwrap();
        let raised = *allowed.in_force.lock();
        allowed.lower(|| None, &child);
        assert_eq!(*allowed.in_force.lock(), raised, "a run has begun");
        allowed.lower(|| Some(needed(&[])), &child);
        assert!(allowed.in_force.lock().data_bytes < raised.data_bytes);
    }
}
