//! Who may end a run, and what whoever waits is told then.

use tokio_util::sync::CancellationToken;

use crate::error::Error;

/// The reasons to end one run.
#[derive(Clone)]
pub(super) struct Stop {
    asked: CancellationToken,
    closing: CancellationToken,
}

impl Stop {
    /// `asked` ends the run, for which a server that is `closing` is the reason
    /// to give.
    pub(super) const fn new(asked: CancellationToken, closing: CancellationToken) -> Self {
        Self { asked, closing }
    }

    /// What ends the run.
    pub(super) const fn token(&self) -> &CancellationToken {
        &self.asked
    }

    /// Waits for `future`, unless the run is to end.
    pub(super) async fn unless<T>(&self, future: impl Future<Output = T>) -> Result<T, Error> {
        tokio::select! {
            biased;
            () = self.asked.cancelled() => Err(if self.closing.is_cancelled() { Error::ShuttingDown } else { Error::Cancelled }),
            value = future => Ok(value),
        }
    }
}
