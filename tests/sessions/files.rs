//! `write` and `read` on the files of a session.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tests::{Reply, Server};

fn write(server: &Server, session: &str, path: &str, text: &str) -> Reply {
    server.call("write", json!({"session": session, "path": path, "text": text}))
}

fn read(server: &Server, session: &str, more: Value) -> Reply {
    let mut arguments = json!({"session": session});
    arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.call("read", arguments)
}

#[test]
fn a_written_file_is_there_for_the_program_and_its_files_for_the_reader() {
    let server = Server::start();
    let written = write(&server, "new", "in/data.csv", "a,b\n1,2\n");
    assert_eq!(
        (&written.structured()["path"], &written.structured()["size_bytes"]),
        (&json!("in/data.csv"), &json!(8))
    );
    let session = written.session();
    let reply = server.execute_in(
        &session,
        "text = open('in/data.csv').read()\nopen('out.txt', 'w').write(text.upper())\nopen('in/data.csv', 'a').write('3,4\\n')",
    );
    assert_eq!(reply.files(), ["in/data.csv", "out.txt"]);
    assert!(read(&server, &session, json!({"path": "out.txt"})).text().starts_with("A,B\n1,2\n"));
    // Replacing is whole.
    write(&server, &session, "in/data.csv", "new");
    assert_eq!(server.execute_in(&session, "open('in/data.csv').read()").value(), Some("'new'"));
}

#[test]
fn bytes_arrive_as_they_are() {
    let server = Server::start();
    let bytes: Vec<u8> = (0..=255).cycle().take(40_000).collect();
    let written = server.call("write", json!({"session": "new", "path": "b", "base64": STANDARD.encode(&bytes)}));
    let session = written.session();
    let check = "data = open('b', 'rb').read()\nprint(len(data), data == bytes(n % 256 for n in range(40_000)))";
    assert_eq!(server.execute_in(&session, check).output(), "40000 True\n");
    let (mut back, mut offset) = (Vec::new(), Some(0));
    while let Some(first) = offset {
        let part = read(&server, &session, json!({"path": "b", "offset": first}));
        back.extend(STANDARD.decode(part.structured()["base64"].as_str().unwrap()).unwrap());
        offset = part.structured()["next_offset"].as_u64();
    }
    assert!(back == bytes, "{} bytes came back", back.len());
}

