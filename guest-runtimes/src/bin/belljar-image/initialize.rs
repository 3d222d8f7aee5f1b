//! Runs the guest's initialisation and takes the memory it leaves.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use wasmtime::{Config, Engine, Linker, Module, Store};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};
use wasmtime_wizer::Wizer;

use crate::fixed;

/// The export that builds the guest's state. The image does not have it.
const INITIALIZE: &str = "guest_initialize";
/// `errno::notsup` of WASI preview 1.
const NOT_SUPPORTED: i32 = 58;

/// The guest's name of descriptor 3, which its C library looks up once and
/// keeps: the host must give a folder of the same name later.
const WORKSPACE: &str = "/workspace";

/// Imports and the compiler of an interpreter recurse deeply.
const WASM_STACK_BYTES: usize = 16 << 20;
const FIBER_STACK_BYTES: usize = 24 << 20;

/// What a guest may say while it initialises; normally nothing.
const OUTPUT_BYTES: usize = 1 << 20;

/// Returns the module with the state that `guest_initialize` left.
///
/// # Errors
///
/// Fails when the module is not valid, or when initialisation traps, in which
/// case the error carries what the guest printed.
pub(crate) fn initialize(linked: &[u8]) -> Result<Vec<u8>> {
    let workspace = tempfile::tempdir().context("failed to make an empty workspace")?;
    let mut config = Config::new();
    config.max_wasm_stack(WASM_STACK_BYTES);
    config.async_stack_size(FIBER_STACK_BYTES);
    let engine = Engine::new(&config).map_err(plain)?;
    let output = MemoryOutputPipe::new(OUTPUT_BYTES);
    let mut store = Store::new(&engine, context(workspace.path(), &output)?);
    let mut wizer = Wizer::new();
    wizer.init_func(INITIALIZE).keep_init_func(false);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start the tokio runtime")?;
    let instantiate = async |store: &mut Store<WasiP1Ctx>, module: &Module| {
        let mut linker = Linker::new(store.engine());
        wasmtime_wasi::p1::add_to_linker_async(&mut linker, |context| context)?;
        // There are no files yet whose mode could be set.
        linker.func_wrap("belljar", "mode_set", |_: i32, _: i32, _: i32, _: i32, _: i32| NOT_SUPPORTED)?;
        // Nobody is there who answers a call.
        linker.func_wrap("belljar", "call_begin", |_: i32, _: i32, _: i32, _: i32| -NOT_SUPPORTED)?;
        linker.func_wrap("belljar", "call_wait", |_: i64, _: i32| NOT_SUPPORTED)?;
        linker.func_wrap("belljar", "call_take", |_: i32, _: i32, _: i32| NOT_SUPPORTED)?;
        linker.instantiate_async(store, module).await
    };
    let result = runtime.block_on(wizer.run(&mut store, linked, instantiate));
    let printed = String::from_utf8_lossy(&output.contents()).into_owned();
    result.map_err(plain).with_context(|| format!("the guest printed: {printed}"))
}

fn context(workspace: &Path, output: &MemoryOutputPipe) -> Result<WasiP1Ctx> {
    let mut builder = WasiCtxBuilder::new();
    builder
        .stdout(output.clone())
        .stderr(output.clone())
        .wall_clock(fixed::WallClock)
        .monotonic_clock(fixed::MonotonicClock::default())
        .secure_random(fixed::random())
        .insecure_random(fixed::random())
        .insecure_random_seed(0)
        .preopened_dir(workspace, WORKSPACE, FsPerms::ReadWrite)
        .map_err(plain)?;
    Ok(builder.build_p1())
}

/// Wasmtime's error as one of `anyhow`, with its whole chain of causes.
fn plain(error: wasmtime::Error) -> anyhow::Error {
    anyhow!("{error:?}")
}
