//! Long messages are read and carried out on a thread of their own: to read one takes
//! the time of many short ones, and the others do not wait for that.

use std::future::Future;
use std::io;

use tokio::runtime::{Builder, Runtime};
use tokio_util::task::AbortOnDropHandle;

/// The size from which on a message is long: shorter ones are read in a few
/// milliseconds, whatever is in them.
pub(super) const LONG_BYTES: usize = 64 << 10;

/// The thread of long messages.
pub(super) struct LongMessages(Option<Runtime>);

impl LongMessages {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// When there can be no more threads.
    pub(super) fn new() -> io::Result<Self> {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name("long-messages").enable_all().build()?;
        Ok(Self(Some(runtime)))
    }

    /// Does `work` on the thread of long messages, unless it is dropped before. `None`
    /// when it panicked.
    pub(super) async fn carry_out<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        AbortOnDropHandle::new(self.0.as_ref()?.spawn(work)).await.ok()
    }
}

impl Drop for LongMessages {
    fn drop(&mut self) {
        // The last answer is out by now, and whoever drops it must not wait.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_panics_there_is_told_from_what_ends() {
        let long = LongMessages::new().unwrap();
        assert_eq!(long.carry_out(async { 1 }).await, Some(1));
        assert_eq!(long.carry_out(async { panic!("of a test") }).await, None::<()>);
        // The thread goes on.
        assert_eq!(long.carry_out(async { 2 }).await, Some(2));
    }
}
