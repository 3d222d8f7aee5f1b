//! Redis in front of a bucket: it saves requests, and whatever it does wrong costs time
//! and never state.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::eventually;
use tests::http::HttpServer;
use tests::redis::{Lie, Redis};
use tests::s3::S3;

use crate::{House, begin, execute, tool, value};

/// Two servers that share a Redis.
fn pair(house: &House, redis: &Redis) -> [HttpServer; 2] {
    [(); 2].map(|()| {
        let server = HttpServer::with(house.builder().flag(format!("--redis={}", redis.url())));
        server.wait_until_ready();
        server
    })
}

/// Makes so many calls in a session that was left at `x`, at one server after the other.
fn alternate(servers: &[HttpServer; 2], session: &str, x: &mut u64, calls: u64) {
    for _ in 0..calls {
        *x += 1;
        let here = &servers[usize::try_from(*x % 2).unwrap()];
        let code = "x += 1\nopen('f', 'wb').write(bytes([x % 251]) * 50_000)\nx";
        assert_eq!(value(here, session, code), x.to_string());
    }
}

#[test]
fn what_one_server_wrote_the_other_reads_from_redis_and_none_of_it_is_clear() {
    let (s3, redis) = (S3::start(), Redis::start());
    let house = House::over(s3.endpoint());
    let servers = pair(&house, &redis);
    let session = begin(&servers[0], "x = 0\nsecret = 'swordfish' * 20");
    let mut x = 0;
    alternate(&servers, &session, &mut x, 4);
    let gets = || *s3.asked().get("GetObject").unwrap_or(&0);
    let before = gets();
    alternate(&servers, &session, &mut x, 20);
    // A call takes two requests at least without Redis, and looking whether the store
    // is there takes some.
    assert!(gets() - before < 15, "{} requests", gets() - before);
    assert!(redis.found().0 >= 20, "{:?}", redis.found());
    let entries = redis.entries();
    let is_clear = |content: &[u8]| content.windows(9).any(|window| window == b"swordfish");
    assert!(
        entries.len() > 20 && entries.values().all(|content| !is_clear(content) && content.starts_with(b"belljar"))
    );
    assert!(entries.keys().all(|key| key.starts_with(b"belljar:s3://belljar/tests/")));
}

#[test]
fn redis_that_is_gone_full_slow_or_lies_costs_time_and_no_state() {
    let s3 = S3::start();
    let house = House::over(s3.endpoint());
    for lie in Lie::ALL {
        // New servers, since one that was lied to leaves it alone for a while.
        let redis = Redis::start();
        let servers = pair(&house, &redis);
        let session = begin(&servers[0], "x = 0");
        let mut x = 0;
        alternate(&servers, &session, &mut x, 2);
        redis.lie(lie);
        let started = Instant::now();
        alternate(&servers, &session, &mut x, 4);
        // A twentieth of a second for each of few answers, and then it is left alone.
        assert!(started.elapsed() < Duration::from_secs(20), "{lie:?}: {:?}", started.elapsed());
        assert!(redis.lies() > 0, "{lie:?} was told to nobody");
        let said = match lie {
            Lie::Damaged | Lie::Anothers => "what the cache between servers has of an object is not that object",
            _ => "the cache between servers is left alone for a while",
        };
        let log = servers.each_ref().map(|server| server.log()).concat();
        assert!(log.contains(said), "{lie:?}: {log}");
        drop(redis);
        alternate(&servers, &session, &mut x, 2);
    }
}

/// Runs Python without a session. Returns the handle of the run.
fn run(server: &HttpServer, code: &str) -> String {
    let reply = tool(server, "execute", json!({"language": "python", "code": code}));
    reply.structured()["run"].as_str().unwrap_or_else(|| panic!("no run: {}", reply.message)).to_owned()
}

