//! Limits of JavaScript programs: each is told as such, no program swallows it, and
//! a session goes on.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Reply, Server};

const MIB: u64 = 1 << 20;

/// Ten times the limit, and far below what the programs would take.
const ON_TIME: Duration = Duration::from_secs(10);

/// Programs that do not end by themselves, each stuck in another place, and
/// whether the session is as they left it: only what does not come back to the
/// engine's own loop may be undone.
const ENDLESS: [(&str, &str, bool); 12] = [
    ("a loop", "for (;;);", true),
    ("a wait", "await new Promise((done) => setTimeout(done, 30_000))", true),
    ("jobs", "const again = () => Promise.resolve().then(again); await again()", true),
    ("ticks", "const again = () => process.nextTick(again); again()", true),
    ("timers", "setInterval(() => {}, 1)", true),
    ("a regular expression", ";/(a+)+$/.test('a'.repeat(40) + 'b')", true),
    ("output", "for (;;) console.log('x'.repeat(100))", true),
    ("swallowed interrupts", "for (;;) try { for (;;); } catch {} finally { continue }", true),
    (
        "interrupts swallowed by promises",
        "const spin = async () => { for (;;); }\nfor (;;) await spin().catch(() => {}).finally(() => {})",
        true,
    ),
    ("interrupts swallowed by executors", "for (;;) try { new Promise(() => { for (;;); }) } catch {}", true),
    ("interrupts swallowed by thenables", "for (;;) await Promise.all([{then() { for (;;); }}]).catch(() => {})", true),
    (
        "interrupts swallowed by generators",
        "async function* spin() { for (;;); }\nfor (;;) await spin().next().catch(() => {})",
        true,
    ),
];

fn run(server: &Server, code: &str, more: Value) -> Reply {
    let mut arguments = json!({"language": "javascript", "code": code});
    arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.call("execute", arguments)
}

#[test]
fn whatever_javascript_is_stuck_in_it_is_answered_on_time_and_its_session_goes_on() {
    let server = Server::start();
    run(&server, "1", json!({})).assert_status("exited 0");
    for (what, code, is_kept) in ENDLESS {
        let begun = run(&server, "let x = 41", json!({"session": "new"}));
        let more = json!({"session": begun.session(), "limits": {"wall_time_ms": 1000, "output_bytes": 4096}});
        let started = Instant::now();
        let reply = run(&server, &format!("x = 42\n{code}"), more);
        assert!(started.elapsed() < ON_TIME, "{what} took {:?}", started.elapsed());
        assert_eq!(reply.status(), "limit_exceeded wall_time_ms", "{what}: {}", reply.message);
        if is_kept {
            assert_eq!(reply.session_state(), "kept", "{what}: {}", reply.message);
            assert_eq!(reply.error("name"), "ExecutionTimeout", "{what}");
        }
        let expected = if reply.session_state() == "kept" { "42" } else { "41" };
        assert_eq!(run(&server, "x", json!({"session": begun.session()})).value(), Some(expected), "{what}");
    }
}

#[test]
fn fuel_and_cpu_time_of_javascript_end_it_where_it_is() {
    let server = Server::start();
    for (name, amount) in [("fuel", 50_000_000), ("cpu_time_ms", 300)] {
        let reply = run(&server, "let n = 0\nfor (;;) n++", json!({"limits": {name: amount}}));
        reply.assert_status(&format!("limit_exceeded {name}"));
        assert!(reply.error("traceback").contains("/workspace/main.js:2"), "{}", reply.error("traceback"));
        let below = run(&server, "let n = 0\nwhile (n < 1000) n++\nn", json!({"limits": {name: amount}}));
        assert_eq!(below.value(), Some("1000"), "{}", below.message);
    }
}

#[test]
fn memory_bombs_of_javascript_are_typed_outcomes() {
    for (what, code) in [
        ("one large block", "new Uint8Array(500 << 20)"),
        ("many small blocks", "const kept = []; for (;;) kept.push(new Array(1000).fill({}))"),
        ("a text that doubles", "let text = 'x'; for (;;) text = (text + text).padEnd(text.length * 2, 'y')"),
        ("a map", "const map = new Map(); for (let n = 0; ; n++) map.set(n, [n])"),
        ("jobs", "for (;;) Promise.resolve().then(() => {})"),
        ("closures", "let f = () => 1; for (;;) { const g = f; f = () => g }"),
    ] {
        let server = Server::start();
        let begun = run(&server, "let x = 'still here'", json!({"session": "new"}));
        let limits = json!({"session": begun.session(), "limits": {"memory_bytes": 128 * MIB}});
        let reply = run(&server, code, limits);
        assert_eq!(reply.status(), "limit_exceeded memory_bytes", "{what}: {}", reply.message);
        assert!(reply.usage("memory_bytes") <= 128 * MIB, "{what}: {}", reply.usage("memory_bytes"));
        let after = run(&server, "x", json!({"session": begun.session()}));
        assert_eq!(after.value(), Some("'still here'"), "{what}: {}", after.message);
    }
}

