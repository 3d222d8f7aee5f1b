//! Runs untrusted code. Knows nothing of MCP.
//!
//! # Layout
//!
//! - [`ExecuteRequest`] goes in, an [`Outcome`] comes out, through
//!   [`Executor`], which knows sessions, limits and queues.
//! - `worker` is the processes that guests run in: the server's side, theirs,
//!   and what they say to each other.
//! - `wasm` is Wasmtime; it is called in worker processes only.
//! - `native` is programs of this machine, each confined by its jailer.
//! - [`Workspace`] is the only access to files of guests; `session::files`
//!   turns one into data and back.
//! - `store` keeps sessions when nobody uses them.
//!
//! The table in `sandbox/README.md` names every folder.
//!
//! # Vocabulary
//!
//! The *host* is our process, a *guest* is the code we run, a *runtime* is
//! what runs a language, a *slot* is a guest instance in a worker. A *run* is
//! one program from start to outcome; a *session* keeps its state between runs.

mod children;
mod codec;
mod error;
mod executor;
mod fair;
mod filesystem;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod handle;
mod images;
#[cfg(test)]
mod layers;
mod memory_budget;
mod mounts;
mod native;
mod policy;
mod role;
mod run;
mod session;
mod store;
mod sys;
mod tenancy;
mod text;
mod wasm;
mod worker;
mod workspace;

pub use children::jailer_executable::jailer_command;
pub use children::protect::protect_own_process;
pub use error::Error;
pub use executor::{
    Drained, Executor, ExecutorSettings, Health, Language, Look, Place, Reserved, RunEvents, SessionSummary,
    SnapshotSummary, Told,
};
pub use filesystem::canonical::canonical;
pub use filesystem::state_directory::make_files_private;
pub use guest_runtimes::{Catalogue, CatalogueError, GuestRuntime};
pub use handle::{Principal, RunId, SessionId, SnapshotId};
pub use images::prepare;
pub use jailer::{Enforced, WorkerWall};
pub use mounts::{Mount, MountAccess, MountedPath, Mounts};
pub use native::{MinimumTier, NativeHealth, NativeSettings, Shown, Tier};
pub use policy::{Languages, Network, Policy};
pub use role::role;
pub use run::calls::{Answer, Answering, CallError, CallHandler, GuestCall};
pub use run::event::{CodeDigest, Origin, RunCall, RunEvent, RunFailure, RunStage, RunSummary, RunTimes};
pub use run::finished::{FinishedRun, RUN_LIFETIME, StreamText};
pub use run::follower::{DISPLAY, Follower};
pub use run::limits::{Amounts, Limits, RequestedLimits, Resource, Usage};
pub use run::observer::{Observer, SessionEvent};
pub use run::outcome::{GuestError, Outcome, Output, RichOutput, SessionReport, SessionState, Status, Trap};
pub use run::output::SPOOL_BYTES;
pub use run::program::Program;
pub use run::report::RunReport;
pub use run::request::{ExecuteRequest, InputFile, SessionChoice};
pub use run::spool::Spool;
pub use run::stream::{LiveOutput, Stream};
pub use session::SessionFiles;
pub use session::watchers::FileWatch;
pub use store::{Durability, KeyFile, KeyId, Note, SharedCache, StoreBackend};
pub use tenancy::{Tenancy, TenantLimits, Tenants};
pub use text::{escaped, has_escapes, one_line, path_of};
pub use wasm::engine::ENGINE_VERSION;
pub use wasm::{CodeCache, Processors};
pub use worker::PoolHealth;
pub use workspace::entry::FileEntry;
pub use workspace::survey::{DiskUse, Survey};
pub use workspace::{Found, Workspace, WorkspacePath, read_range};
