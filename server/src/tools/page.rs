//! A page of a text: lines in a range or that match, or a range of bytes.

use std::io::{BufRead, BufReader, Read};
use std::time::{Duration, Instant};

use regex::bytes::{Regex, RegexBuilder};
use sandbox::Error;
use tokio_util::sync::CancellationToken;

use super::reply::text_of;

/// How much text one page holds.
pub(crate) const MAX_TEXT_BYTES: usize = 16 << 10;
/// The longest piece of one line.
const MAX_LINE_BYTES: usize = 2000;
/// How much of one line a pattern is held against.
const MATCHED_BYTES: usize = 256 << 10;
/// How long a search may go on: some patterns are linear and slow.
const MAX_SEARCH: Duration = Duration::from_secs(2);
/// How long a pattern may be.
pub(super) const MAX_PATTERN_BYTES: usize = 4096;
/// How much memory a compiled pattern may take. Matching is linear in time.
const PATTERN_BYTES: usize = 256 << 10;
/// How far lines are looked at and counted.
const MAX_SCAN_BYTES: u64 = 1 << 30;

/// Which lines are wanted.
pub(crate) struct Lines<'a> {
    /// The first line that is wanted, from 1.
    pub(crate) first: u64,
    /// The most lines that are wanted.
    pub(crate) limit: u64,
    pub(crate) pattern: Option<&'a str>,
    /// Ends the search when nobody waits for it any longer.
    pub(crate) cancel: &'a CancellationToken,
}

/// A page of lines.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) text: String,
    pub(crate) taken: u64,
    pub(crate) last: u64,
    pub(crate) total: u64,
    /// The first line after the page that is wanted too.
    pub(crate) next: Option<u64>,
    /// Whether some of the page was not UTF-8.
    pub(crate) is_lossy: bool,
    /// Whether the search was ended before the end of the text.
    pub(crate) is_partial: bool,
}

/// The regular expression of a caller.
fn compiled(pattern: &str) -> Result<Regex, Error> {
    bounded(pattern, MAX_PATTERN_BYTES)?;
    RegexBuilder::new(pattern)
        .size_limit(PATTERN_BYTES)
        .dfa_size_limit(PATTERN_BYTES)
        .build()
        .map_err(|error| Error::invalid("pattern", format!("is not a regular expression: {error}")))
}

/// Refuses a pattern that is longer than `most` bytes.
pub(crate) fn bounded(pattern: &str, most: usize) -> Result<(), Error> {
    if pattern.len() > most {
        return Err(Error::invalid("pattern", format!("must be at most {most} bytes, got {}", pattern.len())));
    }
    Ok(())
}

/// Reads the lines that are wanted, and counts all.
pub(crate) fn lines(source: impl Read, wanted: &Lines<'_>) -> Result<Page, Error> {
    let pattern = wanted.pattern.map(compiled).transpose()?;
    let mut reader = BufReader::with_capacity(64 << 10, source.take(MAX_SCAN_BYTES));
    let mut page = Page::default();
    let mut line = Line::default();
    let started = Instant::now();
    while line.read(&mut reader).map_err(|source| Error::host("read a text", source))? {
        page.total += 1;
        if page.total == 1 {
            line.drop_mark();
        }
        if wanted.cancel.is_cancelled() || pattern.is_some() && started.elapsed() > MAX_SEARCH {
            page.next = Some(page.next.unwrap_or(page.total));
            page.is_partial = true;
            break;
        }
        if page.total < wanted.first || page.next.is_some() {
            continue;
        }
        let shown = match &pattern {
            None => 0,
            Some(pattern) => match pattern.find(line.content()) {
                None => continue,
                Some(found) => found.start(),
            },
        };
        line.show_from(shown);
        if page.taken >= wanted.limit || page.text.len() + line.bytes.len() > MAX_TEXT_BYTES {
            page.next = Some(page.total);
            continue;
        }
        if pattern.is_some() {
            page.text.push_str(&format!("{}: ", page.total));
        }
        page.is_lossy |= line.is_lossy();
        line.write(&mut page.text);
        page.text.push('\n');
        page.taken += 1;
        page.last = page.total;
    }
    Ok(page)
}

