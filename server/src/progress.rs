//! What a client is told while a run goes on: what the program wrote, displayed
//! and says of how far it is. Throttled, and only to clients that asked.
//!
//! The protocol wants a number that grows with every notification, whatever it
//! is about. So it is the seconds since the run began; a program that says which
//! fraction of its work is done gives the total: the seconds that all of it takes
//! at that pace.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rmcp::RoleServer;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::Peer;
use sandbox::LiveOutput;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::calls::{Audience, Step};
use crate::tools::text_of;

/// How often a run that goes on is reported: five times a second is as fast as
/// anyone reads.
const INTERVAL: Duration = Duration::from_millis(200);
/// A silent run is reported this often, so that clients do not give up on it.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How much new output one report carries: the end of it.
const OUTPUT_BYTES: usize = 1024;
/// How many steps of a program are told as they come; of those that come faster
/// than they are told the newest is.
const BURST: usize = 10;
/// How much a number grows by at least: less than a clock may.
const TICK: f64 = 1e-6;

/// Reports one run to one client.
pub(crate) struct Progress {
    news: Arc<News>,
    enough: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

/// What a client has not been told yet.
#[derive(Default)]
struct News {
    untold: Mutex<Untold>,
    step: Notify,
}

struct Untold {
    output: Vec<u8>,
    changed: bool,
    steps: VecDeque<Step>,
    /// How many steps may be told before the next interval.
    allowed: usize,
}

impl Default for Untold {
    fn default() -> Self {
        Self { output: Vec::new(), changed: false, steps: VecDeque::new(), allowed: BURST }
    }
}

impl Untold {
    fn write(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(&bytes[bytes.len().saturating_sub(OUTPUT_BYTES)..]);
        let surplus = self.output.len().saturating_sub(OUTPUT_BYTES);
        self.output.drain(..surplus);
        self.changed = true;
    }

    fn step(&mut self, step: Step) {
        if self.steps.len() >= self.allowed.max(1) {
            self.steps.pop_back();
        }
        self.steps.push_back(step);
    }

    /// The steps that may be told now.
    fn take_steps(&mut self) -> Vec<Step> {
        let count = self.steps.len().min(self.allowed);
        self.allowed -= count;
        self.steps.drain(..count).collect()
    }
}

impl News {
    fn with<T>(&self, change: impl FnOnce(&mut Untold) -> T) -> T {
        change(&mut self.untold.lock())
    }
}

impl Audience for News {
    fn step(&self, step: Step) {
        self.with(|untold| untold.step(step));
        self.step.notify_one();
    }

    fn displayed(&self, text: &str) {
        self.with(|untold| untold.write(format!("{text}\n").as_bytes()));
    }
}

impl Progress {
    /// Reports to `peer` until the connection has `ended`.
    pub(crate) fn start(peer: Peer<RoleServer>, token: ProgressToken, ended: CancellationToken) -> Self {
        let news = Arc::<News>::default();
        let enough = CancellationToken::new();
        let reports = report(peer, token, Arc::clone(&news), enough.clone());
        // After the end nobody takes what the peer is to send, and waiting for
        // it would keep back the result, which is still sent.
        #[expect(clippy::disallowed_methods, reason = "the call waits for it")]
        let task = tokio::spawn(async move { ended.run_until_cancelled(reports).await.unwrap_or_default() });
        Self { news, enough, task }
    }

    /// Takes what the program writes.
    pub(crate) fn sink(&self) -> LiveOutput {
        let news = Arc::clone(&self.news);
        Box::new(move |_, bytes| news.with(|untold| untold.write(bytes)))
    }

    /// Takes what the program calls.
    pub(crate) fn audience(&self) -> Arc<dyn Audience> {
        Arc::clone(&self.news) as _
    }

