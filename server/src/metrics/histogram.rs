//! How times are distributed.

use std::time::Duration;

/// Bounds of buckets in seconds: from below what the quickest run takes to the longest
/// that may be asked for.
const BOUNDS: [f64; 19] = [
    0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
    300.0,
];

/// Times, by the bucket that they are in.
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram {
    buckets: [u64; BOUNDS.len() + 1],
    sum: Duration,
}

impl Histogram {
    pub(super) fn add(&mut self, time: Duration) {
        let seconds = time.as_secs_f64();
        self.buckets[BOUNDS.partition_point(|bound| *bound < seconds)] += 1;
        self.sum = self.sum.saturating_add(time);
    }

    /// How many times are not above each bound.
    pub(super) fn cumulated(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        bounds.zip(self.buckets).scan(0, |sum, (bound, count)| {
            *sum += count;
            Some((bound, *sum))
        })
    }

    pub(super) fn sum(&self) -> f64 {
        self.sum.as_secs_f64()
    }

    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_each_bucket_that_is_not_below_it() {
        let mut histogram = Histogram::default();
        for milliseconds in [0, 1, 2, 10_000, 400_000] {
            histogram.add(Duration::from_millis(milliseconds));
        }
        let at = |wanted: f64| histogram.cumulated().find(|(bound, _)| *bound == wanted).map(|(_, count)| count);
        let counts = [0.00025, 0.001, 0.0025, 10.0, 300.0, f64::INFINITY].map(at);
        assert_eq!(counts, [1, 2, 3, 4, 4, 5].map(Some));
        assert_eq!((histogram.count(), histogram.sum()), (5, 410.003));
    }
}