/// A line without its end, and only the beginning of a long one.
#[derive(Default)]
struct Line {
    /// The part of the line that is held against a pattern, and then the part that is shown.
    bytes: Vec<u8>,
    /// Where that part begins in the line.
    skipped: usize,
    /// How long all of the line is.
    length: u64,
    /// Where the line starts, and where the next one does.
    start: u64,
    next: u64,
}

impl Line {
    fn read(&mut self, reader: &mut impl BufRead) -> std::io::Result<bool> {
        self.bytes.clear();
        (self.length, self.skipped) = (0, 0);
        self.start = self.next;
        loop {
            let available = reader.fill_buf()?;
            if available.is_empty() {
                return Ok(self.next > self.start);
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let piece = &available[..end.unwrap_or(available.len())];
            let room = MATCHED_BYTES.saturating_sub(self.bytes.len());
            self.bytes.extend_from_slice(&piece[..room.min(piece.len())]);
            self.length += piece.len() as u64;
            let consumed = end.map_or(piece.len(), |end| end + 1);
            self.next += consumed as u64;
            reader.consume(consumed);
            if end.is_some() {
                return Ok(true);
            }
        }
    }

    /// Drops a byte order mark.
    fn drop_mark(&mut self) {
        let mark = "\u{feff}".as_bytes();
        if self.bytes.starts_with(mark) {
            self.bytes.drain(..mark.len());
            self.start += mark.len() as u64;
            self.length -= mark.len() as u64;
        }
    }

    /// What a pattern is held against: a line of Windows ends before its carriage
    /// return.
    fn content(&self) -> &[u8] {
        self.bytes.strip_suffix(b"\r").unwrap_or(&self.bytes)
    }

    /// Leaves what is shown of the line: from its beginning, or around a match that is further on.
    fn show_from(&mut self, matched: usize) {
        if matched >= MAX_LINE_BYTES {
            self.skipped = matched - MAX_LINE_BYTES / 4;
            self.bytes.drain(..self.skipped);
        }
        self.bytes.truncate(MAX_LINE_BYTES);
    }

    /// Whether all of the line is shown.
    fn is_whole(&self) -> bool {
        self.skipped == 0 && self.length == self.bytes.len() as u64
    }

    /// Whether the line is not UTF-8, characters that are cut at its ends aside.
    fn is_lossy(&self) -> bool {
        let (text, _) = text_of(&self.bytes);
        std::str::from_utf8(&self.bytes).is_err()
            && (self.is_whole()
                || text.contains('\u{fffd}') && !self.bytes.windows(3).any(|found| found == b"\xef\xbf\xbd"))
    }

    fn write(&self, page: &mut String) {
        if self.is_whole() {
            page.push_str(&String::from_utf8_lossy(&self.bytes));
            return;
        }
        if self.skipped > 0 {
            page.push_str("[…] ");
        }
        let (text, end) = text_of(&self.bytes);
        page.push_str(&text);
        let from = self.start + (self.skipped + end) as u64;
        page.push_str(&format!(" [… a line of {} bytes; byte_offset={from} goes on]", self.length));
    }
}

/// A range of bytes as text, between whole characters: where it really starts
/// and ends, and the text.
pub(crate) fn whole_characters(bytes: &[u8], offset: u64) -> (u64, u64, String) {
    let is_continuation = |byte: &&u8| **byte & 0xc0 == 0x80;
    let skipped = bytes.iter().take(3).take_while(is_continuation).count();
    // Bytes that are no text at all are not cut to whole characters.
    let skipped = if skipped == bytes.len() { 0 } else { skipped };
    let rest = &bytes[skipped..];
    let end = match std::str::from_utf8(rest) {
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => error.valid_up_to(),
        _ => rest.len(),
    };
    let start = offset + skipped as u64;
    (start, start + end as u64, String::from_utf8_lossy(&rest[..end]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_of(text: &[u8], first: u64, limit: u64, pattern: Option<&str>) -> Result<Page, Error> {
        lines(text, &Lines { first, limit, pattern, cancel: &CancellationToken::new() })
    }

    fn page(text: &str, first: u64, limit: u64, pattern: Option<&str>) -> Page {
        page_of(text.as_bytes(), first, limit, pattern).unwrap()
    }

    #[test]
    fn a_page_has_the_lines_that_are_wanted_and_says_where_the_next_begins() {
        let text = "a1\nb2\na3\nb4\na5";
        let two = page(text, 2, 2, None);
        assert_eq!((two.text.as_str(), two.taken, two.last, two.total, two.next), ("b2\na3\n", 2, 3, 5, Some(4)));
        let found = page(text, 2, 500, Some("^a"));
        assert_eq!((found.text.as_str(), found.next), ("3: a3\n5: a5\n", None));
        assert_eq!((page("", 1, 5, None).total, page("x\n", 2, 5, None).taken), (0, 0));
    }

    #[test]
    fn a_long_line_is_cut_and_says_where_it_goes_on() {
        let text = format!("short\n{}\nend", "é".repeat(3000));
        let long = page(&text, 1, 500, None);
        assert!(
            long.text
                .contains(&format!("{} [… a line of 6000 bytes; byte_offset=2006 goes on]\nend\n", "é".repeat(1000)))
        );
        assert!(!long.is_lossy);
        assert!(page_of(b"a\xffb", 1, 1, None).unwrap().is_lossy);
        // Half a character is not shown, and the next piece begins with it.
        let text = format!("a{}", "世".repeat(2000));
        let cut = page(&text, 1, 1, None);
        assert!(cut.text.contains(&format!("byte_offset={} goes on", 1 + 3 * (1999 / 3))));
    }

    #[test]
    fn a_pattern_is_held_against_the_whole_of_a_long_line() {
        let text = format!("{}needle{}\nb\r\n", "x".repeat(30_000), "y".repeat(30_000));
        let found = page(&text, 1, 500, Some("needle"));
        assert!(found.text.starts_with("1: […] x") && found.text.contains("xneedley"), "{}", &found.text[..600]);
        assert_eq!(page(&format!("{}b", "a".repeat(2000)), 1, 500, Some("a$")).taken, 0);
        assert_eq!(page(&text, 1, 500, Some("b$")).text, "2: b\r\n");
        let cancel = CancellationToken::new();
        cancel.cancel();
        let given_up = lines(text.as_bytes(), &Lines { first: 1, limit: 1, pattern: None, cancel: &cancel }).unwrap();
        assert!(given_up.is_partial && given_up.taken == 0);
    }

    #[test]
    fn patterns_are_bounded() {
        for (pattern, reason) in [
            ("(", "is not a regular expression"),
            (&"x".repeat(5000), "must be at most 4096 bytes, got 5000"),
            ("(?:[\\w&&\\d]{1000}){1000}", "is not a regular expression"),
        ] {
            assert!(page_of(b"x", 1, 1, Some(pattern)).unwrap_err().to_string().contains(reason), "{pattern:.40}");
        }
    }

    #[test]
    fn bytes_become_whole_characters() {
        let text = "aé世b".as_bytes();
        // There is always some progress.
        assert_eq!(whole_characters(&text[2..5], 2), (3, 5, "\u{fffd}".into()));
        assert_eq!(whole_characters(&text[0..2], 0), (0, 1, "a".into()));
        assert_eq!(whole_characters(&text[1..], 1), (1, 7, "é世b".into()));
        assert_eq!(whole_characters(b"", 9), (9, 9, String::new()));
    }
}
