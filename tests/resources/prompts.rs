//! Prompts that people choose, and the completion of what they ask for.

use serde_json::{Value, json};
use tests::Reply;

use crate::wire::{ALL, Wire};

fn get(wire: &Wire, name: &str, arguments: Value) -> Reply {
    wire.ask("prompts/get", json!({"name": name, "arguments": arguments}))
}

#[track_caller]
fn text(reply: &Reply) -> String {
    let messages = reply.result()["messages"].as_array().unwrap();
    assert_eq!(
        (messages.len(), &messages[0]["role"], &messages[0]["content"]["type"]),
        (1, &json!("user"), &json!("text"))
    );
    messages[0]["content"]["text"].as_str().unwrap().to_owned()
}

#[test]
fn every_prompt_is_listed_and_given_with_its_arguments() {
    for way in ALL {
        let wire = Wire::of(way);
        let session = wire.new_session();
        wire.write(&session, "data/a b.csv", "x,y\n1,2\n");
        let listed = wire.ask("prompts/list", json!({}));
        let names: Vec<_> =
            listed.result()["prompts"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
        assert_eq!(names, ["analyze_file", "compare_approaches", "reproduce_bug"], "{way}");
        let analyze = get(
            &wire,
            "analyze_file",
            json!({"session": session, "path": "data/a b.csv", "question": "What is ``` x?"}),
        );
        let said = text(&analyze);
        assert!(said.contains(&format!("`data/a b.csv` of the session `{session}`")), "{said}");
        assert!(said.contains("````\nWhat is ``` x?\n````"), "{said}");
        let compare =
            text(&get(&wire, "compare_approaches", json!({"session": session, "goal": "sort it", "first": "by hand"})));
        assert!(
            compare.contains("sort it")
                && compare.contains("The first way")
                && compare.contains("Choose the other way")
        );
        // An empty field of a form is none.
        let bug = text(&get(&wire, "reproduce_bug", json!({"report": "1 / 0", "language": "python", "session": ""})));
        assert!(bug.contains("1 / 0") && bug.contains("language: \"python\"") && bug.contains("new session"), "{bug}");
        let in_session = text(&get(&wire, "reproduce_bug", json!({"report": "1 / 0", "session": session})));
        assert!(in_session.contains(&format!("fork of the session `{session}`")));
    }
}

#[test]
fn arguments_that_are_wrong_are_refused_by_name() {
    for way in ALL {
        let wire = Wire::of(way);
        let (session, closed) = (wire.new_session(), wire.new_session());
        wire.write(&session, "a", "x");
        wire.call("session", json!({"action": "close", "session": closed}));
        let long = "x".repeat(1 << 20);
        let not_found = wire.not_found();
        for (name, arguments, code, reason) in [
            ("analyse", json!({}), -32602, "name must be one of analyze_file, compare_approaches, reproduce_bug"),
            (&*long, json!({}), -32602, "name must be one of"),
            ("analyze_file", json!({}), -32602, "arguments.session is missing"),
            ("analyze_file", json!({"session": session}), -32602, "arguments.path is missing"),
            ("analyze_file", json!({"session": "  ", "path": "a"}), -32602, "arguments.session is missing"),
            ("analyze_file", json!({"session": 7, "path": "a"}), -32602, "arguments.session must be a text, got 7"),
            ("analyze_file", json!({"session": [session], "path": "a"}), -32602, "arguments.session must be a text"),
            ("analyze_file", json!({"session": "mine", "path": "a"}), -32602, "must be a handle"),
            ("analyze_file", json!({"session": closed, "path": "a"}), not_found, "no session"),
            ("analyze_file", json!({"session": session, "path": "../a"}), -32602, "must not lead upwards"),
            ("analyze_file", json!({"session": session, "path": "a\0"}), -32602, "control characters"),
            ("analyze_file", json!({"session": session, "path": "none"}), not_found, "no file `none`"),
            (
                "analyze_file",
                json!({"session": session, "path": long}),
                -32602,
                "arguments.path must be at most 16384 bytes, has 1048576",
            ),
            (
                "analyze_file",
                json!({"session": session, "path": "a", "file": "a"}),
                -32602,
                "arguments has no \"file\"; `analyze_file` takes session, path, question",
            ),
            ("reproduce_bug", json!({"report": long}), -32602, "arguments.report must be at most 16384 bytes"),
            ("reproduce_bug", json!({"report": "x", "language": "cobol"}), -32602, "arguments.language must be one of"),
            ("reproduce_bug", json!({"report": null}), -32602, "arguments.report is missing"),
        ] {
            if way == "http, newer" && name.len() > 1 << 14 {
                // The text stands in the head as well, which is too long then.
                continue;
            }
            let refused = get(&wire, name, arguments);
            let (told, message) = refused.protocol_error();
            assert!(
                told == code && message.contains(reason) && message.len() < 1100,
                "{way}, {name:.40}: {told} {message}"
            );
        }
        for params in [json!({}), json!({"name": 7}), json!({"name": "analyze_file", "arguments": ["x"]})] {
            assert_eq!(wire.ask("prompts/get", params).protocol_error().0, -32602, "{way}");
        }
        let cursor = wire.ask("prompts/list", json!({"cursor": "x"}));
        assert_eq!(cursor.message["error"]["data"]["reason"], "bad_cursor", "{way}");
    }
}

/// The completion of an argument, beside others that are known.
fn complete(wire: &Wire, reference: &Value, name: &str, value: &str, known: &Value) -> Reply {
    let argument = json!({"name": name, "value": value});
    wire.ask("completion/complete", json!({"ref": reference, "argument": argument, "context": {"arguments": known}}))
}

#[track_caller]
fn values(reply: &Reply) -> Vec<String> {
    let completion = &reply.result()["completion"];
    let values: Vec<_> =
        completion["values"].as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_owned()).collect();
    assert!(values.len() <= 100 && completion["hasMore"].is_boolean() && completion["total"].is_u64(), "{completion}");
    values
}

