//! Memory of one run, and of all runs together.

use serde_json::json;
use tests::{Server, alone};

const MIB: u64 = 1 << 20;

/// What all workers may hold beside the memory of guests: machine code, warm
/// instances, stacks. An allowance for measuring from outside, far below the
/// bombs themselves.
const OVERHEAD: u64 = 384 * MIB;

/// Programs that take more memory than there is, each in another way.
const BOMBS: [(&str, &str); 6] = [
    ("one large block", "b'x' * (500 << 20)"),
    ("many small blocks", "blocks = []\nwhile True: blocks.append(bytes(100_000))"),
    ("a text that doubles", "text = 'x'\nwhile True: text += text"),
    ("a list that doubles", "items = [0]\nwhile True: items += items"),
    ("a large number", "1 << (8 << 30)"),
    ("nested containers", "nest = []\nwhile True: nest = [nest, {}, {1}]"),
];

#[test]
fn a_memory_bomb_is_a_typed_outcome_and_the_session_lives_on() {
    let _alone = alone();
    for (what, code) in BOMBS {
        // Linear memory never shrinks: a session keeps what a bomb took.
        let server = Server::start();
        let session = server.execute_in("new", "x = 'still here'").session();
        let ((reply, after), peak) = server.peak_of_workers(|| {
            let reply = server.execute_in(&session, code);
            (reply, server.execute_in(&session, "blocks = text = items = nest = None\nprint(globals().get('x'))"))
        });
        assert_eq!(reply.status(), "limit_exceeded memory_bytes", "{what}: {}", reply.message);
        assert_eq!(reply.error("name"), "MemoryError", "{what}");
        assert!(reply.usage("memory_bytes") <= 256 * MIB, "{what}: {}", reply.usage("memory_bytes"));
        assert_eq!(after.output(), "still here\n", "{what}");
        assert!(peak < 256 * MIB + OVERHEAD, "{what}: the workers held {} MiB", peak / MIB);
    }
}

#[test]
fn memory_just_below_the_limit_can_be_had_and_is_really_there() {
    let _alone = alone();
    let server = Server::start();
    let start = server.execute("pass").usage("memory_bytes");
    let take = |bytes: u64| {
        let limits = json!({"limits": {"memory_bytes": 192 * MIB}});
        // The block is held for a while, so that it is seen from outside.
        let code = format!("import time\nblock = b'x' * {bytes}\nprint(len(block))\ntime.sleep(0.5)");
        server.peak_of_workers(|| server.execute_with(&code, limits))
    };
    // The interpreter needs a little beside the block, and starts with a
    // little that is free.
    let below = 192 * MIB - start - 8 * MIB;
    let (reply, peak) = take(below);
    assert_eq!(reply.output(), format!("{below}\n"));
    assert!(peak > below, "{below} bytes were in use and {peak} were seen");
    take(192 * MIB - start + 24 * MIB).0.assert_status("limit_exceeded memory_bytes");
}

#[test]
fn a_program_that_handles_its_memory_error_goes_on() {
    let server = Server::start();
    let code = "try:\n    block = b'x' * (500 << 20)\nexcept MemoryError:\n    print('too much')\n\
                block = b'x' * (50 << 20)\nprint(len(block))";
    assert_eq!(server.execute(code).output(), "too much\n52428800\n");
}

#[test]
fn thirty_two_bombs_share_one_budget_while_other_sessions_answer() {
    const BOMBS: usize = 32;
    const BUDGET: u64 = 1024 * MIB;
    let _alone = alone();
    let server = Server::with()
        .flag(format!("--memory-bytes={BUDGET}"))
        .flag("--runs=40")
        .flag("--limit=memory_bytes=268435456")
        .start();
    let sessions: Vec<_> = (0..2)
        .map(|number| (number, server.execute_in("new", &format!("own = {number}\ncount = 0")).session()))
        .collect();
    let bomb = "import time\nblock = b'x' * (200 << 20)\ntime.sleep(0.5)\nprint(len(block))";
    let (ends, peak) = server.peak_of_workers(|| {
        let mut bombs: Vec<_> = (0..BOMBS).map(|_| server.begin_execute(bomb, json!({}))).collect();
        let mut turns = 0;
        // As long as bombs go off, the others get their answers.
        while turns < 5 || bombs.iter_mut().any(tests::Pending::is_open) {
            turns += 1;
            for (number, session) in &sessions {
                let reply = server.execute_in(session, "count += 1\nprint(own, count)");
                assert_eq!(reply.output(), format!("{number} {turns}\n"));
            }
        }
        bombs.into_iter().map(tests::Pending::wait).collect::<Vec<_>>()
    });
    let mut had_it_all = 0;
    for reply in &ends {
        if reply.result().get("structuredContent").is_none() {
            assert!(reply.refusal().contains("busy: the memory of all runs"), "{}", reply.text());
            continue;
        }
        match reply.status().as_str() {
            "exited 0" => had_it_all += 1,
            status => assert_eq!(status, "limit_exceeded memory_bytes", "{}", reply.message),
        }
    }
    assert!(had_it_all >= 1, "none of the bombs had the memory that was there");
    assert!(peak < BUDGET + OVERHEAD, "the workers held {} MiB", peak / MIB);
    assert!(peak > 200 * MIB, "no bomb was seen from outside: {} MiB", peak / MIB);
    // All memory comes back, but for what the two sessions keep.
    let used = server
        .wait_for_health("the memory to come back", |health| health["memory_used_bytes"].as_u64().unwrap() < 256 * MIB);
    assert_eq!(used["runs_active"], 0);
}
