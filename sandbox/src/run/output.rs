//! Captures one output stream of a run: the beginning and the end in memory,
//! the rest in a spool file, and past that a count.
//!
//! The guest never waits for a reader and never fills memory: whatever it
//! writes is taken.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use super::outcome::Output;

/// How much of one stream is spooled to disk. Past it only the count and the
/// last bytes are kept.
pub const SPOOL_BYTES: u64 = 16 << 20;

/// One output stream while its run goes on.
#[derive(Debug)]
pub(crate) struct OutputCapture {
    budget: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    seen: u64,
    spool: Spool,
}

#[derive(Debug)]
enum Spool {
    /// Made when the stream outgrows its budget.
    Unopened(PathBuf),
    Open(BufWriter<File>),
    /// The disk refused; the reply still has head, tail and the count.
    Failed,
}

impl OutputCapture {
    /// Keeps `budget` bytes in memory and spools to `spool`, which must not
    /// exist, once there are more.
    pub(crate) fn new(budget: usize, spool: PathBuf) -> Self {
        Self { budget, head: Vec::new(), tail: VecDeque::new(), seen: 0, spool: Spool::Unopened(spool) }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let spooled = self.seen;
        self.seen += bytes.len() as u64;
        if self.seen > self.budget as u64 {
            self.spool(spooled, bytes);
        }
        let head_room = if self.tail.is_empty() { self.head_limit() - self.head.len() } else { 0 };
        let (to_head, to_tail) = bytes.split_at(head_room.min(bytes.len()));
        self.head.extend_from_slice(to_head);
        let tail_limit = self.budget - self.head_limit();
        let to_tail = &to_tail[to_tail.len().saturating_sub(tail_limit)..];
        let overflow = (self.tail.len() + to_tail.len()).saturating_sub(tail_limit);
        self.tail.drain(..overflow);
        self.tail.extend(to_tail);
    }

    const fn head_limit(&self) -> usize {
        self.budget / 2
    }

    /// Appends to the spool file; `before` is how many bytes came earlier.
    fn spool(&mut self, before: u64, bytes: &[u8]) {
        if let Spool::Unopened(path) = &self.spool {
            // Everything so far is still in head and tail, in order.
            let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let written = opened.and_then(|file| {
                let mut writer = BufWriter::with_capacity(64 << 10, file);
                let (front, back) = self.tail.as_slices();
                for part in [&self.head[..], front, back] {
                    writer.write_all(part)?;
                }
                Ok(writer)
            });
            self.spool = written.map_or(Spool::Failed, Spool::Open);
        }
        if let Spool::Open(writer) = &mut self.spool {
            let room = usize::try_from(SPOOL_BYTES.saturating_sub(before)).unwrap_or(usize::MAX);
            if writer.write_all(&bytes[..room.min(bytes.len())]).is_err() {
                self.spool = Spool::Failed;
            }
        }
    }

    /// Flushes the spool and gives what was kept.
    pub(crate) fn finish(mut self) -> Output {
        if let Spool::Open(writer) = &mut self.spool {
            // A short spool shows in `read`; the reply itself is whole.
            let _ = writer.flush();
        }
        let mut output = Output { head: self.head, tail: self.tail.into(), bytes_seen: self.seen };
        if !output.is_truncated() {
            output.head.append(&mut output.tail);
        }
        output
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "looks at what was spooled")]

    use super::*;

    fn capture(budget: usize, writes: &[&[u8]]) -> (Output, Option<Vec<u8>>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spool");
        let mut capture = OutputCapture::new(budget, path.clone());
        for bytes in writes {
            capture.write(bytes);
        }
        (capture.finish(), std::fs::read(path).ok())
    }

    #[test]
    fn up_to_the_budget_everything_is_kept_and_nothing_spooled() {
        let (output, spool) = capture(8, &[b"abc", b"defgh"]);
        assert_eq!((output.head.as_slice(), output.is_truncated(), spool), (&b"abcdefgh"[..], false, None));
    }

    #[test]
    fn one_byte_past_the_budget_keeps_both_ends_and_spools_all() {
        let (output, spool) = capture(8, &[b"abcd", b"efgh", b"i"]);
        assert_eq!((output.head.as_slice(), output.tail.as_slice()), (&b"abcd"[..], &b"fghi"[..]));
        assert_eq!((output.bytes_seen, output.bytes_kept()), (9, 8));
        assert_eq!(spool.unwrap(), b"abcdefghi");
    }

    #[test]
    fn the_spool_stops_at_its_bound_and_the_count_goes_on() {
        let chunk = vec![b'x'; 1 << 20];
        let writes: Vec<&[u8]> = std::iter::repeat_n(chunk.as_slice(), 17).chain([&b"end"[..]]).collect();
        let (output, spool) = capture(64, &writes);
        assert_eq!(output.bytes_seen, (17 << 20) + 3);
        assert!(output.tail.ends_with(b"xend"));
        assert_eq!(spool.unwrap().len() as u64, SPOOL_BYTES);
    }

    #[test]
    fn a_spool_that_cannot_be_made_costs_only_the_spool() {
        let mut capture = OutputCapture::new(4, PathBuf::from("/nonexistent/spool"));
        capture.write(b"abcdefgh");
        assert_eq!(capture.finish().bytes_seen, 8);
    }
}
