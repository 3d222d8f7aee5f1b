//! The engine: one configuration for compiling and for running.
//!
//! # Metering
//!
//! Fuel is the only meter, with a yield every [`YIELD_INTERVAL`] units and the
//! store's call hook as the one safe point. Together they give a
//! deterministic budget, deadlines, cancellation and soft interruption without
//! unsafe code. Epochs would add cost (9–33 % in the trial) and give nothing
//! that fuel does not: yielding, fibers and the hook were not measurable next
//! to fuel's own 12–30 %. A yield comes every 2–8 ms.

use std::env::consts::ARCH;
use std::fs::File;
use std::hash::{Hash, Hasher};

use wasmtime::{Config, Engine, Module};

use crate::error::Error;

/// The version of Wasmtime that runs guests. The manifest pins it.
pub const ENGINE_VERSION: &str = "48.0.8";

/// Fuel between two safe points.
pub(super) const YIELD_INTERVAL: u64 = 10_000_000;

/// The fiber holds host frames above the WebAssembly frames. Touched lazily.
const HOST_STACK_BYTES: usize = 8 << 20;

fn config() -> Config {
    let mut config = Config::new();
    config.consume_fuel(true);
    config.memory_init_cow(true);
    // Guest images are dense after merging; 1 GiB is above any of them.
    config.memory_guaranteed_dense_image_size(1 << 30);
    // Slots are reused and a table is never written, so it is filled once
    // rather than checked at every indirect call.
    config.table_lazy_init(false);
    // Backtraces of the guest's own C frames help no caller.
    config.wasm_backtrace_max_frames(None);
    // Proposals that no guest image uses are attack surface.
    config.wasm_memory64(false);
    config.wasm_multi_memory(false);
    config.wasm_relaxed_simd(false);
    config
}

/// Makes an engine whose guests have so much stack for their own frames.
///
/// # Errors
///
/// [`Error::Host`] when this machine cannot run the configuration.
pub(crate) fn engine(stack_bytes: u64) -> Result<Engine, Error> {
    let stack = usize::try_from(stack_bytes).unwrap_or(usize::MAX);
    let mut config = config();
    config.max_wasm_stack(stack);
    config.async_stack_size(stack.saturating_add(HOST_STACK_BYTES));
    new(&config)
}

/// Which processors compiled code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processors {
    /// Processors like this one, with all that it can.
    LikeThis,
    /// Every processor of this architecture.
    All,
}

/// The engine that compiles code for these processors.
fn compiler(processors: Processors) -> Result<Engine, Error> {
    let mut config = config();
    if processors == Processors::All {
        // A target that is named is not asked what it can beyond its architecture.
        let named = config.target(&format!("{ARCH}-unknown-linux-gnu"));
        named.map_err(|source| Error::host("find the target of compiled code", source))?;
    }
    new(&config)
}

fn new(config: &Config) -> Result<Engine, Error> {
    Engine::new(config).map_err(|source| Error::host("start the WebAssembly engine", source))
}

/// A name for everything that compiled code depends on besides the module:
/// engine version, settings and processor features. How much stack there is to
/// be is no part of it.
///
/// # Errors
///
/// [`Error::Host`] when this machine cannot run the configuration.
pub(crate) fn compatibility(processors: Processors) -> Result<String, Error> {
    Ok(compatibility_of(&compiler(processors)?))
}

fn compatibility_of(engine: &Engine) -> String {
    struct Digest(blake3::Hasher);
    impl Hasher for Digest {
        fn finish(&self) -> u64 {
            0
        }
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
    }
    let mut digest = Digest(blake3::Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut digest);
    digest.0.finalize().to_hex()[..16].to_owned()
}

/// Compiles `wasm`.
///
/// # Errors
///
/// [`Error::Host`] when the module is not valid.
pub(crate) fn compile(wasm: &[u8], processors: Processors) -> Result<Vec<u8>, Error> {
    let compiled = compiler(processors)?.precompile_module(wasm);
    compiled.map_err(|source| Error::host("compile a guest image", source))
}

/// Maps compiled code.
///
/// # Errors
///
/// [`Error::Host`] when another engine made it.
pub(super) fn load(engine: &Engine, compiled: File) -> Result<Module, Error> {
    crate::sys::deserialize_module(engine, compiled)
        .map_err(|source| Error::host("load a compiled guest image", source))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn code_for_every_processor_runs_on_this_one_and_is_told_from_code_for_this_one() {
        let [own, all] = [Processors::LikeThis, Processors::All].map(|processors| compatibility(processors).unwrap());
        assert_ne!(own, all, "a processor with nothing that the first of its architecture had not");
        let empty = b"\0asm\x01\0\0\0";
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&compile(empty, Processors::All).unwrap()).unwrap();
        load(&engine(1 << 20).unwrap(), file).unwrap();
    }

    #[test]
    fn code_that_was_compiled_once_runs_with_any_stack() {
        let of = |stack_bytes| compatibility_of(&engine(stack_bytes).unwrap());
        assert_eq!(of(64 << 10), of(64 << 20));
        assert_eq!(of(64 << 10), compatibility(Processors::LikeThis).unwrap());
    }

    #[test]
    fn the_stated_version_is_the_pinned_one() {
        let lock = include_str!("../../../Cargo.lock");
        let pinned = format!("name = \"wasmtime\"\nversion = \"{}\"", ENGINE_VERSION);
        assert!(lock.contains(&pinned));
    }
}
