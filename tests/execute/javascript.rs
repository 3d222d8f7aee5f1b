//! JavaScript: what programs print, what they give, and what errors say.

use serde_json::json;
use tests::{Reply, Server};

fn run(server: &Server, code: &str) -> Reply {
    server.call("execute", json!({"language": "javascript", "code": code}))
}

#[test]
fn the_value_of_a_last_expression_is_shown_as_in_node() {
    let server = Server::start();
    for (code, value) in [
        ("1 + 1", Some("2")),
        ("const x = 3", None),
        ("{a: 1, b: {c: [1, 2]}}", Some("{ a: 1, b: { c: [ 1, 2 ] } }")),
        ("// an object\n{a: 1}", Some("{ a: 1 }")),
        ("{ let n = 1; n + 1 }", None),
        ("for (const n of [1, 2]) n * 2", None),
        ("'text'", Some("'text'")),
        ("undefined", None),
        ("new Map([['a', {b: new Set([1, 'x'])}]])", Some("Map(1) { 'a' => { b: Set(2) { 1, 'x' } } }")),
        ("class Point { constructor() { this.x = 1 } }\nnew Point()", Some("Point { x: 1 }")),
        ("const o = {n: 1}; o.self = o; o", Some("<ref *1> { n: 1, self: [Circular *1] }")),
        ("async function main() { return 42 }\nmain()", Some("Promise { 42 }")),
        ("new Promise(() => {})", Some("Promise { <pending> }")),
        ("await new Promise((done) => setTimeout(done, 5, 'late'))", Some("'late'")),
        ("if (true) return {early: true}\nconsole.log('never')", Some("{ early: true }")),
        (
            "[1n, -0, null, undefined, Symbol('s'), () => 1]",
            Some("[ 1n, -0, null, undefined, Symbol(s), [Function (anonymous)] ]"),
        ),
        ("Array.from({length: 3}, (_, n) => n * 1.5)", Some("[ 0, 1.5, 3 ]")),
    ] {
        let reply = run(&server, code);
        reply.assert_status("exited 0");
        assert_eq!(reply.value(), value, "{code}");
        assert_eq!(reply.stdout(), "", "{code}");
    }
}

#[test]
fn a_program_gets_all_that_it_is_given() {
    let server = Server::start();
    let code = "const fs = require('node:fs');\n\
        console.log(fs.readFileSync(0, 'utf8'), process.argv.slice(2), process.env.TOKEN);\n\
        console.log(fs.readFileSync('d/f', 'utf8'), process.cwd(), __filename);\n\
        fs.mkdirSync('made/deep', {recursive: true});\n\
        fs.writeFileSync('made/deep/g', 'x');\n\
        fs.writeFileSync('/tmp/t', 'y');\n\
        console.error(fs.readdirSync('.', {recursive: true}), fs.statSync('made/deep/g').size, fs.readFileSync('/tmp/t', 'utf8'));\n\
        process.exit(3)";
    let files = json!([{"path": "d/f", "text": "of the file"}]);
    let more = json!({
        "language": "javascript", "code": code, "stdin": "given", "args": ["-a", "b c"], "env": {"TOKEN": "t"}, "files": files
    });
    let reply = server.call("execute", more);
    reply.assert_status("exited 3");
    assert_eq!(reply.stdout(), "given [ '-a', 'b c' ] t\nof the file /workspace /workspace/main.js\n");
    assert_eq!(reply.stderr(), "[ 'd', 'd/f', 'made', 'made/deep', 'made/deep/g' ] 1 y\n");
    assert!(reply.files().contains(&"made/deep/g"), "{}", reply.message);
}

