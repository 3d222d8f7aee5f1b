//! What a program does to its interpreter, or leaves half done in it, costs
//! its session no later call.

use serde_json::json;
use tests::Server;

fn start() -> Server {
    Server::with().flag("--sessions=1").start()
}

/// Has another session take the one place there is.
fn hibernate(server: &Server) {
    server.new_session();
    assert_eq!(server.health()["sessions_live"], 1);
}

/// What a program finds of an environment where the call gives none: as in
/// `bash`, and nothing of the host's.
const ENVIRONMENT: &str = "{'PATH': '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', \
    'HOME': '/workspace', 'TMPDIR': '/tmp', 'LANG': 'C.UTF-8', 'USER': 'belljar', 'LOGNAME': 'belljar'}";

#[test]
fn what_a_program_puts_in_the_place_of_the_interpreter_s_own_does_not_cost_its_session() {
    let server = start();
    for harm in [
        "import os; os.environ = dict(os.environ)",
        "from unittest import mock; mock.patch('os.environ', {'A': '1'}).start()",
        "import random; random.seed = None",
        "from unittest import mock; mock.patch('random.seed', side_effect=ValueError).start()",
        "import os; os.urandom = lambda size: 'text'",
        "import sys; sys.modules['uuid'] = object()",
        "import sys; sys.path_importer_cache = None",
        "import sys; del sys.argv, sys.stdin, sys.stdout, sys.stderr",
        "import builtins; builtins.len = None; builtins.getattr = None",
        "import tempfile; tempfile._name_sequence = 7",
        "import io, sys; sys.stdout = io.TextIOWrapper(sys.stdout.detach(), encoding='utf-8')",
        "import sys; sys.stderr.detach(); sys.stdin.buffer.detach(); sys.__stdout__ = None",
        "import builtins; builtins.exec = builtins.eval = None",
    ] {
        let begun = server.execute_in("new", &format!("x = 1\n{harm}"));
        begun.assert_status("exited 0");
        let session = begun.session();
        for when in ["at once", "after it came back"] {
            let reply = server.execute_in(&session, "import os, sys\nprint(x, dict(os.environ), sys.argv)");
            assert_eq!(reply.output(), format!("1 {ENVIRONMENT} ['main.py']\n"), "{harm}: {when}");
            assert_eq!(reply.session_state(), "kept", "{harm}: {when}");
            hibernate(&server);
        }
        let variables =
            server.execute_with("import os\nprint(os.environ['B'])", json!({"session": session, "env": {"B": "2"}}));
        assert_eq!(variables.output(), "2\n", "{harm}");
    }
}

#[test]
fn a_cell_that_was_stopped_does_not_go_on_in_a_later_one() {
    let server = start();
    let session = server.execute_in("new", "import asyncio\nlog = []\nevent = asyncio.Event()").session();
    let cell = |name: &str, wait: &str| {
        format!("log.append('{name}')\nprint('begun')\nawait {wait}\nlog.append('more of {name}')")
    };
    // What went on would be woken at once by the event, and by nothing else.
    let waits = "asyncio.wait_for(event.wait(), 600)";
    let timed =
        server.execute_with(&cell("timed", waits), json!({"session": session, "limits": {"wall_time_ms": 100}}));
    timed.assert_status("limit_exceeded wall_time_ms");
    assert_eq!(timed.session_state(), "kept");

    let run = server.begin_execute(&cell("cancelled", waits), json!({"session": session}));
    server.client.progress(&run, "begun");
    server.client.notify("notifications/cancelled", json!({"requestId": run.id()}));
    // The next call waits for its turn.
    assert_eq!(server.execute_in(&session, "len(log)").value(), Some("2"));

    let stuck = server.execute_in(&session, &cell("stuck", "event.wait()"));
    stuck.assert_status("exited 1");
    assert!(stuck.error("value").contains("deadlock"), "{}", stuck.text());

    hibernate(&server);
    let later = "event.set()\nfor _ in range(100): await asyncio.sleep(0)\nlog";
    assert_eq!(server.execute_in(&session, later).value(), Some("['timed', 'cancelled', 'stuck']"));
}

#[test]
fn a_cell_may_tidy_up_when_it_is_stopped_and_what_it_started_goes_on() {
    let server = Server::start();
    let session = server.execute_in("new", "import asyncio\nlog = []").session();
    let cell = "async def beside():\n    await asyncio.sleep(0.4)\n    log.append('beside')\n\
                task = asyncio.create_task(beside())\n\
                try: await asyncio.sleep(60)\nfinally: log.append('tidied')";
    let stopped = server.execute_with(cell, json!({"session": session, "limits": {"wall_time_ms": 100}}));
    stopped.assert_status("limit_exceeded wall_time_ms");
    assert_eq!(server.execute_in(&session, "await task\nlog").value(), Some("['tidied', 'beside']"));
    // A task that will not end is ended all the same.
    let stubborn = "async def stubborn():\n    while True:\n        try: await asyncio.sleep(0.01)\n        \
                    except asyncio.CancelledError: log.append('stubborn')\nawait stubborn()";
    let stopped = server.execute_with(stubborn, json!({"session": session, "limits": {"wall_time_ms": 100}}));
    stopped.assert_status("limit_exceeded wall_time_ms");
    assert_eq!(stopped.session_state(), "kept");
    let later = server.execute_in(&session, "before = len(log)\nawait asyncio.sleep(0.1)\nlen(log) - before");
    assert_eq!(later.value(), Some("0"));
}
