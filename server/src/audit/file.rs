//! The file of the audit log. One that was renamed or removed is left alone from the next
//! line on, and another is made under its name, so that programs that rotate logs need
//! tell the server nothing.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::libc;
use parking_lot::Mutex;

/// Bits of a mode that nobody but the owner may have, but for reading by the group: who
/// collects logs is in one.
const FORBIDDEN: u32 = 0o137;
/// How often the log of the server says that lines cannot be written.
const TOLD_AGAIN: Duration = Duration::from_secs(60);

/// What becomes of a line that cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Importance {
    /// Whoever wants the line written is told, and does nothing then.
    Demanded,
    /// The line is kept until it can be written, as what it tells has happened.
    Due,
    /// The line is counted.
    Welcome,
}

/// The file of the audit log.
pub(super) struct LogFile {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    file: Option<File>,
    /// The device and inode by which the kernel knows the file.
    identity: (u64, u64),
    /// The size of the file, as this process left it.
    size: u64,
    /// Lines that are due.
    due: VecDeque<Vec<u8>>,
    /// How many lines were not written that nobody waits for.
    left_out: u64,
    /// Whether the last line is there in part.
    is_torn: bool,
    is_failing: bool,
    told: Option<Instant>,
}

impl LogFile {
    /// Opens the file, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// When it is no file, or others than its owner can write it; and when it cannot be
    /// opened, unless it `may_fail`.
    pub(super) fn open(path: &Path, may_fail: bool) -> io::Result<Self> {
        let mut state = State {
            file: None,
            identity: (0, 0),
            size: 0,
            due: VecDeque::new(),
            left_out: 0,
            is_torn: false,
            is_failing: false,
            told: None,
        };
        if let Err(error) = state.follow(path) {
            if !may_fail || is_wrong(&error) {
                return Err(error);
            }
            state.failed(path, &error);
        }
        Ok(Self { path: path.to_owned(), state: Mutex::new(state) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file can be written, as far as anybody tried; what failed is tried again.
    ///
    /// # Errors
    ///
    /// When it cannot.
    pub(super) fn check(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        // There may be room again, and nobody calls a server that is not ready.
        if state.is_failing { state.write_due(&self.path) } else { Ok(()) }
    }

    /// How many lines are due, and how many were left out that nobody was told of.
    pub(super) fn unwritten(&self) -> (usize, u64) {
        let state = self.state.lock();
        (state.due.len(), state.left_out)
    }

    /// Writes a line, or several that are welcome, after those that are due.
    ///
    /// # Errors
    ///
    /// When it is not written.
    pub(super) fn write(&self, line: &[u8], importance: Importance) -> io::Result<()> {
        let mut state = self.state.lock();
        let written = state.write_due(&self.path).and_then(|()| state.append(line));
        let Err(error) = written else { return Ok(()) };
        state.failed(&self.path, &error);
        match importance {
            Importance::Demanded => {}
            Importance::Welcome => {
                state.left_out += line.iter().filter(|byte| **byte == b'\n').count() as u64;
            }
            Importance::Due => state.due.push_back(line.to_vec()),
        }
        Err(error)
    }
}

impl State {
    /// Opens the file that has the name now, unless that is open.
    fn follow(&mut self, path: &Path) -> io::Result<()> {
        if self.file.is_some()
            && let Ok(found) = std::fs::symlink_metadata(path)
            && (found.dev(), found.ino()) == self.identity
        {
            return self.look_at_end(found.len());
        }
        self.file = None;
        // A pipe that nobody reads does not keep this waiting for a reader.
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC;
        let file =
            OpenOptions::new().read(true).append(true).create(true).mode(0o600).custom_flags(flags).open(path)?;
        let found = file.metadata()?;
        let refuse = |what: String| Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
        if !found.is_file() {
            return refuse("it is no file".to_owned());
        }
        if found.uid() != nix::unistd::geteuid().as_raw() {
            return refuse(format!("it belongs to user {}, and not to that of the server", found.uid()));
        }
        if found.mode() & FORBIDDEN != 0 {
            let mode = found.mode() & 0o777;
            return refuse(format!(
                "others may use it (its mode is {mode:03o}); `chmod 600` makes it the server's own"
            ));
        }
        self.identity = (found.dev(), found.ino());
        (self.size, self.is_torn) = (0, false);
        self.file = Some(file);
        self.look_at_end(found.len())
    }

    /// Finds out whether the last line is whole where another wrote it: a server before
    /// this one that was killed, or found the disk full, or one beside it.
    fn look_at_end(&mut self, size: u64) -> io::Result<()> {
        if size == self.size {
            return Ok(());
        }
        let mut last = *b"\n";
        if let (Some(file), Some(at)) = (&self.file, size.checked_sub(1)) {
            file.read_at(&mut last, at)?;
        }
        (self.size, self.is_torn) = (size, last != *b"\n");
        Ok(())
    }

    /// Writes what is due, and how much was left out.
    fn write_due(&mut self, path: &Path) -> io::Result<()> {
        self.follow(path)?;
        while let Some(line) = self.due.pop_front() {
            if let Err(error) = self.append(&line) {
                self.due.push_front(line);
                return Err(error);
            }
        }
        if self.left_out > 0 {
            let time = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
            let line = format!("{{\"time\":\"{time}\",\"event\":\"log.gap\",\"left_out\":{}}}\n", self.left_out);
            self.append(line.as_bytes())?;
            self.left_out = 0;
        }
        if std::mem::take(&mut self.is_failing) {
            self.told = None;
            tracing::warn!(path = %path.display(), "the audit log can be written again");
        }
        Ok(())
    }

    /// Writes a line, whole or in part.
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Err(io::ErrorKind::NotFound.into()) };
        if self.is_torn {
            // The part of a line that is there becomes a line that no program takes for one.
            file.write_all(b"\n")?;
            self.size += 1;
            self.is_torn = false;
        }
        let mut rest = line;
        while !rest.is_empty() {
            match file.write(rest) {
                Ok(written) => {
                    rest = &rest[written..];
                    self.size += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.is_torn = rest.len() < line.len();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn failed(&mut self, path: &Path, error: &io::Error) {
        self.is_failing = true;
        if self.told.is_none_or(|told| told.elapsed() >= TOLD_AGAIN) {
            self.told = Some(Instant::now());
            tracing::error!(path = %path.display(), %error, "the audit log cannot be written");
        }
    }
}

/// Whether an error is of what has the name of the file, which nothing mends but its owner.
fn is_wrong(error: &io::Error) -> bool {
    let of_file = [libc::ELOOP, libc::EISDIR, libc::ENXIO, libc::EACCES, libc::EPERM];
    error.raw_os_error().is_none_or(|code| of_file.contains(&code))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "looks at the file that the log has made")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_that_was_renamed_is_left_and_another_made_with_a_mode_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("audit"), folder.path().join("audit.1"));
        let log = LogFile::open(&path, false).unwrap();
        log.write(b"one\n", Importance::Demanded).unwrap();
        std::fs::rename(&path, &old).unwrap();
        log.write(b"two\n", Importance::Due).unwrap();
        std::fs::remove_file(&path).unwrap();
        log.write(b"three\n", Importance::Welcome).unwrap();
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "one\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_others_can_write_or_is_no_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        let refused = |path: &Path| LogFile::open(path, true).err().map(|error| error.to_string()).unwrap_or_default();
        std::fs::write(&path, "").unwrap();
        for (mode, is_taken) in [(0o600, true), (0o640, true), (0o644, false), (0o660, false), (0o666, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let said = refused(&path);
            assert_eq!(said.is_empty(), is_taken, "{mode:o}: {said}");
            assert!(is_taken || said.contains("chmod 600"), "{said}");
        }
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(!refused(&link).is_empty());
        assert!(!refused(folder.path()).is_empty());
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(!refused(&pipe).is_empty(), "nobody reads it");
    }

    #[test]
    fn a_line_that_another_left_in_part_is_ended_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        std::fs::write(&path, "whole\ntorn").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let log = LogFile::open(&path, false).unwrap();
        log.write(b"one\n", Importance::Demanded).unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"of another").unwrap();
        log.write(b"two\n", Importance::Demanded).unwrap();
        log.write(b"three\n", Importance::Demanded).unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"whole\n").unwrap();
        log.write(b"four\n", Importance::Demanded).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole\ntorn\none\nof another\ntwo\nthree\nwhole\nfour\n");
        // Programs that rotate logs may empty it.
        std::fs::write(&path, "").unwrap();
        log.write(b"five\n", Importance::Demanded).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "five\n");
    }

    #[test]
    fn what_may_fail_begins_without_a_file_and_says_later_what_it_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none/audit");
        assert!(LogFile::open(&path, false).is_err());
        let log = LogFile::open(&path, true).unwrap();
        log.write(b"one\ntwo\n", Importance::Welcome).unwrap_err();
        assert_eq!(log.unwritten(), (0, 2));
        std::fs::create_dir(folder.path().join("none")).unwrap();
        log.write(b"three\n", Importance::Welcome).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("\"left_out\":2}\nthree\n"), "{text}");
    }

    #[test]
    fn what_could_not_be_written_is_written_later_or_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        let log = LogFile::open(&path, false).unwrap();
        log.write(b"before\n", Importance::Demanded).unwrap();
        // Nothing of this name can be made any more.
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(log.check().is_ok(), "nobody has tried");
        log.write(b"demanded\n", Importance::Demanded).unwrap_err();
        log.write(b"due\n", Importance::Due).unwrap_err();
        log.write(b"welcome\n", Importance::Welcome).unwrap_err();
        assert!(log.check().is_err() && log.unwritten() == (1, 1));
        std::fs::remove_dir(&path).unwrap();
        assert!(log.check().is_ok(), "it is tried again");
        log.write(b"after\n", Importance::Demanded).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!((lines[0], lines[2], lines.len()), ("due", "after", 3));
        assert!(lines[1].contains("\"event\":\"log.gap\",\"left_out\":1"), "{text}");
    }
}
