//! Storage that is slow, fails, loses its connection or has a clock of its own: a call
//! that is acknowledged is kept, one that is not is done once at most under
//! `if_sequence`, and no server is held up for longer than its bounds.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::Reply;
use tests::eventually;
use tests::http::HttpServer;
use tests::s3::{Asked, Fault, S3};
use tests::store_key;

use crate::{House, begin, execute, tool, value};

/// Runs `code` in a session if that is at `sequence`.
fn execute_at(server: &HttpServer, session: &str, sequence: u64, code: &str) -> Reply {
    let arguments = json!({"language": "python", "code": code, "session": session, "if_sequence": sequence});
    tool(server, "execute", arguments)
}

fn sequence(reply: &Reply) -> u64 {
    reply.structured()["session"]["sequence"].as_u64().unwrap()
}

/// A number below `below`, another each time and the same in each run.
fn random(state: &mut u64, below: u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 20) % below
}

#[test]
fn calls_that_alternate_over_storage_that_fails_now_and_then_all_go_well() {
    let s3 = S3::start();
    let house = House::over(s3.endpoint());
    let (one, two) = (house.server(), house.server());
    let session = begin(&one, "x = 0\nlog = []");
    let mut state = 2026;
    s3.fail(move |_| match random(&mut state, 30) {
        0 => Some(Fault::SlowDown),
        1 => Some(Fault::DoneAndFailed),
        2 => Some(Fault::LostBefore),
        3 => Some(Fault::LostAfter),
        4 => Some(Fault::LostWithin),
        5 => Some(Fault::Slow(Duration::from_millis(20))),
        _ => None,
    });
    for call in 1..=40 {
        let here = if call % 2 == 0 { &one } else { &two };
        let code = if call % 4 == 0 { "x += 1\nopen('f', 'wb').write(bytes(100_000))\nx" } else { "x += 1\nx" };
        assert_eq!(value(here, &session, code), call.to_string());
    }
}

#[test]
fn storage_that_is_slow_delays_calls_and_fails_none() {
    let s3 = S3::start();
    let house = House::over(s3.endpoint());
    let (one, two) = (house.server(), house.server());
    let session = begin(&one, "x = 0");
    s3.fail(|_| Some(Fault::Slow(Duration::from_millis(150))));
    for (call, here) in [&two, &one, &two].into_iter().enumerate() {
        assert_eq!(value(here, &session, "x += 1\nx"), (call + 1).to_string());
    }
}

#[test]
fn a_commit_whose_answer_is_lost_was_made_and_is_acknowledged_once() {
    let s3 = S3::start();
    let house = House::over(s3.endpoint());
    let (one, two) = (house.server(), house.server());
    let session = begin(&one, "x = 0");
    for fault in [Fault::LostAfter, Fault::LostBefore, Fault::DoneAndFailed, Fault::SlowDown] {
        s3.heal();
        let before: u64 = value(&two, &session, "x").parse().unwrap();
        let mut commits = 0;
        s3.fail(move |asked: &Asked| {
            commits += u32::from(asked.is_commit());
            (asked.is_commit() && commits == 1).then_some(fault)
        });
        assert_eq!(value(&one, &session, "x += 1\nx"), (before + 1).to_string(), "{fault:?}");
        assert_eq!(value(&two, &session, "x"), (before + 1).to_string(), "{fault:?}");
    }
}

#[test]
fn a_commit_that_was_built_upon_before_its_writer_looked_is_not_said_to_be_lost() {
    // The answer was lost, was an error, or came in time, and nothing is wrong but the order.
    for fault in [Fault::LostAfter, Fault::DoneAndFailed, Fault::Slow(Duration::ZERO)] {
        let s3 = S3::start();
        let house = House::over(s3.endpoint());
        let (one, two) = (house.server(), house.server());
        let session = begin(&one, "x = 1");
        let (is_done, done) = std::sync::mpsc::channel();
        let (own, mut commits) = (session.clone(), 0);
        s3.fail(move |asked: &Asked| {
            commits += u32::from(asked.is_commit());
            if commits == 1 && asked.is_commit() {
                return Some(fault);
            }
            // Whatever comes next is its writer's: the other server is asked after that.
            (commits > 0 && asked.key.contains(&own) && is_done.send(()).is_ok()).then_some(Fault::Held)
        });
        std::thread::scope(|scope| {
            let overtaken = scope.spawn(|| execute(&one, &session, "x += 1"));
            done.recv().unwrap();
            drop(done);
            // What it made is there, and another state and a third grow from it.
            assert_eq!(value(&two, &session, "x += 10\nx"), "12", "{fault:?}: it was kept");
            assert_eq!(value(&two, &session, "x += 10\nx"), "22", "{fault:?}");
            s3.release();
            let overtaken = overtaken.join().unwrap();
            let said = overtaken.refusal();
            assert!(
                said.contains("whether that went on from this call or without it is not known")
                    && said.contains("if_sequence")
                    && !said.contains("nothing of this call was kept"),
                "{fault:?}: {said}"
            );
        });
        for here in [&one, &two] {
            assert_eq!(value(here, &session, "x"), "22", "{fault:?}");
        }
    }
}

