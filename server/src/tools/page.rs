//! A page of a text: lines in a range or that match, or a range of bytes.

use std::io::{BufRead, BufReader, Read};

use regex::bytes::{Regex, RegexBuilder};
use sandbox::Error;

use super::reply::text_of;

/// How much text one page holds.
pub(crate) const MAX_TEXT_BYTES: usize = 16 << 10;
/// The longest piece of one line.
const MAX_LINE_BYTES: usize = 2000;
/// How long a pattern may be.
const MAX_PATTERN_BYTES: usize = 4096;
/// How much memory a compiled pattern may take. Matching is linear in time.
const PATTERN_BYTES: usize = 1 << 20;
/// How far lines are looked at and counted.
const MAX_SCAN_BYTES: u64 = 1 << 30;

/// Which lines are wanted.
pub(crate) struct Lines<'a> {
    /// The first, from 1.
    pub(crate) first: u64,
    /// The most of them.
    pub(crate) limit: u64,
    pub(crate) pattern: Option<&'a str>,
    /// Whether positions in what is read are positions in the file.
    pub(crate) is_original: bool,
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
    while line.read(&mut reader).map_err(|source| Error::host("read a text", source))? {
        page.total += 1;
        let is_wanted =
            page.total >= wanted.first && pattern.as_ref().is_none_or(|pattern| pattern.is_match(&line.bytes));
        if !is_wanted || page.next.is_some() {
            continue;
        }
        if page.taken >= wanted.limit || page.text.len() + line.bytes.len() > MAX_TEXT_BYTES {
            page.next = Some(page.total);
            continue;
        }
        if pattern.is_some() {
            page.text.push_str(&format!("{}: ", page.total));
        }
        page.is_lossy |= line.is_lossy();
        if line.length == line.bytes.len() as u64 {
            page.text.push_str(&String::from_utf8_lossy(&line.bytes));
        } else {
            page.text.push_str(&text_of(&line.bytes));
            let from = line.start + line.bytes.len() as u64;
            let more = if wanted.is_original { format!("; byte_offset={from} goes on") } else { String::new() };
            page.text.push_str(&format!(" [… a line of {} bytes{more}]", line.length));
        }
        page.text.push('\n');
        page.taken += 1;
        page.last = page.total;
    }
    Ok(page)
}

/// A line without its end, and only the beginning of a long one.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    /// How long all of it is.
    length: u64,
    /// Where it starts, and where the next one does.
    start: u64,
    next: u64,
}

impl Line {
    fn read(&mut self, reader: &mut impl BufRead) -> std::io::Result<bool> {
        self.bytes.clear();
        self.length = 0;
        self.start = self.next;
        loop {
            let available = reader.fill_buf()?;
            if available.is_empty() {
                return Ok(self.next > self.start);
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let piece = &available[..end.unwrap_or(available.len())];
            let room = MAX_LINE_BYTES.saturating_sub(self.bytes.len());
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

    /// Whether it is not UTF-8, a character that is cut at its end aside.
    fn is_lossy(&self) -> bool {
        std::str::from_utf8(&self.bytes)
            .is_err_and(|error| error.error_len().is_some() || self.length == self.bytes.len() as u64)
    }
}

/// A range of bytes as text, between whole characters: where it really starts
/// and ends, and the text.
pub(crate) fn whole_characters(bytes: &[u8], offset: u64) -> (u64, u64, String) {
    let is_continuation = |byte: &&u8| **byte & 0xc0 == 0x80;
    let skipped = bytes.iter().take(3).take_while(is_continuation).count();
    // What is no text at all is not cut to it.
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

    fn page(text: &str, first: u64, limit: u64, pattern: Option<&str>) -> Page {
        lines(text.as_bytes(), &Lines { first, limit, pattern, is_original: true }).unwrap()
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
        let page = page(&text, 1, 500, None);
        assert!(
            page.text
                .contains(&format!("{} [… a line of 6000 bytes; byte_offset=2006 goes on]\nend\n", "é".repeat(1000)))
        );
        assert!(!page.is_lossy);
        assert!(
            lines(&b"a\xffb"[..], &Lines { first: 1, limit: 1, pattern: None, is_original: true }).unwrap().is_lossy
        );
    }

    #[test]
    fn patterns_are_bounded() {
        for (pattern, reason) in [
            ("(", "is not a regular expression"),
            (&"x".repeat(5000), "must be at most 4096 bytes, got 5000"),
            ("(?:[\\w&&\\d]{1000}){1000}", "is not a regular expression"),
        ] {
            let lines = lines(&b"x"[..], &Lines { first: 1, limit: 1, pattern: Some(pattern), is_original: true });
            assert!(lines.unwrap_err().to_string().contains(reason), "{pattern:.40}");
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
