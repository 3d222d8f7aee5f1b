//! Both ends of what happens before a worker takes orders: it loads images,
//! and then confines itself for good. Whoever is not confined gets no order.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jailer::WorkerWall;
use tokio::io::BufReader;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use wasmtime::Engine;

use super::frame;
use super::pool::Images;
use super::protocol::{Preparation, Prepared};
use crate::error::{Error, IoContext as _};
use crate::wasm::Image;

/// How long a worker may take. Reaching it means that it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A worker that takes orders, and what it said of itself.
pub(super) struct Ready {
    pub(super) reader: BufReader<OwnedReadHalf>,
    pub(super) writer: OwnedWriteHalf,
    pub(super) wall: WorkerWall,
    /// How much memory an instance starts with.
    pub(super) initial_bytes: Option<u64>,
    /// Whether slots are reset in place.
    pub(super) resets: bool,
}

/// Has a worker load `images`, of each so many warm slots, and confine itself
/// to files below `directory`.
///
/// # Errors
///
/// [`Error::Unconfined`] with the step of its confinement that failed.
/// [`Error::Interrupted`] when it is gone before it says so, or lacks an image.
///
/// # Cancellation
///
/// Ends the connection, and with it the worker.
pub(super) async fn prepare(
    stream: UnixStream,
    images: &[(&Images, usize)],
    directory: PathBuf,
) -> Result<Ready, Error> {
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
    let confine = frame::encode(&Preparation::Confine { directory }).doing(doing)?;
    (&stream).write_all(&confine).map_err(gone)?;
    stream.set_nonblocking(true).doing(doing)?;
    let (reader, writer) = tokio::net::UnixStream::from_std(stream).doing(doing)?.into_split();
    let mut reader = BufReader::with_capacity(64 << 10, reader);
    let answers = async {
        let (mut initial, mut can_reset) = (None, false);
        loop {
            match frame::read_async::<Prepared>(&mut reader).await.map_err(gone)? {
                Some(Prepared::Loaded { image, initial_bytes, resets }) => {
                    tracing::debug!(image, initial_bytes, resets, "a worker has loaded an image");
                    initial = initial.or(Some(initial_bytes));
                    can_reset = resets;
                }
                Some(Prepared::LoadFailed { image, reason }) => {
                    tracing::error!(image, reason, "a worker cannot load an image");
                    // It would refuse every run of it; another may do better.
                    return Err(Error::Interrupted);
                }
                Some(Prepared::Confined(wall)) => return Ok((wall, initial, can_reset)),
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
    let (wall, initial_bytes, resets) = answered.map_err(|late| Error::host(doing(), late))??;
    Ok(Ready { reader, writer, wall, initial_bytes, resets })
}

/// The worker's end: loads what it is sent, by digest, and confines this
/// process. `None` when the server went away instead.
///
/// # Errors
///
/// When this process is not confined and must end.
pub(super) fn undergo(stream: &UnixStream, engine: &Engine) -> Result<Option<HashMap<String, Arc<Image>>>, Error> {
    let doing = || "be prepared".to_owned();
    let mut images = HashMap::new();
    let say = |answer: &Prepared| frame::encode(answer).and_then(|bytes| { stream }.write_all(&bytes)).doing(doing);
    while let Some((message, descriptor)) = frame::read::<Preparation>(stream).doing(doing)? {
        match message {
            Preparation::Load { image, warm } => match load(engine, descriptor, warm) {
                Ok(loaded) => {
                    let (initial_bytes, resets) = (loaded.initial_bytes(), loaded.resets());
                    images.insert(image.clone(), Arc::new(loaded));
                    say(&Prepared::Loaded { image, initial_bytes, resets })?;
                }
                Err(error) => say(&Prepared::LoadFailed { image, reason: error.with_causes() })?,
            },
            Preparation::Confine { directory } => match jailer::confine_worker(&directory) {
                Ok(wall) => {
                    say(&Prepared::Confined(wall))?;
                    return Ok(Some(images));
                }
                Err(refusal) => {
                    say(&Prepared::Refused(refusal.clone()))?;
                    return Err(Error::host("confine this process", refusal));
                }
            },
        }
    }
    Ok(None)
}

fn load(engine: &Engine, descriptor: Option<OwnedFd>, warm: usize) -> Result<Image, Error> {
    let file = descriptor.ok_or_else(|| Error::host("load a guest image", "no descriptor came with the order"))?;
    Image::load(engine.clone(), File::from(file), warm)
}
