//! Keys that are revoked at one server, of servers that share a Redis and have files of keys
//! of their own.

use serde_json::json;
use tests::eventually;
use tests::http::{HttpServer, modern};
use tests::redis::{Lie, Redis};
use tests::s3::S3;

use crate::House;
use crate::pair::{Pair, call, looks, note, run};

// A quota that nobody comes near, since servers without one look less.
const TENANTS: &str = "[tenants.one]\ncpu_seconds_per_day = 100_000\n";

fn revoke(server: &HttpServer, key: &str) {
    let id = key.strip_prefix("belljar_key_").unwrap().split('_').next().unwrap();
    let (done, said) = server.command(&["keys", "revoke", id]);
    assert!(done && said.contains("is revoked"), "{said}");
}

fn is_refused(server: &HttpServer, key: &str) -> bool {
    let answer = call(server, key);
    if answer.status == 200 {
        return false;
    }
    assert_eq!((answer.status, answer.reason().as_str()), (401, "wrong_key"), "{answer:?}");
    true
}

fn until_refused(server: &HttpServer, key: &str) {
    eventually("the key to be refused", || is_refused(server, key).then_some(()));
}

#[test]
fn a_key_that_is_revoked_at_one_server_is_refused_at_the_other_and_stays_so() {
    let (s3, redis) = (S3::start(), Redis::start());
    let house = House::over(s3.endpoint());
    let pair = Pair::start(&house, &redis.url(), TENANTS);
    let (kept, gone) = (pair.key("one"), pair.key("one"));
    let endless = json!({"language": "python", "code": "print('begun', flush=True)\nwhile True: pass",
        "limits": {"wall_time_ms": 300_000, "cpu_time_ms": 300_000}});
    let mut message = modern("tools/call", json!({"name": "execute", "arguments": endless}));
    message["params"]["_meta"]["progressToken"] = "p".into();
    let mut goes_on = pair.two.connect();
    goes_on.send(&pair.two.request_with(&gone, &message));
    assert_eq!(goes_on.answer_head().unwrap().status, 200);
    goes_on.event().unwrap();
    looks(&redis);
    assert!(!is_refused(&pair.two, &gone), "nobody has revoked it");
    revoke(&pair.one, &gone);
    assert!(is_refused(&pair.one, &gone));
    until_refused(&pair.two, &gone);
    while let Some(event) = goes_on.event() {
        assert!(event.get("result").is_none(), "what goes on ends with its key: {event}");
    }
    // What was heard is known without Redis, and is in no file that a copy brings back.
    let kept_here = revoked_file(&pair.two, &gone);
    redis.lie(Lie::Gone);
    let before = redis.lies();
    eventually("Redis to be away", || (redis.lies() >= before + 2).then_some(()));
    assert!(is_refused(&pair.two, &gone) && !is_refused(&pair.two, &kept));
    let (_, listed) = pair.two.command(&["keys"]);
    assert_eq!(listed.lines().count(), 1, "{listed}");
    assert!(kept_here.contains("\"revoked\": "), "{kept_here}");
    // It is told again to a Redis that forgot.
    redis.flush();
    redis.lie(Lie::None);
    eventually("the key to be told again", || redis.entries().contains_key(&note("revoked-keys")).then_some(()));
    looks(&redis);
    assert!(is_refused(&pair.one, &gone) && !is_refused(&pair.one, &kept));
    let entries = redis.entries();
    assert!(entries[&note("revoked-keys")].starts_with(b"belljar"));
}

/// What a server keeps of keys that were revoked elsewhere: never a key.
fn revoked_file(server: &HttpServer, key: &str) -> String {
    // A key is refused before that is written.
    let path = server.home().join("state/revoked-keys.json");
    let text = eventually("the list to be written", || std::fs::read_to_string(&path).ok());
    assert!(!text.contains(key.rsplit('_').next().unwrap()));
    text
}

#[test]
fn redis_revokes_nothing_by_itself_and_what_it_hides_is_refused_once_it_is_told() {
    let (s3, redis) = (S3::start(), Redis::start());
    let house = House::over(s3.endpoint());
    let pair = Pair::start(&house, &redis.url(), TENANTS);
    let (kept, first, second) = (pair.key("one"), pair.key("one"), pair.key("one"));
    assert_eq!(run(&pair.one, &kept, "print(1)").reply().output(), "1\n");
    revoke(&pair.one, &first);
    until_refused(&pair.two, &first);
    looks(&redis);
    let early = redis.entries();
    let name = note("revoked-keys");
    let another = early.iter().find(|(key, _)| key.starts_with(&note("quotas-"))).unwrap().1.clone();
    let mut damaged = early[&name].clone();
    *damaged.last_mut().unwrap() ^= 1;
    for wrong in [&b"garbage"[..], b"", &another, &damaged] {
        redis.insert(&name, wrong);
        eventually("the list to be right again", || (redis.entries()[&name] != wrong).then_some(()));
        assert!(!is_refused(&pair.two, &kept) && is_refused(&pair.two, &first), "{wrong:?}");
    }
    let log = pair.one.log() + &pair.two.log();
    assert!(log.contains("something else in place of the keys that were revoked"), "{log}");
    // Redis holds back what is told it, and says what it said before.
    redis.insert(&name, &early[&name]);
    redis.lie(Lie::Stale);
    revoke(&pair.one, &second);
    looks(&redis);
    assert!(is_refused(&pair.one, &second) && !is_refused(&pair.two, &second), "nobody told the other");
    redis.lie(Lie::None);
    until_refused(&pair.two, &second);
    // An earlier list takes nothing back.
    redis.insert(&name, &early[&name]);
    looks(&redis);
    for server in [&pair.one, &pair.two] {
        assert!(is_refused(server, &first) && is_refused(server, &second) && !is_refused(server, &kept));
    }
}

#[test]
fn a_key_that_was_revoked_while_redis_was_gone_or_full_is_refused_when_it_is_not() {
    let s3 = S3::start();
    let house = House::over(s3.endpoint());
    for lie in [Lie::Gone, Lie::Full] {
        let redis = Redis::start();
        let pair = Pair::start(&house, &redis.url(), TENANTS);
        let (kept, gone) = (pair.key("one"), pair.key("one"));
        redis.lie(lie);
        let before = redis.lies();
        revoke(&pair.one, &gone);
        eventually("Redis to be asked", || (redis.lies() >= before + 4).then_some(()));
        assert!(is_refused(&pair.one, &gone) && !is_refused(&pair.two, &gone), "{lie:?}");
        redis.lie(Lie::None);
        until_refused(&pair.two, &gone);
        assert!(!is_refused(&pair.two, &kept), "{lie:?}");
    }
}
