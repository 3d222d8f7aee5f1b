//! What is attacked: a program of the server's user that holds one of
//! everything. It tells afterwards whether anything of it has changed.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::place::PYTHON;

pub(crate) struct Victim {
    program: Child,
    /// What there is to attack, for the programs.
    pub(crate) target: Value,
    directory: TempDir,
    before: BTreeMap<PathBuf, String>,
}

impl Victim {
    pub(crate) fn start(user: u32, secret: &str, attempts: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // The socket files in it are there for everybody, and the rest is not.
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        chown(directory.path(), Some(user), Some(user)).unwrap();
        let mut program = Command::new(PYTHON)
            .args(["-c", include_str!("attacks/victim.py")])
            .arg(directory.path())
            .arg(secret)
            .args(attempts)
            .env_clear()
            .env("SECRET", secret)
            .current_dir("/")
            .uid(user)
            .gid(user)
            // A process group of its own is one that can be attacked.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(program.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let target = serde_json::from_str(&line).expect("the victim says what it has");
        let mut victim = Self { program, target, directory, before: BTreeMap::new() };
        victim.before = victim.state();
        victim
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The process number of the victim.
    pub(crate) fn pid(&self) -> i32 {
        self.program.id().try_into().unwrap()
    }

    /// What is not as it was: files, and how the process is scheduled.
    pub(crate) fn changes(&self) -> Vec<String> {
        let now = self.state();
        let paths: std::collections::BTreeSet<_> = self.before.keys().chain(now.keys()).collect();
        let differing = paths.into_iter().filter(|path| self.before.get(*path) != now.get(*path));
        differing
            .map(|path| format!("{}: {:?} became {:?}", path.display(), self.before.get(path), now.get(path)))
            .collect()
    }

    fn state(&self) -> BTreeMap<PathBuf, String> {
        let mut state = BTreeMap::new();
        collect(&self.directory.path().join("files"), &mut state);
        let process = bearing(self.pid());
        state.insert("its process".into(), process);
        state
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // The program cleans up when its input ends.
        drop(self.program.stdin.take());
        let _ = self.program.wait();
    }
}

fn collect(directory: &Path, state: &mut BTreeMap<PathBuf, String>) {
    for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        let metadata = std::fs::symlink_metadata(&entry).unwrap();
        // The time of change moves with content, mode, owner, attributes and names.
        let seen = format!(
            "mode {:o}, {} bytes, changed {}.{}",
            metadata.mode(),
            metadata.len(),
            metadata.ctime(),
            metadata.ctime_nsec()
        );
        if metadata.is_dir() {
            collect(&entry, state);
        }
        state.insert(entry, seen);
    }
}

/// What others can set of a process: priority, processors, limits.
pub(crate) fn bearing(pid: i32) -> String {
    let read =
        |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_else(|error| error.to_string());
    let stat = read("stat");
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    // proc(5): priority and nice are fields 18 and 19, the policy is field 41.
    let scheduling: Vec<_> = [15, 16, 38].iter().map(|index| fields.get(*index).copied().unwrap_or("none")).collect();
    let status = read("status");
    let processors = status.lines().find(|line| line.starts_with("Cpus_allowed_list")).unwrap_or("gone").to_owned();
    format!("{scheduling:?} {processors} {}", read("limits"))
}
