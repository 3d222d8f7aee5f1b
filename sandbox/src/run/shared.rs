//! A finished run as servers hand it to each other: all that it said, and the files that
//! it left, where both are small. What is larger is read at the server that ran it.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::finished::{FinishedRun, RUN_LIFETIME, StreamText};
use super::outcome::{MAX_RICH_OUTPUTS, Output, RichOutput};
use super::results::KeptResults;
use super::stream::Stream;
use crate::codec::bounded::at_most;
use crate::error::{Error, IoContext as _};
use crate::handle::Principal;
use crate::workspace::survey::DiskUse;
use crate::workspace::{Found, Workspace, WorkspacePath};

/// The most bytes of a run that are handed on.
pub(crate) const MAX_BYTES: usize = 960 << 10;
/// The most files of a run that are handed on.
const MAX_FILES: usize = 64;

/// What another server needs to let a run be read.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SharedRun {
    ended: SystemTime,
    stdout: ByteBuf,
    stderr: ByteBuf,
    result: Option<String>,
    traceback: Option<String>,
    #[serde(deserialize_with = "at_most::<MAX_RICH_OUTPUTS, _, _>")]
    outputs: Vec<RichOutput>,
    /// Its files by their paths; absent when it left none of its own.
    files: Option<Files>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Files(#[serde(deserialize_with = "at_most::<MAX_FILES, _, _>")] Vec<(String, ByteBuf)>);

impl SharedRun {
    /// All of a run that has just ended; `None` where it is too much, or something of it
    /// cannot be handed on. Blocks.
    pub(crate) fn of(run: &FinishedRun) -> Result<Option<Self>, Error> {
        let mut left = MAX_BYTES;
        let (Some(stdout), Some(stderr)) =
            (stream(run, Stream::Stdout, &mut left)?, stream(run, Stream::Stderr, &mut left)?)
        else {
            return Ok(None);
        };
        let (result, traceback) = (run.reply.result()?, run.reply.traceback()?);
        let outputs = (0..run.outputs()).filter_map(|index| run.reply.output(index).transpose());
        let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
        let shown = outputs.iter().flat_map(|RichOutput(bundle)| bundle);
        let said = shown.map(|(mime, data)| mime.len() + data.len()).sum::<usize>()
            + [&result, &traceback].into_iter().flatten().map(String::len).sum::<usize>();
        let Some(mut left) = left.checked_sub(said) else { return Ok(None) };
        let files = match run.workspace.as_deref() {
            None => None,
            Some(workspace) => match files(workspace, &mut left)? {
                Some(files) => Some(files),
                None => return Ok(None),
            },
        };
        Ok(Some(Self { ended: SystemTime::now(), stdout, stderr, result, traceback, outputs, files }))
    }

    /// Whether it left files of its own.
    pub(crate) const fn has_files(&self) -> bool {
        self.files.is_some()
    }

    /// Whether it can still be read.
    pub(crate) fn is_kept(&self) -> bool {
        self.age().is_none_or(|age| age < RUN_LIFETIME)
    }

    /// How long ago it ended; `None` where the clock of the server that ran it is ahead.
    fn age(&self) -> Option<std::time::Duration> {
        self.ended.elapsed().ok()
    }

    /// The run as this server keeps it from here on. `workspace` is an empty one if the run
    /// left files, and `directory` is on the disk that may hold what it said. Blocks.
    pub(crate) fn keep(
        self,
        owner: &Principal,
        workspace: Option<Arc<Workspace>>,
        spool: PathBuf,
        directory: &Path,
    ) -> Result<FinishedRun, Error> {
        let age = self.age().unwrap_or_default();
        let mut held = self.stdout.len() + self.stderr.len();
        let whole = |bytes: ByteBuf| {
            let bytes_seen = bytes.len() as u64;
            Output { head: bytes.into_vec(), tail: Vec::new(), bytes_seen }
        };
        let (stdout, stderr) = (whole(self.stdout), whole(self.stderr));
        let reply = KeptResults::new(
            [&stdout, &stderr],
            self.result.as_deref(),
            self.traceback.as_deref(),
            &self.outputs,
            directory,
        );
        let reply = reply.doing(|| "keep what a run said".into())?;
        if let (Some(workspace), Some(Files(files))) = (&workspace, self.files) {
            held += files.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
            let files: Vec<_> = files
                .into_iter()
                .map(|(path, bytes)| Ok((WorkspacePath::of_any_name("path", &path)?, bytes)))
                .collect::<Result<_, Error>>()?;
            let quota = DiskUse { bytes: u64::MAX, files: u64::MAX };
            workspace.write(files.iter().map(|(path, bytes)| (path, bytes.as_slice())), quota)?;
        }
        let ended = Instant::now().checked_sub(age).unwrap_or_else(Instant::now);
        Ok(FinishedRun { owner: owner.clone(), workspace, reply, spool, held_bytes: held as u64, ended })
    }
}

/// All of a stream, if there is room for it.
fn stream(run: &FinishedRun, stream: Stream, left: &mut usize) -> Result<Option<ByteBuf>, Error> {
    let bytes = match run.stream(stream) {
        Ok(StreamText::Whole(bytes)) => bytes,
        Ok(StreamText::Spooled { file, bytes_seen }) if bytes_seen <= *left as u64 => {
            let mut bytes = Vec::new();
            file.take(bytes_seen).read_to_end(&mut bytes).doing(|| "read what a run wrote".into())?;
            if bytes.len() as u64 != bytes_seen {
                return Ok(None);
            }
            bytes
        }
        // The disk may have had no room for it.
        Ok(StreamText::Spooled { .. }) | Err(Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(left.checked_sub(bytes.len()).map(|rest| {
        *left = rest;
        ByteBuf::from(bytes)
    }))
}

/// All files, if there are no others than files that there is room for.
fn files(workspace: &Workspace, left: &mut usize) -> Result<Option<Files>, Error> {
    let survey = workspace.survey()?;
    let entries: Vec<_> = survey.files().take(MAX_FILES + 1).collect();
    let bytes: u64 = entries.iter().map(|entry| entry.size_bytes).sum();
    if entries.len() > MAX_FILES || entries.iter().any(|entry| entry.is_link) || bytes > *left as u64 {
        return Ok(None);
    }
    let mut files = Vec::with_capacity(entries.len());
    for entry in entries {
        let Found::File { file, .. } = workspace.read(&WorkspacePath::of_any_name("path", &entry.path)?)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.take(*left as u64 + 1).read_to_end(&mut bytes).doing(|| "read a file of a run".into())?;
        let Some(rest) = left.checked_sub(bytes.len()) else { return Ok(None) };
        *left = rest;
        files.push((entry.path, ByteBuf::from(bytes)));
    }
    Ok(Some(Files(files)))
}
