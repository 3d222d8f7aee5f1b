//! What a tenant notices of another that floods the server, and how much of the
//! processors the one who floods has.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tests::http::HttpServer;
use tests::{Process, Server};

use super::HELLO;
use super::figures::Samples;
use super::http::call;

/// What one who floods keeps in flight.
const FLOOD: usize = 64;
const ROUNDS: usize = 6;
const CALLS: usize = 150;

/// Short calls, and some that take a processor.
const KINDS: [(&str, &str); 2] =
    [("short calls", HELLO), ("calls of a processor's time", "sum(range(3_000_000))\nprint('hi')")];

/// Prints both figures, for each kind of flood.
pub(crate) fn measure() {
    for (kind, code) in KINDS {
        let server = HttpServer::with(
            Server::with().configured(&format!("[tenants.default]\nqueue = {FLOOD}\n")).flag("--authentication=keys"),
        );
        server.wait_until_ready();
        let [one, other] =
            ["one", "other"].map(|tenant| server.add_key(&[&format!("--tenant={tenant}"), "--scopes=sandbox:execute"]));
        let before = Workers::of(&server);
        let until = Instant::now() + Duration::from_secs(1);
        keep_in_flight(&server, &one, code, FLOOD, || Instant::now() < until);
        let of_one = Workers::of(&server).busy_since(&before);
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        // Both are measured in turn: the machine changes its mind.
        for round in 0..ROUNDS {
            let samples = hello(&server, &other);
            let more = flood(&server, &one, code, || hello(&server, &other));
            // The first round pays for the other's first worker.
            if round > 0 {
                alone.extend(samples);
                beside.extend(more);
            }
        }
        let (alone, beside) = (Samples::of(alone), Samples::of(beside));
        println!("another tenant's print('hi')      p50 {}  p95 {}", alone.p50(), alone.p95());
        println!(
            "  beside {FLOOD} {kind} in flight: p50 {}  p95 {}, {:.1} times",
            beside.p50(),
            beside.p95(),
            beside.percentile(95).as_secs_f64() / alone.percentile(95).as_secs_f64()
        );
        let [without, with] = [1, 8].map(|in_flight| {
            flood(&server, &one, code, || {
                let (before, started) = (Workers::of(&server), Instant::now());
                let until = started + Duration::from_secs(4);
                keep_in_flight(&server, &other, code, in_flight, || Instant::now() < until);
                Workers::of(&server).share(&before, &of_one)
            })
        });
        println!(
            "  of what both take of the processors it has {:.0} % beside one such call of the other, {:.0} % beside 8",
            100.0 * without,
            100.0 * with
        );
    }
}

/// What each worker of a server has spent on a processor.
struct Workers(HashMap<i32, Duration>);

impl Workers {
    fn of(server: &HttpServer) -> Self {
        let workers = Process::children_of(server.process().pid());
        Self(workers.into_iter().map(|worker| (worker.pid(), worker.cpu_time())).collect())
    }

    fn since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = (i32, Duration)> + 'a {
        let spent = |pid: &i32| before.0.get(pid).copied().unwrap_or_default();
        self.0.iter().map(move |(pid, time)| (*pid, time.saturating_sub(spent(pid))))
    }

    /// The workers that worked.
    fn busy_since(&self, before: &Self) -> HashSet<i32> {
        self.since(before).filter(|(_, time)| !time.is_zero()).map(|(pid, _)| pid).collect()
    }

    /// The share of some workers in what all spent.
    fn share(&self, before: &Self, some: &HashSet<i32>) -> f64 {
        let sum = |is_counted: &dyn Fn(i32) -> bool| {
            let counted = self.since(before).filter(|(pid, _)| is_counted(*pid));
            counted.map(|(_, time)| time.as_secs_f64()).sum::<f64>()
        };
        sum(&|pid| some.contains(&pid)) / sum(&|_| true)
    }
}

/// How long calls take, one after the other.
fn hello(server: &HttpServer, key: &str) -> Vec<Duration> {
    let (request, mut connection) = (server.request_with(key, &call(HELLO)), server.connect());
    let calls = (0..CALLS).map(|_| {
        let started = Instant::now();
        assert_eq!(connection.ask(&request).reply().output(), "hi\n");
        started.elapsed()
    });
    calls.collect()
}

/// Keeps so many calls in flight, each on a connection of its own, for as long as it goes
/// on.
fn keep_in_flight(server: &HttpServer, key: &str, code: &str, in_flight: usize, goes_on: impl Fn() -> bool + Sync) {
    std::thread::scope(|scope| {
        for _ in 0..in_flight {
            scope.spawn(|| {
                let (request, mut connection) = (server.request_with(key, &call(code)), server.connect());
                while goes_on() {
                    assert_eq!(connection.ask(&request).reply().output(), "hi\n", "every output must be right");
                }
            });
        }
    });
}

/// Does something while there is a flood.
fn flood<T>(server: &HttpServer, key: &str, code: &str, work: impl FnOnce() -> T) -> T {
    let (is_over, looked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            keep_in_flight(server, key, code, FLOOD, || {
                looked.fetch_add(1, Ordering::Relaxed);
                !is_over.load(Ordering::Relaxed)
            });
        });
        // One was answered by then, so it is under way.
        while looked.load(Ordering::Relaxed) <= FLOOD {
            std::thread::sleep(Duration::from_millis(1));
        }
        let outcome = work();
        is_over.store(true, Ordering::Relaxed);
        outcome
    })
}
