//! Finished runs whose files and output can still be read.
//!
//! Kept for a while, at most so many, and at most so many bytes: of the principal
//! that has the most the oldest goes first.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::outcome::RichOutput;
use super::results::{KeptResults, KeptStream};
use super::spool::Spool;
use super::stream::{Stream, spool_path};
use crate::error::Error;
use crate::handle::{Instance, Principal, RunId};
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
    /// The files of the run, when it had no session and left some.
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
    /// The whole text.
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
    /// The files of the run.
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

    /// How many bytes it wrote to `stream`, of those that can be read.
    pub fn stream_bytes(&self, stream: Stream) -> u64 {
        self.reply.stream_bytes(stream)
    }

    /// How many things it displayed.
    pub const fn outputs(&self) -> usize {
        self.reply.outputs()
    }

    /// Whether it left files of its own.
    pub const fn has_files(&self) -> bool {
        self.workspace.is_some()
    }

    /// For how long it can still be read.
    pub fn time_left(&self) -> Duration {
        RUN_LIFETIME.saturating_sub(self.ended.elapsed())
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
    /// How many bytes of files and output all of these runs hold together.
    bytes: u64,
    owners: HashMap<Principal, Own>,
}

/// The runs of one principal.
#[derive(Debug, Default)]
struct Own {
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
        let mut kept = self.kept.lock();
        // Two callers may have brought it from another server.
        if kept.runs.contains_key(&id) {
            return Evicted(vec![Arc::new(run)]);
        }
        kept.bytes += run.held_bytes;
        let own = kept.owners.entry(run.owner.clone()).or_default();
        own.bytes += run.held_bytes;
        own.order.push_back(id.clone());
        kept.runs.insert(id, Arc::new(run));
        let mut evicted = Vec::new();
        while let Some(owner) = kept.has_too_much() {
            evicted.extend(kept.take_oldest(&owner, |_| true));
        }
        Evicted(evicted)
    }

    /// Returns the runs that have been kept long enough.
    pub(crate) fn take_expired(&self, now: Instant) -> Evicted {
        let is_old = |run: &FinishedRun| now.saturating_duration_since(run.ended) >= RUN_LIFETIME;
        let mut kept = self.kept.lock();
        let owners: Vec<_> = kept.owners.keys().cloned().collect();
        let expired = |owner| std::iter::from_fn(|| kept.take_oldest(owner, is_old)).collect::<Vec<_>>();
        Evicted(owners.iter().flat_map(expired).collect())
    }

    /// Returns all runs of `owner`.
    pub(crate) fn take_all_of(&self, owner: &Principal) -> Evicted {
        let mut kept = self.kept.lock();
        Evicted(std::iter::from_fn(|| kept.take_oldest(owner, |_| true)).collect())
    }

    /// Whether there are any of `owner`.
    pub(crate) fn has_any_of(&self, owner: &Principal) -> bool {
        self.kept.lock().owners.contains_key(owner)
    }

    /// The run `id` of `owner`.
    pub(crate) fn get(&self, owner: &Principal, id: &RunId) -> Result<Arc<FinishedRun>, Error> {
        let found = self.kept.lock().runs.get(id).filter(|run| run.owner == *owner).cloned();
        found.ok_or_else(|| self.not_here(id))
    }

    /// All runs of `owner`.
    pub(crate) fn all_of(&self, owner: &Principal) -> Vec<(RunId, Arc<FinishedRun>)> {
        let kept = self.kept.lock();
        let ids = kept.owners.get(owner).into_iter().flat_map(|own| &own.order);
        ids.filter_map(|id| Some((id.clone(), Arc::clone(kept.runs.get(id)?)))).collect()
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
    /// Whose oldest run has to go: of the one that has the most of what there is too
    /// much of.
    fn has_too_much(&self) -> Option<Principal> {
        let (too_many, too_large) = (self.runs.len() > MAX_RUNS, self.bytes > MAX_BYTES);
        let weight = |own: &Own| if too_large { own.bytes } else { own.order.len() as u64 };
        let most = || self.owners.iter().max_by_key(|(_, own)| weight(own)).map(|(owner, _)| owner.clone());
        if too_many || too_large { most() } else { None }
    }

    /// Takes out the oldest run of `owner` if it is `over`.
    fn take_oldest(&mut self, owner: &Principal, over: impl Fn(&FinishedRun) -> bool) -> Option<Arc<FinishedRun>> {
        let own = self.owners.get_mut(owner)?;
        let oldest = own.order.front()?;
        self.runs.get(oldest).filter(|run| over(run))?;
        let run = self.runs.remove(oldest)?;
        own.order.pop_front();
        own.bytes -= run.held_bytes;
        self.bytes -= run.held_bytes;
        if own.order.is_empty() {
            self.owners.remove(owner);
        }
        Some(run)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn run(owner: &Principal, held_bytes: u64, ended: Instant) -> FinishedRun {
        let (workspace, reply, spool) = (None, KeptResults::default(), PathBuf::from("/nonexistent/spool"));
        FinishedRun { owner: owner.clone(), workspace, reply, spool, held_bytes, ended }
    }

    #[test]
    fn whoever_keeps_too_much_loses_its_own_oldest_and_nobody_elses() {
        let (runs, now) = (FinishedRuns::new(), Instant::now());
        let (flooder, other) = (Principal::named("flooder"), Principal::named("other"));
        let keep = |owner: &Principal, bytes| {
            let id = runs.instance.new_run();
            let evicted = runs.keep(id.clone(), run(owner, bytes, now));
            (id, evicted.0.len())
        };
        let (theirs, _) = keep(&other, 1);
        let (first, _) = keep(&flooder, 1);
        let (large, gone) = keep(&flooder, MAX_BYTES - 2);
        assert_eq!(gone, 0);
        assert_eq!(keep(&other, 2).1, 2, "both of whoever has the most bytes");
        for id in [&first, &large] {
            runs.get(&flooder, id).unwrap_err();
        }
        (0..MAX_RUNS).for_each(|_| drop(keep(&flooder, 0)));
        runs.get(&other, &theirs).unwrap();
        assert_eq!(runs.take_all_of(&other).0.len(), 2);
        assert!(!runs.has_any_of(&other) && runs.has_any_of(&flooder));
        assert!(runs.take_expired(now).is_empty());
        assert_eq!(runs.take_expired(now + RUN_LIFETIME).0.len(), MAX_RUNS - 2);
        let kept = runs.kept.lock();
        assert_eq!((kept.runs.len(), kept.owners.len(), kept.bytes), (0, 0, 0));
    }

    #[test]
    fn the_run_of_another_reads_as_one_that_never_was() {
        let runs = FinishedRuns::new();
        let (one, other) = (Principal::named("one"), Principal::named("other"));
        let (theirs, never) = (runs.instance.new_run(), runs.instance.new_run());
        drop(runs.keep(theirs.clone(), run(&other, 1, Instant::now())));
        runs.get(&other, &theirs).unwrap();
        let text = |id: &RunId| runs.get(&one, id).unwrap_err().to_string().replace(id.as_str(), "");
        assert_eq!(text(&theirs), text(&never));
    }
}
