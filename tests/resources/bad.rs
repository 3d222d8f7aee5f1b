//! Bad input: what is no address, what is not there, cursors that nobody gave.

use serde_json::{Value, json};
use tests::Reply;

use crate::wire::{ALL, Wire};

#[test]
fn what_leads_nowhere_or_out_is_refused_with_the_reason() {
    for way in ALL {
        let wire = Wire::of(way);
        let made = "mkdir d; touch d/passwd x; ln -s /etc etc; ln -s x link; ln -s ../../../../etc/passwd out";
        let session = wire.call("execute", json!({"language": "bash", "code": made, "session": "new"}));
        let session = session.assert_status("exited 0").session();
        let at = |path: &str| format!("belljar://session/{session}/{path}");
        let (invalid, not_found) = (-32602, wire.not_found());
        let cases = [
            ("file:///etc/passwd".to_owned(), invalid, "must begin with belljar://"),
            ("belljar://".into(), invalid, "must name guide"),
            ("BELLJAR://guide".into(), invalid, "must begin with belljar://"),
            ("belljar://session/s_1/x".into(), invalid, "must be a handle"),
            (at(".."), invalid, "must not lead upwards"),
            (at("../../etc/passwd"), invalid, "must not lead upwards"),
            (at("%2e%2e/%2e%2e/etc/passwd"), invalid, "must not lead upwards"),
            (at("..%2f..%2fetc%2fpasswd"), invalid, "must not lead upwards"),
            (at("/etc/passwd"), invalid, "must be relative to the workspace"),
            (at("a%00b"), invalid, "zero byte"),
            (at("a\0b"), invalid, "zero byte"),
            (at("a%"), invalid, "two hexadecimal digits"),
            (at("x?offset=1"), invalid, "no query"),
            (at("x#1"), invalid, "no fragment"),
            (at(&"d/".repeat(40)), invalid, "directories deep"),
            (at(&"x".repeat(2000)), invalid, "at most 1024 bytes of path"),
            (at(&"x".repeat(1 << 20)), invalid, "at most 16384 bytes"),
            (at("etc/passwd"), invalid, "leads through a symbolic link"),
            (at("link"), invalid, "is a symbolic link to x"),
            (at("out"), invalid, "is a symbolic link to ../../../../etc/passwd"),
            (at("none"), not_found, "no file `none`"),
            (at("caf%FF"), not_found, "no file `caf\\xff`"),
            (at("x/y"), not_found, "no file `x/y`"),
            (at("{+path}"), not_found, "no file `{+path}`"),
        ];
        for (uri, code, reason) in cases {
            if way == "http, newer" && uri.len() > 8 << 10 {
                // The address stands in a field of the head as well, which is too long then.
                let answer = wire.http().connect().ask(&wire.request(7, "resources/read", json!({"uri": uri})));
                assert_eq!(answer.status, 431, "{answer:?}");
                continue;
            }
            let refused = wire.read(&uri);
            let (told, message) = refused.protocol_error();
            assert!(told == code && message.contains(reason), "{way}, {uri:.80}: {told} {message}");
            assert!(message.len() < 1100 && !message.contains("root:"), "{message}");
        }
        // The same file can be read by its right name.
        assert_eq!(wire.contents(&at("x"))["text"], "", "{way}");
        assert_eq!(wire.contents(&at("%78"))["text"], "", "{way}");
    }
}

#[test]
fn what_is_no_longer_there_reads_like_what_never_was() {
    const NEVER: &str = "s_00000000000000000000000000";
    for way in ALL {
        let wire = Wire::of(way);
        let session = wire.new_session();
        wire.write(&session, "x", "kept");
        assert_eq!(wire.contents(&format!("belljar://session/{session}/x"))["text"], "kept");
        wire.call("session", json!({"action": "close", "session": session}));
        let read = |handle: &str| wire.read(&format!("belljar://session/{handle}/x"));
        for handle in [&*session, NEVER] {
            let refused = read(handle);
            let (code, message) = refused.protocol_error();
            assert!(
                code == wire.not_found() && message.starts_with(&format!("no session `{handle}`")),
                "{way}: {message}"
            );
            let data = &refused.message["error"]["data"];
            assert_eq!(data, &json!({"reason": "not_found", "uri": format!("belljar://session/{handle}/x")}));
        }
        let run = wire.read("belljar://run/r_00000000000000000000000000/stdout");
        assert_eq!(run.protocol_error().0, wire.not_found());
        let listed = wire.ask("resources/list", json!({})).result().to_string();
        assert!(!listed.contains(&session), "a closed session is listed");
    }
}

#[test]
fn a_cursor_that_was_not_given_is_refused() {
    for way in ALL {
        let wire = Wire::of(way);
        let session = wire.new_session();
        wire.execute(&session, "for n in range(250): open(f'{n:03}', 'w').close()");
        let list = |cursor: Value| wire.ask("resources/list", json!({"cursor": cursor}));
        let first = wire.ask("resources/list", json!({}));
        let good = first.result()["nextCursor"].as_str().unwrap().to_owned();
        list(json!(good)).result();
        let mut flipped = good.clone().into_bytes();
        flipped[50] = if flipped[50] == b'A' { b'B' } else { b'A' };
        let flipped = String::from_utf8(flipped).unwrap();
        let bad = [
            "",
            "x",
            "AAAA",
            &good[..good.len() - 2],
            &format!("{good}AA"),
            &flipped,
            &format!("{good}="),
            &"A".repeat(1 << 20),
        ];
        for cursor in bad {
            assert_bad(way, &list(json!(cursor)));
        }
        // A cursor is for one list alone, and lists of one page give none.
        for other in ["resources/templates/list", "tools/list"] {
            assert_bad(way, &wire.ask(other, json!({"cursor": good})));
        }
        for shape in [json!(7), json!(["x"]), json!({"a": 1}), json!(true)] {
            let refused = list(shape);
            let (code, message) = refused.protocol_error();
            assert!(code == -32602 && message.contains("params.cursor must be"), "{way}: {message}");
        }
        for params in [json!({}), json!({"uri": 7}), json!({"uri": null}), json!({"uri": ["belljar://guide"]})] {
            let refused = wire.ask("resources/read", params);
            assert!(refused.protocol_error().0 == -32602, "{way}: {}", refused.message);
        }
    }
}

#[track_caller]
fn assert_bad(way: &str, reply: &Reply) {
    let (code, message) = reply.protocol_error();
    assert!(code == -32602 && message.contains("begin again without one"), "{way}: {message}");
    assert_eq!(reply.message["error"]["data"]["reason"], "bad_cursor");
}
