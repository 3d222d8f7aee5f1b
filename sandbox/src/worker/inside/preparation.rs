//! The worker's half of what happens before it takes orders: it loads images,
//! and then confines itself for good.

#![expect(clippy::disallowed_methods, reason = "asks the kernel about its own process")]

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use guest_runtimes::Instance;
use jailer::{PathAccess, PathRule};
use wasmtime::Engine;

use crate::error::{Error, IoContext as _};
use crate::mounts::{HeldMount, MountAccess};
use crate::sys;
use crate::wasm::{Image, engine};
use crate::worker::wire::frame;
use crate::worker::wire::protocol::{Bounds, MountName, Preparation, Prepared};

/// What a thread has mapped: its stack, and one for signals.
const THREAD_BYTES: u64 = 4 << 20;

/// By how much the priority of a worker that gives way is lower than the server's:
/// as that of native programs is. It gets a third of what it would when the server
/// wants the processor too.
const LOWER_BY: i32 = 5;

/// What the worker's end was sent.
pub(crate) struct Loaded {
    /// Loaded images by digest.
    pub(crate) images: HashMap<String, Arc<Image>>,
    /// The version of the guest ABI that each should speak.
    pub(crate) abis: HashMap<String, u32>,
    /// What guests see beside their workspace.
    pub(crate) mounts: Arc<[HeldMount]>,
    /// What the worker is to keep itself to from now on.
    pub(crate) bounds: Bounds,
}

/// Loads what the server sends a worker. `None` when the server went away instead.
///
/// # Errors
///
/// When this process must end.
pub(crate) fn load_all(stream: &UnixStream) -> Result<Option<Loaded>, Error> {
    let doing = || "be prepared".to_owned();
    let (mut images, mut abis, mut mounts) = (HashMap::new(), HashMap::new(), Vec::new());
    // Engines by how much stack their guests have.
    let mut engines = HashMap::new();
    while let Some((message, descriptor)) = frame::read::<Preparation>(stream).doing(doing)? {
        match message {
            Preparation::Load { image, warm, abi, instance } => match load(&mut engines, descriptor, instance, warm) {
                Ok(loaded) => {
                    let (initial_bytes, resets) = (loaded.initial_bytes(), loaded.resets());
                    images.insert(image.clone(), Arc::new(loaded));
                    abis.insert(image.clone(), abi);
                    say(stream, &Prepared::Loaded { image, initial_bytes, resets })?;
                }
                Err(error) => say(stream, &Prepared::LoadFailed { image, reason: error.with_causes() })?,
            },
            Preparation::Mount(MountName { destination, access }) => {
                let missing = || Error::host("show a folder to guests", "no descriptor came with its name");
                mounts.push(HeldMount { destination, access, directory: descriptor.ok_or_else(missing)? });
            }
            Preparation::Confine(bounds) => return Ok(Some(Loaded { images, abis, mounts: mounts.into(), bounds })),
        }
    }
    Ok(None)
}

/// Confines this process, with the threads that `start_threads` starts, and
/// says so once `images` have shown that they speak the ABI that they should: their
/// code runs for that.
///
/// # Errors
///
/// When this process is not confined and must end.
pub(crate) fn confine(
    stream: &UnixStream,
    bounds: &Bounds,
    mounts: &[HeldMount],
    (images, abis): (&HashMap<String, Arc<Image>>, &HashMap<String, u32>),
    start_threads: impl FnOnce() -> io::Result<()>,
) -> Result<(), Error> {
    if bounds.gives_way {
        // Threads inherit the priority of the one that starts them.
        rustix::process::nice(LOWER_BY).map_err(io::Error::from).doing(|| "lower its priority".into())?;
    }
    // The stacks of threads that are still to be started count, too.
    let stacks = bounds.runs as u64 * THREAD_BYTES;
    let data_bytes = mapped_data().doing(|| "ask how much memory it has".into())? + stacks;
    let shown: Vec<_> = mounts
        .iter()
        .map(|mount| PathRule {
            path: &mount.destination,
            found: Some(mount.as_fd()),
            access: match mount.access {
                MountAccess::ReadOnly => PathAccess::Read,
                MountAccess::ReadWrite => PathAccess::Data,
            },
        })
        .collect();
    match jailer::confine_worker(&bounds.directory, &shown, start_threads) {
        Ok(wall) => {
            for (image, abi) in abis {
                let Some(loaded) = images.get(image) else { continue };
                if let Err(error) = loaded.check_abi(*abi) {
                    say(stream, &Prepared::LoadFailed { image: image.clone(), reason: error.with_causes() })?;
                }
            }
            say(stream, &Prepared::Confined { wall, data_bytes })
        }
        Err(refusal) => {
            say(stream, &Prepared::Refused(refusal.clone()))?;
            Err(Error::host("confine this process", refusal))
        }
    }
}

fn say(mut stream: &UnixStream, answer: &Prepared) -> Result<(), Error> {
    frame::encode(answer).and_then(|bytes| stream.write_all(&bytes)).doing(|| "be prepared".to_owned())
}

/// How much memory of its own this process has mapped.
fn mapped_data() -> io::Result<u64> {
    // The numbers are pages; the sixth is data and stacks.
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let pages: Option<u64> = text.split_whitespace().nth(5).and_then(|pages| pages.parse().ok());
    pages.map(|pages| pages * sys::PAGE as u64).ok_or_else(|| io::Error::other("the kernel does not say"))
}

fn load(
    engines: &mut HashMap<u64, Engine>,
    descriptor: Option<OwnedFd>,
    instance: Instance,
    warm: usize,
) -> Result<Image, Error> {
    let file = descriptor.ok_or_else(|| Error::host("load a guest image", "no descriptor came with the order"))?;
    let engine = match engines.entry(instance.stack_bytes) {
        Entry::Occupied(engine) => engine.into_mut(),
        Entry::Vacant(vacant) => vacant.insert(engine::engine(instance.stack_bytes)?),
    };
    Image::load(engine.clone(), File::from(file), instance, warm)
}
