//! What a run said beside its streams, kept for whoever reads it again: the
//! result, the traceback and the rich outputs.
//!
//! Little of it stays in memory. More goes to a file without a name, which no
//! program can reach.

use std::fs::File;
use std::io::Write as _;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::outcome::RichOutput;
use crate::error::{Error, IoContext as _};

/// As much as this stays in memory, for each run that is kept.
const MEMORY_BYTES: usize = 16 << 10;

/// What a run said beside its streams.
#[derive(Debug, Default)]
pub(crate) struct KeptResults {
    place: Place,
    result: Option<Range<u64>>,
    traceback: Option<Range<u64>>,
    outputs: Vec<Vec<(String, Range<u64>)>>,
}

#[derive(Debug)]
enum Place {
    Memory(Vec<u8>),
    File(File),
}

impl Default for Place {
    fn default() -> Self {
        Self::Memory(Vec::new())
    }
}

impl KeptResults {
    /// Keeps all of it. `directory` is on the disk that may hold it.
    pub(crate) fn new(
        result: Option<&str>,
        traceback: Option<&str>,
        outputs: &[RichOutput],
        directory: &Path,
    ) -> std::io::Result<Self> {
        let mut bytes = Vec::new();
        let mut add = |text: &str| {
            let start = bytes.len() as u64;
            bytes.extend_from_slice(text.as_bytes());
            start..bytes.len() as u64
        };
        let (result, traceback) = (result.map(&mut add), traceback.map(&mut add));
        let of_bundle =
            |RichOutput(bundle): &RichOutput| bundle.iter().map(|(mime, data)| (mime.clone(), add(data))).collect();
        let outputs = outputs.iter().map(of_bundle).collect();
        let place = if bytes.len() <= MEMORY_BYTES {
            Place::Memory(bytes)
        } else {
            let mut file = tempfile::tempfile_in(directory)?;
            file.write_all(&bytes)?;
            Place::File(file)
        };
        Ok(Self { place, result, traceback, outputs })
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
        let Some(bundle) = self.outputs.get(index) else { return Ok(None) };
        let read = |(mime, range): &(String, Range<u64>)| Ok((mime.clone(), self.text(range)?));
        bundle.iter().map(read).collect::<Result<_, Error>>().map(|bundle| Some(RichOutput(bundle)))
    }

    fn text(&self, range: &Range<u64>) -> Result<String, Error> {
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length];
        match &self.place {
            Place::Memory(all) => {
                let start = usize::try_from(range.start).unwrap_or(usize::MAX);
                bytes.copy_from_slice(&all[start..start + length]);
            }
            Place::File(file) => {
                file.read_exact_at(&mut bytes, range.start).doing(|| "read what a run said".into())?;
            }
        }
        String::from_utf8(bytes).map_err(|source| Error::host("read what a run said", source))
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
            let kept = KeptResults::new(Some("1"), None, &outputs, directory.path()).unwrap();
            assert_eq!((kept.result().unwrap().as_deref(), kept.traceback().unwrap()), (Some("1"), None));
            assert_eq!(kept.output(0).unwrap().as_ref(), Some(&outputs[0]));
            assert_eq!(kept.output(1).unwrap().as_ref(), Some(&outputs[1]));
            assert_eq!((kept.output(2).unwrap(), kept.outputs()), (None, 2));
            assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        }
    }
}
