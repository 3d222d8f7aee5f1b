//! A store and an instance of a guest image: the thing that runs.
//!
//! A slot that came to its end in order can be reset: its memory is made equal
//! to the image again, page by page, which is several times cheaper than a new
//! instance and gives the same bytes. The rules for that:
//!
//! - the run returned: no trap, no exit, no dropped future;
//! - memory did not grow, because pages cannot be given back;
//! - the image cannot write to its table and has no passive segments (its
//!   builder refuses others);
//! - `__stack_pointer` is set back; WASI, clock and limits are new;
//! - the kernel can tell which pages are dirty;
//! - its pages are not protected, which would slow down every run to come;
//! - it is never shared between principals, and retires after [`MAX_USES`].
//!
//! In every other case the slot is dropped and a new one made.

use std::ops::Range;
use std::sync::Arc;

use wasmtime::{CallHook, Global, Memory, Store, StoreContextMut, Trap as EngineTrap, TypedFunc, Val};
use wasmtime_wasi::I32Exit;

use super::control::{Clocks, Grace, Reason, Verdict, drive};
use super::engine::YIELD_INTERVAL;
use super::host::{Host, MemoryLease, RunParts};
use super::image::Image;
use super::interrupt;
use super::memory::dirty::{Known, PageFaults};
use super::memory::pages::Pages;
use super::wasi;
use super::wasi::entropy::Determinism;
use crate::error::{Error, IoContext as _};
use crate::mounts::HeldMount;
use crate::run::abi;
use crate::run::abi::{Bounds, Cause, GuestReply, GuestRequest, MAX_REPLY_BYTES};
use crate::run::limits::{Resource, Usage};
use crate::run::outcome::{GuestError, Output, RichOutput, Status, Trap};
use crate::sys::PAGE;
use crate::workspace::Workspace;

/// How often a slot is reset before it is replaced, so that whatever a reset
/// might miss does not live for ever.
const MAX_USES: u32 = 1000;

/// Fuel on top of the limit, in which the guest can raise an exception, print
/// a traceback and keep its state: about a sixth of a second.
const FUEL_RESERVE: u64 = 1_000_000_000;

/// A guest instance.
pub(crate) struct Slot {
    pub(super) store: Store<Host>,
    pub(super) memory: Memory,
    /// What of memory is not as in the image, as of the last capture.
    pub(super) pages: Pages,
    /// The pages that may not be as in the image.
    pub(super) known: Known,
    stack_pointer: Global,
    initial_stack_pointer: i32,
    initial_bytes: usize,
    alloc: TypedFunc<u32, u32>,
    run: TypedFunc<u32, i64>,
    abi_version: TypedFunc<(), u32>,
    uses: u32,
    /// How much of the image's memory it had made its own when it was made ready.
    own_when_ready: u64,
    /// Whether the guest must re-seed its random generators.
    pub(super) fresh: bool,
    /// Whether the last run returned in order.
    intact: bool,
}

/// How a run in a slot ended.
pub(crate) struct Finished {
    pub(crate) status: Status,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
    pub(crate) result: Option<String>,
    pub(crate) error: Option<GuestError>,
    pub(crate) outputs: Vec<RichOutput>,
    pub(crate) usage: Usage,
    /// Whether the instance can run again with its state.
    pub(crate) intact: bool,
    /// Whether anything it did could reach a file.
    pub(crate) reached_files: bool,
}

impl Slot {
    /// Makes a new instance of `image`.
    pub(super) fn new(image: &Image, lease: Arc<dyn MemoryLease>) -> Result<Self, Error> {
        Self::instantiate(image, lease).map_err(|source| Error::host("make an instance of a guest image", source))
    }

