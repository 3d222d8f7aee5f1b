//! What the processes of a tree use, as /proc tells it.
//!
//! A process may end between two looks at it; then it is not counted.

#![expect(clippy::disallowed_methods, reason = "/proc has no owner")]

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::Signal;
use nix::sys::time::TimeValLike;
use nix::unistd::{SysconfVar, Uid, getpid, sysconf};

use crate::cpu_time::{Account, Identity, Ticks};
use crate::sys;

/// What a tree uses at a moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// Processes of the tree that have memory and descriptors.
    pub(crate) processes: Vec<Process>,
    /// Threads of all processes. A process has one at least.
    pub(crate) threads: u64,
    /// Processes that do not go on until they are told to.
    pub(crate) stopped: HashSet<i32>,
    /// Memory; what processes share is counted for each.
    pub(crate) resident_bytes: u64,
    /// What the page tables of all processes take at most.
    pub(crate) table_bytes: u64,
    /// How many descriptors all processes have open (Linux 6.2; zero before).
    pub(crate) descriptors: u64,
    /// Processor time of the whole tree, also of what has ended by now.
    pub(crate) cpu_time: Duration,
}

impl Snapshot {
    /// The numbers of the processes.
    pub(crate) fn pids(&self) -> Vec<i32> {
        self.processes.iter().map(|process| process.pid).collect()
    }

    /// How much more memory those processes show that were there before.
    pub(crate) fn grown_since(&self, before: &Self) -> u64 {
        let seen: HashMap<Identity, u64> =
            before.processes.iter().map(|process| ((process.pid, process.started), process.resident_bytes)).collect();
        let grown = self.processes.iter().filter_map(|process| {
            Some(process.resident_bytes.saturating_sub(*seen.get(&(process.pid, process.started))?))
        });
        grown.fold(0, u64::saturating_add)
    }
}

/// A process that has memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    /// The number of the process. Of one whose first thread has ended, the number of
    /// another thread: only that one shows what it has.
    pub(crate) pid: i32,
    pub(crate) started: u64,
    pub(crate) resident_bytes: u64,
    /// Memory that the process touched first, or has a copy of its own of since it wrote to it.
    pub(crate) faulted_bytes: u64,
    pub(crate) address_bytes: u64,
}

/// What a tree has had written to files so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    /// All bytes that were written, some of them perhaps twice.
    pub(crate) bytes: u64,
    /// Bytes that never got to the disk, as their files were removed before.
    pub(crate) cancelled: u64,
}

/// How the processes of a tree are found.
#[derive(Debug)]
pub(crate) struct Processes {
    namespace: bool,
    page_bytes: u64,
    ticks_per_second: u64,
    /// Whether memory of a process can be in swap.
    swap: bool,
    account: Account,
    /// What each process had written when it was last seen.
    seen_written: HashMap<Identity, Written>,
    written: Written,
    text: Vec<u8>,
}

/// A page of a table has an entry of eight bytes for each page of memory.
const BYTES_PER_TABLE_BYTE: u64 = 512;
/// What the tables above those take, of a process that uses little, and their rounding.
const LEAST_TABLE_BYTES: u64 = 64 << 10;

impl Processes {
    /// Looks at all processes of this process namespace but this one, or at all
    /// descendants of this process.
    pub(crate) fn new(namespace: bool) -> io::Result<Self> {
        let setting = |variable| -> io::Result<u64> {
            let value = sysconf(variable)?.ok_or(io::ErrorKind::Unsupported)?;
            u64::try_from(value).map_err(io::Error::other)
        };
        let page_bytes = setting(SysconfVar::PAGE_SIZE)?;
        let ticks_per_second = setting(SysconfVar::CLK_TCK)?.max(1);
        let swap = nix::sys::sysinfo::sysinfo()?.swap_total() > 0;
        let mut processes = Self {
            namespace,
            page_bytes,
            ticks_per_second,
            swap,
            account: Account::default(),
            seen_written: HashMap::new(),
            written: Written::default(),
            text: Vec::new(),
        };
        // The kernel may lack the lists that descendants are found by.
        let own = getpid().as_raw();
        processes.push_children(own, own, &mut Vec::new())?;
        Ok(processes)
    }

