//! The server's half of what happens before a worker takes orders: it sends
//! images, and then has the worker confine itself. Whoever is not confined gets
//! no order.

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use jailer::WorkerWall;
use tokio::io::BufReader;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::{Baseline, Images};
use crate::error::{Error, IoContext as _};
use crate::mounts::Mounts;
use crate::worker::wire::frame;
use crate::worker::wire::protocol::{Bounds, Preparation, Prepared};

/// How long a worker may take. Reaching it means that it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest answer: a reason, with its causes.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// A worker that takes orders, and what it said of itself.
pub(crate) struct Ready {
    pub(crate) reader: BufReader<OwnedReadHalf>,
    pub(crate) writer: OwnedWriteHalf,
    pub(crate) wall: WorkerWall,
    pub(crate) baseline: Baseline,
    /// Whether slots are reset in place.
    pub(crate) resets: bool,
}

/// Why a worker takes no orders.
pub(crate) enum Unprepared {
    /// The worker cannot load this image, and another may do without.
    Image {
        digest: String,
        error: Error,
    },
    Other(Error),
}

impl From<Error> for Unprepared {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// Has a worker load `images`, show its guests `mounts`, and confine itself. It runs `runs` at once.
///
/// # Errors
///
/// [`Error::Unconfined`] with the step of its confinement that failed.
/// [`Error::Interrupted`] when it is gone before it says so.
///
/// # Cancellation
///
/// Ends the connection, and with it the worker.
pub(crate) async fn prepare(
    stream: UnixStream,
    images: &Images,
    mounts: &Mounts,
    runs: usize,
    bounds: Bounds,
) -> Result<Ready, Unprepared> {
    let doing = || "prepare a worker".to_owned();
    let gone = |error: io::Error| {
        tracing::debug!(%error, "the connection to a new worker broke");
        Error::Interrupted
    };
    for (digest, compiled) in images {
        let warm = compiled.warm_slots(runs);
        let order = Preparation::Load { image: digest.clone(), warm, abi: compiled.abi, instance: compiled.instance };
        frame::write_with_descriptor(&stream, &order, compiled.code.as_fd()).map_err(gone)?;
    }
    for mount in mounts {
        let held = mount.held();
        frame::write_with_descriptor(&stream, &Preparation::Mount((&**held).into()), held.as_fd()).map_err(gone)?;
    }
    let confine = frame::encode(&Preparation::Confine(bounds)).doing(doing)?;
    (&stream).write_all(&confine).map_err(gone)?;
    stream.set_nonblocking(true).doing(doing)?;
    let (reader, writer) = tokio::net::UnixStream::from_std(stream).doing(doing)?.into_split();
    let mut reader = BufReader::with_capacity(64 << 10, reader);
    let answers = async {
        let (mut can_reset, mut instance_bytes) = (false, 0);
        loop {
            match frame::read_async::<Prepared>(&mut reader, || MAX_ANSWER_BYTES).await.map_err(gone)? {
                Some(Prepared::Loaded { image, initial_bytes, resets }) => {
                    tracing::debug!(image, initial_bytes, resets, "a worker has loaded an image");
                    let compiled = images.get(&image).ok_or(Error::Interrupted)?;
                    if let Err(error) = compiled.starts_with(initial_bytes) {
                        return Err(Unprepared::Image { digest: image, error });
                    }
                    instance_bytes = initial_bytes.max(instance_bytes);
                    can_reset = resets;
                }
                Some(Prepared::LoadFailed { image, reason }) => {
                    tracing::error!(image, reason, "a worker cannot load an image");
                    let error = Error::host(format!("load guest image {image}"), reason);
                    return Err(Unprepared::Image { digest: image, error });
                }
                Some(Prepared::Confined { wall, data_bytes }) => {
                    let stack_bytes = images.values().map(|image| image.instance.stack_bytes).max().unwrap_or(0);
                    let most_warm = images.values().map(|image| image.warm_slots(runs) as u64).sum();
                    let baseline = Baseline { data_bytes, instance_bytes, stack_bytes, most_warm };
                    return Ok((wall, can_reset, baseline));
                }
                Some(Prepared::Refused(refusal)) => {
                    let error = Error::Unconfined { step: refusal.step.name(), source: refusal.into() };
                    tracing::error!(?error, "a worker is not confined and was ended");
                    return Err(error.into());
                }
                None => return Err(Error::Interrupted.into()),
            }
        }
    };
    let answered = tokio::time::timeout(PATIENCE, answers).await;
    let (wall, resets, baseline) = answered.map_err(|late| Error::host(doing(), late))??;
    Ok(Ready { reader, writer, wall, baseline, resets })
}
