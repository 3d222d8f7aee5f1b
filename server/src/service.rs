//! The life of the server, whatever transports speak for it: warm-up, tidying,
//! readiness, drain.
//!
//! A transport serves from the first moment on. It says when its clients have
//! [left](Service::client_left), if the server is to end then; takes no more
//! connections once the server is [stopping](Service::stopping), while calls are
//! still answered; and goes when it is [over](Service::over).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use guest_runtimes::{GuestRuntime, Kind};
use parking_lot::Mutex;
use rmcp::model::{JsonObject, Tool};
use sandbox::{Executor, ExecutorSettings, MinimumTier, Observer, Principal, Resource};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::audit::Audit;
use crate::commands::prepare::Spinner;
use crate::config::Config;
use crate::identity::{Accounts, Identity};
use crate::metrics::Metrics;
use crate::run_log;
use crate::shutdown::{self, Cause, Signals};
use crate::storage::Storage;
use crate::tools::{self, Form};
use crate::traces::{SpanCounts, Traces};

/// How often sessions, runs and workers that are over are cleared away.
const TIDY: Duration = Duration::from_secs(5);

/// How often a store across a network is looked for.
const LOOK: Duration = Duration::from_secs(5);

/// How far a server has come, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Calls are answered, but may wait for what is being prepared.
    Starting,
    /// Ready for calls.
    Ready,
    /// No run is admitted any more.
    Stopping,
    /// Every run has come to its end, and its answer is on its way.
    Over,
}

/// One server.
pub(crate) struct Service {
    pub(crate) executor: Arc<Executor>,
    /// How results are given.
    pub(crate) form: Form,
    /// What arguments of `execute` are held against.
    pub(crate) execute_schema: Arc<JsonObject>,
    pub(crate) started: Instant,
    /// What tenants have used, and how often they were refused.
    pub(crate) accounts: Arc<Accounts>,
    audit: Option<Arc<Audit>>,
    metrics: Option<Arc<Metrics>>,
    traces: Option<Arc<Traces>>,
    /// The tools of each policy, by where that lies: tenants share some policies, and
    /// the executor keeps all of them where they are.
    tools: Mutex<HashMap<usize, Arc<[Tool]>>>,
    /// Whether there are native languages that may be run.
    has_native: bool,
    /// Whether the last try to prepare failed.
    is_unprepared: AtomicBool,
    /// Where sessions lie at rest, if that is across a network.
    storage: Option<Arc<Storage>>,
    /// Whether the store across a network did not answer when it was last looked for.
    is_storage_lost: AtomicBool,
    /// Whether others seal with a key that this server has not got.
    lacks_key: AtomicBool,
    /// The longest that a run may ask for.
    longest_run: Duration,
    drain: Duration,
    stage: watch::Sender<Stage>,
    left: CancellationToken,
}

impl Service {
    /// Makes what the server needs. Nothing goes on until it [lives](Self::live).
    pub(crate) fn new(config: Config, traces: Option<Arc<Traces>>) -> anyhow::Result<Self> {
        let ExecutorSettings { catalogue, policy, native, .. } = &config.executor;
        let is_native = |runtime: &GuestRuntime| matches!(runtime.kind(), Kind::Native(_));
        let may_run = |runtime: &GuestRuntime| policy.languages.allow(runtime.id());
        let has_native =
            native.tier != MinimumTier::Off && catalogue.iter().any(|runtime| is_native(runtime) && may_run(runtime));
        let longest_run = Duration::from_millis(config.executor.limit_ceilings.get(Resource::WallTimeMs));
        let storage = config.storage;
        let executor = Arc::new(Executor::new(config.executor)?);
        let accounts = Arc::new(Accounts::new(config.roster));
        let audit = config.audit.as_ref().map(Audit::open).transpose()?;
        let mut observers = vec![Arc::<Accounts>::clone(&accounts) as Arc<dyn Observer>];
        observers.extend(audit.clone().map(|audit| audit as Arc<dyn Observer>));
        let tenants = config.metrics.as_ref().map(|settings| settings.tenants);
        let metrics = tenants.map(|tenants| Metrics::new(executor.catalogue(), tenants));
        observers.extend(metrics.clone().map(|metrics| metrics as Arc<dyn Observer>));
        observers.extend(traces.clone().map(|traces| traces as Arc<dyn Observer>));
        executor.observe_with(observers);
        Ok(Self {
            execute_schema: tools::execute::arguments_schema(executor.catalogue()),
            executor,
            form: Form { structured: config.structured_content },
            started: Instant::now(),
            accounts,
            audit,
            metrics,
            traces,
            tools: Mutex::default(),
            has_native,
            is_unprepared: AtomicBool::new(false),
            storage,
            is_storage_lost: AtomicBool::new(false),
            lacks_key: AtomicBool::new(false),
            longest_run,
            drain: config.drain,
            stage: watch::Sender::new(Stage::Starting),
            left: CancellationToken::new(),
        })
    }

