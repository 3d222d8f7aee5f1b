//! Compiles a guest image in a process of its own, because the compiler's
//! memory is not given back by the process that it ran in.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::{ExitCode, Stdio};

use guest_runtimes::MAX_COMPRESSED_BYTES;

use crate::children;
use crate::children::this_binary::{COMPILE, this_binary};
use crate::error::{Error, IoContext as _};
use crate::wasm::{CodeCache, ImageName, Processors};

/// Compiles the image in `compressed`, which is verified first, in a process
/// of its own. Blocks.
pub(crate) fn compile(cache: &CodeCache, name: ImageName<'_>, compressed: &[u8]) -> Result<File, Error> {
    let ImageName { runtime, digest } = name;
    tracing::info!(runtime, digest, "compiling a guest image, once for this version and processor");
    compile_apart(cache, name, compressed)?;
    cache.find(name)?.ok_or_else(|| Error::host("compile a guest image", "it is not in the cache afterwards"))
}

/// Has a process of its own compile an image into `cache`. Blocks.
///
/// # Errors
///
/// [`Error::Host`] when that process fails; its log says why.
fn compile_apart(cache: &CodeCache, name: ImageName<'_>, compressed: &[u8]) -> Result<(), Error> {
    let doing = || format!("compile guest image {} of `{}`", name.digest, name.runtime);
    let failed = |source: io::Error| Error::host(doing(), source);
    let mut command = this_binary(COMPILE);
    command
        .arg(name.runtime)
        .arg(name.digest)
        .arg(cache.directory())
        .arg(word(cache.processors()))
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    let mut child = children::start(&mut command).map_err(failed)?;
    let stdin = child.stdin.take().ok_or_else(|| Error::host(doing(), "it has no input"))?;
    // The compile process reads all of the image before it says anything. If it cannot,
    // its status and its log say why.
    let _ = { stdin }.write_all(compressed);
    let status = children::wait(&mut child).map_err(failed)?;
    if status.success() { Ok(()) } else { Err(Error::host(doing(), status.to_string())) }
}

/// The word by which the compile process is told what to compile for.
const fn word(processors: Processors) -> &'static str {
    match processors {
        Processors::LikeThis => "like-this",
        Processors::All => "all",
    }
}

/// What the process that compiles an image does.
pub(crate) fn compile_main(name: ImageName<'_>, directory: &str, processors: &str) -> ExitCode {
    let known = [Processors::LikeThis, Processors::All].into_iter().find(|known| word(*known) == processors);
    let Some(processors) = known else { return ExitCode::FAILURE };
    let mut compressed = Vec::new();
    let compiled = io::stdin()
        .take(MAX_COMPRESSED_BYTES)
        .read_to_end(&mut compressed)
        .doing(|| "receive a guest image".into())
        .and_then(|_| CodeCache::open(Path::new(directory).to_path_buf())?.for_processors(processors))
        .and_then(|cache| cache.compile(name, &compressed));
    match compiled {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = ?error, "compilation failed");
            ExitCode::FAILURE
        }
    }
}