    /// What the tree uses now.
    pub(crate) fn look(&mut self) -> io::Result<Snapshot> {
        let mut snapshot = Snapshot::default();
        let mut ticks = HashMap::new();
        let mut pids = self.first_pids()?;
        let mut looked = 0;
        while let Some(&pid) = pids.get(looked) {
            looked += 1;
            let Some(stat) = self.stat(&format!("/proc/{pid}"))? else { continue };
            if !self.namespace {
                self.push_descendants(pid, stat.threads, &mut pids)?;
            }
            ticks.insert((pid, stat.started), stat.ticks);
            snapshot.threads += stat.threads;
            if stat.is_stopped {
                snapshot.stopped.insert(pid);
            }
            let shown = if stat.has_memory || stat.threads < 2 { Some((pid, stat)) } else { self.living_thread(pid)? };
            let Some((pid, stat)) = shown.filter(|(_, stat)| stat.has_memory) else { continue };
            let swapped = if self.swap { self.status_bytes(pid, "VmSwap:")? } else { 0 };
            let process = Process {
                pid,
                started: stat.started,
                resident_bytes: stat.pages.saturating_mul(self.page_bytes).saturating_add(swapped),
                faulted_bytes: stat.faults.saturating_mul(self.page_bytes),
                address_bytes: stat.address_bytes,
            };
            snapshot.resident_bytes = snapshot.resident_bytes.saturating_add(process.resident_bytes);
            let tables = LEAST_TABLE_BYTES.saturating_add(stat.address_bytes / BYTES_PER_TABLE_BYTE);
            snapshot.table_bytes = snapshot.table_bytes.saturating_add(tables);
            snapshot.descriptors += fs::metadata(format!("/proc/{pid}/fd")).map_or(0, |directory| directory.size());
            snapshot.processes.push(process);
        }
        let reaped = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        let reaped = (reaped.user_time() + reaped.system_time()).num_microseconds();
        let reaped = Duration::from_micros(u64::try_from(reaped).unwrap_or(0));
        let alive = ticks.values().fold(0_u64, |sum, ticks| sum.saturating_add(ticks.own).saturating_add(ticks.waited));
        let reaped_ticks =
            u64::try_from(reaped.as_micros()).unwrap_or(u64::MAX).saturating_mul(self.ticks_per_second) / 1_000_000;
        let lost = self.account.update(ticks, reaped_ticks);
        snapshot.cpu_time = self.duration(alive.saturating_add(lost)) + reaped;
        Ok(snapshot)
    }

    /// What page tables really take. One that could be large is asked for.
    pub(crate) fn table_bytes(&mut self, snapshot: &Snapshot) -> io::Result<u64> {
        let mut total = 0_u64;
        for process in &snapshot.processes {
            let at_most = LEAST_TABLE_BYTES.saturating_add(process.address_bytes / BYTES_PER_TABLE_BYTE);
            let tables =
                if at_most > 16 * LEAST_TABLE_BYTES { self.status_bytes(process.pid, "VmPTE:")? } else { at_most };
            total = total.saturating_add(tables);
        }
        Ok(total)
    }

    /// What the tree has had written so far, where the kernel keeps account of
    /// it. What a child wrote counts for its parent too once that waited for it.
    pub(crate) fn written(&mut self, snapshot: &Snapshot) -> Written {
        let mut seen = HashMap::with_capacity(snapshot.processes.len());
        for process in &snapshot.processes {
            if read(&format!("/proc/{}/io", process.pid), &mut self.text).is_err() {
                continue;
            }
            let text = String::from_utf8_lossy(&self.text);
            let number = |name| number_of(&text, name).unwrap_or(0);
            let now = Written { bytes: number("write_bytes:"), cancelled: number("cancelled_write_bytes:") };
            let identity = (process.pid, process.started);
            let before = self.seen_written.get(&identity).copied().unwrap_or_default();
            self.written.bytes = self.written.bytes.saturating_add(now.bytes.saturating_sub(before.bytes));
            self.written.cancelled =
                self.written.cancelled.saturating_add(now.cancelled.saturating_sub(before.cancelled));
            seen.insert(identity, now);
        }
        self.seen_written = seen;
        self.written
    }

