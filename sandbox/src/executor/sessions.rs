//! What is done to sessions besides running code in them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use tokio_util::sync::CancellationToken;

use super::Executor;
use super::scratch::write_files;
use crate::error::Error;
use crate::handle::{Principal, SessionId, SnapshotId};
use crate::run::outcome::{SessionReport, SessionState};
use crate::run::request::InputFile;
use crate::session::save::{Change, ChangedFiles};
use crate::session::snapshot::SnapshotRecord;
use crate::session::{SessionFiles, Turn};

/// The store is looked over this often: for sessions that have expired, and
/// for what others wrote to it.
const SWEEP_INTERVAL: Duration = Duration::from_secs(600);

/// How long after the start of a server its store is looked over for the first time.
const FIRST_SWEEP: Duration = Duration::from_secs(5);

/// A session as a list shows it.
#[derive(Clone, Debug)]
pub struct SessionSummary {
    /// Its handle.
    pub id: SessionId,
    /// How many states it has had.
    pub sequence: u64,
    /// Whether it is in this server's memory, not in the store alone.
    pub is_live: bool,
    /// What it takes in the store.
    pub size_bytes: u64,
    /// When it last changed.
    pub last_used: SystemTime,
    /// When it ends unless it is used before.
    pub expires_at: SystemTime,
}

/// A snapshot as a list shows it.
#[derive(Clone, Debug)]
pub struct SnapshotSummary {
    /// Its handle, which means something in its session only.
    pub id: SnapshotId,
    /// The state that it remembers.
    pub sequence: u64,
    /// When it was taken.
    pub created: SystemTime,
    /// What its state takes in the store, shared with others or not.
    pub size_bytes: u64,
}

impl From<&SnapshotRecord> for SnapshotSummary {
    fn from(record: &SnapshotRecord) -> Self {
        Self {
            id: record.id.clone(),
            sequence: record.sequence,
            created: record.created,
            size_bytes: record.size_bytes,
        }
    }
}

impl Executor {
    /// Writes a file into a session, which is made when `session` is none.
    /// Waits for its turn, unless `cancel` comes before that.
    ///
    /// # Errors
    ///
    /// As [`Workspace::write`], and as for a run in that session.
    pub async fn write(
        self: &Arc<Self>,
        principal: &Principal,
        session: Option<&SessionId>,
        file: InputFile,
        cancel: &CancellationToken,
    ) -> Result<SessionReport, Error> {
        let (executor, principal, session) = (Arc::clone(self), principal.clone(), session.cloned());
        self.to_its_end(&principal.clone(), cancel, |stop| async move {
            let mut turn = match &session {
                Some(id) => executor.turn(&principal, id, &stop).await?,
                None => executor.sessions.create(&principal).await?,
            };
            let written = executor.write_in(&mut turn, file).await;
            executor.sessions.settle(&mut turn).await;
            if session.is_none() && written.is_err() {
                executor.sessions.forget_new(&mut turn);
            }
            written.map(|()| executor.report(&turn))
        })
        .await
    }

    async fn write_in(&self, turn: &mut Turn, file: InputFile) -> Result<(), Error> {
        let workspace =
            turn.session.workspace().ok_or_else(|| Error::host("write a file", "its session has no workspace"))?;
        turn.begin_change();
        let files = ChangedFiles { bytes: file.bytes.len() as u64, ..ChangedFiles::default() };
        write_files(&workspace, vec![file], &self.default_limits_of(&turn.session.owner)).await?;
        // Interpreters have not gone on, and stay where they are.
        self.sessions.save(turn, Change { files: Some(files), ..Change::default() }).await
    }

    /// The files of a session of `principal`, to read from.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`].
    pub async fn session_files(self: &Arc<Self>, principal: &Principal, id: &SessionId) -> Result<SessionFiles, Error> {
        let (executor, principal, id) = (Arc::clone(self), principal.clone(), id.clone());
        // Whoever reads changes nothing, whoever waits for it or not.
        let cancel = CancellationToken::new();
        self.look(
            &principal.clone(),
            &cancel,
            |stop| async move { executor.sessions.files(&principal, &id, &stop).await },
        )
        .await
    }

    /// Every session of `principal`, the last used first.
    ///
    /// # Errors
    ///
    /// [`Error::Host`] when the store cannot be read.
    pub async fn list_sessions(&self, principal: &Principal) -> Result<Vec<SessionSummary>, Error> {
        let lifetime = self.sessions.lifetime();
        let stored = self.sessions.list(principal).await?;
        let summarise = |stored: crate::store::StoredSession| SessionSummary {
            is_live: self.sessions.is_here(principal, &stored.id),
            id: stored.id,
            sequence: stored.sequence,
            size_bytes: stored.bytes,
            last_used: stored.modified,
            expires_at: stored.modified + lifetime,
        };
        let mut sessions: Vec<_> = stored.into_iter().map(summarise).collect();
        sessions.sort_by_key(|session| std::cmp::Reverse(session.last_used));
        Ok(sessions)
    }

