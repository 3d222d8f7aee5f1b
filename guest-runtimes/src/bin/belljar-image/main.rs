//! `belljar-image IN.wasm OUT.wasm` turns a linked guest into an image: runs
//! its `guest_initialize`, takes its memory, merges the data segments and
//! refuses a module that breaks a rule of the guest ABI (`guest-runtimes/README.md`).
//!
//! It is used when a guest is built, never when Belljar runs. The same input
//! gives the same bytes: clocks, randomness and folders are fixed.

mod fixed;
mod initialize;
mod segments;

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use guest_runtimes::rules::{self, Checked};
use sha2::{Digest as _, Sha256};

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(input), Some(output), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        bail!("usage: belljar-image IN.wasm OUT.wasm");
    };
    let linked = std::fs::read(&input).with_context(|| format!("failed to read {}", input.display()))?;
    rules::check_code(&linked).context("failed to accept the linked module")?;
    let initialized = initialize::initialize(&linked).context("failed to initialise the guest")?;
    let merged = segments::merge(&initialized).context("failed to merge the data segments")?;
    let Checked { abi, initial_bytes } = rules::check(&merged.module).context("failed to accept the image")?;
    std::fs::write(&output, &merged.module).with_context(|| format!("failed to write {}", output.display()))?;

    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "segments  {} -> {}", merged.segments_before, merged.segments_after)?;
    writeln!(stdout, "data      {} -> {} bytes", merged.data_before, merged.data_after)?;
    writeln!(stdout, "module    {} -> {} bytes", linked.len(), merged.module.len())?;
    // The numbers are written as `runtime.toml` has them.
    writeln!(stdout, "abi       {abi}")?;
    writeln!(stdout, "memory    {initial_bytes} bytes to start with")?;
    write!(stdout, "sha256    ")?;
    for byte in Sha256::digest(&merged.module) {
        write!(stdout, "{byte:02x}")?;
    }
    writeln!(stdout)?;
    Ok(())
}