    fn instantiate(image: &Image, lease: Arc<dyn MemoryLease>) -> wasmtime::Result<Self> {
        let mut store = Store::new(image.engine(), Host::idle(lease, image.instance().headroom_bytes));
        store.limiter(|host| &mut host.memory_limit);
        store.fuel_async_yield_interval(Some(YIELD_INTERVAL))?;
        // An image has no start function: it was initialised when it was built.
        store.set_fuel(YIELD_INTERVAL)?;
        store.call_hook(|context, hook| match hook {
            CallHook::ReturningFromHost => safe_point(context),
            _ => Ok(()),
        });
        let instance = ready(image.instance_pre().instantiate_async(&mut store))?;
        let missing = |name: &str| wasmtime::format_err!("the image exports no `{name}`");
        let memory = instance.get_memory(&mut store, "memory").ok_or_else(|| missing("memory"))?;
        let mut global = |name: &str| instance.get_global(&mut store, name).ok_or_else(|| missing(name));
        let (stack_pointer, interrupt_block) = (global("__stack_pointer")?, global("guest_interrupt")?);
        let initial_stack_pointer = stack_pointer.get(&mut store).i32().ok_or_else(|| missing("__stack_pointer"))?;
        let interrupt_block = interrupt_block.get(&mut store).i32().ok_or_else(|| missing("guest_interrupt"))?;
        let alloc = instance.get_typed_func(&mut store, "guest_alloc")?;
        let run = instance.get_typed_func(&mut store, "guest_run")?;
        let abi_version = instance.get_typed_func(&mut store, "guest_abi_version")?;
        let host = store.data_mut();
        host.memory = Some(memory);
        host.interrupt_block = interrupt_block.cast_unsigned();
        Ok(Self {
            initial_bytes: memory.data_size(&store),
            store,
            memory,
            pages: Pages::default(),
            known: Known::default(),
            stack_pointer,
            initial_stack_pointer,
            alloc,
            run,
            abi_version,
            uses: 0,
            own_when_ready: 0,
            fresh: true,
            intact: true,
        })
    }

    /// Asks the guest which ABI it speaks. The instance has run afterwards.
    pub(super) fn abi_version(&mut self) -> Result<u32, Error> {
        ready(self.abi_version.call_async(&mut self.store, ()))
            .map_err(|source| Error::host("ask a guest image for its ABI version", source))
    }

    /// All of linear memory.
    pub(super) fn bytes(&self) -> &[u8] {
        self.memory.data(&self.store)
    }

    /// Memory, host, and whether the guest is yet to be told that it is fresh.
    #[cfg(test)]
    pub(super) fn parts(&mut self) -> (&mut [u8], &mut Host, &mut bool) {
        let (bytes, host) = self.memory.data_and_store_mut(&mut self.store);
        (bytes, host, &mut self.fresh)
    }

    /// How much the instance has grown past its image.
    pub(crate) fn grown_bytes(&self) -> u64 {
        self.store.data().memory_limit.grown
    }

    /// How many runs it has begun, resets or not.
    pub(crate) const fn uses(&self) -> u32 {
        self.uses
    }

    /// What it keeps of its own while it is warm.
    pub(super) const fn own_when_ready(&self) -> u64 {
        self.own_when_ready
    }

    /// Writes what is there already, so that the pages are the slot's own.
    pub(super) fn write_again(&mut self, pages: &[Range<usize>], pristine: &Self) {
        let original = pristine.bytes();
        let faults = PageFaults::count();
        let bytes = self.memory.data_mut(&mut self.store);
        for page in pages.iter().filter(|page| page.end <= original.len()) {
            bytes[page.clone()].copy_from_slice(&original[page.clone()]);
        }
        self.own_when_ready = bytes_of(pages);
        self.known.written(faults);
    }

    /// Gives a slot that has not run, or was reset, its workspace.
    pub(crate) fn open(
        &mut self,
        workspace: &Workspace,
        mounts: &Arc<[HeldMount]>,
        determinism: Option<Determinism>,
    ) -> Result<(), Error> {
        self.store.data_mut().open(workspace, mounts, determinism)
    }

    /// Runs one request to its end, under the limits in `parts`.
    /// `in_session` is whether the state is worth waiting for.
    pub(crate) fn run(
        &mut self,
        request: &mut GuestRequest<'_>,
        parts: RunParts,
        in_session: bool,
    ) -> Result<Finished, Error> {
        let failed = |source: wasmtime::Error| Error::host("prepare a run", source);
        request.fresh = std::mem::take(&mut self.fresh);
        let bounds = Bounds::of(request);
        let request = serde_json::to_vec(request).map_err(|source| Error::host("write a guest request", source))?;
        let limits = parts.limits;
        let control = Arc::clone(&parts.control);
        let tank = limits.get(Resource::Fuel).saturating_add(FUEL_RESERVE);
        self.store.set_fuel(tank).map_err(failed)?;
        self.uses += 1;
        self.intact = false;
        let faults = PageFaults::count();
        let memory_bytes = self.memory.data_size(&self.store);
        let (memory, host) = self.memory.data_and_store_mut(&mut self.store);
        let nameless = ready(async { Ok(wasi::nameless_bytes(host, memory).await) }).map_err(failed)?;
        host.fuel_reserve = FUEL_RESERVE;
        host.begin(parts, memory_bytes);
        if let Some(run) = &mut host.run {
            run.quota.charge_nameless(nameless);
        }
        let (called, clocks) = drive(self.call(&request), &control, &limits, Grace::new(in_session));
        self.known.written(faults);
        self.finish(called, clocks, control.interrupted_for(), tank, bounds)
    }