#[test]
fn errors_have_name_message_and_the_places_of_the_program() {
    let server = Server::start();
    for (code, name, value, place) in [
        (
            "function f() {\n  throw new TypeError('bad')\n}\nf()",
            "TypeError",
            "bad",
            "at f (/workspace/main.js:2:9)\n    at /workspace/main.js:4:1",
        ),
        ("throw new RangeError(\n  `n ${JSON.stringify([1])}`,\n)", "RangeError", "n [1]", "at /workspace/main.js:1:7"),
        ("const ok = 1\nnope()", "ReferenceError", "nope is not defined", "at /workspace/main.js:2:1"),
        ("let a = 'ä𝒳'; a.nope()", "TypeError", "not a function", "at /workspace/main.js:1:18"),
        ("const x = ;", "SyntaxError", "", "/workspace/main.js:1:11"),
        ("class Own extends Error { name = 'Own' }\nthrow new Own('mine')", "Own", "mine", "at /workspace/main.js:2:7"),
        ("setTimeout(() => { throw new Error('later') }, 1)", "Error", "later", "at /workspace/main.js:1:26"),
        ("Promise.reject(new Error('nobody'))", "Error", "nobody", "Unhandled rejection of a promise"),
        ("await new Promise(() => {})", "UnsettledAwait", "", "nothing is left to settle"),
        ("throw {code: 1}", "Uncaught", "{ code: 1 }", "Uncaught { code: 1 }"),
        (
            "require('fs').readFileSync('nope')",
            "Error",
            "ENOENT: no such file or directory, open 'nope'",
            "code: 'ENOENT'",
        ),
        ("import 'left-pad'", "Error", "Cannot find package 'left-pad'", "code: 'ERR_MODULE_NOT_FOUND'"),
        ("require('child_process')", "Error", "there are no processes here", "main.js:1:1"),
        ("import { nope } from 'fs'", "SyntaxError", "does not provide an export named 'nope'", "main.js:1:1"),
        ("await fetch('http://example.com')", "TypeError", "fetch failed", "there is no network here"),
    ] {
        let reply = run(&server, code);
        reply.assert_status("exited 1");
        assert_eq!(reply.error("name"), name, "{code}: {}", reply.message);
        assert!(reply.error("value").contains(value), "{code}: {}", reply.error("value"));
        assert!(reply.error("traceback").contains(place), "{code}: {}", reply.error("traceback"));
        assert!(!reply.error("traceback").contains("internal:"), "{code}: {}", reply.error("traceback"));
    }
    // The line itself, with a mark below the place.
    let reply = run(&server, "const list = [1]\n  list.missing()");
    let traceback = reply.error("traceback");
    assert!(traceback.starts_with("/workspace/main.js:2\n  list.missing()\n       ^\n\nTypeError: "), "{traceback}");
}

#[test]
fn an_error_of_a_class_has_the_place_where_it_was_made() {
    let server = Server::start();
    let code = "class Bad extends Error {\n  constructor(m) {\n    super(m)\n  }\n}\nclass Worse extends Bad {\n  \
        constructor(m) {\n    super(m)\n  }\n}\nfunction check() {\n  throw new Worse('x')\n}\ncheck()";
    let reply = run(&server, code);
    let traceback = reply.error("traceback");
    let expected = "/workspace/main.js:12\n  throw new Worse('x')\n        ^\n\n";
    assert!(traceback.starts_with(expected), "{traceback}");
    assert!(
        traceback.contains("x\n    at check (/workspace/main.js:12:9)\n    at /workspace/main.js:14:1"),
        "{traceback}"
    );
}

#[test]
fn the_end_of_a_program_is_caught_by_nothing() {
    let server = Server::start();
    for (code, status) in [
        ("new Promise(() => { process.exit(3) })", "exited 3"),
        ("new Promise((resolve) => { resolve(); process.exit(3) })", "exited 3"),
        ("Promise.resolve({get then() { process.exit(4) }})", "exited 4"),
        ("await {then() { process.exit(5) }}", "exited 5"),
        ("Promise.try(() => process.exit(6))", "exited 6"),
        ("Promise.all({get [Symbol.iterator]() { process.exit(7) }})", "exited 7"),
        ("(async function* () { process.exit(8) })().next()", "exited 8"),
        ("(async () => { for await (const n of {*[Symbol.iterator]() { process.exit(9) }}); })()", "exited 9"),
        ("process.exitCode = '3'; process.exit()", "exited 3"),
        ("process.exit(-1)", "exited 255"),
        ("process.on('exit', (code) => process.exit(code + 1)); process.exit(9)", "exited 10"),
        ("process.on('exit', () => { process.exitCode = 11 }); process.exit()", "exited 11"),
    ] {
        let reply = run(&server, &format!("try {{ {code} }} catch {{}}\nconsole.log('still here')"));
        assert_eq!(reply.status(), status, "{code}: {}", reply.message);
        assert_eq!(reply.stdout(), "", "{code}");
    }
}

