//! Processes that are killed at any moment, a few hundred times.

use std::io::Write as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;
use serde_json::json;
use tests::Server;

const KILLS: u64 = 300;
/// How long new rounds begin.
const BUDGET: Duration = Duration::from_secs(60);
const SESSIONS: usize = 5;

/// A change of everything a session has: a variable, a small file and one that
/// is stored by itself, and more memory now and then.
const STEP: &str = "n += 1\nopen('n', 'w').write(str(n))\nopen('large', 'w').write(str(n) * 20_000)\n\
                    if n % 5 == 0: held = os.urandom(300_000)\nn";
const LOOK: &str = "print(n, open('n').read(), open('large').read() == str(n) * 20_000)";

/// xorshift64*: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}

/// Tells how to repeat a round that failed.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Best effort: the panic itself is what the test reports.
            let _ = writeln!(std::io::stderr().lock(), "BELLJAR_TEST_SEED={}", self.0);
        }
    }
}

fn seed() -> u64 {
    let given = std::env::var("BELLJAR_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
    given.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64 | 1)
}

/// What is known of a session that counts its runs.
struct Counter {
    session: String,
    acknowledged: u64,
}

impl Counter {
    fn begin(server: &Server) -> Self {
        let code = "import os\nn = 0\nopen('n', 'w').write('0')\nopen('large', 'w').write('0' * 20_000)";
        Self { session: server.execute_in("new", code).session(), acknowledged: 0 }
    }

    /// Makes the session count until the server is gone.
    fn drive(&mut self, server: &Server) {
        while let Some(reply) = server.begin_execute(STEP, json!({"session": self.session})).wait_or_end() {
            if reply.message.get("error").is_some() {
                // A worker was killed before it could take its first order.
                let log = server.log();
                let mut faults = log.lines().filter(|line| line.contains("a call failed through a fault"));
                assert!(faults.all(|line| line.contains("to a worker")), "{}", reply.message);
            } else if reply.result().get("structuredContent").is_none() {
                let text = reply.refusal();
                assert!(text.contains("ended before this run did") || text.starts_with("busy:"), "{text}");
            } else if reply.status() == "trapped worker_lost" {
                assert_eq!(reply.session_state(), "rolled_back");
            } else {
                reply.assert_status("exited 0");
                // A run that was answered otherwise, or refused, never was.
                self.acknowledged += 1;
                assert_eq!(reply.value(), Some(self.acknowledged.to_string().as_str()), "in {}", self.session);
            }
        }
    }

    /// Looks at what is left. The last run may have been committed without an
    /// answer.
    fn check(&mut self, server: &Server) {
        let reply = server.execute_in(&self.session, LOOK);
        let found = [self.acknowledged, self.acknowledged + 1]
            .into_iter()
            .find(|n| reply.output() == format!("{n} {n} True\n"));
        let expected = self.acknowledged;
        self.acknowledged = found.unwrap_or_else(|| {
            panic!("{} of session {}, of which {expected} runs were acknowledged", reply.output(), self.session)
        });
    }
}

#[test]
fn every_acknowledged_run_is_there_and_every_other_is_wholly_there_or_not_at_all() {
    let _alone = tests::alone();
    let seed = Seed(seed());
    let mut random = Random(seed.0);
    let started = Instant::now();
    let mut server = Server::with().flag("--workers=2").start();
    let mut counters: Vec<_> = (0..SESSIONS).map(|_| Counter::begin(&server)).collect();
    let (mut worker_kills, mut server_kills) = (0, 0);
    while worker_kills + server_kills < KILLS && started.elapsed() < BUDGET {
        std::thread::scope(|scope| {
            let server = &server;
            for counter in &mut counters {
                scope.spawn(|| counter.drive(server));
            }
            // Moments at random are what this is about: no order comes of them.
            let pause = |random: &mut Random| std::thread::sleep(Duration::from_micros(random.below(60_000)));
            for _ in 0..random.below(5) {
                pause(&mut random);
                let workers = server.workers();
                if !workers.is_empty() {
                    workers[random.below(workers.len() as u64) as usize].signal(Signal::SIGKILL);
                    worker_kills += 1;
                }
            }
            pause(&mut random);
            server.signal(Signal::SIGKILL);
            server_kills += 1;
        });
        // Workers of the killed server may still be about, as after a crash.
        let next = server.beside().flag("--workers=2");
        // The server has not room for all at once at times.
        let next = if random.below(3) == 0 { next.flag(format!("--sessions={}", SESSIONS - 1)) } else { next };
        server = next.start();
        for counter in &mut counters {
            counter.check(&server);
        }
    }
    let runs: u64 = counters.iter().map(|counter| counter.acknowledged).sum();
    // The bounds are far below what a slow machine does: less would show nothing.
    assert!(worker_kills > 30 && server_kills > 20, "{worker_kills} workers and {server_kills} servers were killed");
    assert!(runs > 200, "only {runs} runs came to an end");
    // What was interrupted a few hundred times has not filled the store.
    let bytes = server.store().disk_bytes();
    assert!(bytes < 200 << 20, "the store takes {bytes} bytes after {runs} runs");
}
