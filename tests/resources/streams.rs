//! The stream that a client of the `initialize` era has beside its requests: what is
//! told over it, and what keeps it from nothing else.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::listener::Listener;
use crate::wire::Wire;

/// Far more than an answer takes, and half of what a client may leave unread for.
const SOON: Duration = Duration::from_secs(15);

fn subscribe(wire: &Wire, uri: &str) {
    assert_eq!(wire.ask("resources/subscribe", json!({"uri": uri})).result(), &json!({}));
}

#[test]
fn what_changes_while_no_stream_is_open_is_told_once_when_one_is() {
    let wire = Wire::of("http, initialize");
    let session = wire.new_session();
    let uris: Vec<_> = (0..40).map(|n| format!("belljar://session/{session}/{n:02}")).collect();
    uris.iter().for_each(|uri| subscribe(&wire, uri));
    for text in ["one", "two"] {
        let code = format!("for n in range(40): open(f'{{n:02}}', 'w').write('{text}')");
        wire.execute(&session, &code).assert_status("exited 0");
    }
    wire.ask("resources/unsubscribe", json!({"uri": uris[39]})).result();
    let mut listener = Listener::open(&wire, &[]);
    assert_eq!(listener.next(39), uris[..39]);
    wire.write(&session, "39", "nobody subscribes to it").result();
    wire.write(&session, "00", "three").result();
    assert_eq!(listener.next(1), uris[..1], "something was told twice");
}

#[test]
fn the_newest_stream_is_the_one_that_is_told_and_of_what_is_new() {
    let wire = Wire::of("http, initialize");
    let session = wire.new_session();
    let (one, two) = (format!("belljar://session/{session}/1"), format!("belljar://session/{session}/2"));
    let mut first = Listener::open(&wire, &[]);
    [&one, &two].into_iter().for_each(|uri| subscribe(&wire, uri));
    wire.write(&session, "1", "x").result();
    assert_eq!(first.next(1), [&*one]);
    let mut second = Listener::open(&wire, &[]);
    assert!(first.message().is_none(), "the former stream goes on");
    wire.write(&session, "2", "x").result();
    assert_eq!(second.next(1), [&*two], "the newer stream is told of something else");
    drop((first, second));
    wire.ask("resources/unsubscribe", json!({"uri": one})).result();
    let mut third = Listener::open(&wire, &[]);
    wire.write(&session, "1", "y").result();
    wire.write(&session, "2", "y").result();
    assert_eq!(third.next(1), [&*two], "what was told before, or is not subscribed to, was told");
    let Listener::Http(connection) = &mut third else { panic!("not over HTTP") };
    wire.write(&session, "2", "z").result();
    assert_eq!(connection.event().unwrap()["params"]["uri"], two);
}

#[test]
fn a_stream_that_is_not_read_keeps_no_answer_of_its_session() {
    // The changes are more than the kernel takes for the stream.
    const ROUNDS: usize = 30;
    const FILES: usize = 250;
    let wire = Wire::of("http, initialize");
    let session = wire.new_session();
    let folder = ["x".repeat(240), "y".repeat(240), "z".repeat(240)].join("/");
    let name = |n: usize| format!("{folder}/{n:03}{}", "w".repeat(200));
    let code = format!("import os\nos.makedirs('{folder}')");
    wire.execute(&session, &code).assert_status("exited 0");
    let mut listener = Listener::open(&wire, &[]);
    for number in 0..FILES {
        subscribe(&wire, &format!("belljar://session/{session}/{}", name(number)));
    }
    for round in 0..ROUNDS {
        let code = format!("for n in range({FILES}): open(f'{folder}/{{n:03}}' + 'w' * 200, 'w').write('{round}')");
        let asked = Instant::now();
        wire.execute(&session, &code).assert_status("exited 0");
        assert!(asked.elapsed() < SOON, "round {round} took {:?}", asked.elapsed());
    }
    // The client is told when it reads.
    let last = name(FILES - 1);
    let mut events = 0;
    loop {
        let told = listener.message().expect("the stream goes on");
        events += 1;
        if told["params"]["uri"].as_str().unwrap().ends_with(&last) {
            break;
        }
        assert!(events <= ROUNDS * FILES);
    }
}
