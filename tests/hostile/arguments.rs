//! Arguments of tools that are too large, of the wrong sort, or malicious.

use serde_json::{Map, Value, json};
use tests::Server;

#[test]
fn code_that_is_too_long_is_refused_and_as_much_as_allowed_runs() {
    let server = Server::start();
    let code = |bytes: usize| format!("print('end')\n#{}", "x".repeat(bytes - 14));
    let over = server.execute(&code(10_000_000));
    assert!(over.refusal().contains("code must be at most 4194304 bytes"), "{}", over.text());
    assert!(over.text().contains("got 10000000") && over.text().len() < 300, "{}", over.text());
    assert!(server.execute(&code((4 << 20) + 1)).refusal().contains("got 4194305"));
    assert_eq!(server.execute(&code(4 << 20)).output(), "end\n");
}

#[test]
fn every_bound_on_arguments_is_told_with_its_value() {
    let server = Server::start();
    let many = |count: usize| vec![String::from("x"); count];
    let files =
        |count: usize| -> Vec<Value> { (0..count).map(|n| json!({"path": format!("f{n}"), "text": ""})).collect() };
    for (over, reason, exact) in [
        (
            json!({"stdin": "x".repeat((4 << 20) + 1)}),
            "stdin must be at most 4194304 bytes, got 4194305",
            json!({"stdin": "x".repeat(4 << 20)}),
        ),
        (
            json!({"args": many(1025)}),
            "args and env must be at most 1024 entries, got 1025",
            json!({"args": many(1024)}),
        ),
        (
            json!({"args": ["x".repeat((256 << 10) + 1)]}),
            "args and env must be at most 262144 bytes together, got 262145",
            json!({"args": ["x".repeat(256 << 10)]}),
        ),
        (
            json!({"env": {"A": "x".repeat(256 << 10)}}),
            "args and env must be at most 262144 bytes together",
            json!({"env": {"A": "x".repeat(200 << 10)}}),
        ),
        (
            json!({"files": [{"path": "f", "text": "x".repeat(5 << 20)}, {"path": "g", "text": "x".repeat(4 << 20)}]}),
            "files must be at most 8388608 bytes together",
            json!({"files": [{"path": "f", "text": "x".repeat(4 << 20)}, {"path": "g", "text": "x".repeat(4 << 20)}]}),
        ),
        (json!({"files": files(257)}), "files must be at most 256 files, got 257", json!({"files": files(256)})),
    ] {
        let refused = server.execute_with("print(1)", over);
        assert!(refused.refusal().contains(reason), "{}", refused.text());
        assert_eq!(server.execute_with("print(1)", exact).output(), "1\n", "{reason}");
    }
}

#[test]
fn nul_is_refused_where_it_cannot_be_and_arrives_where_it_can() {
    let server = Server::start();
    for arguments in [
        json!({"args": ["a\u{0}b"]}),
        json!({"env": {"A\u{0}": "x"}}),
        json!({"env": {"A": "x\u{0}y"}}),
        json!({"env": {"A=B": "x"}}),
        json!({"env": {"": "x"}}),
    ] {
        let reply = server.execute_with("print(1)", arguments.clone());
        assert!(reply.refusal().contains("NUL"), "{arguments}: {}", reply.text());
    }
    let path = server.execute_with("print(1)", json!({"files": [{"path": "a\u{0}b", "text": ""}]}));
    assert!(path.refusal().contains("files[0].path must be a path without control characters"), "{}", path.text());
    let reply = server.execute_with(
        "import sys\nsys.stdin.read(), open('f').read()",
        json!({"stdin": "a\u{0}b", "files": [{"path": "f", "text": "c\u{0}d"}]}),
    );
    assert_eq!(reply.value(), Some(r"('a\x00b', 'c\x00d')"));
    let code = server.execute("print(1)\u{0}\nprint(2)");
    code.assert_status("exited 1");
    assert_eq!(code.error("name"), "SyntaxError", "{}", code.message);
    assert!(code.error("value").contains("null byte"), "{}", code.message);
}

#[test]
fn what_does_not_fit_the_schema_is_told_to_the_model() {
    let server = Server::start();
    for (tool, arguments, reason) in [
        ("execute", json!({}), "code is missing; it must be a string"),
        ("execute", json!({"language": "python"}), "code is missing"),
        ("execute", json!({"language": "python", "code": 5}), "code must be a string, got the number 5; write \"5\""),
        (
            "execute",
            json!({"language": "python", "code": "1", "timeout": 5}),
            "timeout is no argument here; use `limits.wall_time_ms`, in milliseconds",
        ),
        (
            "execute",
            json!({"language": "python", "code": "1", "args": "x"}),
            "args must be an array of strings, got the string \"x\"; write [\"x\"]",
        ),
        (
            "execute",
            json!({"language": "python", "code": "1", "env": {"A": 1}}),
            "env.A must be a string, got the number 1",
        ),
        ("execute", json!({"language": "python", "code": "1", "files": [{"text": ""}]}), "files[0].path is missing"),
        (
            "execute",
            json!({"language": "python", "code": "1", "files": [{"path": "f"}]}),
            "must have either `text` or `base64`",
        ),
        (
            "execute",
            json!({"language": "Python\n", "code": "1"}),
            "must be one of python, javascript, bash, python-native, got the string \"Python\\n\"",
        ),
        ("read", json!({"session": 5}), "session must be a string, got the number 5"),
        ("read", json!({}), "must name `session` with `path`, or `run` with one of"),
        (
            "read",
            json!({"run": "r_00000000000000000000000000", "stream": "stdin"}),
            "no run `r_00000000000000000000000000`",
        ),
        (
            "read",
            json!({"session": "s_00000000000000000000000000", "offset": -1}),
            "offset must be a whole number of at least 0, got the number -1",
        ),
        ("write", json!({"session": "new"}), "path is missing"),
    ] {
        let reply = server.call(tool, arguments.clone());
        assert!(reply.refusal().contains(reason), "{tool} {arguments}: {}", reply.text());
    }
    server.assert_usable();
}

