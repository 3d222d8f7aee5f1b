//! Who is told when a file of a session changes, of what, and until when.

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tests::{Pending, eventually};

use crate::listener::{LISTEN, Listener};
use crate::wire::{ALL, Wire};

#[test]
fn what_changes_a_file_is_told_to_those_who_watch_it_or_its_folder() {
    for way in ALL {
        let wire = Wire::of(way);
        let (session, other) = (wire.new_session(), wire.new_session());
        let (all, file) = (format!("belljar://session/{session}/"), format!("belljar://session/{session}/d%20d/a"));
        wire.write(&session, "d d/a", "1");
        let mut listener = Listener::start(&wire, &[&all, &file]);
        let both = [all.clone(), file.clone()];
        wire.write(&session, "d d/a", "2");
        assert_eq!(listener.next(2), both, "{way}, write");
        wire.write(&session, "b", "3");
        assert_eq!(listener.next(1), [&*all], "{way}, another file");
        wire.write(&other, "d d/a", "4");
        wire.execute(&session, "print(open('d d/a').read())");
        wire.execute(&session, "open('d d/a', 'a').write('5')");
        assert_eq!(listener.next(2), both, "{way}, a run, and neither one that reads nor another session");
        let snapshot = wire.call("session", json!({"action": "snapshot", "session": session}));
        let snapshot = snapshot.structured()["snapshot"]["id"].clone();
        wire.call("execute", json!({"language": "bash", "code": "rm 'd d/a'", "session": session}));
        assert_eq!(listener.next(2), both, "{way}, removed by a native program");
        wire.call("session", json!({"action": "restore", "session": session, "snapshot": snapshot}));
        assert_eq!(listener.next(2), both, "{way}, restored");
        assert_eq!(wire.contents(&file)["text"], "25");
        // What is rolled back did not happen.
        let code = "open('d d/a', 'w').write('6')\nwhile True:\n    try:\n        while True: pass\n    except BaseException: pass";
        let limits = json!({"wall_time_ms": 300});
        let stopped =
            wire.call("execute", json!({"language": "python", "code": code, "session": session, "limits": limits}));
        assert_eq!(stopped.session_state(), "rolled_back", "{}", stopped.message);
        wire.write(&session, "b", "7");
        assert_eq!(listener.next(1), [&*all], "{way}, rolled back");
        wire.call("session", json!({"action": "close", "session": session}));
        assert_eq!(listener.next(2), both, "{way}, closed");
    }
}

#[test]
fn whoever_ends_a_subscription_is_told_no_more() {
    for way in ALL {
        let wire = Wire::of(way);
        let session = wire.new_session();
        let (one, two) = (format!("belljar://session/{session}/1"), format!("belljar://session/{session}/2"));
        let mut listener = Listener::start(&wire, &[&one, &two]);
        match (&mut listener, &wire) {
            (Listener::Stdio { request: Some(request), .. }, Wire::Stdio { server, .. }) => {
                server.client.notify("notifications/cancelled", json!({"requestId": request.id()}));
                listener = Listener::start(&wire, &[&two]);
            }
            (Listener::Http(_), Wire::Http { session: None, .. }) => listener = Listener::start(&wire, &[&two]),
            _ => {
                // To subscribe twice is to do so once, and what nobody subscribed to is
                // none already.
                for uri in [&two, &two, &one, &one] {
                    let method = if uri == &two { "resources/subscribe" } else { "resources/unsubscribe" };
                    assert_eq!(wire.ask(method, json!({"uri": uri})).result(), &json!({}));
                }
            }
        }
        for file in ["1", "2", "1", "2"] {
            wire.write(&session, file, "x");
            if file == "2" {
                assert_eq!(listener.next(1), [&*two], "{way}");
            }
        }
    }
}

#[test]
fn a_server_that_ends_says_so_to_those_who_listen() {
    for way in ALL {
        let wire = Wire::of(way);
        let session = wire.new_session();
        let mut listener = Listener::start(&wire, &[&format!("belljar://session/{session}/")]);
        match &wire {
            Wire::Stdio { server, .. } => server.signal(Signal::SIGTERM),
            Wire::Http { server, .. } => server.signal(Signal::SIGTERM),
        }
        if wire.is_modern() {
            let ended = listener.end().unwrap_or_else(|| panic!("{way}: no answer"));
            assert_eq!(ended.result()["resultType"], "complete", "{way}: {}", ended.message);
        }
        if let Listener::Http(connection) = &mut listener {
            assert!(connection.event().is_none(), "{way}: the stream goes on");
        }
        let status = match &wire {
            Wire::Stdio { server, .. } => server.wait(),
            Wire::Http { server, .. } => server.wait(),
        };
        assert!(status.success(), "{way}: {status}");
    }
}