#[test]
fn a_fork_that_fails_leaves_nothing_that_lives_on() {
    let s3 = S3::start();
    let house = House::over(s3.endpoint());
    let server = house.server();
    let session = begin(&server, "import random\nopen('f', 'wb').write(random.randbytes(300_000))");
    let fork = || tool(&server, "session", json!({"action": "fork", "session": session}));
    // Beside what says that a session is over, which is empty but for a number.
    let others = || {
        let is_other = |key: &String| {
            let names: Vec<_> = key.split('/').collect();
            names.len() > 3 && names[2] != "ended" && names[2] != session
        };
        s3.objects().into_keys().filter(is_other).count()
    };
    let refused = Fault::Refused("AccessDenied");
    let faults: [fn(&Asked) -> bool; 2] = [|asked| asked.operation == "CopyObject", Asked::is_commit];
    for is_wrong in faults {
        let mut copies = 0;
        s3.fail(move |asked| {
            copies += u32::from(asked.operation == "CopyObject");
            // Some of it is there by then.
            (is_wrong(asked) && (asked.is_commit() || copies > 1)).then_some(refused)
        });
        let failed = fork();
        assert_eq!(failed.protocol_error().0, -32603, "{failed:?}");
        eventually("the fork to be gone", || (others() == 0).then_some(()));
    }
    // The commit is made, its answer is lost, and its writer cannot look.
    let mut made = None;
    s3.fail(move |asked| match &made {
        None if asked.is_commit() => {
            made = Some(asked.key.clone());
            Some(Fault::LostAfter)
        }
        Some(made) if asked.key == *made => Some(Fault::SlowDown),
        _ => None,
    });
    let failed = fork();
    assert!(failed.refusal().contains("does not answer as it should"), "{failed:?}");
    eventually("the fork to be gone", || (others() == 0).then_some(()));
    s3.heal();
    let listed = tool(&server, "session", json!({"action": "list"}));
    assert_eq!(listed.structured()["sessions"].as_array().unwrap().len(), 1, "{listed:?}");
    let fork = fork().structured()["session"]["id"].as_str().unwrap().to_owned();
    assert_eq!(value(&server, &fork, "import os\nos.path.getsize('f')"), "300000", "the control");
    assert!(others() > 0);
}

#[test]
fn what_was_not_acknowledged_is_done_once_under_if_sequence() {
    let s3 = S3::start();
    let house = House::over(s3.endpoint());
    let (one, two) = (house.server(), house.server());
    let session = begin(&one, "x = 0");
    // The storage is gone from the commit on: that is done, or not.
    for (fault, was_done) in [(Fault::LostAfter, true), (Fault::LostBefore, false), (Fault::SlowDown, false)] {
        let at = sequence(&execute(&one, &session, "before = x"));
        let mut is_lost = false;
        s3.fail(move |asked: &Asked| {
            let is_commit = asked.is_commit() && !is_lost;
            is_lost |= is_commit;
            if is_commit { Some(fault) } else { is_lost.then_some(Fault::SlowDown) }
        });
        let lost = execute_at(&one, &session, at, "x += 1");
        assert!(lost.refusal().contains("does not answer as it should"), "{fault:?}: {lost:?}");
        s3.heal();
        // As its text says: on whichever server, it is done where it was not.
        let again = execute_at(&two, &session, at, "x += 1\nx - before");
        if was_done {
            assert!(again.refusal().contains("if_sequence"), "{again:?}");
        } else {
            assert_eq!(again.structured()["result"], "1", "{fault:?}");
        }
        for here in [&one, &two] {
            assert_eq!(value(here, &session, "x - before"), "1", "{fault:?}");
        }
    }
}