    /// Ends the reports, and waits until the last is on its way: nothing may
    /// follow a result.
    pub(crate) async fn stop(mut self) {
        self.enough.cancel();
        // A report that panicked has nothing more to say either.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.enough.cancel();
    }
}

/// The numbers of one run's notifications.
struct Numbers {
    started: Instant,
    last: f64,
    fraction: Option<f64>,
}

impl Numbers {
    fn next(&mut self, token: &ProgressToken, message: String) -> ProgressNotificationParam {
        self.last = self.started.elapsed().as_secs_f64().max(self.last + TICK);
        let progress = ProgressNotificationParam::new(token.clone(), self.last).with_message(message);
        // JSON has no number for what is infinite.
        let total = self.fraction.map(|fraction| self.last / fraction).filter(|total| total.is_finite());
        match total {
            Some(total) => progress.with_total(total),
            None => progress,
        }
    }
}

async fn report(peer: Peer<RoleServer>, token: ProgressToken, news: Arc<News>, enough: CancellationToken) {
    let started = Instant::now();
    let mut numbers = Numbers { started, last: 0.0, fraction: None };
    let mut told = started;
    let mut interval = tokio::time::interval(INTERVAL);
    interval.tick().await;
    loop {
        let (is_last, is_due) = tokio::select! {
            () = enough.cancelled() => (true, false),
            _ = interval.tick() => (false, true),
            () = news.step.notified() => (false, false),
        };
        let (output, steps) = news.with(|untold| {
            if is_due {
                untold.allowed = BURST.min(untold.allowed + 1);
            } else if is_last {
                untold.allowed = BURST;
            }
            let output = (is_due && std::mem::take(&mut untold.changed)).then(|| std::mem::take(&mut untold.output));
            (output, untold.take_steps())
        });
        let is_silent = is_due && output.is_none() && steps.is_empty() && told.elapsed() >= HEARTBEAT;
        let beat = is_silent.then(|| format!("running for {:.0} s", started.elapsed().as_secs_f64()));
        let mut messages: Vec<_> = output.map(|output| text_of(&output).0).into_iter().chain(beat).collect();
        let mut tell = Vec::new();
        for message in messages.drain(..) {
            tell.push(numbers.next(&token, message));
        }
        for Step { message, fraction } in steps {
            numbers.fraction = fraction.or(numbers.fraction);
            tell.push(numbers.next(&token, message));
        }
        for progress in tell {
            told = Instant::now();
            if peer.notify_progress(progress).await.is_err() {
                return;
            }
        }
        if is_last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(message: usize) -> Step {
        Step { message: message.to_string(), fraction: None }
    }

    fn messages(steps: Vec<Step>) -> Vec<String> {
        steps.into_iter().map(|step| step.message).collect()
    }

    #[test]
    fn of_steps_that_come_faster_than_they_are_told_the_newest_is_told() {
        let mut untold = Untold::default();
        (0..BURST).for_each(|number| untold.step(step(number)));
        assert_eq!(messages(untold.take_steps()).len(), BURST);
        (100..200).for_each(|number| untold.step(step(number)));
        assert!(untold.take_steps().is_empty());
        untold.allowed += 1;
        assert_eq!(messages(untold.take_steps()), ["199"]);
    }

    #[test]
    fn numbers_grow_and_the_total_follows_from_the_fraction() {
        let started = Instant::now().checked_sub(Duration::from_secs(3)).unwrap();
        let mut numbers = Numbers { started, last: 0.0, fraction: None };
        let token = ProgressToken(rmcp::model::NumberOrString::Number(1));
        let mut last = 0.0;
        for fraction in [None, Some(0.0), Some(5e-324), Some(0.25), Some(1.0), None] {
            numbers.fraction = fraction.or(numbers.fraction);
            let told = numbers.next(&token, String::new());
            assert!(told.progress > last, "{} after {last}", told.progress);
            last = told.progress;
            match numbers.fraction.filter(|fraction| *fraction > 1e-300) {
                None => assert_eq!(told.total, None),
                Some(fraction) => assert!((told.progress / told.total.unwrap() - fraction).abs() < 1e-9),
            }
        }
        // Where the clock stands still, too.
        numbers.last = 1e9;
        assert!(numbers.next(&token, String::new()).progress > 1e9);
    }
}
