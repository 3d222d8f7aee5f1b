//! Protects this process from the programs that it starts.

use std::ffi::OsStr;

use nix::sys::prctl;

use crate::error::{Error, IoContext as _};
use crate::sys;

/// What later parts of this process read, and none of it is secret.
const KEPT: [&str; 12] = [
    "BELLJAR_LOG",
    "HOME",
    "LANG",
    "NO_COLOR",
    "PATH",
    "RUST_BACKTRACE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
];

/// Keeps memory and environment of this process from others of its user, and
/// has the kernel hand it whatever its children leave. Call it once the
/// configuration is read, and before any thread exists.
///
/// # Errors
///
/// [`Error::Host`] when the kernel refuses, or there are threads already.
pub fn protect_own_process() -> Result<(), Error> {
    let doing = || "protect the own process".to_owned();
    // What a session with many files needs for a moment is not kept for good.
    sys::give_back_large_memory();
    // No other process of this user may read its memory, environment or
    // descriptors, or trace it.
    prctl::set_dumpable(false).map_err(std::io::Error::from).doing(doing)?;
    prctl::set_child_subreaper(true).map_err(std::io::Error::from).doing(doing)?;
    // Secrets of an agent's host are in there; we need none of them.
    sys::scrub_environment(|name| KEPT.iter().any(|kept| name == OsStr::new(kept))).doing(doing)
}
