//! What a store knows of its guest: WASI, standard streams, quota, memory
//! limit and the control of the current run.

use std::sync::Arc;

use wasmtime::{Memory, ResourceLimiter};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use super::calls::RunCalls;
use super::control::RunControl;
use super::wasi::clock::SessionClock;
use super::wasi::entropy::{Determinism, Entropy};
use super::wasi::links::Links;
use super::wasi::open_files::OpenFiles;
use super::wasi::quota::DiskQuota;
use crate::error::Error;
use crate::mounts::HeldMount;
use crate::run::limits::{Limits, Resource};
use crate::run::output::OutputCapture;
use crate::run::stream::{LiveOutput, Stream, spool_path};
use crate::workspace::{GUEST_PATH, Workspace};

/// The standard streams of one run.
pub(crate) struct Stdio {
    stdin: Vec<u8>,
    stdin_position: usize,
    pub(super) stdout: OutputCapture,
    pub(super) stderr: OutputCapture,
    live: Option<LiveOutput>,
}

impl Stdio {
    /// `spool` is a path to which `.stdout` and `.stderr` are added.
    pub(crate) fn new(stdin: Vec<u8>, output_bytes: u64, spool: &std::path::Path, live: Option<LiveOutput>) -> Self {
        let budget = usize::try_from(output_bytes).unwrap_or(usize::MAX);
        let capture = |stream| OutputCapture::new(budget, spool_path(spool, stream));
        Self { stdin, stdin_position: 0, stdout: capture(Stream::Stdout), stderr: capture(Stream::Stderr), live }
    }

    pub(super) fn read(&mut self, limit: usize) -> &[u8] {
        let start = self.stdin_position;
        self.stdin_position = self.stdin.len().min(start.saturating_add(limit));
        &self.stdin[start..self.stdin_position]
    }

    pub(super) fn write(&mut self, stream: Stream, bytes: &[u8]) {
        match stream {
            Stream::Stdout => self.stdout.write(bytes),
            Stream::Stderr => self.stderr.write(bytes),
        }
        if let Some(live) = &mut self.live {
            live(stream, bytes);
        }
    }
}

/// A share of the memory budget of all runs.
pub(crate) trait MemoryLease: Send + Sync {
    /// Takes `bytes`, or answers false at once.
    fn take(&self, bytes: u64) -> bool;
}

/// Bounds linear memory and tables.
pub(super) struct MemoryLimit {
    limit: usize,
    /// How far the limit may move when growth is refused: a guest that is told
    /// so needs a little more to say so.
    last_limit: usize,
    /// What is kept back of the limit until growth is refused, for raising the
    /// error; and what a run may grow by when its session is full already, for
    /// reading a request and freeing something.
    headroom: usize,
    lease: Arc<dyn MemoryLease>,
    /// Bytes this instance has taken from the lease by growing.
    pub(super) grown: u64,
    pub(super) denied: bool,
}

/// What one refusal lets a guest grow by: two pages of WebAssembly.
const REFUSAL_STEP_BYTES: u64 = 128 << 10;
/// How far a session may get past its limit by refusals, over all its runs.
const MAX_EXCESS_BYTES: usize = 16 << 20;

/// Above what any guest image declares; no guest of ours grows its table.
const TABLE_ELEMENTS: usize = 100_000;

impl MemoryLimit {
    /// Lets memory grow to `bytes`, until the next run begins.
    pub(super) fn allow(&mut self, bytes: u64) {
        self.limit = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        // What the image declares is paid for when its instance is admitted.
        if current == 0 {
            return Ok(true);
        }
        let more = (desired - current) as u64;
        let granted = desired <= self.limit && self.lease.take(more);
        if granted {
            self.grown += more;
        } else {
            self.denied = true;
            // A guest that asked for much may yet do with less, and would eat
            // up what is meant for raising the error.
            if more <= REFUSAL_STEP_BYTES {
                self.limit = current.saturating_add(REFUSAL_STEP_BYTES as usize).min(self.last_limit);
            }
        }
        Ok(granted)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }
}

/// What changes from run to run.
pub(crate) struct RunParts {
    pub(crate) control: Arc<RunControl>,
    pub(crate) stdio: Stdio,
    pub(crate) quota: DiskQuota,
    pub(crate) links: Links,
    pub(crate) calls: RunCalls,
    pub(crate) limits: Limits,
}