#[test]
fn a_refusal_repeats_only_the_beginning_of_what_was_sent() {
    let server = Server::start();
    let long = "y".repeat(1_000_000);
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let mut names = Map::new();
    names.insert(long.clone(), json!(1));
    let mut too_long = Vec::new();
    for (what, reply) in [
        ("language", server.execute_with("1", json!({"language": long}))),
        ("session", server.execute_in(&long, "1")),
        ("path", server.execute_with("1", json!({"files": [{"path": long, "text": ""}]}))),
        ("run", server.call("read", json!({"run": long, "stream": "stdout"}))),
        ("stream", server.call("read", json!({"run": "r_00000000000000000000000000", "stream": long}))),
        ("field", server.execute_with("1", Value::Object(names.clone()))),
        ("limit", server.execute_with("1", json!({"limits": names}))),
        ("code of a wrong type", server.execute_with("1", json!({"code": [long]}))),
        ("args of a wrong type", server.execute_with("1", json!({"args": long}))),
        ("nesting", server.execute_with("1", json!({"args": deep}))),
        ("pattern", server.call("read", json!({"session": server.new_session(), "pattern": "[".repeat(100_000)}))),
    ] {
        if reply.refusal().len() > 2000 {
            too_long.push(format!("{what}: {} bytes", reply.text().len()));
        }
    }
    assert!(too_long.is_empty(), "{too_long:?}");
}

#[test]
fn a_pattern_that_would_explode_is_refused_or_linear() {
    let server = Server::start();
    let text = format!("{}b\n", "a".repeat(1900)).repeat(500);
    let session = server.call("write", json!({"session": "new", "path": "t", "text": text})).session();
    let search = |pattern: &str| server.call("read", json!({"session": session, "path": "t", "pattern": pattern}));
    assert!(search("((a{1,100}){1,100}){1,100}").refusal().contains("pattern is not a regular expression"));
    // The classic one that backtracks for ever answers.
    assert!(search("^(a+)+$").text().contains("no line matches; 500 lines in all"));
    assert!(search("^(a+)+b$").text().starts_with("1: aaa"));
}

#[test]
fn what_stands_for_nothing_is_nothing_and_numbers_may_have_a_point() {
    let server = Server::start();
    let nothing = json!({"session": null, "if_sequence": null, "stdin": null, "args": null, "env": null, "files": null, "limits": null});
    assert_eq!(server.execute_with("print(1)", nothing).output(), "1\n");
    let reply =
        server.execute_with("print(2)", json!({"limits": {"wall_time_ms": 5000.0, "fuel": 1e9, "memory_bytes": null}}));
    assert_eq!(reply.output(), "2\n");
    assert_eq!(reply.structured()["limits"]["wall_time_ms"], 5000);
    let session = server.new_session();
    server.call("write", json!({"session": session, "path": "f", "text": "a\nb\nc", "base64": null}));
    let read = server.call("read", json!({"session": session, "run": null, "path": "f", "offset": 2.0, "limit": 1.0}));
    assert!(read.text().starts_with("b\n["), "{}", read.text());
}

#[test]
fn no_name_of_a_file_is_a_fault_of_the_server() {
    let server = Server::start();
    let session = server.new_session();
    for path in ["x".repeat(256), "é".repeat(128), format!("d/{}/f", "y".repeat(300)), "a/".repeat(500) + "f"] {
        for reply in [
            server.call("write", json!({"session": session, "path": path, "text": ""})),
            server.call("read", json!({"session": session, "path": path})),
            server.execute_with("1", json!({"files": [{"path": path, "text": ""}]})),
        ] {
            assert!(reply.refusal().contains("must "), "{path:.20}: {}", reply.message);
        }
    }
    // The longest that there may be.
    let longest = "x".repeat(255);
    assert!(!server.call("write", json!({"session": session, "path": longest, "text": "y"})).is_error());
    assert!(server.call("read", json!({"session": session, "path": longest})).text().starts_with("y\n"));
    // Arguments that no program can be started with.
    for arguments in [json!({"args": ["x".repeat(200_000)]}), json!({"env": {"A": "x".repeat(200_000)}})] {
        let mut call = json!({"language": "bash", "code": "echo ${#1} ${#A}"});
        call.as_object_mut().unwrap().extend(arguments.as_object().unwrap().clone());
        let reply = server.call("execute", call);
        assert!(reply.refusal().contains("at most"), "{}", reply.message);
    }
}

#[test]
fn patterns_have_a_bound() {
    let server = Server::start();
    let session = server.new_session();
    server.call("write", json!({"session": session, "path": "f", "text": "x"}));
    for (path, pattern, bound) in [("f", "x".repeat(20 << 20), "4096"), (".", "{a,b}".repeat(80_000), "1024")] {
        let reply = server.call("read", json!({"session": session, "path": path, "pattern": pattern}));
        assert!(reply.refusal().contains(&format!("pattern must be at most {bound} bytes")), "{}", reply.text());
    }
    for pattern in ["?".repeat(1024), "[!a]".repeat(256), "{a,{b,c}}".repeat(113), "**/".repeat(341)] {
        let reply = server.call("read", json!({"session": session, "pattern": pattern}));
        assert!(reply.message.get("error").is_none(), "{}", reply.message);
    }
    server.assert_usable();
}
