//! Sessions of JavaScript keep what Python's keep.

use serde_json::{Value, json};
use tests::{Reply, Server};

fn run(server: &Server, session: &str, code: &str) -> Reply {
    server.call("execute", json!({"language": "javascript", "code": code, "session": session}))
}

/// State of every kind that lives on.
const BEGIN: &str = "let n = 1\nconst fixed = 2\nclass Counter { #n = 0; next() { return ++this.#n } }\n\
    import { join } from 'node:path'\nconst counter = new Counter()\nfunction* numbers() { for (let k = 0; ; k++) yield k }\n\
    const it = numbers(); it.next()\nconst bytes = new Uint8Array([1, 2, 3])\nconst weak = new WeakMap([[bytes, 'weak']])\n\
    const ref = new WeakRef(bytes)\nlet settle; const later = new Promise((done) => { settle = done })\n\
    later.then((value) => { n = value })\nconst add = ((by) => (to) => to + by)(40)\ncounter.next()";

/// Uses all of it, and changes it.
const GO_ON: &str = "JSON.stringify([n, fixed, counter.next(), it.next().value, ...bytes, weak.get(bytes), \
    ref.deref() === bytes, add(2), join('a', 'b'), typeof settle])";

const SHOWN: &str = "'[1,2,2,1,1,2,3,\"weak\",true,42,\"a/b\",\"function\"]'";

#[test]
fn what_is_declared_lives_on_and_may_be_declared_again() {
    let server = Server::start();
    let session = run(&server, "new", BEGIN).session();
    assert_eq!(run(&server, &session, GO_ON).value(), Some(SHOWN));
    for code in [
        "let n = 5",
        "const fixed = 6",
        "class Counter {}",
        "function numbers() {}",
        "import { join } from 'path'",
        "var n = 7",
        "const n = 8",
    ] {
        run(&server, &session, code).assert_status("exited 0");
    }
    assert_eq!(run(&server, &session, "[n, fixed, typeof numbers().next]").error("name"), "TypeError");
    assert_eq!(run(&server, &session, "[n, fixed]").value(), Some("[ 8, 6 ]"));
    assert_eq!(run(&server, &session, "n = 9").error("name"), "TypeError", "a constant stays one");
    // What failed to be declared can be declared again, and nothing else is lost.
    assert_eq!(run(&server, &session, "const broken = nope()").error("name"), "ReferenceError");
    assert_eq!(run(&server, &session, "const broken = 1; broken + fixed").value(), Some("7"));
    // A promise that an earlier run left goes on.
    let session = run(&server, "new", BEGIN).session();
    run(&server, &session, "settle(11)").assert_status("exited 0");
    assert_eq!(run(&server, &session, "n").value(), Some("11"));
}

#[test]
fn every_run_has_an_input_and_handlers_of_its_own() {
    let server = Server::start();
    let given = |session: &str, stdin: &str, code: &str| {
        let arguments = json!({"language": "javascript", "code": code, "session": session, "stdin": stdin});
        server.call("execute", arguments)
    };
    let listen = "process.stdin.setEncoding('utf8').on('data', (data) => console.log(data))\n\
        process.stdin.on('end', () => console.log('end'))\nprocess.on('exit', () => console.log('exit'))\n\
        console.group('group')";
    let reply = given("new", "one", listen);
    assert_eq!(reply.output(), "group\n  one\n  end\n  exit\n");
    let session = reply.session();
    assert_eq!(run(&server, &session, "console.log('plain')").output(), "plain\n");
    assert_eq!(given(&session, "two", listen).output(), "group\n  two\n  end\n  exit\n");
    run(&server, &session, "process.on('exit', () => console.log('late')); process.exit(2)").assert_status("exited 2");
    assert_eq!(run(&server, &session, "1").output(), "");
}

#[test]
fn a_program_may_declare_what_the_engine_has() {
    let server = Server::start();
    let code = "class Map {}\nclass Promise {}\nclass Object {}\nclass Array {}\nclass String {}\nclass Symbol {}\n\
        class Error {}\nclass Math {}\nclass Number {}\nclass JSON {}\nclass Uint8Array {}\nlet setImmediate";
    let session = run(&server, "new", code).session();
    let shown = run(
        &server,
        &session,
        "console.log({a: [1, 'x']})\nconsole.count()\nprocess.on('exit', () => {})\n\
        require('fs').writeFileSync('f', 'text')\nconst read = () => console.log(require('fs').readFileSync('f', 'utf8'))\n\
        process.stdin.on('end', () => setTimeout(read, 1)).resume()\n;[new Map()]",
    );
    assert_eq!(shown.value(), Some("[ Map {} ]"), "{}", shown.message);
    assert_eq!(shown.output(), "{ a: [ 1, 'x' ] }\ndefault: 1\ntext\n");
}

#[test]
fn a_javascript_session_is_saved_forked_rewound_and_outlasts_its_server() {
    let server = Server::with().flag("--hibernate-seconds=1").start();
    let session = run(&server, "new", BEGIN).session();
    let snapshot = server.snapshot(&session);
    let fork = server.session("fork", &session).session();
    assert_eq!(run(&server, &session, GO_ON).value(), Some(SHOWN));
    assert_eq!(run(&server, &fork, GO_ON).value(), Some(SHOWN), "a fork has a state of its own");
    server.session_at("restore", &session, &snapshot).result();
    assert_eq!(run(&server, &session, GO_ON).value(), Some(SHOWN), "as it was when it was remembered");
    let distinct = |session: &str| run(&server, session, "Math.random()").value().unwrap().to_owned();
    assert_ne!(distinct(&session), distinct(&fork), "a fork draws numbers of its own");
    server.wait_for_health("the sessions to hibernate", |health| health["sessions_live"] == 0);
    assert_eq!(run(&server, &session, "counter.next()").value(), Some("3"));
    let next = server.kill().start();
    assert_eq!(run(&next, &session, "[counter.next(), it.next().value]").value(), Some("[ 4, 2 ]"));
}

#[test]
fn deterministic_runs_of_javascript_are_the_same() {
    let code = "const seen = [Math.random(), Date.now(), performance.now() >= 0, crypto.randomUUID()]\n\
        await new Promise((done) => setTimeout(done, 1000))\nseen.push(Date.now())\nJSON.stringify(seen)";
    let once = |number: u64| {
        let server = Server::with().flag("--deterministic").start();
        let reply = run(&server, "new", code);
        reply.assert_status("exited 0");
        assert!(reply.usage("wall_time_ms") < 60_000, "{number}");
        (reply.value().unwrap().to_owned(), reply.usage("fuel"))
    };
    assert_eq!(once(1), once(2));
}

#[test]
fn languages_of_one_session_share_its_files_and_nothing_else() {
    let server = Server::start();
    let session = run(&server, "new", "let x = 1; require('fs').writeFileSync('f', 'of javascript')").session();
    let reply = server.execute_in(&session, "print(open('f').read(), 'x' in globals())\nx = 2");
    assert_eq!(reply.output(), "of javascript False\n");
    assert_eq!(run(&server, &session, "x").value(), Some("1"));
    let refused: Value = run(&server, "s-nothere", "1").message;
    assert!(refused.to_string().contains("session"), "{refused}");
}