#[test]
fn arguments_and_variables_are_completed_by_what_is_there() {
    for way in ALL {
        let wire = Wire::of(way);
        let code = "import os\nos.makedirs('data/sub')\nfor n in range(120): open(f'data/{n:03}.csv', 'w').close()\nopen('do it', 'w').close()\nopen('/tmp/t1', 'w').close()";
        let session = wire.execute("new", code).session();
        let other = wire.new_session();
        let run = wire.call("execute", json!({"language": "python", "code": "open('own', 'w').close()\nfrom IPython.display import display\ndisplay(1)\ndisplay(2)"}));
        let run = run.structured()["run"].as_str().unwrap().to_owned();
        let prompt = json!({"type": "ref/prompt", "name": "analyze_file"});
        let file = json!({"type": "ref/resource", "uri": "belljar://session/{session}/{+path}"});
        let in_session = json!({"session": session});
        for reference in [&prompt, &file] {
            let all = values(&complete(&wire, reference, "session", "", &json!({})));
            assert!(all.contains(&session) && all.contains(&other), "{way}");
            assert_eq!(values(&complete(&wire, reference, "session", &session[..12], &json!({}))), [&*session]);
            let path = |written: &str| values(&complete(&wire, reference, "path", written, &in_session));
            assert_eq!(path("d"), ["data/", "do it"], "{way}");
            assert_eq!(path("data/s"), ["data/sub/"]);
            assert_eq!(path("data/01"), (10..20).map(|n| format!("data/{n:03}.csv")).collect::<Vec<_>>());
            assert_eq!(path("/tmp/"), ["/tmp/t1"]);
            for nothing in ["../", "/etc/", "none/", "a\0", &"x".repeat(1 << 20)] {
                assert_eq!(path(nothing), Vec::<String>::new(), "{way}: {nothing:.20}");
            }
        }
        let many = complete(&wire, &file, "path", "data/", &in_session);
        assert_eq!(values(&many).len(), 100);
        let completion = &many.result()["completion"];
        assert_eq!((&completion["total"], &completion["hasMore"]), (&json!(121), &json!(true)), "{way}");
        let bug = json!({"type": "ref/prompt", "name": "reproduce_bug"});
        assert!(values(&complete(&wire, &bug, "language", "py", &json!({}))).contains(&"python".to_owned()));
        assert_eq!(values(&complete(&wire, &bug, "report", "x", &json!({}))), Vec::<String>::new());
        let of_run = |uri: &str, name: &str, value: &str| {
            let reference = json!({"type": "ref/resource", "uri": format!("belljar://run/{{run}}/{uri}")});
            values(&complete(&wire, &reference, name, value, &json!({"run": run})))
        };
        assert!(of_run("{stream}", "run", "r_").contains(&run));
        assert_eq!(of_run("{stream}", "stream", "std"), ["stdout", "stderr"]);
        assert_eq!(of_run("output/{number}", "number", ""), ["1", "2"]);
        assert_eq!(of_run("files/{+path}", "path", ""), ["own"], "{way}");
    }
}

#[test]
fn what_is_not_there_completes_nothing_and_what_is_no_argument_is_refused() {
    for way in ALL {
        let wire = Wire::of(way);
        let closed = wire.execute("new", "open('x', 'w').close()").session();
        wire.call("session", json!({"action": "close", "session": closed}));
        let file = json!({"type": "ref/resource", "uri": "belljar://session/{session}/{+path}"});
        for session in [&*closed, "s_00000000000000000000000000", "../..", ""] {
            let completed = complete(&wire, &file, "path", "", &json!({"session": session}));
            assert_eq!(values(&completed), Vec::<String>::new(), "{way}");
        }
        let prompt = |name: &str| json!({"type": "ref/prompt", "name": name});
        let template = |uri: &str| json!({"type": "ref/resource", "uri": uri});
        for (reference, name, reason) in [
            (prompt("none"), "session", "name must be one of analyze_file"),
            (prompt("analyze_file"), "file", "argument.name must be one of session, path, question"),
            (template("belljar://session/{session}/{+path}"), "run", "argument.name must be one of the variables"),
            (template("belljar://session/x/y"), "path", "ref.uri must be one of the templates"),
            (template("file:///{+path}"), "path", "ref.uri must be one of the templates"),
            (json!({"type": "ref/tool", "name": "x"}), "x", "params.ref must be of type"),
            (json!("x"), "x", "params.ref must be of type"),
        ] {
            let refused = complete(&wire, &reference, name, "", &json!({}));
            let (code, message) = refused.protocol_error();
            assert!(code == -32602 && message.contains(reason), "{way}, {reference}: {code} {message}");
        }
        let shapes =
            [json!({"name": "session"}), json!({"name": "session", "value": 7}), json!("session"), Value::Null];
        for argument in shapes {
            let refused = wire.ask("completion/complete", json!({"ref": file, "argument": argument}));
            let (code, message) = refused.protocol_error();
            assert!(code == -32602 && message.contains("params.argument must be"), "{way}: {code} {message}");
        }
    }
}
