//! Both ends of what happens before a worker takes orders: it loads images,
//! and then confines itself for good. Whoever is not confined gets no order.

#![expect(clippy::disallowed_methods, reason = "asks the kernel about its own process")]

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use jailer::WorkerWall;
use tokio::io::BufReader;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use wasmtime::Engine;

use super::frame;
use super::pool::{Baseline, Images};
use super::protocol::{Bounds, Preparation, Prepared};
use crate::error::{Error, IoContext as _};
use crate::sys;
use crate::wasm::Image;

/// How long a worker may take. Reaching it means that it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest answer: a reason, with its causes.
const MAX_ANSWER_BYTES: usize = 64 << 10;
/// What a thread has mapped: its stack, and one for signals.
const THREAD_BYTES: u64 = 4 << 20;

/// A worker that takes orders, and what it said of itself.
pub(super) struct Ready {
    pub(super) reader: BufReader<OwnedReadHalf>,
    pub(super) writer: OwnedWriteHalf,
    pub(super) wall: WorkerWall,
    /// How much memory an instance starts with.
    pub(super) initial_bytes: Option<u64>,
    pub(super) baseline: Baseline,
    /// Whether slots are reset in place.
    pub(super) resets: bool,
}

/// Has a worker load `images`, of each so many warm slots, and confine itself.
///
/// # Errors
///
/// [`Error::Unconfined`] with the step of its confinement that failed.
/// [`Error::Interrupted`] when it is gone before it says so, or lacks an image.
///
/// # Cancellation
///
/// Ends the connection, and with it the worker.
pub(super) async fn prepare(stream: UnixStream, images: &[(&Images, usize)], bounds: Bounds) -> Result<Ready, Error> {
    let doing = || "prepare a worker".to_owned();
    let gone = |error: io::Error| {
        tracing::debug!(%error, "the connection to a new worker broke");
        Error::Interrupted
    };
    for (images, warm) in images {
        for (digest, compiled) in *images {
            let order = Preparation::Load { image: digest.clone(), warm: *warm };
            frame::write_with_descriptor(&stream, &order, compiled.as_fd()).map_err(gone)?;
        }
    }
    let confine = frame::encode(&Preparation::Confine(bounds)).doing(doing)?;
    (&stream).write_all(&confine).map_err(gone)?;
    stream.set_nonblocking(true).doing(doing)?;
    let (reader, writer) = tokio::net::UnixStream::from_std(stream).doing(doing)?.into_split();
    let mut reader = BufReader::with_capacity(64 << 10, reader);
    let answers = async {
        let (mut initial, mut can_reset, mut instance_bytes) = (None, false, 0);
        loop {
            match frame::read_async::<Prepared>(&mut reader, || MAX_ANSWER_BYTES).await.map_err(gone)? {
                Some(Prepared::Loaded { image, initial_bytes, resets }) => {
                    tracing::debug!(image, initial_bytes, resets, "a worker has loaded an image");
                    initial = initial.or(Some(initial_bytes));
                    instance_bytes = initial_bytes.max(instance_bytes);
                    can_reset = resets;
                }
                Some(Prepared::LoadFailed { image, reason }) => {
                    tracing::error!(image, reason, "a worker cannot load an image");
                    // It would refuse every run of it; another may do better.
                    return Err(Error::Interrupted);
                }
                Some(Prepared::Confined { wall, data_bytes }) => {
                    let warm = images.iter().map(|(images, warm)| images.len() * warm).sum::<usize>() as u64;
                    let baseline = Baseline { data_bytes, instance_bytes, most_warm: warm };
                    return Ok((wall, initial, can_reset, baseline));
                }
                Some(Prepared::Refused(refusal)) => {
                    let error = Error::Unconfined { step: refusal.step.name(), source: refusal.into() };
                    tracing::error!(?error, "a worker is not confined and was ended");
                    return Err(error);
                }
                None => return Err(Error::Interrupted),
            }
        }
    };
    let answered = tokio::time::timeout(PATIENCE, answers).await;
    let (wall, initial_bytes, resets, baseline) = answered.map_err(|late| Error::host(doing(), late))??;
    Ok(Ready { reader, writer, wall, initial_bytes, baseline, resets })
}

/// What the worker's end was sent.
pub(super) struct Loaded {
    /// By digest.
    pub(super) images: HashMap<String, Arc<Image>>,
    /// What it is to keep itself to from now on.
    pub(super) bounds: Bounds,
}

/// The worker's end: loads what it is sent. `None` when the server went away
/// instead.
///
/// # Errors
///
/// When this process must end.
pub(super) fn load_all(stream: &UnixStream, engine: &Engine) -> Result<Option<Loaded>, Error> {
    let doing = || "be prepared".to_owned();
    let mut images = HashMap::new();
    while let Some((message, descriptor)) = frame::read::<Preparation>(stream).doing(doing)? {
        match message {
            Preparation::Load { image, warm } => match load(engine, descriptor, warm) {
                Ok(loaded) => {
                    let (initial_bytes, resets) = (loaded.initial_bytes(), loaded.resets());
                    images.insert(image.clone(), Arc::new(loaded));
                    say(stream, &Prepared::Loaded { image, initial_bytes, resets })?;
                }
                Err(error) => say(stream, &Prepared::LoadFailed { image, reason: error.with_causes() })?,
            },
            Preparation::Confine(bounds) => return Ok(Some(Loaded { images, bounds })),
        }
    }
    Ok(None)
}

/// Confines this process, with the threads that `start_threads` starts, and
/// says so.
///
/// # Errors
///
/// When this process is not confined and must end.
pub(super) fn confine(
    stream: &UnixStream,
    bounds: &Bounds,
    start_threads: impl FnOnce() -> io::Result<()>,
) -> Result<(), Error> {
    // Of threads that are still to be started, their stacks.
    let stacks = bounds.runs as u64 * THREAD_BYTES;
    let data_bytes = mapped_data().doing(|| "ask how much memory it has".into())? + stacks;
    match jailer::confine_worker(&bounds.directory, start_threads) {
        Ok(wall) => say(stream, &Prepared::Confined { wall, data_bytes }),
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
    // In pages; the sixth is data and stacks.
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let pages: Option<u64> = text.split_whitespace().nth(5).and_then(|pages| pages.parse().ok());
    pages.map(|pages| pages * sys::PAGE as u64).ok_or_else(|| io::Error::other("the kernel does not say"))
}

fn load(engine: &Engine, descriptor: Option<OwnedFd>, warm: usize) -> Result<Image, Error> {
    let file = descriptor.ok_or_else(|| Error::host("load a guest image", "no descriptor came with the order"))?;
    Image::load(engine.clone(), File::from(file), warm)
}