#[test]
fn a_run_of_one_server_is_read_at_the_other_and_one_that_is_large_says_where_it_is() {
    let (s3, redis) = (S3::start(), Redis::start());
    let house = House::over(s3.endpoint());
    let [one, two] = pair(&house, &redis);
    let code = "import os\n\
                for n in range(20_000): print('swordfish', n)\n\
                os.makedirs('d')\nopen('d/f.txt', 'w').write('left behind')\n\
                display('shown')\n1 / 0";
    let handle = run(&one, code);
    let read = |server, mut arguments: Value| {
        arguments["run"] = handle.clone().into();
        tool(server, "read", arguments).text().to_owned()
    };
    for arguments in [
        json!({"stream": "stdout", "offset": 19_990}),
        json!({"stream": "traceback"}),
        json!({"output": 1}),
        json!({"path": "d/f.txt"}),
        json!({"path": "."}),
    ] {
        let (here, there) = (read(&one, arguments.clone()), read(&two, arguments.clone()));
        assert_eq!(here, there, "{arguments}");
        assert!(!here.contains("no run"), "the control: {here}");
    }
    assert!(read(&two, json!({"stream": "stdout", "offset": 19_990})).contains("swordfish 19999"));
    let in_session = execute(&one, "new", "print('in a session')").structured()["run"].clone();
    assert!(tool(&two, "read", json!({"run": in_session, "stream": "stdout"})).text().contains("in a session"));
    let entries = redis.entries();
    let runs: Vec<_> = entries.iter().filter(|(key, _)| key.windows(6).any(|part| part == b"/runs/")).collect();
    assert_eq!(runs.len(), 2);
    let is_clear = |content: &[u8]| content.windows(9).any(|part| part == b"swordfish");
    assert!(runs.iter().all(|(_, content)| content.starts_with(b"belljar") && !is_clear(content)));
    // What is too much for Redis stays where it is.
    for code in ["print('x' * 2_000_000)", "open('large', 'w').write('x' * 2_000_000)"] {
        let large = run(&one, code);
        let refused = tool(&two, "read", json!({"run": large, "stream": "stdout"}));
        assert!(refused.refusal().contains(&format!("no run `{large}`")), "{}", refused.text());
    }
    assert_eq!(redis.entries().keys().filter(|key| key.windows(6).any(|part| part == b"/runs/")).count(), 2);
}

#[test]
fn a_run_that_redis_lost_or_lies_about_is_read_at_the_server_that_ran_it_alone() {
    let s3 = S3::start();
    let house = House::over(s3.endpoint());
    for lie in [Lie::Gone, Lie::Silent, Lie::Endless, Lie::Damaged, Lie::Anothers] {
        let redis = Redis::start();
        let [one, two] = pair(&house, &redis);
        // Of another run there is something to be taken for it.
        let (other, handle) = (run(&one, "print('other')"), run(&one, "print('this')"));
        redis.lie(lie);
        let started = Instant::now();
        let refused = tool(&two, "read", json!({"run": handle, "stream": "stdout"}));
        assert!(refused.refusal().contains(&format!("no run `{handle}`")), "{lie:?}: {}", refused.text());
        assert!(started.elapsed() < Duration::from_secs(5), "{lie:?}: {:?}", started.elapsed());
        assert!(redis.lies() > 0, "{lie:?} was told to nobody");
        for (run, said) in [(&other, "other"), (&handle, "this")] {
            assert!(tool(&one, "read", json!({"run": run, "stream": "stdout"})).text().contains(said), "{lie:?}");
        }
    }
}

#[test]
fn a_password_for_redis_is_in_no_log_even_if_redis_repeats_it() {
    let (s3, redis) = (S3::start(), Redis::start());
    redis.lie(Lie::Telltale);
    let house = House::over(s3.endpoint());
    let url = redis.url().replace("redis://", "redis://:swordfish@");
    let server = HttpServer::with(house.builder().env("BELLJAR_REDIS", &url).env("BELLJAR_LOG", "trace"));
    server.wait_until_ready();
    let session = begin(&server, "x = 1");
    assert_eq!(value(&server, &session, "x"), "1");
    eventually("the refusal to be logged", || server.log().contains("it refuses AUTH: ERR").then_some(()));
    assert!(!server.log().contains("swordfish"), "{}", server.log());
}
