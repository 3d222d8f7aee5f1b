//! What a tenant may use over time, of servers that share a Redis: together what one may, and
//! each by itself no more than that, whatever Redis does.

use tests::redis::{Lie, Redis};
use tests::s3::S3;

use crate::House;
use crate::pair::{Pair, call, calls_until_refused, looks, note, run, until_refused};

/// Few enough that none comes back for ten seconds.
const CALLS: &str = "[tenants.default]\ncalls_per_minute = 6\n";

fn is_whole(calls: u64) {
    // One may come back where this machine is slow.
    assert!((6..=7).contains(&calls), "{calls} calls of 6 a minute");
}

#[test]
fn calls_of_a_minute_are_spent_at_all_servers_together_and_each_tenant_has_its_own() {
    let (s3, redis) = (S3::start(), Redis::start());
    let house = House::over(s3.endpoint());
    let pair = Pair::start(&house, &redis.url(), CALLS);
    let (key, other) = (pair.key("swordfish"), pair.key("other"));
    for _ in 0..4 {
        assert_eq!(call(&pair.one, &key).status, 200);
    }
    looks(&redis);
    let left = calls_until_refused(&pair.two, &key, "calls_per_minute");
    // By itself it would let through six.
    assert!((1..6).contains(&left), "{left} calls where 2 of 6 were left");
    looks(&redis);
    // Some may have come back since. By themselves they would let through eight.
    let (more, refused) = until_refused(&pair.one, &key, "calls_per_minute");
    assert!(left + more < 8, "{left} and {more} calls where 2 of 6 were left");
    let seconds: u64 = refused.field("Retry-After").unwrap().parse().unwrap();
    assert!((1..=70).contains(&seconds), "{seconds}");
    is_whole(calls_until_refused(&pair.two, &other, "calls_per_minute"));
    // What is told is for servers over this store alone.
    let entries = redis.entries();
    let is_clear = |content: &[u8]| content.windows(9).any(|part| part == b"swordfish");
    let notes: Vec<_> = entries.iter().filter(|(key, _)| key.starts_with(&note("quotas-"))).collect();
    assert!(notes.len() == 2 && notes.iter().all(|(_, content)| content.starts_with(b"belljar") && !is_clear(content)));
}

#[test]
fn time_on_processors_is_used_up_at_all_servers() {
    let (s3, redis) = (S3::start(), Redis::start());
    let house = House::over(s3.endpoint());
    let configuration = "[tenants.default]\ncpu_seconds_per_day = 1\n";
    let pair = Pair::start(&house, &redis.url(), configuration);
    let (key, other) = (pair.key("one"), pair.key("other"));
    let burn = "import time\nend = time.process_time() + 1.1\nwhile time.process_time() < end: pass\nprint(1)";
    // How much that is of a processor depends on who else is busy.
    let is_used_up = || (run(&pair.one, &key, burn).status == 429).then_some(());
    tests::eventually("the time to be used up", is_used_up);
    looks(&redis);
    let refused = run(&pair.two, &key, "print(2)");
    assert_eq!((refused.status, refused.reason().as_str()), (429, "cpu_seconds_per_day"), "{refused:?}");
    assert_eq!(run(&pair.two, &other, "print(2)").reply().output(), "2\n");
    assert_eq!(call(&pair.two, &key).status, 200, "what runs nothing goes on");
}

#[test]
fn redis_that_is_gone_full_or_lies_leaves_each_server_its_own_count() {
    let s3 = S3::start();
    let house = House::over(s3.endpoint());
    for lie in [Lie::Gone, Lie::Silent, Lie::Full, Lie::Garbage, Lie::Endless, Lie::Damaged, Lie::Anothers] {
        let redis = Redis::start();
        let pair = Pair::start(&house, &redis.url(), CALLS);
        // Of another tenant there is something to be taken for it, from both servers.
        let (other, key) = (pair.key("other"), pair.key("one"));
        for server in [&pair.one, &pair.two] {
            assert_eq!(call(server, &other).status, 200);
        }
        looks(&redis);
        redis.lie(lie);
        let before = redis.lies();
        tests::eventually("servers to be lied to", || (redis.lies() >= before + 4).then_some(()));
        is_whole(calls_until_refused(&pair.one, &key, "calls_per_minute"));
        is_whole(calls_until_refused(&pair.two, &key, "calls_per_minute"));
        let said = match lie {
            Lie::Damaged | Lie::Anothers => "something else in place of what tenants used",
            _ => "the cache between servers is left alone for a while",
        };
        let log = || pair.one.log() + &pair.two.log();
        tests::eventually(&format!("{lie:?} to be logged"), || log().contains(said).then_some(()));
    }
}

#[test]
fn what_redis_brings_back_or_lays_elsewhere_counts_once() {
    let (s3, redis) = (S3::start(), Redis::start());
    let house = House::over(s3.endpoint());
    let pair = Pair::start(&house, &redis.url(), CALLS);
    let key = pair.key("one");
    let two_calls = || (0..2).for_each(|_| assert_eq!(call(&pair.one, &key).status, 200));
    two_calls();
    looks(&redis);
    let early = redis.entries();
    two_calls();
    looks(&redis);
    let late = redis.entries();
    assert!(late.keys().any(|key| key.starts_with(&note("quotas-"))), "the control: {late:?}");
    // From now on Redis has nothing but what it is given here.
    redis.lie(Lie::Stale);
    for round in 0..2 {
        for entries in [&early, &late] {
            for (name, content) in entries.iter().filter(|(name, _)| name.starts_with(&note("quotas-"))) {
                redis.insert(name, content);
                redis.insert(&note(&format!("quotas-{round}")), content);
            }
            looks(&redis);
        }
    }
    // Some may have come back since.
    let left = calls_until_refused(&pair.two, &key, "calls_per_minute");
    assert!((2..=6).contains(&left), "{left} calls where 4 of 6 were used");
}

#[test]
fn what_was_counted_while_redis_was_away_counts_when_it_is_back() {
    let (s3, redis) = (S3::start(), Redis::start());
    let house = House::over(s3.endpoint());
    let pair = Pair::start(&house, &redis.url(), CALLS);
    let key = pair.key("one");
    redis.lie(Lie::Gone);
    let before = redis.lies();
    tests::eventually("Redis to be away", || (redis.lies() > before).then_some(()));
    is_whole(calls_until_refused(&pair.one, &key, "calls_per_minute"));
    redis.lie(Lie::None);
    looks(&redis);
    // At the other server little of it has come back meanwhile.
    let left = calls_until_refused(&pair.two, &key, "calls_per_minute");
    assert!(left < 6, "{left}");
}