#[test]
fn a_javascript_program_that_handles_its_errors_of_memory_and_depth_goes_on() {
    let server = Server::start();
    let code = "try { new Uint8Array(500 << 20) } catch (error) { console.log(error.message) }\n\
        const deep = () => deep() + 1\ntry { deep() } catch (error) { console.log(error instanceof RangeError) }\n\
        let depth = 0\nconst count = () => { depth++; count() }\ntry { count() } catch {}\n\
        console.log(depth > 5000, new Uint8Array(50 << 20).length)";
    assert_eq!(run(&server, code, json!({})).output(), "out of memory\ntrue\ntrue 52428800\n");
}

#[test]
fn deep_recursion_in_the_engine_ends_the_run_at_most() {
    let server = Server::start();
    for code in [
        "let list = []; for (let n = 0; n < 20_000; n++) list = [list]; JSON.stringify(list)",
        "let list = []; for (let n = 0; n < 200_000; n++) list = [list]; list = null; 'freed'",
        "JSON.parse('['.repeat(100_000))",
        "eval('('.repeat(100_000) + ')'.repeat(100_000))",
        "new RegExp('('.repeat(50_000) + ')'.repeat(50_000))",
        "eval('['.repeat(100_000))",
        "let p = {}; for (let n = 0; n < 100_000; n++) p = new Proxy(p, {}); p.x",
        "let o = null; for (let n = 0; n < 100_000; n++) o = Object.create(o); o.x",
        "const o = {toString() { return `${o}` }}; `${o}`",
        "let list = []; for (let n = 0; n < 50_000; n++) list = [list]; list.flat(Infinity).length",
        "let list = []; for (let n = 0; n < 50_000; n++) list = [list]; structuredClone(list)",
        "let list = []; for (let n = 0; n < 50_000; n++) list = [list]; String(list)",
        "[2, 1].sort(function compare() { return [2, 1].sort(compare) })",
    ] {
        let reply = run(&server, code, json!({"limits": {"wall_time_ms": 5000}}));
        let is_fine = match reply.status().as_str() {
            "exited 0" => true,
            "exited 1" => ["RangeError", "SyntaxError", "InternalError"].contains(&reply.error("name")),
            other => ["trapped stack_overflow", "limit_exceeded memory_bytes", "limit_exceeded wall_time_ms"]
                .contains(&other),
        };
        assert!(is_fine, "{code}: {}", reply.message);
        assert_eq!(run(&server, "1 + 1", json!({})).value(), Some("2"), "after {code}");
    }
}

#[test]
fn output_files_and_results_of_javascript_are_bounded() {
    let server = Server::start();
    let limit = |name: &str, amount: u64| json!({"limits": {name: amount}});
    let write = "require('fs').writeFileSync('f', new Uint8Array(4_000_000))";
    run(&server, write, limit("disk_bytes", 1_000_000)).assert_status("limit_exceeded disk_bytes");
    let many = "for (let n = 0; n < 50; n++) require('fs').writeFileSync(`${n}`, '')";
    run(&server, many, limit("disk_files", 10)).assert_status("limit_exceeded disk_files");
    let open = "for (let n = 0; n < 50; n++) require('fs').openSync(`${n}`, 'w')";
    run(&server, open, limit("open_files", 10)).assert_status("limit_exceeded open_files");
    let reply = run(&server, "console.log('x'.repeat(2_000_000))", limit("output_bytes", 4096));
    assert!(reply.status() == "exited 0" && reply.stdout().len() < 8192, "{} bytes", reply.stdout().len());
    for code in ["'x'.repeat(3_000_000)", "new Array(1_000_000).fill('text')", "throw new Error('x'.repeat(3_000_000))"]
    {
        let reply = run(&server, code, json!({}));
        assert!(reply.message.to_string().len() < 1_000_000, "{code}: {} bytes", reply.message.to_string().len());
    }
}
