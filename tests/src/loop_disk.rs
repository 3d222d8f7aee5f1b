//! A disk of its own kind and size for a test, in a file.

use std::fs::{File, Permissions, set_permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A file system in a file. It is gone when dropped.
#[derive(Debug)]
pub struct LoopDisk {
    directory: TempDir,
}

impl LoopDisk {
    /// Makes a disk of a kind that `mkfs` knows and mounts it. `None`, and a word on
    /// standard error, where that cannot be done.
    pub fn new(kind: &str, bytes: u64) -> Option<Self> {
        let made = Self::make(kind, bytes);
        if let Err(reason) = &made {
            let _ = writeln!(std::io::stderr().lock(), "left out: a disk with {kind} cannot be had here: {reason}");
        }
        made.ok()
    }

    fn make(kind: &str, bytes: u64) -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        // Servers of other users are to get through.
        set_permissions(directory.path(), Permissions::from_mode(0o755)).map_err(|error| error.to_string())?;
        let image = directory.path().join("image");
        File::create(&image).and_then(|file| file.set_len(bytes)).map_err(|error| error.to_string())?;
        let disk = Self { directory };
        std::fs::create_dir(disk.path()).map_err(|error| error.to_string())?;
        run(Command::new(format!("mkfs.{kind}")).arg(&image))?;
        run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(disk.path()))?;
        Ok(disk)
    }

    /// Where the disk is mounted.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("disk")
    }

    /// Mounts the disk with other options. Says whether that could be done.
    pub fn remount(&self, options: &str) -> bool {
        run(Command::new("mount").arg("-o").arg(format!("remount,{options}")).arg(self.path())).is_ok()
    }

    /// How much of it is taken.
    pub fn used_bytes(&self) -> u64 {
        let state = nix::sys::statvfs::statvfs(&self.path()).expect("a disk can be asked");
        (state.blocks() - state.blocks_free()) * state.fragment_size()
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {said}")) }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        // A server may still be about to end on it.
        let _ = run(Command::new("umount").arg("--lazy").arg(self.path()));
    }
}
