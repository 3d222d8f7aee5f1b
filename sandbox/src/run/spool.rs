//! Output of a run in a file, as it is read again. A worker wrote it, where it
//! could have put anything: what is there is opened only if it is a regular
//! file, and read only as far as output is ever spooled.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use super::output::SPOOL_BYTES;

/// A file of output.
#[derive(Debug)]
pub struct Spool {
    file: File,
    at: u64,
    /// How many bytes the file held when it was opened, at most as many as are ever spooled.
    end: u64,
}

impl Spool {
    /// Opens the file at `path`; what lies above it is the server's.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        // A link leads anywhere, and a FIFO would make the server wait.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = File::from(open(path, flags, Mode::empty())?);
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no regular file"));
        }
        if metadata.len() > SPOOL_BYTES {
            let length = metadata.len();
            tracing::error!(length, most = SPOOL_BYTES, "a worker wrote more output than there may be");
        }
        Ok(Self { file, at: 0, end: metadata.len().min(SPOOL_BYTES) })
    }
}

impl Read for Spool {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read(&mut buffer[..room])?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Spool {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let position = match position {
            // Its end is ours, and not the one that the file claims.
            SeekFrom::End(offset) => {
                let start = self.end.checked_add_signed(offset).ok_or(io::ErrorKind::InvalidInput)?;
                SeekFrom::Start(start)
            }
            other => other,
        };
        self.at = self.file.seek(position)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "acts as a worker that was broken into")]

    use std::fs;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_file_that_claims_to_be_longer_than_output_can_be_ends_where_output_does() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("r_1.stdout");
        fs::write(&path, "output").unwrap();
        let mut text = String::new();
        Spool::open(&path).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "output");
        File::options().write(true).open(&path).unwrap().set_len(8 << 40).unwrap();
        let began = Instant::now();
        let mut spool = Spool::open(&path).unwrap();
        assert_eq!(io::copy(&mut spool, &mut io::sink()).unwrap(), SPOOL_BYTES);
        assert_eq!(spool.seek(SeekFrom::End(0)).unwrap(), SPOOL_BYTES);
        assert!(began.elapsed() < Duration::from_secs(10), "a file of 8 TiB is read for hours");
        // The text ends there also when the file grows between the look and the read.
        let mut small = Spool::open(&directory.path().join("r_1.stdout")).unwrap();
        small.end = 6;
        assert_eq!(io::copy(&mut small, &mut io::sink()).unwrap(), 6);
    }

    #[test]
    fn what_is_no_file_of_output_is_not_opened() {
        let directory = tempfile::tempdir().unwrap();
        let (secret, spool) = (directory.path().join("secret"), directory.path().join("r_1.stdout"));
        fs::write(&secret, "secret").unwrap();
        std::os::unix::fs::symlink(&secret, &spool).unwrap();
        assert_eq!(fs::read(&spool).unwrap(), b"secret", "a path alone leads there");
        Spool::open(&spool).unwrap_err();
        fs::remove_file(&spool).unwrap();
        nix::unistd::mkfifo(&spool, Mode::S_IRWXU).unwrap();
        assert!(Spool::open(&spool).unwrap_err().to_string().contains("no regular file"));
        fs::remove_file(&spool).unwrap();
        fs::create_dir(&spool).unwrap();
        assert!(Spool::open(&spool).unwrap_err().to_string().contains("no regular file"));
    }
}
