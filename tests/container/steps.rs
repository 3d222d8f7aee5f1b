//! What is tried with a server in a container, over HTTP and with what Docker can do.

use serde_json::{Value, json};
use tests::http::{Request, legacy, modern};
use tests::{Reply, eventually};

use crate::container::Container;

type Step = fn(&mut Container<'_>);

/// Each with what it is called. Those of native languages are for the image that has some.
pub(crate) const STEPS: [(&str, Step); 11] = [
    ("confined: user 10001, no capability, a filter, a root to read alone", is_confined),
    ("keys: none and wrong ones are refused, new ones taken, revoked ones refused", keys),
    ("execute, in both eras", execute),
    ("sessions, files and `read`", sessions),
    ("refusals say what was wrong", refusals),
    ("limits hold", limits),
    ("native: bash and Node.js in tier `container`", native_programs),
    ("native: numpy, pandas and a plot of Debian's Matplotlib", native_plot),
    ("health: of the command, and of Docker's check", health),
    ("metrics", metrics),
    ("SIGTERM drains, exit code 0, and sessions are there after the next start", drain),
];

/// What the kernel says of the server's process.
fn is_confined(container: &mut Container<'_>) {
    let pid = container.inspect("{{.State.Pid}}");
    let of_process = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).expect("the server runs");
    let status = of_process("status");
    for wanted in [
        "Uid:\t10001\t10001\t10001\t10001",
        "Gid:\t10001\t10001\t10001\t10001",
        "CapPrm:\t0000000000000000",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ] {
        assert!(status.lines().any(|line| line == wanted), "{wanted} is not in {status}");
    }
    let mounts = of_process("mountinfo");
    let of_root = mounts.lines().find(|line| line.split(' ').nth(4) == Some("/")).expect("a root is mounted");
    let options = of_root.split(' ').nth(5).expect("a mount has options");
    assert!(options.split(',').any(|option| option == "ro"), "{of_root}");
}

fn keys(container: &mut Container<'_>) {
    let list = modern("tools/list", json!({}));
    let status = |key: &str| container.ask(&container.request(key, &list)).status;
    assert_eq!(status(container.key()), 200, "the control");
    let none = container.ask(&container.request("", &list).without("Authorization"));
    assert_eq!((none.status, none.reason().as_str()), (401, "no_token"));
    assert_eq!(status(&format!("{}x", container.key())), 401);
    let added = container.exec(&["keys", "add", "--scopes=sandbox:read", "--name=reader"]).expect("a key is added");
    assert_eq!(status(&added), 200);
    let call = modern("tools/call", json!({"name": "execute", "arguments": {"language": "python", "code": "1"}}));
    let refused = container.ask(&container.request(&added, &call));
    assert_eq!(refused.status, 403, "it may read alone: {refused:?}");
    let all = container.exec(&["keys", "list"]).expect("keys are listed");
    let line = all.lines().find(|line| line.ends_with("reader")).expect("the key is listed");
    let id = line.split_whitespace().next().expect("a key has an identifier");
    container.exec(&["keys", "revoke", id]).expect("a key is revoked");
    assert_eq!(status(&added), 401);
}

fn execute(container: &mut Container<'_>) {
    let reply = container.execute("import sys\nprint('out')\nprint('err', file=sys.stderr)\n6 * 7", json!({}));
    assert_eq!((reply.output(), reply.stderr(), reply.value()), ("out\n", "err\n", Some("42")));
    let reply = container.execute("{}['key']", json!({}));
    reply.assert_status("exited 1");
    assert_eq!((reply.error("name"), reply.error("value")), ("KeyError", "'key'"));
    // The era before.
    let hello =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}});
    let answer = container.ask(&container.request(container.key(), &legacy(1, "initialize", hello)));
    let session = answer.field("Mcp-Session-Id").expect("a session has an id").to_owned();
    let ask = |message: &Value| {
        let request: Request = container.request(container.key(), message);
        let request = request.field("Mcp-Session-Id", &session).field("MCP-Protocol-Version", "2025-11-25");
        container.ask(&request)
    };
    assert_eq!(ask(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).status, 202);
    let arguments = json!({"language": "python", "code": "print(6 * 7)"});
    let reply = ask(&legacy(2, "tools/call", json!({"name": "execute", "arguments": arguments}))).reply();
    assert_eq!(reply.output(), "42\n");
}

fn sessions(container: &mut Container<'_>) {
    let begun = container.execute("x = [1]\nopen('notes', 'w').write('kept\\n')\nprint(x)", json!({"session": "new"}));
    assert_eq!((begun.output(), begun.files()), ("[1]\n", vec!["notes"]));
    let (session, sequence) = (begun.session(), begun.sequence());
    let named = json!({"session": session, "if_sequence": sequence});
    assert_eq!(container.execute("x.append(2)\nprint(x)", named.clone()).output(), "[1, 2]\n");
    let again = container.execute("x.append(2)\nprint(x)", named);
    assert!(again.refusal().contains("if_sequence"), "{}", again.text());
    let written = json!({"session": session, "path": "given", "text": "by a client"});
    assert!(!container.call("write", &written).is_error());
    let code = "print(x, open('given').read(), open('notes').read().strip())";
    assert_eq!(container.execute(code, json!({"session": session})).output(), "[1, 2] by a client kept\n");
    let read = container.call("read", &json!({"session": session, "path": "notes"}));
    assert!(!read.is_error() && read.message.to_string().contains("kept"), "{}", read.message);
    let alone = container.execute("open('left', 'w').write('of a run')", json!({}));
    let read = container.call("read", &json!({"run": alone.run(), "path": "left"}));
    assert!(!read.is_error() && read.message.to_string().contains("of a run"), "{}", read.message);
    let closed = container.call("session", &json!({"action": "close", "session": session}));
    assert!(!closed.is_error(), "{}", closed.message);
    let gone = container.execute("x", json!({"session": session}));
    assert!(gone.refusal().contains("closed"), "{}", gone.text());
}