    /// What writes down the end of the server, to be kept for as long as it is one.
    pub(crate) fn ends(self: &Arc<Self>) -> End {
        End(Arc::clone(self))
    }

    /// Warms up and tidies until a signal comes or the clients have left, then
    /// drains. What goes on in the background goes on until the drain is done,
    /// because runs that are drained may wait for it.
    pub(crate) async fn live(&self, mut signals: Signals) {
        let mut events = self.executor.events();
        let background = async {
            tokio::join!(
                self.warm_up(),
                self.tidy(),
                self.look_for_storage(),
                run_log::write(&mut events),
                self.export_traces()
            )
        };
        let life = async {
            let cause = tokio::select! {
                () = signals.next() => Cause::Signal,
                () = self.left.cancelled() => Cause::EndOfInput,
            };
            self.advance(Stage::Stopping);
            shutdown::drain(&self.executor, cause, &mut signals, self.drain).await;
        };
        tokio::select! {
            () = life => {}
            _ = background => {}
        }
        run_log::write_rest(&mut events);
        self.advance(Stage::Over);
        if let Some(traces) = &self.traces {
            traces.flush().await;
        }
    }

    async fn export_traces(&self) {
        match &self.traces {
            Some(traces) => traces.export().await,
            None => std::future::pending().await,
        }
    }

    /// What `principal` is told of every tool, under its policy. What tools say of this
    /// machine is found out once for each policy.
    pub(crate) async fn tools(&self, principal: &Principal) -> Arc<[Tool]> {
        if let Some(known) = self.known_tools(principal) {
            return known;
        }
        let policy = self.executor.policy(principal);
        let tools: Arc<[Tool]> = tools::definitions(self, policy, &self.executor.languages(principal).await).into();
        self.tools.lock().insert(std::ptr::from_ref(policy).addr(), Arc::clone(&tools));
        tools
    }

    /// What `principal` is told of every tool, if that was found out.
    pub(crate) fn known_tools(&self, principal: &Principal) -> Option<Arc<[Tool]>> {
        self.tools.lock().get(&std::ptr::from_ref(self.executor.policy(principal)).addr()).cloned()
    }

    /// The metrics, if anybody wants to know them.
    pub(crate) const fn metrics(&self) -> Option<&Arc<Metrics>> {
        self.metrics.as_ref()
    }

    /// Whether the audit log could not be written the last time, if there is one.
    pub(crate) fn audit_fails(&self) -> Option<bool> {
        self.audit.as_ref().map(|audit| audit.fails())
    }

    /// The audit log, if there is one.
    pub(crate) fn audit(&self) -> Option<&Audit> {
        self.audit.as_deref()
    }

    /// Whether anybody wants to know where calls come from.
    pub(crate) const fn wants_origin(&self) -> bool {
        self.audit.is_some() || self.traces.is_some()
    }

    /// What became of spans of traces, if there are any.
    pub(crate) fn spans(&self) -> Option<SpanCounts> {
        self.traces.as_ref().map(|traces| traces.counts())
    }

    /// Counts and writes down that a request was refused before it was MCP.
    pub(crate) fn refused(&self, identity: Option<&Identity>, address: Option<IpAddr>, reason: &'static str) {
        let principal = identity.map(|identity| &identity.principal);
        self.accounts.refused(principal, reason);
        if let Some(metrics) = &self.metrics {
            metrics.refused(principal, reason);
        }
        if let Some(audit) = &self.audit {
            audit.refused(identity, address, reason);
        }
    }

