//! Processes as the kernel shows them. A process is told by its number and the
//! time it started, because numbers are used again.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::eventually;

/// A process that was there when it was looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    pid: i32,
    started: u64,
}

/// What `/proc/<pid>/stat` says after the name of the program, which may hold
/// anything: state, parent, and the rest.
fn stat(pid: i32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

impl Process {
    /// The process `pid`, if there is one.
    pub fn find(pid: i32) -> Option<Self> {
        // proc(5): starttime is field 22, and the state is field 3.
        Some(Self { pid, started: stat(pid)?.get(19)?.parse().ok()? })
    }

    /// All children of the process `parent`, zombies included.
    pub fn children_of(parent: i32) -> Vec<Self> {
        let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
            .filter(|pid| stat(*pid).and_then(|fields| fields.get(1)?.parse::<i32>().ok()) == Some(parent))
            .filter_map(Self::find)
            .collect()
    }

    /// All that `ancestor` has started, and what those have, zombies included.
    pub fn descendants_of(ancestor: i32) -> Vec<Self> {
        let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
        let parent = |pid: i32| Some((pid, stat(pid)?.get(1)?.parse::<i32>().ok()?));
        let all: Vec<_> = entries.filter_map(|entry| parent(entry.ok()?.file_name().to_str()?.parse().ok()?)).collect();
        let mut found = vec![ancestor];
        let mut next = 0;
        while let Some(above) = found.get(next).copied() {
            found.extend(all.iter().filter(|(_, parent)| *parent == above).map(|(pid, _)| *pid));
            next += 1;
        }
        found.into_iter().skip(1).filter_map(Self::find).collect()
    }

    /// The arguments that the process was started with.
    pub fn arguments(&self) -> Vec<String> {
        let text = std::fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        text.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
    }

    /// The number of the process.
    pub const fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether the process still runs; a zombie does not.
    pub fn is_running(&self) -> bool {
        let is_zombie = || stat(self.pid).is_none_or(|fields| fields.first().is_some_and(|state| state == "Z"));
        Self::find(self.pid) == Some(*self) && !is_zombie()
    }

    /// Waits until the process no longer runs.
    pub fn wait_until_gone(&self) {
        eventually("a process to end", || (!self.is_running()).then_some(()));
    }

    /// Sends the process a signal. One that ended before is no failure.
    pub fn signal(&self, signal: Signal) {
        if self.is_running() {
            let _ = kill(Pid::from_raw(self.pid), signal);
        }
    }

    /// How much memory the process has in use now.
    pub fn resident_bytes(&self) -> u64 {
        self.status_kib("VmRSS:").unwrap_or(0) * 1024
    }

    /// How much memory the process has in use now that is no file's. What it shares
    /// with the process that it was forked from counts.
    pub fn anonymous_bytes(&self) -> u64 {
        self.status_kib("RssAnon:").unwrap_or(0) * 1024
    }

    /// How much memory the process had in use at most.
    pub fn peak_bytes(&self) -> u64 {
        self.status_kib("VmHWM:").unwrap_or(0) * 1024
    }

    /// How many threads the process has.
    pub fn threads(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/task", self.pid)).map_or(0, Iterator::count)
    }

    /// How many sockets the process has open.
    pub fn sockets(&self) -> usize {
        self.open_files().iter().filter(|target| target.to_string_lossy().starts_with("socket:")).count()
    }

    /// What the process has open, as the kernel names it.
    pub fn open_files(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(format!("/proc/{}/fd", self.pid)) else { return Vec::new() };
        entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok()).collect()
    }

    /// Time that the process spent on a processor.
    pub fn cpu_time(&self) -> Duration {
        let Some(fields) = stat(self.pid) else { return Duration::ZERO };
        let ticks: u64 = [11, 12].iter().filter_map(|field| fields.get(*field)?.parse::<u64>().ok()).sum();
        // Linux reports them in hundredths of a second on every machine here.
        Duration::from_millis(ticks * 10)
    }

    /// How far the process gives way to others on the processors: nice(2).
    pub fn nice(&self) -> i32 {
        stat(self.pid).and_then(|fields| fields.get(16)?.parse().ok()).expect("the process is there")
    }

    fn status_kib(&self, field: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        status.lines().find_map(|line| line.strip_prefix(field)?.trim().strip_suffix(" kB")?.trim().parse().ok())
    }
}

/// Watches something from outside while a test goes on: the largest value that
/// `sample` gave.
#[derive(Debug)]
pub struct Watch {
    stop: std::sync::mpsc::Sender<()>,
    thread: std::thread::JoinHandle<u64>,
}

impl Watch {
    /// Takes a sample every 20 ms.
    pub fn start(sample: impl FnMut() -> u64 + Send + 'static) -> Self {
        Self::every(Duration::from_millis(20), sample)
    }

    /// Takes samples as often as is said.
    pub fn every(pause: Duration, mut sample: impl FnMut() -> u64 + Send + 'static) -> Self {
        let (stop, stopped) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let mut largest = 0;
            let mut last = Instant::now();
            loop {
                largest = largest.max(sample());
                let next = pause.saturating_sub(last.elapsed());
                last = Instant::now();
                match stopped.recv_timeout(next) {
                    Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
                    _ => return largest.max(sample()),
                }
            }
        });
        Self { stop, thread }
    }

    /// Ends the samples, with the largest of them.
    pub fn finish(self) -> u64 {
        drop(self.stop);
        self.thread.join().expect("a watching thread must not fail")
    }
}