#[test]
fn the_parts_of_an_event_loop_come_in_the_order_of_node() {
    let server = Server::start();
    let code = "setTimeout(() => console.log('timer'), 1)\nsetImmediate(() => console.log('immediate'))\n\
        process.nextTick(() => console.log('tick'))\nPromise.resolve().then(() => console.log('job'))\n\
        const every = setInterval(() => { console.log('every', ++n); if (n === 2) clearInterval(every) }, 20); let n = 0\n\
        setTimeout(() => console.log('never'), 60_000).unref()\nconsole.log('first')";
    let reply = run(&server, code);
    reply.assert_status("exited 0");
    let said = reply.stdout().to_owned();
    assert!(said.starts_with("first\ntick\njob\n") && said.ends_with("every 1\nevery 2\n"), "{said}");
    assert!(said.contains("timer\n") && said.contains("immediate\n") && !said.contains("never"), "{said}");
}

#[test]
fn modules_of_the_workspace_and_of_node_are_imported_and_required() {
    let server = Server::start();
    let files = json!([
        {"path": "lib/sum.mjs", "text": "import { one } from './one.js'\nexport const sum = (n) => n + one\nexport default 'default'"},
        {"path": "lib/one.js", "text": "exports.one = 1"},
        {"path": "data.json", "text": "{\"n\": 40}"},
        {"path": "broken.mjs", "text": "export const x = 1\nthrow new Error('in a module')"},
        {"path": "node_modules/pkg/package.json", "text": "{\"main\": \"./m.js\"}"},
        {"path": "node_modules/pkg/m.js", "text": "module.exports = () => 'from a package'"},
    ]);
    let code = "import name, { sum } from './lib/sum.mjs'\nimport * as path from 'node:path'\nimport pkg from 'pkg'\n\
        const { n } = require('./data.json')\nconst { one } = await import('./lib/one.js')\n\
        console.log(name, sum(n) + one, path.join('a', '..', 'b'), pkg())";
    let reply = server.call("execute", json!({"language": "javascript", "code": code, "files": files}));
    assert_eq!(reply.output(), "default 42 b from a package\n", "{}", reply.message);
    let arguments = json!({"language": "javascript", "code": "await import('./broken.mjs')", "files": files});
    let reply = server.call("execute", arguments);
    assert!(reply.error("traceback").contains("/workspace/broken.mjs:2:7"), "{}", reply.message);
}

