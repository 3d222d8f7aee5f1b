//! What processes of ours say on standard error: lines in the server's log that
//! cannot be taken for its own. A worker may be a guest that broke out, so its
//! lines are cut, escaped and counted, and what is too much is read and dropped:
//! a process never waits for the log.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tracing::Level;

/// The longest line. What a panic or an error with its causes needs.
const LINE_BYTES: usize = 2 << 10;
/// How many lines are passed on at once, and how soon there may be one more.
const BURST: u32 = 100;
const REFILL: Duration = Duration::from_millis(100);
const CHUNK_BYTES: usize = 16 << 10;

/// Passes on what comes out of `pipe` until nobody holds its other end.
pub(super) fn pass_on(pipe: OwnedFd, what: &'static str, pid: Option<u32>) -> io::Result<()> {
    let mut pipe = Receiver::from_owned_fd(pipe)?;
    #[expect(clippy::disallowed_methods, reason = "it lives as long as the process, which ends with the server")]
    tokio::spawn(async move {
        let (mut lines, mut chunk) = (Lines::new(Instant::now()), vec![0; CHUNK_BYTES]);
        let mut log = |said: Said| said.log(what, pid);
        while let Ok(length @ 1..) = pipe.read(&mut chunk).await {
            lines.take(&chunk[..length], Instant::now(), &mut log);
            // Whoever says that much is not to keep others waiting.
            tokio::task::yield_now().await;
        }
        lines.end(Instant::now(), &mut log);
    });
    Ok(())
}

/// Something for the log.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Line(String),
    /// So many lines were left out as too many.
    LeftOut(u64),
}

impl Said {
    fn log(self, what: &'static str, pid: Option<u32>) {
        match self {
            Self::LeftOut(lines) => tracing::warn!(pid, lines, "{what} said more than is logged"),
            Self::Line(line) => match level(&line) {
                Level::ERROR => tracing::error!(pid, ?line, "{what} said"),
                Level::WARN => tracing::warn!(pid, ?line, "{what} said"),
                Level::INFO => tracing::info!(pid, ?line, "{what} said"),
                _ => tracing::debug!(pid, ?line, "{what} said"),
            },
        }
    }
}

/// The level of a line of a log like ours. Whatever else is said, as in a panic,
/// is worth as much as an error.
fn level(line: &str) -> Level {
    let word = line.split_whitespace().nth(1).unwrap_or_default();
    word.parse().ok().filter(|_| word.bytes().all(|byte| byte.is_ascii_uppercase())).unwrap_or(Level::ERROR)
}

/// Bytes on their way to be lines.
struct Lines {
    line: Vec<u8>,
    is_cut: bool,
    room: u32,
    refilled: Instant,
    left_out: u64,
}

impl Lines {
    const fn new(now: Instant) -> Self {
        Self { line: Vec::new(), is_cut: false, room: BURST, refilled: now, left_out: 0 }
    }

    fn take(&mut self, mut bytes: &[u8], now: Instant, log: &mut impl FnMut(Said)) {
        while !bytes.is_empty() {
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let part = &bytes[..end.unwrap_or(bytes.len())];
            let room = LINE_BYTES.saturating_sub(self.line.len());
            self.is_cut |= part.len() > room;
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            let Some(end) = end else { return };
            self.finish(now, log);
            bytes = &bytes[end + 1..];
        }
    }

    fn finish(&mut self, now: Instant, log: &mut impl FnMut(Said)) {
        let mut line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).trim_end().to_owned();
        if std::mem::take(&mut self.is_cut) {
            line.push_str(" [...]");
        }
        if line.is_empty() {
            return;
        }
        self.refill(now);
        if self.room == 0 {
            self.left_out += 1;
            return;
        }
        self.room -= 1;
        if self.left_out > 0 {
            log(Said::LeftOut(std::mem::take(&mut self.left_out)));
        }
        log(Said::Line(line));
    }

    fn refill(&mut self, now: Instant) {
        let more = now.saturating_duration_since(self.refilled).as_millis() / REFILL.as_millis();
        if more > 0 {
            self.room = self.room.saturating_add(u32::try_from(more).unwrap_or(u32::MAX)).min(BURST);
            self.refilled = now;
        }
    }

    fn end(&mut self, now: Instant, log: &mut impl FnMut(Said)) {
        self.finish(now, log);
        if self.left_out > 0 {
            log(Said::LeftOut(self.left_out));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(texts: &[&[u8]], seconds: u64) -> Vec<Said> {
        let (began, mut all) = (Instant::now(), Vec::new());
        let mut lines = Lines::new(began);
        for (number, text) in texts.iter().enumerate() {
            lines.take(text, began + Duration::from_secs(seconds * number as u64), &mut |said| all.push(said));
        }
        lines.end(began + Duration::from_secs(seconds * texts.len() as u64), &mut |said| all.push(said));
        all
    }

    fn line(text: &str) -> Said {
        Said::Line(text.to_owned())
    }

    #[test]
    fn lines_are_whole_cut_at_their_bound_and_dropped_past_the_burst() {
        assert_eq!(said(&[b"one\ntw", b"o\n\n", b"three"], 0), [line("one"), line("two"), line("three")]);
        let long = vec![b'x'; 1 << 20];
        let cut = format!("{} [...]", "x".repeat(LINE_BYTES));
        assert_eq!(said(&[&long, b"\nnext\n"], 0), [line(&cut), line("next")]);
        assert_eq!(said(&[b"\xff\xfe\n"], 0), [line("\u{fffd}\u{fffd}")]);
        let flood = "again\n".repeat(100_000);
        let all = said(&[flood.as_bytes()], 0);
        assert_eq!((all.len(), all.last()), (BURST as usize + 1, Some(&Said::LeftOut(99_900))));
        // There is room again later.
        let all = said(&[flood.as_bytes(), b"later\n"], 1);
        assert_eq!(all[BURST as usize..], [Said::LeftOut(99_900), line("later")]);
    }

    #[test]
    fn a_line_has_the_level_that_it_names_and_anything_else_is_an_error() {
        assert_eq!(level("2026-11-27T00:00:00.000000Z  WARN a worker"), Level::WARN);
        assert_eq!(level("2026-11-27T00:00:00.000000Z DEBUG a worker"), Level::DEBUG);
        for text in
            ["thread 'run' panicked at src/x.rs:1:1:", "malloc(): corrupted", "", "x 3 y", "memory allocation of"]
        {
            assert_eq!(level(text), Level::ERROR, "{text}");
        }
    }
}