    /// Processor time of what ended without being waited for, as far as it was
    /// seen.
    pub(crate) fn lost_cpu_time(&self) -> Duration {
        self.duration(self.account.lost())
    }

    fn duration(&self, ticks: u64) -> Duration {
        Duration::from_millis(ticks.saturating_mul(1000) / self.ticks_per_second)
    }

    /// The state of a process or thread; `None` when it is gone.
    fn stat(&mut self, place: &str) -> io::Result<Option<Stat>> {
        match read(&format!("{place}/stat"), &mut self.text) {
            Ok(()) => Stat::parse(&self.text).map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into()),
            Err(error) if gone(&error) => Ok(None),
            // A process that cannot be looked at could do anything.
            Err(error) => Err(error),
        }
    }

    /// A thread that has not ended, of a process whose first thread has.
    fn living_thread(&mut self, pid: i32) -> io::Result<Option<(i32, Stat)>> {
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Ok(None) };
        for task in tasks.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok()) {
            let stat = self.stat(&format!("/proc/{pid}/task/{task}"))?;
            if let Some(stat) = stat.filter(|stat| stat.has_memory) {
                return Ok(Some((task, stat)));
            }
        }
        Ok(None)
    }

    /// Memory of a process that is no file's.
    pub(crate) fn anonymous_bytes(&mut self, pid: i32) -> io::Result<u64> {
        self.status_bytes(pid, "RssAnon:")
    }

    fn status_bytes(&mut self, pid: i32, name: &str) -> io::Result<u64> {
        match read(&format!("/proc/{pid}/status"), &mut self.text) {
            Ok(()) => Ok(number_of(&String::from_utf8_lossy(&self.text), name).unwrap_or(0).saturating_mul(1024)),
            Err(error) if gone(&error) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Processes of a tree that stands still which had stopped before it was made to. A
    /// signal to stop waits in them, as the kernel gives none to a process that has
    /// stopped; in the others it was what stopped them.
    pub(crate) fn stopped_by_themselves(&mut self, snapshot: &Snapshot) -> HashSet<i32> {
        snapshot.stopped.iter().filter(|pid| self.is_to_stop(**pid)).copied().collect()
    }

    /// Whether a signal to stop waits in a process.
    pub(crate) fn is_to_stop(&mut self, pid: i32) -> bool {
        const STOP: u64 = 1 << (Signal::SIGSTOP as u32 - 1);
        read(&format!("/proc/{pid}/status"), &mut self.text).is_ok()
            && mask_of(&String::from_utf8_lossy(&self.text), "ShdPnd:").is_some_and(|waiting| waiting & STOP != 0)
    }

    /// The memory of these processes, shared parts divided among those that
    /// share them. That takes the kernel long, so it ends once there is more
    /// than `enough`. `None` when one of them does not let us look.
    pub(crate) fn proportional_bytes(&mut self, snapshot: &Snapshot, enough: u64) -> Option<u64> {
        let mut total = 0_u64;
        for (index, process) in snapshot.processes.iter().enumerate() {
            // A child runs in its parent's memory until it executes.
            let looks_the_same = |other: &&Process| other.address_bytes == process.address_bytes;
            let mut others = snapshot.processes.iter().take(index).filter(looks_the_same);
            if others.any(|other| sys::have_same_memory(process.pid, other.pid)) {
                continue;
            }
            match read(&format!("/proc/{}/smaps_rollup", process.pid), &mut self.text) {
                Ok(()) => {
                    let text = String::from_utf8_lossy(&self.text);
                    let kib = number_of(&text, "Pss:")?.saturating_add(number_of(&text, "SwapPss:").unwrap_or(0));
                    total = total.saturating_add(kib.saturating_mul(1024));
                }
                Err(error) if gone(&error) => {}
                Err(_) => return None,
            }
            if total > enough {
                break;
            }
        }
        Some(total)
    }

    fn first_pids(&mut self) -> io::Result<Vec<i32>> {
        let own = getpid().as_raw();
        if self.namespace {
            let names = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
            return Ok(names.filter(|pid| *pid != own).collect());
        }
        let mut pids = Vec::new();
        self.push_children(own, own, &mut pids)?;
        Ok(pids)
    }

    /// Each thread has the children that it started.
    fn push_descendants(&mut self, pid: i32, threads: u64, pids: &mut Vec<i32>) -> io::Result<()> {
        let tasks: Vec<i32> = if threads < 2 {
            vec![pid]
        } else {
            let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Ok(()) };
            tasks.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
        };
        for task in tasks {
            match self.push_children(pid, task, pids) {
                Err(error) if !gone(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn push_children(&mut self, pid: i32, task: i32, pids: &mut Vec<i32>) -> io::Result<()> {
        read(&format!("/proc/{pid}/task/{task}/children"), &mut self.text)?;
        let children = self.text.split(|byte| *byte == b' ');
        pids.extend(children.filter_map(|child| std::str::from_utf8(child).ok()?.parse::<i32>().ok()));
        Ok(())
    }
}

/// Whether a process has memory, and so descriptors: it is there, and not about
/// to end.
pub(crate) fn has_memory(pid: i32) -> bool {
    let mut text = Vec::new();
    match read(&format!("/proc/{pid}/stat"), &mut text) {
        Ok(()) => Stat::parse(&text).is_none_or(|stat| stat.has_memory),
        Err(error) => !gone(&error),
    }
}

/// How many threads a user has on this host. The owner of a file in /proc would
/// not tell: it is root for a process that hides from its own user.
pub(crate) fn count_of_user(user: Uid) -> io::Result<u64> {
    let mut text = Vec::new();
    let mut count = 0;
    for pid in fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok()) {
        if read(&format!("/proc/{pid}/status"), &mut text).is_err() {
            continue;
        }
        let text = String::from_utf8_lossy(&text);
        if number_of(&text, "Uid:") == Some(user.as_raw().into()) {
            count += number_of(&text, "Threads:").unwrap_or(1);
        }
    }
    Ok(count)
}

/// The first number in the line with this name.
fn number_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// The set of signals in the line with this name.
fn mask_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

struct Stat {
    ticks: Ticks,
    threads: u64,
    started: u64,
    is_stopped: bool,
    has_memory: bool,
    pages: u64,
    faults: u64,
    address_bytes: u64,
}

impl Stat {
    /// Reads a line as in proc_pid_stat(5). A program chooses its own name,
    /// which stands in parentheses.
    fn parse(line: &[u8]) -> Option<Self> {
        const FIRST_FIELD_BEHIND_NAME: usize = 3;
        let name_end = line.iter().rposition(|byte| *byte == b')')?;
        let rest = std::str::from_utf8(line.get(name_end + 1..)?).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - FIRST_FIELD_BEHIND_NAME)?.parse::<u64>().ok();
        let ticks = Ticks { own: field(14)?.checked_add(field(15)?)?, waited: field(16)?.checked_add(field(17)?)? };
        let address_bytes = field(23)?;
        Some(Self {
            ticks,
            threads: field(20)?,
            started: field(22)?,
            is_stopped: fields.first() == Some(&"T"),
            has_memory: address_bytes > 0,
            pages: field(24)?,
            faults: field(10)?.saturating_add(field(12)?),
            address_bytes,
        })
    }
}

fn read(path: &str, text: &mut Vec<u8>) -> io::Result<()> {
    text.clear();
    File::open(path)?.read_to_end(text).map(drop)
}

fn gone(error: &io::Error) -> bool {
    use nix::libc::{ENOENT, ESRCH};
    matches!(error.raw_os_error(), Some(ENOENT | ESRCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let rest = " S 1 2 3 0 -1 4 5 6 7 8 11 22 33 44 20 0 3 0 100 5000 250 18446744073709551615";
        let line = format!("42 (a) R 9 (b) {rest}");
        let stat = Stat::parse(line.as_bytes()).unwrap();
        assert_eq!(stat.ticks, Ticks { own: 33, waited: 77 });
        assert_eq!((stat.threads, stat.started, stat.has_memory, stat.pages), (3, 100, true, 250));
        assert_eq!((stat.is_stopped, stat.faults, stat.address_bytes), (false, 5 + 7, 5000));
        assert!(Stat::parse(b"42 (a) S 1").is_none());
        assert!(Stat::parse(b"").is_none());
    }
}