    /// Why calls should be sent elsewhere, in a word or a sentence each; empty where
    /// they are welcome.
    pub(crate) fn not_ready(&self) -> Vec<&'static str> {
        let mut reasons = Vec::new();
        match self.stage() {
            Stage::Starting => reasons.push("starting: what the first call needs is being prepared"),
            Stage::Ready => {}
            Stage::Stopping | Stage::Over => reasons.push("stopping: no run is admitted any more"),
        }
        let health = self.executor.health();
        // A preparation that failed says nothing once there is a worker, which there is
        // not without its wall.
        let has_worker = health.pool.is_some_and(|pool| pool.wall.is_some());
        if self.is_unprepared.load(Ordering::Relaxed) && !has_worker {
            reasons.push("no worker could be prepared and confined: the log says why");
        }
        if self.audit.as_ref().is_some_and(|audit| audit.refuses()) {
            reasons.push("the audit log cannot be written, and nothing runs without it: the log says why");
        }
        if self.is_storage_lost.load(Ordering::Relaxed) {
            reasons.push("the store of sessions does not answer: the log and `belljar doctor` say why");
        }
        if self.lacks_key.load(Ordering::Relaxed) {
            reasons.push("`store_keys` lacks a key that other servers seal with: the log says which");
        }
        if self.has_native && health.native.is_some_and(|native| native.tier.is_err()) {
            reasons.push(
                "native programs cannot be confined as `native_tier` wants: `belljar doctor` says why, and \
                 `native_tier = \"off\"` serves without them",
            );
        }
        reasons
    }

    /// The longest that a run may take.
    pub(crate) const fn longest_run(&self) -> Duration {
        self.longest_run
    }

    /// How far the server has come.
    pub(crate) fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// Says that those whom it was started for have left.
    pub(crate) fn client_left(&self) {
        self.left.cancel();
    }

    /// Waits until no run is admitted any more.
    pub(crate) async fn stopping(&self) {
        self.reach(Stage::Stopping).await;
    }

    /// Waits until transports may go.
    pub(crate) async fn over(&self) {
        self.reach(Stage::Over).await;
    }

    async fn reach(&self, wanted: Stage) {
        // The sender is here, so it cannot go before.
        let _ = self.stage.subscribe().wait_for(|stage| *stage >= wanted).await;
    }

    /// The stage only ever goes on: a warm-up that ends late makes nothing ready.
    fn advance(&self, to: Stage) {
        self.stage.send_if_modified(|stage| {
            let is_ahead = to > *stage;
            if is_ahead {
                *stage = to;
            }
            is_ahead
        });
    }

    /// Prepares for the first call while the client is still saying hello.
    async fn warm_up(&self) {
        if let Err(error) = self.executor.warm_up(&Principal::local(), Spinner::new).await {
            // The first call will fail with the same, and tell its caller.
            tracing::error!(error = ?error, "preparing failed");
            self.is_unprepared.store(true, Ordering::Relaxed);
        }
        // Both are found out for the first list of tools, which tells what there is.
        self.executor.probe_native().await;
        self.executor.languages(&Principal::local()).await;
        self.advance(Stage::Ready);
    }

    /// Whether this server has the keys that others over its store seal with.
    pub(crate) async fn check_store_keys(&self) -> Result<(), sandbox::Error> {
        if self.storage.is_none() { Ok(()) } else { self.executor.check_store_keys().await }
    }

    /// Looks whether the store answers, as long as the server lives.
    async fn look_for_storage(&self) {
        let Some(storage) = &self.storage else { return };
        let mut interval = tokio::time::interval(LOOK);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            let reached = storage.reach().await;
            let is_lost = reached.is_err();
            let was_lost = self.is_storage_lost.swap(is_lost, Ordering::Relaxed);
            match reached {
                Err(error) if !was_lost => tracing::error!(error = ?anyhow::Error::from(error), "the store is lost"),
                Ok(()) if was_lost => tracing::warn!("the store answers again"),
                _ => {}
            }
            if is_lost {
                continue;
            }
            let checked = self.check_store_keys().await;
            // Whether it answers was asked before.
            let lacks_key = checked.as_ref().is_err_and(|error| !matches!(error, sandbox::Error::Unreachable { .. }));
            let lacked = self.lacks_key.swap(lacks_key, Ordering::Relaxed);
            match checked {
                Err(error) if lacks_key && !lacked => {
                    tracing::error!(error = ?anyhow::Error::from(error), "the keys of the store are not those of other servers");
                }
                Ok(()) if lacked => tracing::warn!("the keys of the store are those of other servers again"),
                _ => {}
            }
        }
    }

    async fn tidy(&self) {
        let mut interval = tokio::time::interval(TIDY);
        loop {
            interval.tick().await;
            self.executor.tidy(Instant::now()).await;
            if let Some(audit) = &self.audit {
                audit.tidy();
            }
        }
    }
}

/// Writes down the end of a server when it goes, whatever it is that ends it.
pub(crate) struct End(Arc<Service>);

impl Drop for End {
    fn drop(&mut self) {
        if let Some(audit) = &self.0.audit {
            audit.end();
        }
    }
}
