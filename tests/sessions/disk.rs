//! A disk that a test has to itself.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A disk of memory. Only root can have one.
#[derive(Debug)]
pub(super) struct Disk(tempfile::TempDir);

impl Disk {
    pub(super) fn new(options: &str) -> Self {
        let disk = Self(tempfile::tempdir().unwrap());
        let options = format!("mode=700,{options}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(disk.0.path()).status();
        assert!(mounted.unwrap().success(), "root can mount a disk");
        disk
    }

    /// Takes all that is left of the disk: of its files, or of its room.
    pub(super) fn fill(&self, files: bool) -> PathBuf {
        let filler = self.0.path().join("filler");
        // The directory is there already if something was freed meanwhile.
        let _ = std::fs::create_dir(&filler);
        let piece: &[u8] = if files { b"" } else { &[1; 4096] };
        let names = (0..1_000_000).map(|number| filler.join(number.to_string())).filter(|name| !name.exists());
        // Files are written until the disk takes no more.
        names.into_iter().find(|name| std::fs::write(name, piece).is_err()).unwrap();
        filler
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The files on the disk are gone with it.
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}
