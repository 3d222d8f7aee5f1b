//! Runs of WebAssembly guests, in worker processes: with the interpreter of a
//! session, wherever that is, or with a new one.

use std::path::PathBuf;
use std::sync::Arc;

use guest_runtimes::{GuestRuntime, Image, Kind};
use tokio::sync::OnceCell;

use super::runtime::{Caller, Ran, Runtime};
use super::stop::Stop;
use crate::children::spawner::Spawner;
use crate::error::Error;
use crate::filesystem::state_directory::StateDirectory;
use crate::handle::Principal;
use crate::images::older::Bases;
use crate::memory_budget::MemoryBudget;
use crate::native::NativeRuntime;
use crate::policy::{Network, Policy};
use crate::run::follower::Following;
use crate::run::order::Order;
use crate::run::report::RunReport;
use crate::session::Turn;
use crate::session::load::Fetched;
use crate::session::registry::Sessions;
use crate::session::save::{CapturedInterpreter, Change, ChangedFiles};
use crate::worker::{Interpreter, Pool, PoolSettings, RunEnd, RunOrder, SessionOrder, Transfer, WorkerReport};
use crate::workspace::entry::FileEntry;
use crate::workspace::link::Link;

/// Runs WebAssembly guests.
pub(super) struct WasmRuntime {
    pub(super) settings: PoolSettings,
    /// Whether clocks and random bytes are the same in every run.
    pub(super) deterministic: bool,
    /// The most that a workspace may hold.
    pub(super) disk_bytes: u64,
    pub(super) spawner: Arc<Spawner>,
    pub(super) budget: MemoryBudget,
    pub(super) state: Arc<StateDirectory>,
    pub(super) bases: Bases,
    pub(super) sessions: Arc<Sessions>,
    /// Knows which packages are in other languages.
    pub(super) native: Arc<NativeRuntime>,
    pub(super) pool: Arc<OnceCell<Arc<Pool>>>,
}

impl Runtime for WasmRuntime {
    fn directory(&self, principal: &Principal) -> Result<PathBuf, Error> {
        self.state.shared(principal)
    }

    async fn run(&self, order: Order, caller: Caller<'_>, turn: Option<&mut Turn>) -> Result<Ran, Error> {
        let runtime = Arc::clone(&order.runtime);
        let image = match runtime.kind() {
            Kind::Wasm(image) => Arc::clone(image),
            Kind::Native(_) => return Err(Error::host("run a guest", "its language has no image")),
        };
        let pool = self.pool().await;
        let Caller { principal, stop, following } = caller;
        let Some(turn) = turn else {
            stop.unless(self.bases.open_current(pool, principal, &runtime, &image, || ())).await??;
            let order = self.order(order, image.digest().to_owned(), (None, Vec::new()), &following);
            let end = pool.run(principal, order, None, stop.token(), following).await?;
            let WorkerReport { ran, warm, .. } = report_of(end);
            return Ok(Ran { report: ran, is_warm: warm, change: None, hides_writes: false });
        };
        let (interpreter, transfer) = self.interpreter(pool, turn, (&runtime, &image), stop).await?;
        let image_digest = turn.interpreter(runtime.id()).map_or(image.digest(), |saved| &saved.image).to_owned();
        let session = SessionOrder { id: turn.session.id.clone(), interpreter };
        let links = turn.links();
        let order = self.order(order, image_digest, (Some(session), links), &following);
        let end = pool.run(principal, order, Some(&transfer), stop.token(), following).await?;
        let WorkerReport { ran, warm, capture, .. } = report_of(end);
        let change = capture.map(|capture| Change {
            interpreter: Some(CapturedInterpreter { runtime, image, capture, transfer }),
            files: ran
                .workspace_changed
                .then(|| ChangedFiles { bytes: changed_bytes(&ran.files, self.disk_bytes), ..ChangedFiles::default() }),
            ..Change::default()
        });
        Ok(Ran { report: ran, is_warm: warm, change, hides_writes: false })
    }
}

impl WasmRuntime {
    /// The workers.
    pub(super) async fn pool(&self) -> &Arc<Pool> {
        let make = || async {
            Pool::new(self.settings.clone(), Arc::clone(&self.spawner), self.budget.clone(), Arc::clone(&self.state))
        };
        self.pool.get_or_init(make).await
    }

    /// The workers, if there are any yet.
    pub(super) fn known_pool(&self) -> Option<&Arc<Pool>> {
        self.pool.get()
    }

    /// Where the interpreter of a session is, and a transfer for what comes and
    /// goes.
    async fn interpreter(
        &self,
        pool: &Pool,
        turn: &mut Turn,
        (runtime, image): (&Arc<GuestRuntime>, &Arc<Image>),
        stop: &Stop,
    ) -> Result<(Interpreter, Arc<Transfer>), Error> {
        let (fetched, session) = (turn.fetched.take(), Arc::clone(&turn.session));
        let saved = match turn.interpreter(runtime.id()) {
            None => {
                stop.unless(self.bases.open_current(pool, &session.owner, runtime, image, || ())).await??;
                return Ok((Interpreter::New, self.sessions.transfer(&session.owner)?));
            }
            Some(_) if pool.hold(&session.key(), runtime.id()) => {
                return Ok((Interpreter::Live, self.sessions.transfer(&session.owner)?));
            }
            Some(saved) => saved,
        };
        let fetched = async {
            self.bases.open(pool, &session.owner, (runtime, image), saved).await?;
            match fetched {
                Some(fetched) => Ok(fetched),
                None => self.sessions.fetch(&session, saved).await,
            }
        };
        match stop.unless(fetched).await? {
            Ok(Fetched { transfer, lengths }) => {
                Ok((Interpreter::Saved { lengths, state: saved.state.clone() }, transfer))
            }
            // The run waited for its place, and another server may have gone on with the session.
            Err(error) => Err(self.sessions.fenced_or(error, turn).await),
        }
    }

    fn order(
        &self,
        order: Order,
        image: String,
        (session, links): (Option<SessionOrder>, Vec<Link>),
        following: &Following,
    ) -> RunOrder {
        let Order { runtime, task, policy, workspace, in_session: _ } = order;
        // Guests have no system call for the network; the executor has given the
        // program its variables, and answers of its calls what is granted.
        let Policy { languages, environment: _, network: Network::None, calls: _, mounts } = &*policy;
        RunOrder {
            run: 0,
            runtime: runtime.id().to_owned(),
            image,
            session,
            workspace: workspace.host_path().to_path_buf(),
            links,
            task,
            live: following.live.is_some(),
            shown: following.sees_displays(),
            // A run that is repeated must not change with what is found out about other
            // languages meanwhile.
            elsewhere: if self.deterministic { String::new() } else { self.native.elsewhere(languages) },
            deterministic: self.deterministic,
            mounts: mounts.iter().map(|mount| (&**mount.held()).into()).collect(),
        }
    }
}

/// What is known of a run, also when its worker died.
fn report_of(end: RunEnd) -> WorkerReport {
    match end {
        RunEnd::Report(report) => *report,
        RunEnd::WorkerLost => WorkerReport { ran: RunReport::lost(), warm: false, capture: None, resident_bytes: 0 },
    }
}

/// What changed files hold as their worker says, and no more than there can be.
fn changed_bytes(files: &[FileEntry], most: u64) -> u64 {
    files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.size_bytes)).min(most)
}