#[test]
fn directories_are_listed_searched_and_paged() {
    let server = Server::start();
    let session = server
        .execute_in("new", "import os\nos.makedirs('src/deep')\nfor n in range(12): open(f'src/f{n:02}.py', 'w').write('x' * n)\nopen('src/deep/g.py', 'w').close()\nopen('README.md', 'w').close()")
        .session();
    let names = |reply: &Reply| -> Vec<String> {
        let entries = reply.structured()["entries"].as_array().unwrap();
        entries.iter().map(|entry| entry["path"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&read(&server, &session, json!({}))), ["README.md", "src/"]);
    let all = read(&server, &session, json!({"path": "src"}));
    assert_eq!(names(&all).len(), 13);
    assert_eq!(names(&read(&server, &session, json!({"path": ".", "pattern": "**/*.py"}))).len(), 13);
    assert_eq!(
        names(&read(&server, &session, json!({"path": "src", "pattern": "f0[0-3].py"}))),
        ["f00.py", "f01.py", "f02.py", "f03.py"]
    );
    let page = read(&server, &session, json!({"path": "src", "limit": 5}));
    assert_eq!((names(&page).len(), page.structured()["next_offset"].as_u64()), (5, Some(5)));
    let rest = read(&server, &session, json!({"path": "src", "limit": 500, "offset": 5}));
    assert_eq!([names(&page), names(&rest)].concat(), names(&all));
}

#[test]
fn lines_are_ranged_and_searched() {
    let server = Server::start();
    let text: String = (1..=1000).map(|n| format!("row {n}\n")).collect();
    let session = write(&server, "new", "t.txt", &text).session();
    let part = read(&server, &session, json!({"path": "t.txt", "offset": 10, "limit": 2}));
    assert_eq!(part.text(), "row 10\nrow 11\n[lines 10-11 of 1000; offset=12 goes on]");
    let found = read(&server, &session, json!({"path": "t.txt", "pattern": "^row (7|8)7$"}));
    assert_eq!(found.text(), "77: row 77\n87: row 87\n[2 matching lines of 1000]");
    let past = read(&server, &session, json!({"path": "t.txt", "offset": 5000}));
    assert!(past.text().contains("no line in range; 1000 lines in all"), "{}", past.text());
    // The last line counts without a newline, too.
    write(&server, &session, "u.txt", "one\ntwo");
    assert_eq!(read(&server, &session, json!({"path": "u.txt"})).text(), "one\ntwo\n[lines 1-2 of 2]");
}

#[test]
fn a_refused_call_says_what_to_change() {
    let server = Server::start();
    let session = write(&server, "new", "f", "x").session();
    for (arguments, reason) in [
        (json!({"path": "nope"}), "no file `nope`"),
        (json!({"path": "f", "limit": 0}), "limit must be between 1 and 10000, got 0"),
        (json!({"path": "f", "limit": 10_001}), "limit must be between 1 and 10000, got 10001"),
        (json!({"path": "f", "pattern": "("}), "pattern is not a regular expression"),
        (json!({"path": ".", "pattern": "["}), "pattern is not a glob"),
        (
            json!({"stream": "stdout"}),
            "must name `session` with `path`, or `run` with one of `path`, `stream` and `output`, got session and stream",
        ),
        (json!({"path": "f", "run": "r_00000000000000000000000000"}), "`output`, got session and run and path"),
    ] {
        let reply = read(&server, &session, arguments.clone());
        assert!(reply.refusal().contains(reason), "{arguments}: {}", reply.text());
    }
    let both = server.call("write", json!({"session": session, "path": "f", "text": "a", "base64": "YQ=="}));
    assert!(both.refusal().contains("must have either `text` or `base64`"), "{}", both.text());
    let neither = server.call("write", json!({"session": session, "path": "f"}));
    assert!(neither.refusal().contains("must have either `text` or `base64`"), "{}", neither.text());
    let broken = server.call("write", json!({"session": session, "path": "f", "base64": "!"}));
    assert!(broken.refusal().contains("is not base64"), "{}", broken.text());
    let under_a_file = write(&server, &session, "f/g", "x");
    assert!(under_a_file.refusal().contains("goes through a file"), "{}", under_a_file.text());
    // Nothing of that changed the file.
    assert_eq!(read(&server, &session, json!({"path": "f"})).text(), "x\n[lines 1-1 of 1]");
}

#[test]
fn a_listing_does_not_fail_beside_a_program_that_removes_files() {
    let server = Server::start();
    let session = server.execute_in("new", "open('kept', 'w').close()").session();
    let code = "import os\nprint('begun')\nwhile not os.path.exists('stop'):\n    \
                for n in range(50): os.makedirs(f'd{n}', exist_ok=True); open(f'd{n}/f', 'w').close()\n    \
                for n in range(50): os.remove(f'd{n}/f'); os.rmdir(f'd{n}')";
    let limits = json!({"wall_time_ms": 120_000, "cpu_time_ms": 120_000});
    let run = server.begin_execute(code, json!({"session": session, "limits": limits}));
    server.client.progress(&run, "begun");
    for _ in 0..300 {
        for more in [json!({}), json!({"pattern": "**"})] {
            let reply = read(&server, &session, more);
            let entries = reply.structured()["entries"].as_array().unwrap();
            assert!(entries.iter().any(|entry| entry["path"] == "kept"), "{}", reply.text());
        }
    }
    std::fs::write(server.workspace(&session).join("stop"), "").unwrap();
    run.wait().assert_status("exited 0");
}

#[test]
fn a_reader_sees_files_as_before_a_restore_or_after_it() {
    let server = Server::start();
    let make = |count: u32| format!("for n in range({count}): open(f'f{{n}}', 'w').write('x' * 2000)");
    let session = server.execute_in("new", &make(40)).session();
    let few = server.snapshot(&session);
    server.execute_in(&session, &make(60)).assert_status("exited 0");
    let many = server.snapshot(&session);
    for turn in 0..40 {
        let snapshot = if turn % 2 == 0 { &few } else { &many };
        let restore = json!({"action": "restore", "session": session, "snapshot": snapshot});
        let restore = server.begin("session", restore);
        let looks: Vec<_> = (0..10).map(|_| server.begin("read", json!({"session": session}))).collect();
        for look in looks {
            let reply = look.wait();
            let count = reply.structured()["entries"].as_array().unwrap().len();
            assert!(count == 40 || count == 60, "{count} files");
        }
        assert!(!restore.wait().is_error());
    }
}
