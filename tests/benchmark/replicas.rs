//! Two servers over one bucket: what a call costs that finds its session at the other
//! one, what that is made of, and what the bucket gets to do.
//!
//! The bucket is in the memory of this program and answers at once, so the first figures
//! are what belljar itself takes. Then each of its answers takes five milliseconds more,
//! as those of real storage do at their best.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::Builder;
use tests::http::{Connection, HttpServer, modern};
use tests::redis::Redis;
use tests::s3::{Fault, S3};

use super::figures::Samples;

/// What an answer of real storage takes at least, about.
const ANSWER: Duration = Duration::from_millis(5);

fn server(s3: &S3, keys: &Path, redis: Option<&Redis>) -> HttpServer {
    let builder = Builder::default();
    let builder = match redis {
        Some(redis) => builder.flag(format!("--redis={}", redis.url())),
        None => builder,
    };
    let server = HttpServer::with(
        builder
            .flag("--store=s3://belljar/benchmark")
            .flag(format!("--store-endpoint={}", s3.endpoint()))
            .flag(format!("--store-keys={}", keys.display()))
            .flag("--native-tier=off")
            .env("AWS_ACCESS_KEY_ID", "benchmark")
            .env("AWS_SECRET_ACCESS_KEY", "benchmark"),
    );
    server.wait_until_ready();
    server
}

/// A server with a connection that is kept.
struct Replica<'a> {
    server: &'a HttpServer,
    connection: Connection,
}

impl<'a> Replica<'a> {
    fn of(server: &'a HttpServer) -> Self {
        Self { server, connection: server.connect() }
    }

    fn call(&mut self, session: &str, code: &str) -> Value {
        let arguments = json!({"language": "python", "code": code, "session": session});
        let message = modern("tools/call", json!({"name": "execute", "arguments": arguments}));
        // An answer that takes a while is a stream.
        let reply = self.connection.ask(&self.server.request(&message)).reply();
        reply.structured().clone()
    }

    fn begin(&mut self) -> String {
        let begun = self.call("new", "x = 0");
        begun["session"]["id"].as_str().expect("a session has a handle").to_owned()
    }
}

/// Calls in one session, at one server after the other.
fn alternate(replicas: &mut [Replica<'_>], calls: u32) -> Samples {
    let session = replicas[0].begin();
    let (mut call, servers) = (0, replicas.len());
    Samples::take(calls, || {
        let started = Instant::now();
        let said = replicas[call % servers].call(&session, "x += 1\nx");
        let elapsed = started.elapsed();
        call += 1;
        assert_eq!(said["result"], call.to_string());
        elapsed
    })
}

/// What was asked for since `before`, for each of `calls`.
fn requests(s3: &S3, before: &std::collections::BTreeMap<&'static str, u64>, calls: u32) -> String {
    let more =
        s3.asked().into_iter().map(|(operation, count)| (operation, count - before.get(operation).unwrap_or(&0)));
    let each: Vec<_> = more
        .filter(|(_, count)| *count * 20 > u64::from(calls))
        .map(|(operation, count)| {
            format!("{:.1} {operation}", f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / f64::from(calls))
        })
        .collect();
    each.join(", ")
}

/// Prints all figures of two servers.
pub(crate) fn measure() {
    let (s3, folder) = (S3::start(), TempDir::new().expect("a temporary directory can be made"));
    let keys = folder.path().join("keys");
    std::fs::write(&keys, tests::store_key(7)).expect("a key can be written");
    std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o400)).expect("a mode can be set");
    let servers = [server(&s3, &keys, None), server(&s3, &keys, None)];
    let mut both: Vec<_> = servers.iter().map(Replica::of).collect();
    alternate(&mut both, 50);
    println!("\na session on S3, an answer of which takes   0 ms more                 5 ms more");
    for (what, count) in [("at one server", 1), ("alternating between two", 2)] {
        let mut line = format!("  {what:<41}");
        let before = s3.asked();
        let quick = alternate(&mut both[..count], 300);
        let each = requests(&s3, &before, 300);
        s3.fail(|_| Some(Fault::Slow(ANSWER)));
        let slow = alternate(&mut both[..count], 100);
        s3.heal();
        for samples in [quick, slow] {
            line.push_str(&format!(" p50 {}  p99 {} ", samples.p50(), samples.p99()));
        }
        println!("{line}\n    requests for each call: {each}");
    }
    with_redis(&s3, &keys);
    commits(&s3, &servers);
    cost(&s3, &mut both[0]);
}

/// Prints the figures with Redis in front, of which every answer is quick.
fn with_redis(s3: &S3, keys: &Path) {
    let redis = Redis::start();
    let servers = [server(s3, keys, Some(&redis)), server(s3, keys, Some(&redis))];
    let mut both: Vec<_> = servers.iter().map(Replica::of).collect();
    alternate(&mut both, 50);
    let before = s3.asked();
    let quick = alternate(&mut both, 300);
    let each = requests(s3, &before, 300);
    s3.fail(|_| Some(Fault::Slow(ANSWER)));
    let slow = alternate(&mut both, 100);
    s3.heal();
    println!(
        "  alternating between two, Redis in front   p50 {}  p99 {}  p50 {}  p99 {}\n    requests for each call: {each}",
        quick.p50(),
        quick.p99(),
        slow.p50(),
        slow.p99()
    );
}

fn commits(s3: &S3, servers: &[HttpServer]) {
    for (slow, what) in [(false, "0 ms"), (true, "5 ms")] {
        let mut rates = Vec::new();
        for sessions in [1_usize, 8, 32] {
            let calls = if slow { 20 } else { (400 / sessions).max(25) };
            if slow {
                s3.fail(|_| Some(Fault::Slow(ANSWER)));
            }
            let started = Instant::now();
            std::thread::scope(|scope| {
                for number in 0..sessions {
                    let server = &servers[number % 2];
                    scope.spawn(move || {
                        let mut replica = Replica::of(server);
                        let session = replica.begin();
                        for _ in 1..calls {
                            replica.call(&session, "x += 1\nx");
                        }
                    });
                }
            });
            s3.heal();
            let done = f64::from(u32::try_from(sessions * calls).unwrap_or(u32::MAX));
            rates.push(format!("{:.0}", done / started.elapsed().as_secs_f64()));
        }
        println!("  commits a second over 1 / 8 / 32 sessions, answers {what} later: {}", rates.join(" / "));
    }
}

fn cost(s3: &S3, replica: &mut Replica<'_>) {
    const CALLS: u32 = 100;
    let session = replica.begin();
    let (before, (came, went)) = (s3.asked(), s3.bytes());
    for _ in 1..CALLS {
        replica.call(&session, "x += 1\nx");
    }
    let ((came_now, went_now), each) = (s3.bytes(), requests(s3, &before, CALLS));
    let own: Vec<_> = s3.objects().into_iter().filter(|(key, _)| key.contains(&session)).collect();
    println!(
        "  a session after {CALLS} calls: {} objects, {:.1} KB; each call sent {:.1} KB and got {:.1} KB in {each}",
        own.len(),
        kilobytes(own.iter().map(|(_, bytes)| *bytes as u64).sum()),
        kilobytes(came_now - came) / f64::from(CALLS),
        kilobytes(went_now - went) / f64::from(CALLS),
    );
}

fn kilobytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / 1000.
}