#[test]
fn a_client_that_closes_its_end_while_it_listens_keeps_nothing() {
    let wire = Wire::of("stdio, newer");
    let session = wire.new_session();
    let mut listener = Listener::start(&wire, &[&format!("belljar://session/{session}/")]);
    let Wire::Stdio { server, .. } = &wire else { panic!("not over stdio") };
    server.client.close();
    assert!(listener.end().is_some_and(|ended| ended.result()["resultType"] == "complete"));
    assert!(server.wait().success());
}

#[test]
fn subscriptions_of_a_caller_are_bounded_and_come_back() {
    for way in ALL {
        let wire = Wire::of(way);
        let session = wire.new_session();
        let uris: Vec<_> = (0..257).map(|n| format!("belljar://session/{session}/{n}")).collect();
        let uris: Vec<_> = uris.iter().map(String::as_str).collect();
        let assert_too_many = |error: &Value| {
            assert_eq!(
                (&error["code"], &error["data"]["reason"]),
                (&json!(-32000), &json!("too_many")),
                "{way}: {error}"
            );
            assert!(
                error["data"]["bound"] == 256 && error["message"].as_str().unwrap().contains("the folder of a session")
            );
        };
        if wire.is_modern() {
            // The addresses are more than there may be at all: none of them is watched.
            let mut refused = Listener::open(&wire, &uris);
            assert_eq!(refused.acknowledged(), json!({}));
            assert_too_many(&refused.end().unwrap().message["error"]);
            let most = Listener::start(&wire, &uris[..256]);
            let mut more = Listener::open(&wire, &uris[256..]);
            more.acknowledged();
            assert_too_many(&more.end().unwrap().message["error"]);
            match (most, &wire) {
                (Listener::Stdio { request: Some(request), .. }, Wire::Stdio { server, .. }) => {
                    server.client.notify("notifications/cancelled", json!({"requestId": Pending::id(&request)}));
                }
                (most, _) => drop(most),
            }
            eventually("the subscriptions to come back", || {
                let mut again = Listener::open(&wire, &uris[256..]);
                again.acknowledged();
                wire.write(&session, "256", "x");
                (again.message()?["method"] == "notifications/resources/updated").then_some(())
            });
        } else {
            let subscribe = |uri: &str| wire.ask("resources/subscribe", json!({"uri": uri}));
            for uri in &uris[..256] {
                subscribe(uri).result();
            }
            assert_too_many(&subscribe(uris[256]).message["error"]);
            wire.ask("resources/unsubscribe", json!({"uri": uris[0]})).result();
            subscribe(uris[256]).result();
        }
    }
}

#[test]
fn those_who_listen_keep_no_request_from_being_answered() {
    // The requests are as many as there may be of one caller, and some.
    let wire = Wire::of("http, newer");
    let session = wire.new_session();
    let all = format!("belljar://session/{session}/");
    let mut listeners: Vec<_> = (0..140).map(|_| Listener::start(&wire, &[&all])).collect();
    wire.write(&session, "a", "x").result();
    for listener in &mut listeners {
        assert_eq!(listener.next(1), [&*all]);
    }
    let Listener::Http(connection) = &mut listeners[0] else { panic!("not over HTTP") };
    assert!(!connection.is_over());
    wire.write(&session, "a", "y").result();
    let message = listeners[0].message().unwrap();
    let id = &message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
    assert_eq!(id, &json!(LISTEN), "{message}");
}

