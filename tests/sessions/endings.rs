//! What the end of a run does in a session, which goes on after it.

use serde_json::json;
use tests::Server;

#[test]
fn files_that_stay_open_are_flushed_and_can_be_used_on() {
    let server = Server::start();
    let begun = server.execute_in("new", "f = open('f', 'w')\nf.write('one ')");
    begun.assert_status("exited 0");
    let session = begun.session();
    let read = json!({"session": session, "path": "f"});
    assert!(server.call("read", read.clone()).text().contains("one"));
    server.execute_in(&session, "f.write('two')").assert_status("exited 0");
    assert!(server.call("read", read).text().contains("one two"));
    assert_eq!(server.execute_in(&session, "f.close()\nprint(open('f').read())").output(), "one two\n");
}

#[test]
fn exit_functions_run_once_at_the_end_of_the_run_that_registered_them() {
    let server = Server::start();
    let begun = server.execute_in("new", "import atexit\natexit.register(print, 'bye')\nprint('body')");
    assert_eq!(begun.output(), "body\nbye\n");
    assert_eq!(server.execute_in(&begun.session(), "print('again')").output(), "again\n");
}

#[test]
fn an_exit_function_without_end_is_stopped_as_a_run_is() {
    let server = Server::start();
    let code = "import atexit\n@atexit.register\ndef f():\n    while True: pass\nx = 1";
    let begun = server.execute_with(code, json!({"session": "new", "limits": {"wall_time_ms": 500}}));
    begun.assert_status("limit_exceeded wall_time_ms");
    assert_eq!(server.execute_in(&begun.session(), "x").value(), Some("1"));
}

#[test]
fn a_daemon_goes_on_in_later_runs_and_other_threads_end_with_theirs() {
    let server = Server::start();
    let code = "import queue, threading\nq = queue.Queue()\ndef work():\n    while True:\n        \
        print('did', q.get())\n        q.task_done()\n\
        threading.Thread(target=work, daemon=True).start()\n\
        threading.Thread(target=print, args=('short',)).start()\nq.put(1)\nq.join()";
    let begun = server.execute_in("new", code);
    assert_eq!(begun.output(), "short\ndid 1\n");
    assert_eq!(server.execute_in(&begun.session(), "q.put(2)\nq.join()").output(), "did 2\n");
}

#[test]
fn an_executor_goes_on_in_later_runs_and_loses_what_a_limit_ended() {
    let server = Server::start();
    let code = "import threading, time\nfrom concurrent.futures import ThreadPoolExecutor\n\
        ex = ThreadPoolExecutor(2)\ndef who(): return threading.current_thread().name\n\
        late = ex.submit(lambda: time.sleep(0.05) or who())";
    let session = server.execute_in("new", code).session();
    // The end of a run waits for what was handed in, not for the workers.
    let code = "print(late.done(), late.result(), ex.submit(who).result())";
    assert_eq!(server.execute_in(&session, code).output(), "True ThreadPoolExecutor-0_0 ThreadPoolExecutor-0_0\n");
    let limits = json!({"session": session, "limits": {"wall_time_ms": 500}});
    for code in [
        "def spin():\n    while True: pass\nex.submit(spin)\nex.submit(spin)",
        "ex.submit(lambda: ex.submit(time.sleep, 600).result())",
        "for _ in range(3): ex.submit(time.sleep, 600)",
    ] {
        server.execute_with(code, limits.clone()).assert_status("limit_exceeded wall_time_ms");
        let reply =
            server.execute_in(&session, "print(sum(ex.map(pow, [1, 2], [2, 2])), ex.submit(who).result()[:20])");
        assert_eq!(reply.output(), "5 ThreadPoolExecutor-0\n", "{code}");
    }
}

#[test]
fn a_class_that_is_defined_again_has_its_newer_source() {
    let server = Server::start();
    let begun = server.execute_in("new", "class A:\n    x = 1");
    let session = begun.session();
    server.execute_in(&session, "class A:\n    x = 2").assert_status("exited 0");
    let reply = server.execute_in(&session, "import inspect\nprint(inspect.getsource(A))");
    assert_eq!(reply.output(), "class A:\n    x = 2\n\n");
}

#[test]
fn event_loops_of_programs_stand_beside_cells_that_await() {
    let server = Server::start();
    let begun = server.execute_in("new", "import asyncio\nasync def f(n): return n\nawait f(1)");
    let session = begun.session();
    let code = "loop = asyncio.new_event_loop()\nasyncio.set_event_loop(loop)\n\
        print(asyncio.get_event_loop().run_until_complete(f(2)))\nloop.close()";
    assert_eq!(server.execute_in(&session, code).output(), "2\n");
    let code = "print(asyncio.get_event_loop().run_until_complete(f(3)))";
    assert_eq!(server.execute_in(&session, code).output(), "3\n");
    assert_eq!(server.execute_in(&session, "await f(4)").value(), Some("4"));
}