/// The data of a store.
pub(super) struct Host {
    /// The WASI context, made when first needed, and dropped with every file it holds open.
    pub(super) wasi: Option<WasiP1Ctx>,
    pub(super) clock: SessionClock,
    /// What random bytes come from when runs must be repeatable.
    pub(super) entropy: Option<Entropy>,
    pub(super) memory: Option<Memory>,
    /// Where the guest's interrupt block lies.
    pub(super) interrupt_block: u32,
    pub(super) memory_limit: MemoryLimit,
    pub(super) open_files: OpenFiles,
    /// What the guest sees beside its workspace.
    pub(super) mounts: Arc<[HeldMount]>,
    /// Below this much fuel the guest is interrupted softly.
    pub(super) fuel_reserve: u64,
    /// Absent while no run is going on.
    pub(super) run: Option<RunParts>,
    /// Whether the guest made any call in the run that could reach a file.
    pub(super) reached_files: bool,
}

impl Host {
    /// A host for an instance that has not run: without files and without a
    /// run. [`Host::begin`] gives it both.
    pub(super) fn idle(lease: Arc<dyn MemoryLease>, headroom_bytes: u64) -> Self {
        let headroom = usize::try_from(headroom_bytes).unwrap_or(usize::MAX);
        Self {
            wasi: None,
            clock: SessionClock::real(),
            entropy: None,
            memory: None,
            interrupt_block: 0,
            memory_limit: MemoryLimit { limit: 0, last_limit: 0, headroom, lease, grown: 0, denied: false },
            open_files: OpenFiles::default(),
            mounts: Arc::default(),
            fuel_reserve: 0,
            run: None,
            reached_files: false,
        }
    }

    /// Gives the instance a fresh WASI context over `workspace`: no open
    /// files, a new clock, nothing of the host's environment. `mounts` is what it
    /// sees beside the workspace.
    pub(super) fn open(
        &mut self,
        workspace: &Workspace,
        mounts: &Arc<[HeldMount]>,
        determinism: Option<Determinism>,
    ) -> Result<(), Error> {
        let clock = if determinism.is_some() { SessionClock::counted() } else { SessionClock::real() };
        let entropy = determinism.map(Entropy::new);
        let mut builder = WasiCtxBuilder::new();
        // Guests run on threads of their own, and tokio's blocking pool
        // would only add a hand-over. Must precede the preopen, which copies it.
        builder.allow_blocking_current_thread(true);
        builder.monotonic_clock(clock.clone());
        builder.wall_clock(clock.clone());
        if let Some(entropy) = &entropy {
            builder.secure_random(entropy.clone());
        }
        builder
            .preopened_dir(workspace.host_path(), GUEST_PATH, FsPerms::ReadWrite)
            .map_err(|source| Error::host("open a workspace for a guest", source))?;
        self.wasi = Some(builder.build_p1());
        self.clock = clock;
        self.entropy = entropy;
        self.open_files = OpenFiles::default();
        self.mounts = Arc::clone(mounts);
        Ok(())
    }

    /// The WASI context for whatever may reach a file.
    pub(super) fn wasi(&mut self) -> &mut WasiP1Ctx {
        self.reached_files = true;
        self.wasi_beside_files()
    }

    /// The WASI context for clocks, random bytes and the like. It is that of
    /// the workspace once [`Host::open`] was called, before that one with
    /// nothing in it.
    pub(super) fn wasi_beside_files(&mut self) -> &mut WasiP1Ctx {
        self.wasi.get_or_insert_with(|| WasiCtxBuilder::new().build_p1())
    }

    /// Begins a run with `memory_bytes` of linear memory in use.
    pub(super) fn begin(&mut self, parts: RunParts, memory_bytes: usize) {
        let limit = usize::try_from(parts.limits.get(Resource::MemoryBytes)).unwrap_or(usize::MAX);
        // A session that is full gets a little more, so that it can free
        // something: there is no other way out of its state.
        let most = limit.saturating_add(MAX_EXCESS_BYTES);
        let headroom = self.memory_limit.headroom;
        let full = memory_bytes.saturating_add(headroom).min(most);
        self.memory_limit.limit = limit.saturating_sub(headroom).max(full);
        self.memory_limit.last_limit = self.memory_limit.limit.saturating_add(headroom).min(most);
        self.memory_limit.denied = false;
        self.open_files.begin(parts.limits.get(Resource::OpenFiles));
        self.reached_files = false;
        self.run = Some(parts);
    }
}
