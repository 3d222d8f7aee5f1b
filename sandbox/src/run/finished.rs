//! Finished runs whose files and output can still be read.
//!
//! Kept for a while, at most so many, and at most so many bytes: the oldest
//! goes first.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::outcome::RichOutput;
use super::results::{KeptResults, KeptStream};
use super::spool::Spool;
use super::stream::{Stream, spool_path};
use crate::error::Error;
use crate::handle::{Instance, Principal, RunId};
use crate::lock::lock;
use crate::workspace::Workspace;

/// How long a run can be read after it ended.
pub const RUN_LIFETIME: Duration = Duration::from_secs(600);
/// How many finished runs are kept.
const MAX_RUNS: usize = 512;
/// How many bytes of files and output finished runs may hold together.
const MAX_BYTES: u64 = 1 << 30;

/// A finished run.
#[derive(Debug)]
pub struct FinishedRun {
    pub(crate) owner: Principal,
    /// Its files, when it had no session and left some.
    pub(crate) workspace: Option<Arc<Workspace>>,
    /// What it said.
    pub(crate) reply: KeptResults,
    /// Where its output was spooled, without extension.
    pub(crate) spool: PathBuf,
    pub(crate) held_bytes: u64,
    pub(crate) ended: Instant,
}

/// The text of a stream, as much of it as there is.
#[derive(Debug)]
pub enum StreamText {
    /// All of it.
    Whole(Vec<u8>),
    /// A spool file with the first bytes of it, and how many there were.
    Spooled {
        /// The file, at its start.
        file: Spool,
        /// What the program wrote.
        bytes_seen: u64,
    },
}

impl FinishedRun {
    /// Its files.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when it left none of its own.
    pub fn workspace(&self, id: &RunId) -> Result<&Workspace, Error> {
        self.workspace.as_deref().ok_or_else(|| Error::NotFound {
            kind: "files of run",
            id: id.to_string(),
            advice: ": it left none, or it ran in a session; read those through `session`",
        })
    }

    /// Everything it wrote to `stream`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when the spool file is gone.
    pub fn stream(&self, stream: Stream) -> Result<StreamText, Error> {
        let path = spool_path(&self.spool, stream);
        let opened = match self.reply.stream(stream)? {
            Some(KeptStream::Whole(bytes)) => return Ok(StreamText::Whole(bytes)),
            Some(KeptStream::Spooled(bytes_seen)) => Spool::open(&path).ok().map(|file| (file, bytes_seen)),
            None => None,
        };
        opened.map(|(file, bytes_seen)| StreamText::Spooled { file, bytes_seen }).ok_or_else(|| Error::NotFound {
            kind: "full output in",
            id: path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            advice: ": the disk had no room for it; only the beginning and the end in the result are left",
        })
    }

    /// The whole representation of the last expression.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when there was none.
    pub fn result(&self) -> Result<String, Error> {
        self.reply.result()?.ok_or_else(|| Error::NotFound {
            kind: "stream",
            id: "result".into(),
            advice: " in this run: its last statement was no expression, or its value was None",
        })
    }

    /// The whole traceback of the program's error.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when it raised none.
    pub fn traceback(&self) -> Result<String, Error> {
        self.reply.traceback()?.ok_or_else(|| Error::NotFound {
            kind: "stream",
            id: "traceback".into(),
            advice: " in this run: it raised nothing",
        })
    }

    /// The rich output with that number, from 1.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`] when there are not so many.
    pub fn output(&self, number: u64) -> Result<RichOutput, Error> {
        let index = usize::try_from(number).unwrap_or(usize::MAX).checked_sub(1);
        let found = index.map(|index| self.reply.output(index)).transpose()?.flatten();
        found.ok_or_else(|| match self.reply.outputs() {
            0 => Error::invalid(
                "output",
                format!("must name something that the run displayed, which is nothing, got {number}"),
            ),
            count => Error::invalid("output", format!("must be between 1 and {count}, got {number}")),
        })
    }

    fn remove(self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            // Most runs never spool.
            let _ = std::fs::remove_file(spool_path(&self.spool, stream));
        }
        if let Some(workspace) = self.workspace
            && let Err(error) = workspace.remove()
        {
            tracing::warn!(%error, "the files of a finished run were left behind");
        }
    }
}

/// All finished runs of this server that are still kept.
#[derive(Debug)]
pub(crate) struct FinishedRuns {
    instance: Instance,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    runs: HashMap<RunId, Arc<FinishedRun>>,
    order: VecDeque<RunId>,
    bytes: u64,
}

impl FinishedRuns {
    pub(crate) fn new() -> Self {
        Self { instance: Instance::random(), kept: Mutex::default() }
    }

    /// Which start of the server it is whose runs are kept here.
    pub(crate) const fn instance(&self) -> &Instance {
        &self.instance
    }

    /// Keeps `run`, and returns those that have to go for it.
    pub(crate) fn keep(&self, id: RunId, run: FinishedRun) -> Evicted {
        let mut kept = lock(&self.kept);
        kept.bytes += run.held_bytes;
        kept.order.push_back(id.clone());
        kept.runs.insert(id, Arc::new(run));
        kept.take_while(|kept, _| kept.runs.len() > MAX_RUNS || kept.bytes > MAX_BYTES)
    }

    /// Returns the runs that have been kept long enough.
    pub(crate) fn take_expired(&self, now: Instant) -> Evicted {
        lock(&self.kept).take_while(|_, run| now.saturating_duration_since(run.ended) >= RUN_LIFETIME)
    }

    /// The run `id` of `owner`.
    pub(crate) fn get(&self, owner: &Principal, id: &RunId) -> Result<Arc<FinishedRun>, Error> {
        let found = lock(&self.kept).runs.get(id).filter(|run| run.owner == *owner).cloned();
        found.ok_or_else(|| self.not_here(id))
    }

    /// What is said of a run that is not here, whoever else may have it.
    fn not_here(&self, id: &RunId) -> Error {
        let theirs = id.instance();
        if theirs != self.instance {
            let (theirs, ours) = (theirs.to_string(), self.instance.to_string());
            return Error::OfAnotherServer { id: id.to_string(), theirs, ours };
        }
        Error::NotFound {
            kind: "run",
            id: id.to_string(),
            advice: ": a run can be read for ten minutes, and the oldest go first when there are many; run it again",
        }
    }
}

impl Kept {
    fn take_while(&mut self, over: impl Fn(&Self, &FinishedRun) -> bool) -> Evicted {
        let mut evicted = Vec::new();
        while let Some(oldest) = self.order.front().and_then(|id| self.runs.get(id))
            && over(self, oldest)
            && let Some(run) = self.order.pop_front().and_then(|id| self.runs.remove(&id))
        {
            self.bytes -= run.held_bytes;
            evicted.push(run);
        }
        Evicted(evicted)
    }
}

/// Runs that are no longer kept. Their files go when this is dropped, except
/// of those that somebody is reading: these go with the state directory.
#[must_use]
#[derive(Debug)]
pub(crate) struct Evicted(Vec<Arc<FinishedRun>>);

impl Evicted {
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes their files. Blocks.
    pub(crate) fn remove(self) {
        for run in self.0 {
            if let Some(run) = Arc::into_inner(run) {
                run.remove();
            }
        }
    }
}
