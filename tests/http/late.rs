//! A program that takes its time: what its client sees meanwhile.

use serde_json::{Value, json};
use tests::Reply;
use tests::http::{HttpServer, modern};

use crate::eras::workspace;

#[test]
fn the_head_of_an_answer_is_out_before_a_program_ends() {
    let server = HttpServer::start();
    let call = |code: &str, session: &Value| {
        let arguments = json!({"language": "python", "code": code, "session": session});
        server.request(&modern("tools/call", json!({"name": "execute", "arguments": arguments})))
    };
    let opened = server.connect().ask(&call("", &json!("new")));
    assert_eq!(opened.field("Content-Type"), Some("application/json"), "what is quick is no stream");
    let session = opened.reply().session();
    let mut connection = server.connect();
    let code = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint('ended')";
    connection.send(&call(code, &json!(session)));
    let head = connection.answer_head().unwrap();
    assert_eq!((head.status, head.field("Content-Type")), (200, Some("text/event-stream")));
    assert_eq!(server.health()["runs_active"], 1, "it has ended already");
    std::fs::write(workspace(&server, &session).join("go"), "").unwrap();
    assert_eq!(Reply::of(connection.event().unwrap()).output(), "ended\n");
    assert!(connection.event().is_none(), "nothing follows a result");
    // The connection serves the next request.
    assert_eq!(connection.ask(&call("print(1)", &Value::Null)).reply().output(), "1\n");
}