#[test]
fn storage_that_never_answers_is_given_up_within_bounds() {
    let s3 = S3::start();
    let house = House::over(s3.endpoint());
    let server = house.server();
    let session = begin(&server, "x = 1");
    s3.fail(|_| Some(Fault::Silent));
    let started = Instant::now();
    let lost = execute(&server, &session, "x += 1");
    // Five seconds for each answer, ten for a request with all of its repetitions.
    assert!(started.elapsed() < Duration::from_secs(100), "{:?}", started.elapsed());
    assert!(lost.refusal().contains("does not answer as it should"), "{lost:?}");
    s3.heal();
    assert_eq!(value(&server, &session, "x"), "1");
}

#[test]
fn storage_whose_clock_is_off_by_days_ends_nothing() {
    let s3 = S3::start();
    let house = House::over(s3.endpoint());
    s3.set_clock(-40 * 86_400);
    let (one, two) = (house.server(), house.server());
    let session = begin(&one, "x = 0");
    for ahead in [-40, 40, 0, 400, -400] {
        s3.set_clock(ahead * 86_400);
        for here in [&two, &one] {
            value(here, &session, "x += 1\nx");
        }
    }
    assert_eq!(value(&two, &session, "x"), "10");
}

#[test]
fn keys_are_rotated_under_load_and_no_call_fails() {
    let s3 = S3::start();
    let house = House::over(s3.endpoint());
    let late = tempfile::tempdir().unwrap();
    let (old, new) = (store_key(7), store_key(8));
    // The second server has a file of its own, as on another node, where it changes later.
    let keys = late.path().join("keys");
    let write = |bytes: &[u8]| {
        house.write_keys(bytes);
        std::fs::rename(house.keys(), &keys).unwrap();
    };
    write(&old);
    house.write_keys(&old);
    let one = house.server();
    let two = HttpServer::with(house.builder_with(&keys));
    two.wait_until_ready();
    let session = begin(&one, "x = 0");
    let mut calls = 0;
    let mut alternate = || {
        for _ in 0..3 {
            for here in [&two, &one] {
                calls += 1;
                assert_eq!(value(here, &session, "x += 1\nopen('f', 'w').write(str(x) * 9000)\nx"), calls.to_string());
            }
        }
    };
    alternate();
    // Both servers open with the new key before either seals with it.
    let rings = [old.to_vec(), [old, new].concat(), [new, old].concat()];
    for stage in rings.windows(2) {
        write(&stage[1]);
        house.write_keys(&stage[0]);
        alternate();
        house.write_keys(&stage[1]);
        alternate();
    }
    // The control: without the new key what is sealed with it does not open.
    write(&old);
    let refused = execute(&two, &session, "x");
    assert!(refused.refusal().contains("it was sealed with key"), "{refused:?}");
    write(&[new, old].concat());
    house.write_keys(&[new, old].concat());
    alternate();
}

#[test]
fn damaged_and_swapped_objects_are_refused_and_name_no_secret() {
    let s3 = S3::start();
    let house = House::over(s3.endpoint());
    let (one, two) = (house.server(), house.server());
    let session = begin(&one, "secret = 'swordfish' * 20000\nopen('f', 'w').write(secret)");
    assert_eq!(value(&two, &session, "len(secret)"), "180000");
    let is_clear = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = std::sync::Arc::clone(&is_clear);
    s3.tamper(
        |key| !key.contains("bases/"),
        move |content| {
            if content.windows(9).any(|window| window == b"swordfish") {
                seen.store(true, std::sync::atomic::Ordering::SeqCst);
            }
        },
    );
    assert!(!is_clear.load(std::sync::atomic::Ordering::SeqCst), "what is stored is sealed");
    s3.tamper(
        |key| !key.contains("bases/") && !key.contains("create-if-absent") && !key.ends_with("/keys"),
        |content| {
            if let Some(byte) = content.get_mut(60) {
                *byte ^= 1;
            }
        },
    );
    let reply = execute(&one, &session, "secret[:9]");
    assert!(reply.message.get("error").is_some() || reply.is_error() || reply.structured()["result"] == "'swordfish'");
    let three = house.server();
    let damaged = execute(&three, &session, "secret[:9]");
    assert_eq!(damaged.protocol_error().0, -32603, "{damaged:?}");
    eventually("the log to say so", || three.log().contains("it is damaged").then_some(()));
}