fn refusals(container: &mut Container<'_>) {
    let refused = container.call("execute", &json!({"language": "cobol", "code": ""}));
    assert!(refused.refusal().contains("cobol"), "{}", refused.text());
    let refused = container.execute("1", json!({"session": "s_00000000000000000000000000"}));
    assert!(refused.refusal().contains("`session: \"new\"` starts one"), "{}", refused.text());
    let refused = container.execute("1", json!({"limits": {"memory_bytes": 1_u64 << 50}}));
    assert!(refused.refusal().contains("memory_bytes"), "{}", refused.text());
    let foreign = container.request(container.key(), &modern("tools/list", json!({}))).field("Host", "evil.example");
    let foreign = container.ask(&foreign);
    assert_eq!((foreign.status, foreign.reason().as_str()), (403, "foreign_host"));
    let isolated = container.execute("import socket\nsocket.create_connection(('127.0.0.1', 7411))", json!({}));
    isolated.assert_status("exited 1");
}

fn limits(container: &mut Container<'_>) {
    let limited = |code: &str, limit: &str, value: u64| {
        let reply = container.execute(code, json!({"limits": {limit: value}}));
        reply.assert_status(&format!("limit_exceeded {limit}"));
    };
    limited("while True: pass", "wall_time_ms", 300);
    limited("while True: pass", "cpu_time_ms", 200);
    limited("b'x' * (200 << 20)", "memory_bytes", 64 << 20);
    assert_eq!(container.execute("print('goes on')", json!({})).output(), "goes on\n");
}

fn native(container: &Container<'_>, language: &str, code: &str) -> Reply {
    container.call("execute", &json!({"language": language, "code": code}))
}

fn native_programs(container: &mut Container<'_>) {
    let reply = native(container, "bash", "echo one two | wc -w; id -u; node -e 'console.log(6 * 7)'");
    assert_eq!(reply.output(), "2\n10001\n42\n", "{}", reply.stderr());
    let reply = native(container, "bash", "cat /var/lib/belljar/state/client-keys.json");
    assert!(reply.status() != "exited 0" && reply.stdout().is_empty(), "{}", reply.message);
    assert!(reply.stderr().contains("Permission denied"), "{}", reply.stderr());
    let doctor = container.exec(&["doctor"]).unwrap_or_else(|said| said);
    assert!(doctor.contains("container"), "{doctor}");
}

fn native_plot(container: &mut Container<'_>) {
    let code = "import numpy as np\nimport pandas as pd\nimport matplotlib.pyplot as plt\n\
                print(pd.DataFrame({'a': np.arange(4)})['a'].sum())\nplt.plot([1, 2, 4])\nplt.title('x')\nplt.show()";
    let reply = native(container, "python-native", code);
    assert_eq!(reply.output(), "6\n", "{}", reply.stderr());
    let images = reply.images();
    assert!(matches!(images[..], [("image/png", data)] if data.starts_with("iVBOR")), "{}", reply.message);
}

fn health(container: &mut Container<'_>) {
    container.exec(&["health"]).expect("the server is well");
    eventually("Docker to find the server healthy", || {
        (container.inspect("{{.State.Health.Status}}") == "healthy").then_some(())
    });
    let health = container.call("health_check", &json!({}));
    assert!(health.structured()["runs_active"].is_number(), "{}", health.message);
}

fn metrics(container: &mut Container<'_>) {
    container.execute("print(1)", json!({}));
    // A text that the server has is given out for a second.
    eventually("the metrics to tell of a run", || {
        let text = container.metrics();
        let succeeded = "belljar_runs_total{language=\"python\",outcome=\"succeeded\"} ";
        let runs = text.lines().find_map(|line| line.strip_prefix(succeeded)?.parse::<f64>().ok());
        (runs? >= 1.0 && text.contains("belljar_ready 1")).then_some(())
    });
}

fn drain(container: &mut Container<'_>) {
    let session = container.execute("x = 'before'", json!({"session": "new"})).session();
    let code = "import time\nprint('begun', flush=True)\ntime.sleep(5)\nx = 'after'\nprint('ended')";
    let arguments = json!({"language": "python", "code": code, "session": session});
    let call = json!({"name": "execute", "arguments": arguments, "_meta": {"progressToken": "p"}});
    let mut running = container.connect();
    running.send(&container.request(container.key(), &modern("tools/call", call)));
    assert_eq!(running.answer_head().expect("a run has an answer").status, 200);
    let begun = running.event().expect("a run says what it prints");
    assert!(begun["params"]["message"].as_str().is_some_and(|said| said.contains("begun")), "{begun}");
    container.signal("TERM");
    eventually("the server to be no longer ready", || (container.readiness() == Some(503)).then_some(()));
    let refused = container.execute("1", json!({}));
    assert!(refused.refusal().contains("shutting down"), "{}", refused.text());
    let reply = loop {
        let event = running.event().expect("a run that was begun is answered");
        if event.get("method").is_none() {
            break Reply::of(event);
        }
    };
    assert_eq!(reply.output(), "begun\nended\n");
    eventually("the container to end", || (container.inspect("{{.State.Running}}") == "false").then_some(()));
    assert_eq!(container.inspect("{{.State.ExitCode}}"), "0");
    container.begin();
    container.wait_until_ready();
    assert_eq!(container.execute("print(x)", json!({"session": session})).output(), "after\n");
    assert_eq!(container.stop(), "0");
    assert!(!container.log().contains("panicked"));
}