#[test]
fn what_cannot_change_or_is_not_there_cannot_be_watched() {
    let mount = tempfile::tempdir().unwrap();
    for way in ALL {
        let wire = Wire::with(way, tests::Server::with().flag(format!("--mount={}:/data", mount.path().display())));
        let (session, closed) = (wire.new_session(), wire.new_session());
        wire.call("session", json!({"action": "close", "session": closed}));
        let good = format!("belljar://session/{session}/not%20there%20yet");
        let bad = [
            ("belljar://guide".to_owned(), -32602, "nothing else ever changes"),
            ("belljar://run/r_00000000000000000000000000/stdout".into(), -32602, "nothing else ever changes"),
            (format!("belljar://session/{session}//data/x"), -32602, "of the operator's"),
            (format!("belljar://session/{session}/../x"), -32602, "must not lead upwards"),
            (format!("belljar://session/{session}/%00"), -32602, "zero byte"),
            ("x".repeat(20 << 10), -32602, "at most 16384 bytes"),
        ];
        if wire.is_modern() {
            let uris: Vec<_> = bad.iter().map(|(uri, ..)| uri.as_str()).chain([&*good, &*good]).collect();
            let mut listener = Listener::open(&wire, &uris);
            assert_eq!(listener.acknowledged(), json!({"resourceSubscriptions": [good, good]}), "{way}");
            wire.write(&session, "not there yet", "x");
            assert_eq!(listener.next(1), [&*good]);
            assert_eq!(wire.ask("resources/subscribe", json!({"uri": "belljar://guide"})).protocol_error().0, -32601);
        } else {
            for (uri, code, reason) in bad {
                let refused = wire.ask("resources/subscribe", json!({"uri": uri}));
                let (told, message) = refused.protocol_error();
                assert!(told == code && message.contains(reason), "{way}, {uri:.80}: {told} {message}");
            }
            let gone = wire.ask("resources/subscribe", json!({"uri": format!("belljar://session/{closed}/x")}));
            assert_eq!(gone.protocol_error().0, -32002, "{way}");
            let listen = wire.ask("subscriptions/listen", json!({"notifications": {}}));
            assert_eq!(listen.protocol_error().0, -32601, "{way}");
            for params in [json!({}), json!({"uri": 7}), json!({"uri": [good]})] {
                assert_eq!(wire.ask("resources/subscribe", params).protocol_error().0, -32602, "{way}");
            }
        }
    }
}

#[test]
fn what_can_be_had_is_said_and_nothing_else() {
    for way in ALL {
        let wire = Wire::of(way);
        let expected = json!({"completions": {}, "prompts": {}, "resources": {"subscribe": true}, "tools": {}});
        let said = if wire.is_modern() {
            wire.ask("server/discover", json!({}))
        } else {
            let client = json!({"name": "belljar-tests", "version": "0"});
            let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
            match &wire {
                Wire::Stdio { .. } => {
                    tests::Server::with().without_handshake().start().client.request("initialize", hello).wait()
                }
                Wire::Http { server, .. } => server.post(&tests::http::legacy(1, "initialize", hello)).reply(),
            }
        };
        assert_eq!(said.result()["capabilities"], expected, "{way}");
    }
}

#[test]
fn the_end_of_a_session_that_nobody_used_is_told() {
    let wire = Wire::with("stdio, newer", tests::Server::with().flag("--session-lifetime-seconds=2"));
    let session = wire.new_session();
    let all = format!("belljar://session/{session}/");
    let mut listener = Listener::start(&wire, &[&all]);
    assert_eq!(listener.next(1), [&*all]);
    assert!(wire.execute(&session, "1").refusal().contains("it expired"));
}

#[test]
fn what_another_server_did_to_a_session_is_told_when_it_comes_back() {
    let wire = Wire::with("stdio, initialize", tests::Server::with().flag("--hibernate-seconds=1"));
    let Wire::Stdio { server, .. } = &wire else { panic!("not over stdio") };
    let (session, same) = (wire.new_session(), wire.new_session());
    let (all, other) = (format!("belljar://session/{session}/"), format!("belljar://session/{same}/"));
    let mut listener = Listener::start(&wire, &[&all, &other]);
    server.wait_for_health("both to hibernate", |health| health["sessions_live"] == 0);
    let beside = server.beside().start();
    beside.write(&session, "f", "x").result();
    // Which nobody changed is not told of.
    for handle in [&same, &session] {
        wire.execute(handle, "1").assert_status("exited 0");
    }
    assert_eq!(listener.next(1), [&*all]);
    wire.write(&same, "g", "x").result();
    assert_eq!(listener.next(1), [&*other]);
}
