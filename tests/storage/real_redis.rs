//! Quotas and revoked keys over `redis-server`, which `.ci/run` takes from Debian.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use tests::s3::S3;
use tests::{eventually, target_directory};

use crate::House;
use crate::pair::{Pair, call, calls_until_refused, note, wait_for_looks};

/// A running `redis-server`. It is killed when dropped.
struct RedisServer {
    child: Child,
    port: u16,
}

impl RedisServer {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { child: Self::spawn(port), port }
    }

    fn spawn(port: u16) -> Child {
        let folder = target_directory().join("ci-tools/redis/usr");
        let libraries = folder.join(format!("lib/{}-linux-gnu", std::env::consts::ARCH));
        let mut command = Command::new(folder.join("bin/redis-server"));
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.env_clear().env("LD_LIBRARY_PATH", libraries).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        eventually("redis-server to listen", || TcpStream::connect(("127.0.0.1", port)).ok());
        child
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Kills it, as its machine would, with all that it has.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The answer to one command: its first line, and the content that follows, if any does.
    fn ask(&self, words: &[&[u8]]) -> (String, Vec<u8>) {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let mut text = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            text.extend(format!("${}\r\n", word.len()).bytes().chain(word.iter().copied()).chain(*b"\r\n"));
        }
        (&stream).write_all(&text).unwrap();
        let mut input = BufReader::new(stream);
        let mut line = String::new();
        input.read_line(&mut line).unwrap();
        let length = line.trim_end().strip_prefix('$').and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut content = vec![0; length];
        input.read_exact(&mut content).unwrap();
        (line, content)
    }

    /// How often servers looked at notes.
    fn looks(&self) -> u64 {
        let (_, stats) = self.ask(&[b"INFO", b"commandstats"]);
        let stats = String::from_utf8(stats).unwrap();
        let calls = stats.split("cmdstat_mget:calls=").nth(1).and_then(|rest| rest.split(',').next());
        calls.map_or(0, |calls| calls.parse().unwrap())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn revoke(pair: &Pair, key: &str) {
    let id = key.strip_prefix("belljar_key_").unwrap().split('_').next().unwrap();
    assert!(pair.one.command(&["keys", "revoke", id]).0);
}

fn until_refused_at_two(pair: &Pair, key: &str) {
    eventually("the key to be refused", || (call(&pair.two, key).status == 401).then_some(()));
}

#[test]
#[ignore = "needs redis-server of Debian's package of that name, which .ci/run brings"]
fn quotas_and_revoked_keys_are_shared_over_redis_that_is_full_gone_and_back() {
    let (s3, mut redis) = (S3::start(), RedisServer::start());
    let house = House::over(s3.endpoint());
    let configuration = "[tenants.default]\ncalls_per_minute = 6\n[tenants.many]\ncalls_per_minute = 100_000\n";
    let pair = Pair::start(&house, &redis.url(), configuration);
    let looks = |redis: &RedisServer| wait_for_looks(|| redis.looks());
    let of_many = [(); 5].map(|()| pair.key("many"));
    let of_few = ["a", "b", "c"].map(|tenant| pair.key(tenant));
    // Together.
    for _ in 0..4 {
        assert_eq!(call(&pair.one, &of_few[0]).status, 200);
    }
    looks(&redis);
    let left = calls_until_refused(&pair.two, &of_few[0], "calls_per_minute");
    assert!((1..=4).contains(&left), "{left} calls where 2 of 6 were left");
    assert_eq!(call(&pair.two, &of_many[0]).status, 200);
    revoke(&pair, &of_many[0]);
    until_refused_at_two(&pair, &of_many[0]);
    let (_, list) = redis.ask(&[b"GET", &note("revoked-keys")]);
    assert!(list.starts_with(b"belljar"));
    let (time_to_live, _) = redis.ask(&[b"TTL", &note("revoked-keys")]);
    let seconds: u64 = time_to_live.trim_end().strip_prefix(':').unwrap().parse().unwrap();
    assert!((500..=600).contains(&seconds), "{seconds}");
    // Full: each has its own count, and nobody is kept out.
    assert!(redis.ask(&[b"CONFIG", b"SET", b"maxmemory", b"1"]).0.starts_with("+OK"));
    let own = |key: &str| {
        for server in [&pair.one, &pair.two] {
            let calls = calls_until_refused(server, key, "calls_per_minute");
            assert!((6..=7).contains(&calls), "{calls}");
        }
    };
    own(&of_few[1]);
    revoke(&pair, &of_many[1]);
    eventually("Redis to refuse", || (pair.one.log() + &pair.two.log()).contains("it refuses SET: OOM").then_some(()));
    assert_eq!(call(&pair.two, &of_many[1]).status, 200, "nobody could tell it");
    assert!(redis.ask(&[b"CONFIG", b"SET", b"maxmemory", b"0"]).0.starts_with("+OK"));
    until_refused_at_two(&pair, &of_many[1]);
    // Garbage.
    assert!(redis.ask(&[b"SET", &note("revoked-keys"), b"garbage"]).0.starts_with("+OK"));
    revoke(&pair, &of_many[2]);
    until_refused_at_two(&pair, &of_many[2]);
    // Another kind of value than there can be.
    redis.ask(&[b"DEL", &note("revoked-keys")]);
    redis.ask(&[b"RPUSH", &note("revoked-keys"), b"x"]);
    revoke(&pair, &of_many[3]);
    until_refused_at_two(&pair, &of_many[3]);
    // Gone in the midst of calls, and back with nothing.
    std::thread::scope(|scope| {
        let calls = scope.spawn(|| (0..200).all(|_| call(&pair.two, &of_many[4]).status == 200));
        redis.kill();
        assert!(calls.join().unwrap());
    });
    own(&of_few[2]);
    for key in &of_many[..4] {
        assert_eq!(call(&pair.two, key).status, 401);
    }
    redis.child = RedisServer::spawn(redis.port);
    eventually("what was revoked to be told again", || {
        redis.ask(&[b"GET", &note("revoked-keys")]).1.starts_with(b"belljar").then_some(())
    });
    revoke(&pair, &of_many[4]);
    until_refused_at_two(&pair, &of_many[4]);
}
