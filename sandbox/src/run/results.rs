//! What a run said, kept for whoever reads it again: its streams as far as they
//! were not spooled, the result, the traceback and the rich outputs.
//!
//! Little of it stays in memory. More goes to a file without a name, which no
//! program can reach.

use std::fs::File;
use std::io::Write as _;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::outcome::{Output, RichOutput};
use super::output::SPOOL_BYTES;
use super::stream::Stream;
use crate::error::{Error, IoContext as _};

/// How many bytes of what a run said stay in memory, for each run that is kept.
const MEMORY_BYTES: usize = 16 << 10;

/// What a run said.
#[derive(Debug, Default)]
pub(crate) struct KeptResults {
    content: Content,
    /// Standard output and standard error.
    streams: [Option<Kind>; 2],
    result: Option<Range<u64>>,
    traceback: Option<Range<u64>>,
    /// Where each rich output lies, with its types: a program may name many.
    outputs: Vec<Range<u64>>,
}

/// What there is of a stream.
#[derive(Debug)]
enum Kind {
    Whole(Range<u64>),
    /// The stream has so many bytes, which are in a spool file.
    Spooled(u64),
}

/// A stream that was kept.
#[derive(Debug)]
pub(crate) enum KeptStream {
    Whole(Vec<u8>),
    /// The stream has so many bytes, which are in a spool file.
    Spooled(u64),
}

#[derive(Debug)]
enum Content {
    Memory(Vec<u8>),
    File(File),
}

impl Default for Content {
    fn default() -> Self {
        Self::Memory(Vec::new())
    }
}

impl KeptResults {
    /// Keeps all that a run said. `directory` is on the disk that may hold it.
    pub(crate) fn new(
        streams: [&Output; 2],
        result: Option<&str>,
        traceback: Option<&str>,
        outputs: &[RichOutput],
        directory: &Path,
    ) -> std::io::Result<Self> {
        let mut bytes = Vec::new();
        let mut add_bytes = |more: &[u8]| {
            let start = bytes.len() as u64;
            bytes.extend_from_slice(more);
            start..bytes.len() as u64
        };
        let streams = streams.map(|output| {
            let is_whole = !output.is_truncated();
            Some(if is_whole { Kind::Whole(add_bytes(&output.head)) } else { Kind::Spooled(output.bytes_seen) })
        });
        let mut add = |text: &str| add_bytes(text.as_bytes());
        let (result, traceback) = (result.map(&mut add), traceback.map(&mut add));
        let encode = |output: &RichOutput| postcard::to_stdvec(output).map_err(std::io::Error::other);
        let outputs = outputs.iter().map(|output| Ok(add_bytes(&encode(output)?))).collect::<std::io::Result<_>>()?;
        let content = if bytes.len() <= MEMORY_BYTES {
            bytes.shrink_to_fit();
            Content::Memory(bytes)
        } else {
            let mut file = tempfile::tempfile_in(directory)?;
            file.write_all(&bytes)?;
            Content::File(file)
        };
        Ok(Self { content, streams, result, traceback, outputs })
    }

    /// A stream that was kept; `None` where the disk had no room for what was said.
    pub(crate) fn stream(&self, stream: Stream) -> Result<Option<KeptStream>, Error> {
        let [stdout, stderr] = &self.streams;
        let kind = match stream {
            Stream::Stdout => stdout,
            Stream::Stderr => stderr,
        };
        let kept = kind.as_ref().map(|kind| match kind {
            Kind::Whole(range) => self.bytes(range).map(KeptStream::Whole),
            Kind::Spooled(bytes_seen) => Ok(KeptStream::Spooled(*bytes_seen)),
        });
        kept.transpose()
    }

    /// How much of a stream there is.
    pub(crate) fn stream_bytes(&self, stream: Stream) -> u64 {
        let [stdout, stderr] = &self.streams;
        let kind = match stream {
            Stream::Stdout => stdout,
            Stream::Stderr => stderr,
        };
        match kind {
            Some(Kind::Whole(range)) => range.end - range.start,
            Some(Kind::Spooled(bytes_seen)) => (*bytes_seen).min(SPOOL_BYTES),
            None => 0,
        }
    }

    /// The representation of the last expression.
    pub(crate) fn result(&self) -> Result<Option<String>, Error> {
        self.result.as_ref().map(|range| self.text(range)).transpose()
    }

    /// The traceback of the program's error.
    pub(crate) fn traceback(&self) -> Result<Option<String>, Error> {
        self.traceback.as_ref().map(|range| self.text(range)).transpose()
    }

    /// How many rich outputs there are.
    pub(crate) const fn outputs(&self) -> usize {
        self.outputs.len()
    }

    /// The rich output at `index`, from 0.
    pub(crate) fn output(&self, index: usize) -> Result<Option<RichOutput>, Error> {
        let Some(range) = self.outputs.get(index) else { return Ok(None) };
        let decoded = postcard::from_bytes(&self.bytes(range)?);
        decoded.map(Some).map_err(|source| Error::host("read what a run said", source))
    }

    fn text(&self, range: &Range<u64>) -> Result<String, Error> {
        String::from_utf8(self.bytes(range)?).map_err(|source| Error::host("read what a run said", source))
    }

    fn bytes(&self, range: &Range<u64>) -> Result<Vec<u8>, Error> {
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length];
        match &self.content {
            Content::Memory(all) => {
                let start = usize::try_from(range.start).unwrap_or(usize::MAX);
                bytes.copy_from_slice(&all[start..start + length]);
            }
            Content::File(file) => {
                file.read_exact_at(&mut bytes, range.start).doing(|| "read what a run said".into())?;
            }
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_comes_back_from_memory_and_from_a_file() {
        let directory = tempfile::tempdir().unwrap();
        for size in [3, 100_000] {
            let data = "é".repeat(size);
            let outputs = [
                RichOutput(vec![("text/plain".into(), "x".into()), ("text/html".into(), data.clone())]),
                RichOutput(vec![]),
            ];
            let whole = Output { head: b"\xff out".to_vec(), tail: Vec::new(), bytes_seen: 5 };
            let cut = Output { head: b"a".to_vec(), tail: b"z".to_vec(), bytes_seen: 900 };
            let kept = KeptResults::new([&whole, &cut], Some("1"), None, &outputs, directory.path()).unwrap();
            assert!(matches!(kept.stream(Stream::Stdout), Ok(Some(KeptStream::Whole(bytes))) if bytes == b"\xff out"));
            assert!(matches!(kept.stream(Stream::Stderr), Ok(Some(KeptStream::Spooled(900)))));
            assert_eq!((kept.result().unwrap().as_deref(), kept.traceback().unwrap()), (Some("1"), None));
            assert_eq!(kept.output(0).unwrap().as_ref(), Some(&outputs[0]));
            assert_eq!(kept.output(1).unwrap().as_ref(), Some(&outputs[1]));
            assert_eq!((kept.output(2).unwrap(), kept.outputs()), (None, 2));
            assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        }
    }
}
