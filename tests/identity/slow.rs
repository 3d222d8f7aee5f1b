//! Clients that take their answers slowly, or never.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::alone;
use tests::http::modern;

use crate::caller::{Caller, server};

/// How many calls of one tenant, and of all, are answered at once.
const OF_ONE: usize = 8;
const OF_ALL: usize = 64;

#[test]
fn whoever_takes_no_answers_keeps_nobody_else_from_reading() {
    let _alone = alone();
    let server = server("[tenants.default]\n");
    let keys: Vec<_> = (0..=OF_ALL / OF_ONE)
        .map(|number| server.add_key(&[&format!("--tenant=t{number}"), "--scopes=sandbox:execute"]))
        .collect();
    let callers: Vec<_> = keys.iter().map(|key| Caller::new(&server, key)).collect();
    // Each character takes six in an answer: more than sockets hold.
    let file = json!({"session": "new", "path": "f", "text": "\u{1}".repeat(1 << 20)});
    let reads: Vec<_> = callers
        .iter()
        .map(|caller| {
            let session = caller.tool("write", file.clone()).reply().session();
            modern("resources/read", json!({"uri": format!("belljar://session/{session}/f")}))
        })
        .collect();
    let (other, slow) = callers.split_last().unwrap();
    let mut connections = Vec::new();
    for (caller, read) in slow.iter().zip(&reads) {
        for _ in 0..OF_ONE {
            let mut connection = server.connect();
            connection.send(&caller.request(read));
            connections.push(connection);
        }
    }
    // The answers to the first calls of each tenant are made.
    for connection in connections.iter_mut().step_by(OF_ONE) {
        assert_eq!(connection.answer_head().unwrap().status, 200);
    }
    let asked = Instant::now();
    for _ in 0..2 {
        let answer = other.ask(&reads[slow.len()]);
        assert!(answer.status == 200 && answer.body.len() > 6 << 20, "{}", answer.status);
        assert_eq!(other.tool("read", json!({"run": "x"})).status, 200);
    }
    // A client that takes nothing is given up after thirty seconds, with what it held.
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
    // The control: the callers wait for themselves alone.
    drop(connections);
    assert_eq!(slow[0].ask(&reads[0]).status, 200);
}