    /// Every snapshot of a session, the oldest first.
    ///
    /// # Errors
    ///
    /// As for a run in that session.
    pub async fn list_snapshots(
        self: &Arc<Self>,
        principal: &Principal,
        id: &SessionId,
        cancel: &CancellationToken,
    ) -> Result<(SessionReport, Vec<SnapshotSummary>), Error> {
        let (executor, principal, id) = (Arc::clone(self), principal.clone(), id.clone());
        self.look(&principal.clone(), cancel, |stop| async move {
            let turn = executor.turn(&principal, &id, &stop).await?;
            Ok((executor.report(&turn), turn.snapshots().iter().map(SnapshotSummary::from).collect()))
        })
        .await
    }

    /// Remembers the state of a session.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] when it has as many snapshots as it may have, and as
    /// for a run in that session.
    pub async fn snapshot(
        self: &Arc<Self>,
        principal: &Principal,
        id: &SessionId,
        cancel: &CancellationToken,
    ) -> Result<(SessionReport, SnapshotSummary), Error> {
        self.in_turn(principal, id, cancel, |executor, mut turn| async move {
            let summary = SnapshotSummary::from(executor.sessions.take_snapshot(&mut turn).await?);
            Ok((executor.report(&turn), summary))
        })
        .await
    }

    /// Takes a session back to a snapshot. What came after it is gone, except
    /// for other snapshots.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], and as for a run in that session.
    pub async fn restore(
        self: &Arc<Self>,
        principal: &Principal,
        id: &SessionId,
        snapshot: &SnapshotId,
        cancel: &CancellationToken,
    ) -> Result<SessionReport, Error> {
        let snapshot = snapshot.clone();
        self.in_turn(principal, id, cancel, |executor, mut turn| async move {
            executor.sessions.rewind(&mut turn, &snapshot).await?;
            Ok(executor.report(&turn))
        })
        .await
    }

    /// Makes a second session of one, as it is now or as a snapshot remembers
    /// it. The two share nothing from then on.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], and as for a run in that session.
    pub async fn fork(
        self: &Arc<Self>,
        principal: &Principal,
        id: &SessionId,
        snapshot: Option<&SnapshotId>,
        cancel: &CancellationToken,
    ) -> Result<SessionReport, Error> {
        let snapshot = snapshot.cloned();
        self.in_turn(principal, id, cancel, |executor, mut turn| async move {
            let (id, sequence) = executor.sessions.fork(&mut turn, snapshot.as_ref()).await?;
            let expires_at = SystemTime::now() + executor.sessions.lifetime();
            Ok(SessionReport { id, state: SessionState::Kept, sequence, expires_at })
        })
        .await
    }

    /// Finds out whether this server has the keys that others over its store seal with.
    /// Until it has, no session goes on.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] when it lacks one, and what the store answers.
    pub async fn check_store_keys(&self) -> Result<(), Error> {
        self.sessions.check_keys().await
    }

    /// Ends a session, or removes one of its snapshots.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], and as for a run in that session.
    pub async fn close(
        self: &Arc<Self>,
        principal: &Principal,
        id: &SessionId,
        snapshot: Option<&SnapshotId>,
        cancel: &CancellationToken,
    ) -> Result<SessionReport, Error> {
        let snapshot = snapshot.cloned();
        self.in_turn(principal, id, cancel, |executor, mut turn| async move {
            match snapshot {
                Some(snapshot) => executor.sessions.remove_snapshot(&mut turn, &snapshot).await?,
                None => {
                    executor.sessions.close(&mut turn).await?;
                    return Ok(SessionReport { expires_at: SystemTime::now(), ..executor.report(&turn) });
                }
            }
            Ok(executor.report(&turn))
        })
        .await
    }

    /// The turn of a session. Only where nothing drops the future.
    pub(super) async fn turn(
        &self,
        principal: &Principal,
        id: &SessionId,
        stop: &CancellationToken,
    ) -> Result<Turn, Error> {
        self.turn_for(principal, id, None, stop).await
    }

