//! What the servers hold when nothing is going on, and whether it grew.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use tests::{Process, eventually};

use super::tenant::Tenant;
use super::timed;

/// Something that may not grow.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    /// How much more the last quarter may have than the second: so many, and so many
    /// hundredths. None for what is shown alone.
    slack: Option<(u64, u64)>,
}

const fn figure(name: &'static str, fixed: u64, percent: u64) -> Figure {
    Figure { name, slack: Some((fixed, percent)) }
}

/// What is counted, of both users together. Servers and workers are those that go on
/// through all of it; memory is proportional (PSS).
pub(crate) const FIGURES: [Figure; 15] = [
    figure("servers: MiB", 6, 10),
    figure("servers: descriptors", 6, 0),
    figure("servers: threads", 4, 0),
    figure("workers", 1, 0),
    figure("workers: MiB", 24, 15),
    figure("workers: descriptors", 12, 10),
    figure("workers: threads", 6, 0),
    figure("other processes", 0, 0),
    figure("memory files", 6, 0),
    // The files are those of the last 512 runs of each user, which have more or fewer.
    figure("state files", 8, 15),
    figure("store names", 16, 0),
    Figure { name: "ends", slack: None },
    figure("store KiB", 256, 5),
    figure("cache files", 0, 0),
    figure("temporary files", 0, 0),
];

pub(crate) struct Figures([u64; FIGURES.len()]);

impl Figures {
    /// Counts, once nothing is going on.
    pub(crate) fn of(tenants: &[Tenant]) -> Self {
        let mut sums = [0; FIGURES.len()];
        for tenant in tenants {
            timed("runs to end", || {
                tenant.server.wait_for_health("the server to be idle", |health| {
                    health["runs_active"] == 0 && health["runs_queued"] == 0 && health["sessions_live"] == 0
                })
            });
            // What killed programs and servers had ends a moment after them.
            timed("processes to end", || {
                eventually("processes of the user to end", || others(tenant).is_empty().then_some(()));
            });
            for (sum, figure) in sums.iter_mut().zip(counted(tenant)) {
                *sum += figure;
            }
        }
        Self(sums)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = self.0.iter().map(u64::to_string).collect::<Vec<_>>();
        formatter.write_str(&texts.join(" | "))
    }
}

fn counted(tenant: &Tenant) -> [u64; FIGURES.len()] {
    let (server, workers) = (tenant.server.process(), tenant.server.workers());
    let all = |of: fn(&Process) -> u64| workers.iter().map(of).sum::<u64>();
    let state = tenant.server.state_directory();
    let home = state.parent().expect("it is in the home of the tests");
    let store = tenant.server.store();
    let in_store = store.everything();
    // An empty file for each session that is over, as long as sessions live.
    let ended = store.directory().join("objects/local/ended");
    let ends = in_store.iter().filter(|(path, _)| path.parent() == Some(&ended)).count();
    let in_state = tree(state).into_iter().filter(|(path, _)| !path.starts_with(store.directory())).count();
    let memory_files = workers.iter().chain([&server]).map(memory_files).sum();
    let cache = tests::Restriction::user(tenant.user).cache_directory();
    [
        proportional_bytes(&server) >> 20,
        descriptors(&server),
        server.threads() as u64,
        workers.len() as u64,
        all(proportional_bytes) >> 20,
        all(descriptors),
        all(|worker| worker.threads() as u64),
        others(tenant).len() as u64,
        memory_files,
        in_state as u64,
        (in_store.len() - ends) as u64,
        ends as u64,
        store.disk_bytes() >> 10,
        tree(&cache).len() as u64,
        temporary(tenant.user, home),
    ]
}

/// Everything beneath a directory, and whose it is.
fn tree(directory: &Path) -> Vec<(std::path::PathBuf, u32)> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        if metadata.is_dir() {
            found.extend(tree(&path));
        }
        found.push((path, metadata.uid()));
    }
    found
}

/// What a user has where everybody may write, apart from its `home`.
fn temporary(user: u32, home: &Path) -> u64 {
    let places = ["/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue"];
    let entries = places.iter().filter_map(|place| fs::read_dir(place).ok()).flatten().filter_map(Result::ok);
    let is_left = |entry: &fs::DirEntry| {
        entry.path() != home && fs::symlink_metadata(entry.path()).is_ok_and(|metadata| metadata.uid() == user)
    };
    entries.filter(is_left).count() as u64
}

fn proportional_bytes(process: &Process) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", process.pid())).unwrap_or_default();
    let kib = text.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

fn descriptors(process: &Process) -> u64 {
    process.open_files().len() as u64
}

fn memory_files(process: &Process) -> u64 {
    process.open_files().iter().filter(|target| target.to_string_lossy().starts_with("/memfd:")).count() as u64
}

/// Processes of the user that are neither its server nor workers of it: jailers,
/// programs, what a killed server had.
fn others(tenant: &Tenant) -> Vec<i32> {
    let server = tenant.server.process().pid();
    let entries = fs::read_dir("/proc").expect("there is a /proc");
    let processes = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let pid = entry.file_name().to_str()?.parse::<i32>().ok()?;
        (fs::metadata(entry.path()).ok()?.uid() == tenant.user || owner(pid) == Some(tenant.user)).then_some(pid)
    });
    let own = tenant.server.workers().iter().map(Process::pid).chain([server]).collect::<Vec<_>>();
    processes.filter(|pid| !own.contains(pid)).collect()
}

/// Whose a process is, also where it cannot be looked at by its user.
fn owner(pid: i32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().next()?.parse().ok())
}

/// Holds the last quarter against the second, and prints both. Returns whether nothing grew.
pub(crate) fn judge(readings: &[Figures]) -> bool {
    let quarter = readings.len() / 4;
    let mean = |part: &[Figures], index: usize| {
        part.iter().map(|reading| reading.0[index]).sum::<u64>() / part.len().max(1) as u64
    };
    let mut has_grown = false;
    println!("\n| what | second quarter | last quarter | allowed | |\n| --- | ---: | ---: | ---: | --- |");
    for (index, Figure { name, slack }) in FIGURES.iter().enumerate() {
        let (before, after) = (mean(&readings[quarter..2 * quarter], index), mean(&readings[3 * quarter..], index));
        let allowed = slack.map(|(fixed, percent)| before + fixed + before * percent / 100);
        let grew = allowed.is_some_and(|allowed| after > allowed);
        let shown = allowed.map(|allowed| allowed.to_string()).unwrap_or_default();
        println!("| {name} | {before} | {after} | {shown} | {} |", if grew { "GREW" } else { "" });
        has_grown |= grew;
    }
    !has_grown
}
