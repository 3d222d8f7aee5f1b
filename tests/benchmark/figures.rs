//! Samples, and how they are printed.

use std::time::Duration;

/// Sorted durations.
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    /// Measures `count` times.
    pub(crate) fn take(count: u32, mut measure: impl FnMut() -> Duration) -> Self {
        Self::of((0..count).map(|_| measure()).collect())
    }

    /// Sorts samples that were measured already.
    pub(crate) fn of(mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        Self(samples)
    }

    pub(crate) fn median(&self) -> Duration {
        self.0[self.0.len() / 2]
    }

    pub(crate) fn p10(&self) -> Duration {
        self.0[self.0.len() / 10]
    }

    pub(crate) fn p50(&self) -> String {
        milliseconds(self.median())
    }

    /// The duration that so many of a hundred samples took at most.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        self.0[self.0.len() * percent / 100]
    }

    pub(crate) fn p95(&self) -> String {
        milliseconds(self.percentile(95))
    }

    pub(crate) fn p99(&self) -> String {
        milliseconds(self.percentile(99))
    }
}

/// An amount of memory, where this user may know it.
pub(crate) fn mebibytes(bytes: Option<u64>) -> String {
    let Some(bytes) = bytes else { return "unknown: only root may read it of a server".to_owned() };
    format!("{:.2} MiB", bytes as f64 / f64::from(1 << 20))
}

/// A duration in milliseconds, aligned.
pub(crate) fn milliseconds(duration: Duration) -> String {
    format!("{:>7.2} ms", duration.as_secs_f64() * 1e3)
}
