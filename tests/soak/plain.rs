//! What clients do all day, without a session.

use serde_json::{Value, json};

use super::mix::Caller;

/// One red pixel.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

pub(crate) fn python(caller: &mut Caller<'_>) {
    let token = caller.token();
    // Nothing is left of anybody.
    let code = format!("import os\nprint('{token}', os.listdir(), os.listdir('/tmp'), 'mine' in globals())\nmine = 1");
    let reply = caller.run("python", &code, json!({}));
    assert_eq!(reply.output(), format!("{token} [] [] False\n"));
}

pub(crate) fn value(caller: &mut Caller<'_>) {
    let number = caller.below(1 << 30);
    let reply = caller.run("python", &format!("sum(range(100)) + {number}"), json!({}));
    assert_eq!(reply.value(), Some((number + 4950).to_string().as_str()), "{}", reply.message);
}

pub(crate) fn everything_given(caller: &mut Caller<'_>) {
    let token = caller.token();
    let code = "import os, sys\nprint(sys.stdin.read(), sys.argv[1:], os.environ['TOKEN'], open('d/f').read())\n\
                open('made', 'w').write('x')";
    let files = json!([{"path": "d/f", "text": token}]);
    let more = json!({"stdin": token, "args": [token], "env": {"TOKEN": token}, "files": files});
    let reply = caller.run("python", code, more);
    assert_eq!(reply.output(), format!("{token} ['{token}'] {token} {token}\n"));
    assert!(reply.files().contains(&"made"), "{}", reply.message);
}

pub(crate) fn bash(caller: &mut Caller<'_>) {
    let token = caller.token();
    let more = json!({"stdin": token, "env": {"TOKEN": token}});
    let reply = caller.run("bash", "cat; echo \" $TOKEN\"; ls -A; ls -A \"$TMPDIR\"; seq 3 | wc -l", more);
    assert_eq!(reply.output(), format!("{token} {token}\n3\n"));
}

pub(crate) fn python_native(caller: &mut Caller<'_>) {
    let token = caller.token();
    let code = "import os, sys\nprint(sys.stdin.read(), os.listdir(), hasattr(sys, 'mine'))\nsys.mine = 1";
    let reply = caller.run("python-native", code, json!({"stdin": token}));
    assert_eq!(reply.output(), format!("{token} [] False\n"));
}

/// All that can be read of a run: what was cut, files, a search, an image.
pub(crate) fn reading(caller: &mut Caller<'_>) {
    let token = caller.token();
    let code = format!(
        "import base64\nfor n in range(3000): print('{token}', n)\n\
         open('latin', 'wb').write('Gr\\u00fc\\u00dfe aus {token}'.encode('latin1'))\n\
         open('pixel.png', 'wb').write(base64.b64decode('{PIXEL}'))"
    );
    let run = caller.run("python", &code, json!({})).run().to_owned();
    let line = caller.below(3000);
    let part = caller.call("read", json!({"run": run, "stream": "stdout", "offset": line + 1, "limit": 1}));
    assert!(part.text().starts_with(&format!("{token} {line}\n")), "{}", part.message);
    let found = caller.call("read", json!({"run": run, "stream": "stdout", "pattern": format!(" {line}$")}));
    assert!(found.text().starts_with(&format!("{}: {token} {line}\n", line + 1)), "{}", found.message);
    let list = caller.call("read", json!({"run": run, "path": "."}));
    assert!(list.text().contains("latin\t") && list.text().contains("pixel.png\t"), "{}", list.message);
    let latin = caller.call("read", json!({"run": run, "path": "latin", "encoding": "latin1"}));
    assert!(latin.text().starts_with(&format!("Grüße aus {token}")), "{}", latin.message);
    let image = caller.call("read", json!({"run": run, "path": "pixel.png"}));
    assert_eq!(image.images().first(), Some(&("image/png", PIXEL)), "{}", image.message);
}

/// Requests and lines that nobody should send.
pub(crate) fn bad_input(caller: &mut Caller<'_>) {
    let token = caller.token();
    match caller.below(6) {
        0 => {
            let reply = caller.run("cobol", &token, json!({}));
            assert!(reply.refusal().contains("language must be one of"), "{}", reply.message);
        }
        1 => {
            let reply = caller.run("python", "", json!({"limits": {"memory_bytes": 1}}));
            assert!(reply.refusal().contains("memory_bytes"), "{}", reply.message);
        }
        2 => {
            let reply = caller.run("python", "", json!({"files": [{"path": "../x", "text": token}]}));
            assert!(reply.refusal().contains("upwards"), "{}", reply.message);
        }
        3 => {
            // Lines that are nothing, and one that has an id.
            let pending = caller.tenant.server.client.expect_reply();
            let client = &caller.tenant.server.client;
            client.send_bytes(b"\xff\xfe\x00 garbage\n{\"jsonrpc\":\"2.0\",\"method\":\n\n[]x\n");
            client.send_bytes(format!("{{\"id\":{},\"method\":\"tools/call\",\"par\n", pending.id()).as_bytes());
            caller.called();
            assert_eq!(pending.wait().protocol_error().0, -32700);
        }
        4 => {
            let client = &caller.tenant.server.client;
            client.notify("notifications/cancelled", json!({"requestId": token}));
            let pending = client.request("no/method", json!({"token": token}));
            caller.called();
            assert_eq!(pending.wait().protocol_error().0, -32601);
        }
        _ => {
            let reply = caller.call("read", json!({"run": "r_0123456789abcdefghjkmnpqrs", "path": token}));
            assert!(reply.refusal().contains("no run"), "{}", reply.message);
        }
    }
}

pub(crate) fn health(caller: &mut Caller<'_>) {
    let reply = caller.call("health_check", json!({}));
    // A server that was just started may still be warming up.
    assert!(["starting", "ok"].map(Value::from).contains(&reply.structured()["status"]), "{}", reply.message);
}

/// A run that its caller gives up, at a moment of no one's choosing.
pub(crate) fn cancelled(caller: &mut Caller<'_>) {
    let native = caller.below(4) == 0;
    let (language, code) = if native { ("bash", "sleep 60 & sleep 60") } else { ("python", "while True: pass") };
    let pending = caller.tenant.begin("execute", json!({"language": language, "code": code}));
    caller.called();
    for _ in 0..caller.below(3) {
        python(caller);
    }
    caller.tenant.server.client.notify("notifications/cancelled", json!({"requestId": pending.id()}));
    // A cancelled call has no answer by the protocol; that it ends is seen when all is counted.
    drop(pending);
}