#[test]
fn what_the_web_and_node_have_is_there() {
    let server = Server::start();
    let code = "const assert = require('assert')\nconst util = require('util')\nconst EventEmitter = require('events')\n\
        const url = new URL('../x?q=1#f', 'https://Example.com:443/a/b/c')\nassert.strictEqual(url.href, 'https://example.com/a/x?q=1#f')\n\
        url.searchParams.append('k', 'ä b')\nassert.strictEqual(url.search, '?q=1&k=%C3%A4+b')\n\
        assert.strictEqual(new TextDecoder().decode(new TextEncoder().encode('€😀')), '€😀')\n\
        assert.strictEqual(btoa(atob('aGk=')), 'aGk=')\n\
        assert.deepStrictEqual(structuredClone({d: new Date(0), m: new Map([[1, {}]])}), {d: new Date(0), m: new Map([[1, {}]])})\n\
        assert.match(crypto.randomUUID(), /^[0-9a-f-]{36}$/)\nassert.notStrictEqual(Math.random(), Math.random())\n\
        assert.strictEqual(Buffer.from('héllo').toString('base64'), 'aMOpbGxv')\n\
        const stop = new AbortController()\nlet reason\nstop.signal.addEventListener('abort', () => { reason = stop.signal.reason.name })\n\
        stop.abort()\nassert.strictEqual(reason, 'AbortError')\nconst events = new EventEmitter()\n\
        events.once('x', (n) => { reason = n })\nassert(events.emit('x', 5) && !events.emit('x'))\nassert.strictEqual(reason, 5)\n\
        assert(performance.now() >= 0)\nassert.strictEqual(util.inspect({a: {b: {c: {}}}}, {depth: 0}), '{ a: [Object] }')\n\
        console.table([{a: 1}])\nconsole.group('g')\nconsole.log('%s is %d', 'x', 5)\nconsole.groupEnd()\nconsole.assert(false, 'said')";
    let reply = run(&server, code);
    reply.assert_status("exited 0");
    let table = "┌─────────┬───┐\n│ (index) │ a │\n├─────────┼───┤\n│ 0       │ 1 │\n└─────────┴───┘\n";
    assert_eq!(reply.stdout(), format!("{table}g\n  x is 5\n"));
    assert_eq!(reply.stderr(), "Assertion failed: said\n");
}

#[test]
fn pictures_and_what_is_displayed_are_in_the_reply() {
    const PIXEL: &str =
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
    let server = Server::start();
    let code = format!("display({{a: 1}})\nBuffer.from('{PIXEL}', 'base64')");
    let reply = run(&server, &code);
    reply.assert_status("exited 0");
    assert_eq!(reply.images(), [("image/png", PIXEL)], "{}", reply.message);
    assert!(reply.text().contains("{ a: 1 }"), "{}", reply.text());
    let not = run(&server, "display.image(Buffer.from('no picture'))");
    assert!(not.error("value").contains("no PNG, JPEG, GIF or WebP"), "{}", not.message);
}

#[test]
fn no_program_sees_what_another_left() {
    let server = Server::start();
    for _ in 0..3 {
        let code = "const seen = [typeof mine, Array.prototype.mine, process.env.MINE, require('fs').readdirSync('.')]\n\
            globalThis.mine = 1; Array.prototype.mine = 1; process.env.MINE = '1'; require('fs').writeFileSync('f', '')\n\
            setInterval(() => {}, 1).unref()\nJSON.stringify(seen)";
        assert_eq!(run(&server, code).value(), Some("'[\"undefined\",null,null,[]]'"));
    }
}

#[test]
fn programs_that_spoil_what_they_find_spoil_their_own_run_alone() {
    let server = Server::start();
    for code in [
        "JSON.stringify = () => { throw 1 }; 1",
        "Object.prototype.toJSON = () => 'x'; 1",
        "for (const name of Object.getOwnPropertyNames(globalThis)) try { delete globalThis[name] } catch {}",
        "Array.prototype.push = Array.prototype.map = Object.keys = null; [1]",
        "Object.defineProperty(Object.prototype, 'then', {get() { throw 1 }}); 1",
        "Promise.prototype.then = () => { throw 1 }; await 1",
        "throw new Proxy({}, {get() { throw new Error('trap') }, getPrototypeOf() { throw new Error('trap') }})",
        "({get [Symbol.toStringTag]() { throw 1 }, [Symbol.for('nodejs.util.inspect.custom')]() { throw new Error('own') }})",
        "Error.prepareStackTrace = () => { throw 1 }; null.x",
        "Error.stackTraceLimit = 0; null.x",
    ] {
        let reply = run(&server, code);
        assert!(
            ["exited 0", "exited 1", "trapped unreachable"].contains(&reply.status().as_str()),
            "{code}: {}",
            reply.message
        );
        assert_eq!(run(&server, "[1, 2].map((n) => n * 2)").value(), Some("[ 2, 4 ]"), "after {code}");
    }
}