    /// Calls the guest. `Ok(None)` when it had no memory for the request.
    async fn call(&mut self, request: &[u8]) -> wasmtime::Result<Option<Vec<u8>>> {
        let fault = || wasmtime::Error::new(GuestFault);
        let size = u32::try_from(request.len()).map_err(|_| fault())?;
        let address = self.alloc.call_async(&mut self.store, size).await?;
        if address == 0 {
            return Ok(None);
        }
        self.memory.write(&mut self.store, address as usize, request).map_err(|_| fault())?;
        let reply = self.run.call_async(&mut self.store, size).await?.cast_unsigned();
        let (address, size) = ((reply >> 32) as usize, (reply & u64::from(u32::MAX)) as usize);
        if address == 0 || size > MAX_REPLY_BYTES {
            return Err(fault());
        }
        let bytes = self.bytes().get(address..).and_then(|rest| rest.get(..size)).ok_or_else(fault)?;
        Ok(Some(bytes.to_vec()))
    }

    fn finish(
        &mut self,
        called: Option<wasmtime::Result<Option<Vec<u8>>>>,
        clocks: Clocks,
        interrupted: Option<Reason>,
        tank: u64,
        bounds: Bounds,
    ) -> Result<Finished, Error> {
        let memory_bytes = self.memory.data_size(&self.store) as u64;
        let fuel = tank.saturating_sub(self.store.get_fuel().unwrap_or(0));
        let host = self.store.data_mut();
        let denied_memory = host.memory_limit.denied;
        let run = host.run.take().ok_or_else(|| Error::host("finish a run", "it never began"))?;
        let (stdout, stderr) = (run.stdio.stdout.finish(), run.stdio.stderr.finish());

        let mut usage = Usage::default();
        usage.set(Resource::WallTimeMs, u64::try_from(clocks.wall.as_millis()).unwrap_or(u64::MAX));
        usage.set(Resource::CpuTimeMs, u64::try_from(clocks.cpu.as_millis()).unwrap_or(u64::MAX));
        usage.set(Resource::Fuel, fuel);
        usage.set(Resource::MemoryBytes, memory_bytes);
        usage.set(Resource::OutputBytes, stdout.bytes_seen + stderr.bytes_seen);
        usage.set(Resource::OpenFiles, host.open_files.peak);

        let mut finished = Finished {
            status: Status::Exited(0),
            stdout,
            stderr,
            result: None,
            error: None,
            outputs: Vec::new(),
            usage,
            intact: false,
            reached_files: host.reached_files,
        };
        let reply = match called {
            None => None,
            Some(Ok(None)) => {
                finished.status = if denied_memory {
                    Status::LimitExceeded(Resource::MemoryBytes)
                } else {
                    Status::Trapped(Trap::GuestFault)
                };
                return Ok(finished);
            }
            Some(Ok(Some(bytes))) => match serde_json::from_slice::<GuestReply>(&bytes) {
                Ok(reply) => Some(reply),
                Err(error) => {
                    // The text of this error may quote what the guest sent.
                    tracing::warn!(kind = ?error.classify(), at = error.column(), "a guest's reply breaks the ABI");
                    finished.status = Status::Trapped(Trap::GuestFault);
                    return Ok(finished);
                }
            },
            Some(Err(error)) => {
                finished.status = interrupted.map_or_else(|| status_of_error(&error), stopped);
                return Ok(finished);
            }
        };
        if let Some(reply) = reply {
            finished.intact = true;
            self.intact = true;
            finished.status = Status::Exited(reply.exit_code);
            finished.result = reply.result.map(|result| abi::cut(result, bounds.text));
            finished.outputs = abi::take_outputs(reply.outputs, bounds.outputs);
            if let Some(error) = reply.error {
                let exceeded = match error.cause {
                    Some(Cause::Memory) if denied_memory => Some(Resource::MemoryBytes),
                    Some(Cause::Storage) => run.quota.denied(),
                    Some(Cause::Descriptors) if host.open_files.denied => Some(Resource::OpenFiles),
                    _ => None,
                };
                if let Some(resource) = exceeded {
                    finished.status = Status::LimitExceeded(resource);
                }
                finished.error = Some(error.bounded(bounds));
            }
        }
        if let Some(reason) = interrupted {
            finished.status = stopped(reason);
        }
        Ok(finished)
    }

