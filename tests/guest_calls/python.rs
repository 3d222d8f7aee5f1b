//! Calls of Python programs to their host, by the module `belljar`, in the image and on
//! the machine's own Python.

use serde_json::json;
use tests::Server;

use crate::told::{steps, told};

const LANGUAGES: [&str; 2] = ["python", "python-native"];

#[test]
fn progress_reaches_the_client_in_order_with_its_fraction() {
    let server = Server::start();
    for language in LANGUAGES {
        let code = "import belljar\nbelljar.progress('begun')\nbelljar.progress('half', 0.5)\n\
                    belljar.progress(fraction=1)\nprint('done')";
        let (told, reply) = told(&server, server.begin("execute", json!({"language": language, "code": code})));
        assert_eq!(reply.output(), "done\n", "{language}");
        let steps: Vec<_> = steps(&told).into_iter().filter(|(message, _)| *message != "done\n").collect();
        assert_eq!(steps, [("begun", None), ("half", Some(0.5)), ("", Some(1.0))], "{language}");
        // A client that did not ask is told nothing, and the program does the same.
        let before = server.client.notifications().len();
        let arguments = json!({"language": language, "code": code});
        let quiet = server.client.request("tools/call", json!({"name": "execute", "arguments": arguments}));
        assert_eq!(quiet.wait().output(), "done\n");
        assert_eq!(server.client.notifications().len(), before);
    }
}

#[test]
fn what_is_told_in_a_loop_is_thinned_out_and_the_last_of_it_told() {
    let server = Server::start();
    for language in LANGUAGES {
        let code = "import belljar\nfor n in range(30_000): belljar.progress(f'step {n}', n / 30_000)\n\
                    import time; time.sleep(0.1)\nbelljar.progress('the last')\nprint('done')";
        let (told, reply) = told(&server, server.begin("execute", json!({"language": language, "code": code})));
        assert_eq!(reply.output(), "done\n", "{language}");
        let steps = steps(&told);
        assert!(steps.len() > 2 && steps.len() < 200, "{language}: {}", steps.len());
        assert_eq!(steps[0], ("step 0", None), "{language}");
        assert!(steps.iter().any(|(message, _)| *message == "the last"), "{language}: {steps:?}");
    }
}

#[test]
fn what_is_displayed_is_seen_while_the_run_goes_on_and_once_in_the_reply() {
    let server = Server::start();
    for language in LANGUAGES {
        let code = "import os, time\nprint('before', end=' ')\ndisplay({'a': 1})\n\
                    while not os.path.exists('go'): time.sleep(0.01)\ndisplay('after')";
        let session = server.new_session();
        let arguments = json!({"language": language, "code": code, "session": session});
        let pending = server.begin("execute", arguments);
        server.client.progress(&pending, "before {'a': 1}\n");
        std::fs::write(server.workspace(&session).join("go"), "").unwrap();
        let reply = pending.wait();
        reply.assert_status("exited 0");
        let outputs = &reply.structured()["outputs"];
        assert_eq!(outputs, &json!([{"text/plain": "{'a': 1}"}, {"text/plain": "'after'"}]), "{language}");
        assert_eq!(reply.stdout(), "before ", "{language}");
    }
}

#[test]
fn what_is_not_granted_or_not_understood_is_an_error_that_says_so() {
    let server = Server::start();
    let none = Server::with().flag("--calls=").start();
    for language in LANGUAGES {
        let said = |server: &Server, code: &str| {
            let code = format!(
                "import belljar\ntry:\n  print({code})\nexcept Exception as error:\n  \
                 print([kind.__name__ for kind in type(error).__mro__[:-3]], error)"
            );
            server.call("execute", json!({"language": language, "code": code})).output().to_owned()
        };
        assert_eq!(said(&server, "belljar.call('progress', message='x')"), "None\n", "the control");
        let denied = "['CallDenied', 'CallError', 'PermissionError', 'OSError'] this program may not call ";
        assert_eq!(
            said(&server, "belljar.call('shell', x=1)"),
            format!("{denied}`shell`: granted to it are `display`, `progress`\n")
        );
        let nothing = "nothing that its host answers is granted to it";
        assert_eq!(said(&none, "belljar.progress('x')"), format!("{denied}`progress`: {nothing}\n"), "{language}");
        assert_eq!(said(&none, "display(1)"), "None\n", "{language}");
        let failed = said(&server, "belljar.call('progress', what=1)");
        assert!(failed.starts_with("['CallError'] `progress` does not take this: unknown field `what`"), "{failed}");
        for fraction in ["50", "-0.1", "float('nan')"] {
            let failed = said(&server, &format!("belljar.progress('x', {fraction})"));
            assert!(failed.starts_with("['ValueError'] fraction is from 0 to 1, got "), "{failed}");
            let failed = said(&server, &format!("belljar.call('progress', fraction={fraction})"));
            assert!(failed.starts_with("['CallError'] `"), "{failed}");
        }
        let long = said(&server, "belljar.call('progress', message='x' * 200_000)");
        assert!(long.contains("bytes of a call may be 131072 at most, and this is 200014"), "{long}");
        assert_eq!(said(&server, "belljar.progress('\\ud800' + 'x' * 200_000)"), "None\n", "{language}");
    }
}

#[test]
fn tasks_and_threads_call_beside_each_other() {
    let server = Server::start();
    for language in LANGUAGES {
        let code = "import asyncio, belljar, threading\n\
            async def one(n): return n, await belljar.call_async('progress', message=str(n))\n\
            print(len(await asyncio.gather(*map(one, range(100)))))\n\
            done = []\n\
            def work(n):\n  for _ in range(5): done.append(belljar.call('progress', message=str(n)))\n\
            threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]\n\
            for thread in threads: thread.start()\n\
            for thread in threads: thread.join()\n\
            print(len(done), set(done))\n\
            async def both():\n  \
              slept = asyncio.create_task(asyncio.sleep(0.05))\n  \
              while not slept.done(): await belljar.call_async('progress')\n  \
              return 'both'\n\
            print(await both())";
        let reply = server.call("execute", json!({"language": language, "code": code}));
        assert_eq!(reply.output(), "100\n60 {None}\nboth\n", "{language}");
    }
}
