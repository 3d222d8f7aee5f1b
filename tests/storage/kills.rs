//! Servers that are killed at any moment under load: nothing that was acknowledged is
//! lost, nothing is done twice under `if_sequence`, and nothing is left behind.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tests::http::{Connection, HttpServer, modern};
use tests::s3::S3;

use crate::{House, begin, tool, value};

/// How many servers are killed: in CI; `BELLJAR_TEST_KILLS` says otherwise.
const KILLS: u64 = 5;
const CLIENTS: usize = 4;

/// Who can be asked: one of these may be gone at any moment.
struct Fleet {
    house: House,
    servers: Mutex<Vec<Option<Arc<HttpServer>>>>,
}

impl Fleet {
    fn any(&self, number: u64) -> Option<Arc<HttpServer>> {
        let servers = self.servers.lock();
        let alive: Vec<_> = servers.iter().flatten().collect();
        alive.get(usize::try_from(number).unwrap() % alive.len().max(1)).map(|server| Arc::clone(server))
    }
}

/// The result of a call; `None` if the connection ended without one.
fn try_call(server: &HttpServer, arguments: &Value) -> Option<Value> {
    let request = server.request(&modern("tools/call", json!({"name": "execute", "arguments": arguments})));
    let mut connection = std::panic::catch_unwind(|| Connection::to(server.address())).ok()?;
    connection.send(&request);
    let answer = connection.answer_or_end()?;
    answer.messages().pop()?.get("result").cloned()
}

/// Counts in one session, on whichever server, until it is told to stop. Returns the
/// session and how far it was acknowledged.
fn count(fleet: &Fleet, session: &str, client: u64, over: &AtomicBool, retried: &AtomicU64) -> u64 {
    let (mut acknowledged, mut sequence, mut number) = (0, 1, client);
    let mut is_unknown = false;
    while !over.load(Ordering::SeqCst) {
        number += 1;
        let Some(server) = fleet.any(number) else { continue };
        if is_unknown {
            // The call may have been done: whoever asks is told.
            let Some(seen) = try_call(&server, &json!({"language": "python", "code": "x", "session": session})) else {
                continue;
            };
            let Some(at) = seen["structuredContent"]["session"]["sequence"].as_u64() else { continue };
            let x: u64 = seen["structuredContent"]["result"].as_str().unwrap().parse().unwrap();
            assert!(
                x == acknowledged || x == acknowledged + 1,
                "client {client}: {acknowledged} acknowledged, got {x}"
            );
            (acknowledged, sequence, is_unknown) = (x, at, false);
            retried.fetch_add(1, Ordering::SeqCst);
            continue;
        }
        let code = "x += 1\nopen('log', 'a').write('.')\nx";
        let call = json!({"language": "python", "code": code, "session": session, "if_sequence": sequence});
        let result = try_call(&server, &call);
        let done = result.as_ref().and_then(|result| result["structuredContent"]["session"]["sequence"].as_u64());
        match done {
            Some(at) => {
                acknowledged += 1;
                sequence = at;
                let said = &result.unwrap()["structuredContent"]["result"];
                assert_eq!(said, &Value::from(acknowledged.to_string()), "client {client}");
            }
            None => is_unknown = true,
        }
    }
    acknowledged
}

#[test]
fn servers_that_are_killed_under_load_lose_nothing_and_leave_nothing() {
    let kills = std::env::var("BELLJAR_TEST_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let s3 = S3::start();
    let fleet = Fleet { house: House::over(s3.endpoint()), servers: Mutex::default() };
    let first = Arc::new(fleet.house.server());
    let sessions: Vec<_> = (0..CLIENTS).map(|_| begin(&first, "x = 0\nopen('log', 'w').close()")).collect();
    *fleet.servers.lock() = vec![Some(first), Some(Arc::new(fleet.house.server()))];
    let (over, retried) = (AtomicBool::new(false), AtomicU64::new(0));
    let counted: Vec<u64> = std::thread::scope(|scope| {
        let clients: Vec<_> = sessions
            .iter()
            .enumerate()
            .map(|(client, session)| {
                let (fleet, over, retried) = (&fleet, &over, &retried);
                scope.spawn(move || count(fleet, session, client as u64, over, retried))
            })
            .collect();
        let mut state = 88_172_645_463_325_252_u64;
        for kill in 0..kills {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // The moment is the question here, so there is nothing to wait for.
            std::thread::sleep(Duration::from_millis(50 + (state >> 20) % 400));
            let place = usize::try_from(kill % 2).unwrap();
            let victim = fleet.servers.lock()[place].take().unwrap();
            victim.signal(Signal::SIGKILL);
            victim.wait();
            drop(victim);
            let next = Arc::new(fleet.house.server());
            fleet.servers.lock()[place] = Some(next);
        }
        over.store(true, Ordering::SeqCst);
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert!(counted.iter().all(|count| *count > kills), "too little was done: {counted:?}");
    let server = fleet.any(0).unwrap();
    for (session, acknowledged) in sessions.iter().zip(&counted) {
        let (x, dots) = {
            let text = value(&server, session, "f'{x} {len(open(\"log\").read())}'");
            let (x, dots) = text.trim_matches('\'').split_once(' ').unwrap();
            (x.parse::<u64>().unwrap(), dots.parse::<u64>().unwrap())
        };
        assert!(x == dots && (x == *acknowledged || x == acknowledged + 1), "{x}, {dots}, {acknowledged}");
    }
    // What nothing refers to is collected with the next commits of a session.
    for session in &sessions {
        for _ in 0..9 {
            value(&server, session, "x += 1\nopen('log', 'a').write('.')");
        }
    }
    let per_session = |objects: &BTreeMap<String, usize>, session: &str| {
        objects.keys().filter(|key| key.contains(session) && !key.contains("ended/")).count()
    };
    tests::eventually("collection", || {
        let objects = s3.objects();
        sessions.iter().all(|session| per_session(&objects, session) <= 8).then_some(())
    });
    for session in &sessions {
        tool(&server, "session", json!({"action": "close", "session": session})).structured();
    }
    tests::eventually("nothing to be left of the sessions", || {
        let left: Vec<_> = s3
            .objects()
            .into_keys()
            .filter(|key| {
                !key.contains("/bases/")
                    && !key.contains("/ended/")
                    && !key.ends_with("/create-if-absent")
                    && !key.ends_with("/keys")
                    && !key.ends_with("/clock")
            })
            .collect();
        left.is_empty().then_some(())
    });
    drop(server);
    let retried = retried.into_inner();
    println!("{kills} kills, {} calls acknowledged, {retried} looked at after no answer", counted.iter().sum::<u64>());
}