    /// Makes this slot equal to a new instance, if the rules allow it.
    pub(super) fn reset(mut self, image: &Image) -> Result<Option<Self>, Error> {
        let has_grown = self.memory.data_size(&self.store) != self.initial_bytes;
        if !self.intact || self.uses >= MAX_USES || has_grown || self.known.is_protected() {
            return Ok(None);
        }
        let doing = || "find the dirty pages of a guest".to_owned();
        let dirty = image.dirty().since_image(self.memory.data(&self.store), &mut self.known).doing(doing)?;
        image.learn_hot(dirty);
        self.own_when_ready = bytes_of(dirty);
        if self.own_when_ready > image.instance().warm_bytes {
            return Ok(None);
        }
        let Some(pristine) = image.pristine() else { return Ok(None) };
        let original = pristine.bytes();
        let bytes = self.memory.data_mut(&mut self.store);
        for range in dirty {
            for page in range.clone().step_by(PAGE) {
                let page = page..page + PAGE;
                if bytes[page.clone()] != original[page.clone()] {
                    bytes[page.clone()].copy_from_slice(&original[page]);
                }
            }
        }
        drop(pristine);
        self.stack_pointer
            .set(&mut self.store, Val::I32(self.initial_stack_pointer))
            .map_err(|source| Error::host("reset a guest", source))?;
        let host = self.store.data_mut();
        host.wasi = None;
        host.mounts = Arc::default();
        host.run = None;
        self.pages = Pages::default();
        self.fresh = true;
        Ok(Some(self))
    }
}

fn bytes_of(pages: &[Range<usize>]) -> u64 {
    pages.iter().map(|pages| pages.len() as u64).sum()
}

/// A guest that broke the ABI.
#[derive(Debug, thiserror::Error)]
#[error("the guest broke its contract with the host")]
struct GuestFault;

/// A guest that was stopped at a safe point, after its grace.
#[derive(Debug, thiserror::Error)]
#[error("the guest did not end in time")]
struct TimeIsUp;

fn stopped(reason: Reason) -> Status {
    match reason {
        Reason::WallTime => Status::LimitExceeded(Resource::WallTimeMs),
        Reason::CpuTime => Status::LimitExceeded(Resource::CpuTimeMs),
        Reason::Fuel => Status::LimitExceeded(Resource::Fuel),
        Reason::Cancelled => Status::Cancelled,
    }
}

fn status_of_error(error: &wasmtime::Error) -> Status {
    if let Some(I32Exit(code)) = error.downcast_ref() {
        return Status::Exited(*code);
    }
    match error.downcast_ref::<EngineTrap>() {
        Some(EngineTrap::OutOfFuel) => Status::LimitExceeded(Resource::Fuel),
        Some(EngineTrap::UnreachableCodeReached) => Status::Trapped(Trap::Unreachable),
        Some(EngineTrap::StackOverflow) => Status::Trapped(Trap::StackOverflow),
        Some(EngineTrap::MemoryOutOfBounds) => Status::Trapped(Trap::OutOfBounds),
        Some(_) => Status::Trapped(Trap::Other),
        None if error.is::<GuestFault>() => Status::Trapped(Trap::GuestFault),
        None => {
            tracing::warn!(error = format!("{error:#}"), "a run ended in an unexpected error");
            Status::Trapped(Trap::Other)
        }
    }
}

/// Runs whenever the guest gets control back from the host, which is at least
/// once per [`YIELD_INTERVAL`]: the one place where a guest is interrupted.
fn safe_point(mut context: StoreContextMut<'_, Host>) -> wasmtime::Result<()> {
    let host = context.data();
    let Some(run) = &host.run else { return Ok(()) };
    let out_of_fuel = run.control.interrupted_for().is_none() && context.get_fuel()? < host.fuel_reserve;
    if out_of_fuel {
        run.control.interrupt(Reason::Fuel);
    }
    if run.control.steer(false) == Verdict::Drop {
        return Err(wasmtime::Error::new(TimeIsUp));
    }
    let Some(reason) = run.control.take_interrupt() else { return Ok(()) };
    let (Some(memory), block) = (host.memory, host.interrupt_block) else { return Ok(()) };
    // A block that points outside memory is the guest's own misfortune: it
    // will be stopped the other way.
    let _ = interrupt::write(memory.data_mut(&mut context), block as usize, reason);
    Ok(())
}

/// Finishes a future that has nothing to wait for.
pub(super) fn ready<T>(future: impl Future<Output = wasmtime::Result<T>>) -> wasmtime::Result<T> {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(result) => result,
        std::task::Poll::Pending => Err(wasmtime::format_err!("a guest image ran code while it was instantiated")),
    }
}