    /// The turn of a session for a run of the `wanted` runtime. Only where nothing
    /// drops the future.
    pub(super) async fn turn_for(
        &self,
        principal: &Principal,
        id: &SessionId,
        wanted: Option<&str>,
        stop: &CancellationToken,
    ) -> Result<Turn, Error> {
        let turn = self.sessions.turn(principal, id, stop, wanted).await;
        turn.map_err(|error| match error {
            Error::Cancelled if self.closing.is_cancelled() => Error::ShuttingDown,
            error => error,
        })
    }

    /// Does something to a session that must not stop half-way, whether or not
    /// anybody still waits for it.
    async fn to_its_end<T: Send + 'static, W: Future<Output = Result<T, Error>> + Send + 'static>(
        &self,
        principal: &Principal,
        cancel: &CancellationToken,
        work: impl FnOnce(CancellationToken) -> W,
    ) -> Result<T, Error> {
        if self.closing.is_cancelled() {
            return Err(Error::ShuttingDown);
        }
        self.look(principal, cancel, work).await
    }

    /// Does something to a session that is there, in its turn, and must not stop half-way.
    async fn in_turn<T: Send + 'static, W: Future<Output = Result<T, Error>> + Send>(
        self: &Arc<Self>,
        principal: &Principal,
        id: &SessionId,
        cancel: &CancellationToken,
        work: impl FnOnce(Arc<Self>, Turn) -> W + Send + 'static,
    ) -> Result<T, Error> {
        let (executor, principal, id) = (Arc::clone(self), principal.clone(), id.clone());
        self.to_its_end(&principal.clone(), cancel, |stop| async move {
            let turn = executor.turn(&principal, &id, &stop).await?;
            work(executor, turn).await
        })
        .await
    }

    /// Does what is still allowed while the server shuts down. What `work` is given
    /// ends its waiting: nobody waits for it any more, or the server goes.
    async fn look<T: Send + 'static, W: Future<Output = Result<T, Error>> + Send + 'static>(
        &self,
        principal: &Principal,
        cancel: &CancellationToken,
        work: impl FnOnce(CancellationToken) -> W,
    ) -> Result<T, Error> {
        let _running = self.tracker.token();
        let visit = self.enter(principal)?;
        let stop = self.cancel_all.child_token();
        let stopped_with_us = stop.clone().drop_guard();
        if cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let work = work(stop);
        let mut work = self.tracker.spawn(async move {
            let _visit = visit;
            work.await
        });
        let done = tokio::select! {
            done = &mut work => done,
            () = cancel.cancelled() => {
                drop(stopped_with_us);
                work.await
            }
        };
        let done = done.map_err(|source| Error::host("use a session", source))?;
        done.map_err(|error| error.on_disk_of(&self.settings.state_directory))
    }

    fn report(&self, turn: &Turn) -> SessionReport {
        SessionReport {
            id: turn.session.id.clone(),
            state: SessionState::Kept,
            sequence: turn.sequence(),
            expires_at: self.expires_at(turn),
        }
    }

    /// When a session ends unless it changes before.
    pub(super) fn expires_at(&self, turn: &Turn) -> SystemTime {
        turn.modified() + self.sessions.lifetime()
    }

    /// Sessions that lie in the store alone, as of the last sweep.
    pub(super) fn sessions_hibernated(&self) -> usize {
        self.stored_sessions.load(Ordering::Relaxed).saturating_sub(self.sessions.len())
    }

    /// Looks over the store in the background, if that was not done for long.
    pub(super) fn sweep_if_due(&self, now: Instant) {
        let interval = SWEEP_INTERVAL.min(self.sessions.lifetime() / 4).max(Duration::from_secs(1));
        let mut last = self.last_swept.lock();
        let is_due = match *last {
            Some(last) => now.saturating_duration_since(last) >= interval,
            // A sweep comes soon, because until then nobody knows how full the store
            // is, but not in the way of the first calls.
            None => now.saturating_duration_since(self.started) >= FIRST_SWEEP.min(interval),
        };
        if !is_due || self.sweeping.swap(true, Ordering::SeqCst) {
            return;
        }
        *last = Some(now);
        let sweep = self.sessions.sweep(now);
        let (sweeping, stored) = (Arc::clone(&self.sweeping), Arc::clone(&self.stored_sessions));
        let closing = self.closing.clone();
        self.tracker.spawn(async move {
            // What is left of a sweep when the server ends is for the next server.
            let Some(swept) = closing.run_until_cancelled(sweep).await else { return };
            match swept {
                Ok(sessions) => stored.store(sessions, Ordering::Relaxed),
                Err(error) => tracing::warn!(%error, "the store could not be looked over"),
            }
            sweeping.store(false, Ordering::SeqCst);
        });
    }
}
