//! What a key may do is settled before anything is done.

use serde_json::{Value, json};
use tests::http::legacy;

use crate::caller::{Caller, server, tool};

/// Every tool with arguments, and the scope that it needs.
fn tools() -> [(&'static str, Value, &'static str); 5] {
    [
        ("execute", json!({"language": "python", "code": "print(1)"}), "sandbox:execute"),
        ("health_check", json!({}), "sandbox:read"),
        ("read", json!({"session": "s_00000000000000000000000000"}), "sandbox:read"),
        ("session", json!({"action": "list"}), "sandbox:execute"),
        ("write", json!({"session": "new", "path": "f", "text": "x"}), "sandbox:execute"),
    ]
}

const SCOPES: [&str; 3] = ["sandbox:read", "sandbox:execute", "sandbox:admin"];

#[test]
fn every_tool_in_both_eras_is_let_through_or_refused_by_the_scopes_of_the_key() {
    let server = server("");
    for (rank, has) in SCOPES.into_iter().enumerate() {
        let key = server.add_key(&[&format!("--scopes={has}")]);
        let caller = Caller::new(&server, &key);
        let session = caller.hello();
        for (name, arguments, needs) in tools() {
            let may = rank >= SCOPES.iter().position(|scope| *scope == needs).unwrap();
            let old = legacy(2, "tools/call", json!({"name": name, "arguments": arguments}));
            for request in [caller.request(&tool(name, arguments)), caller.in_session(&session, &old)] {
                let answer = server.connect().ask(&request);
                if may {
                    assert_eq!(answer.status, 200, "{has} {name}: {answer:?}");
                    continue;
                }
                assert_eq!((answer.status, answer.reason().as_str()), (403, "insufficient_scope"), "{has} {name}");
                let challenge = answer.field("WWW-Authenticate").unwrap();
                assert!(
                    challenge.starts_with("Bearer ")
                        && challenge.contains("error=\"insufficient_scope\"")
                        && challenge.contains(&format!("scope=\"{needs}\"")),
                    "{challenge}"
                );
                let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
                assert!(
                    message.contains(&format!("{name} needs the scope {needs}")) && message.contains(has),
                    "{message}"
                );
            }
        }
    }
}

#[test]
fn what_is_refused_was_not_done_and_no_other_writing_of_it_is_let_through() {
    let server = server("");
    let (reader, other) = (server.add_key(&["--scopes=sandbox:read"]), server.add_key(&["--scopes=sandbox:execute"]));
    let (reader, other) = (Caller::new(&server, &reader), Caller::new(&server, &other));
    let session = other.execute_in("new", "").session();
    let write = json!({"session": session, "path": "f", "text": "x"});
    assert_eq!(reader.tool("write", write).status, 403);
    let listed = other.tool("read", json!({"session": session, "path": "."}));
    assert!(!listed.body.contains("\"f\""), "{listed:?}");
    // Each message says `execute`, and something else beside it.
    let mcp = reader.hello();
    let execute = r#"{"name":"execute","arguments":{"language":"python","code":"print(1)"}}"#;
    let bodies = [
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{execute}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","method":"tools/list","params":{execute}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"read"}},"params":{execute}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","p\u0061rams":{execute},"params":{{"name":"read"}}}}"#),
        format!(r#"[{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{execute}}}]"#),
        format!(r#"{{"jsonrpc":"2.0","id":1,"m\u0065thod":"tools/c\u0061ll","p\u0061rams":{execute}}}"#),
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"health_check","name":"execute","arguments":{"language":"python","code":"print(1)"}}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"n\u0061me":"\u0065xecute","arguments":{"language":"python","code":"print(1)"}}}"#.to_owned(),
    ];
    for body in bodies {
        for is_old in [false, true] {
            let mut request = tests::http::Request::post(server.address(), body.as_bytes())
                .field("Authorization", &format!("Bearer {}", reader.key));
            request = match is_old {
                true => request.field("Mcp-Session-Id", &mcp).field("MCP-Protocol-Version", "2025-11-25"),
                // Headers that say something harmless.
                false => request
                    .field("MCP-Protocol-Version", "2026-07-28")
                    .field("Mcp-Method", "tools/call")
                    .field("Mcp-Name", "read"),
            };
            let answer = server.connect().ask(&request);
            assert!([400, 403].contains(&answer.status), "{body}: {answer:?}");
            assert!(["no_message", "insufficient_scope"].contains(&answer.reason().as_str()), "{body}: {answer:?}");
        }
    }
    assert_eq!(other.health()["runs_finished"], 1, "the session's alone");
    // A caller who may is let through with the same escapes.
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"n\u0061me":"\u0065xecute","arguments":{"language":"python","code":"print(1)"}}}"#;
    let request = tests::http::Request::post(server.address(), body.as_bytes())
        .field("Authorization", &format!("Bearer {}", other.key))
        .field("Mcp-Session-Id", &other.hello())
        .field("MCP-Protocol-Version", "2025-11-25");
    assert_eq!(server.connect().ask(&request).reply().output(), "1\n");
}
