//! What a program finds, and how it ends.

use serde_json::json;

use crate::{run, servers};

#[test]
fn bash_gets_arguments_environment_input_and_files_and_ends_with_its_code() {
    for (user, server) in servers(|builder| builder) {
        let more = json!({
            "args": ["one", "two words"], "env": {"NAME": "value"}, "stdin": "in\n",
            "files": [{"path": "given.txt", "text": "file\n"}],
        });
        let code = "echo \"$#:$2:$NAME\"; cat; cat given.txt; echo made > made.txt; echo err >&2; exit 7";
        let reply = run(&server, "bash", code, more);
        reply.assert_status("exited 7");
        assert_eq!(reply.stdout(), "2:two words:value\nin\nfile\n", "{user}");
        assert_eq!((reply.stderr(), reply.files()), ("err\n", vec!["made.txt"]), "{user}");
        assert!(reply.usage("wall_time_ms") < 30_000 && reply.usage("processes") >= 1, "{user}");
    }
}

#[test]
fn every_way_to_ask_for_the_user_has_the_same_answer() {
    let code = "import getpass, os, pwd\nprint(os.getlogin(), getpass.getuser(), pwd.getpwuid(os.getuid()).pw_name)";
    for (user, server) in servers(|builder| builder) {
        assert_eq!(run(&server, "python-native", code, json!({})).output(), "belljar belljar belljar\n", "{user}");
        let reply =
            run(&server, "python-native", "import os\nprint(os.getlogin())", json!({"env": {"LOGNAME": "ann"}}));
        assert_eq!(reply.output(), "ann\n", "{user}");
    }
}

#[test]
fn a_program_sees_nothing_of_the_servers_environment() {
    for (user, server) in servers(|builder| builder.env("SECRET_OF_THE_HOST", "x")) {
        let reply = run(&server, "bash", "env", json!({}));
        let names: Vec<_> = reply.output().lines().filter_map(|line| line.split('=').next()).collect();
        assert!(!names.contains(&"SECRET_OF_THE_HOST") && names.contains(&"HOME"), "{user}: {names:?}");
        assert!(names.len() < 20, "{user}: {names:?}");
    }
}

#[test]
fn python_gives_the_value_of_a_last_expression_and_errors_with_their_lines() {
    for (user, server) in servers(|builder| builder) {
        let reply =
            run(&server, "python-native", "import asyncio\nawait asyncio.sleep(0)\nprint('hi')\n6 * 7", json!({}));
        assert_eq!((reply.output(), reply.value()), ("hi\n", Some("42")), "{user}");
        let reply = run(&server, "python-native", "def f():\n    return 1 / 0\nf()", json!({}));
        reply.assert_status("exited 1");
        assert_eq!(reply.error("name"), "ZeroDivisionError", "{user}");
        let traceback = reply.error("traceback");
        assert!(traceback.contains("line 2, in f") && !traceback.contains("runner.py"), "{user}: {traceback}");
        run(&server, "python-native", "raise SystemExit(3)", json!({})).assert_status("exited 3");
        let reply = run(&server, "python-native", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", json!({}));
        reply.assert_status("signaled 9");
    }
}

#[test]
fn a_traceback_that_a_hook_of_the_program_printed_is_not_said_again() {
    for (user, server) in servers(|builder| builder) {
        for (hook, on_stderr) in [
            ("traceback.print_exception(*e)", true),
            ("logging.error('uncaught', exc_info=e)", true),
            ("sys.__excepthook__(*e)", true),
            ("standard(*e)", true),
            ("(traceback.print_tb(e[2]), print(e[0].__name__, e[1]))", true),
            ("sys.stderr.write(f'{e[0].__name__} ' + 'x' * 100)", false),
            ("print('fatal:', e[1], file=sys.stderr)", false),
        ] {
            let code = format!(
                "import logging, sys, traceback\nstandard = sys.excepthook\nsys.excepthook = lambda *e: {hook}\ndef f():\n    raise ValueError('boom')\nf()"
            );
            let reply = run(&server, "python-native", &code, json!({}));
            reply.assert_status("exited 1");
            assert_eq!((reply.error("name"), reply.error("value")), ("ValueError", "boom"), "{user}: {hook}");
            assert_eq!(reply.stderr().contains("in f"), on_stderr, "{user}: {hook}: {}", reply.stderr());
            assert_eq!(reply.stderr().matches("raise ValueError").count(), usize::from(on_stderr), "{user}: {hook}");
            assert_eq!(reply.error("traceback").contains("in f"), !on_stderr, "{user}: {hook}");
            assert!(reply.error("traceback").contains("ValueError: boom"), "{user}: {hook}");
        }
    }
}

#[test]
fn notebook_commands_work_or_say_what_to_use() {
    let shell = "no shell: use subprocess.run(..., shell=True, capture_output=True, text=True), or the language 'bash'";
    let refused = [
        ("!ls", shell),
        ("x = 1\n!!ls -l", shell),
        ("files = !ls", shell),
        ("if True:\n    %sx ls", shell),
        ("%mkdir out", shell),
        ("get_ipython().system('ls')", shell),
        ("get_ipython().getoutput('ls')", shell),
        ("get_ipython().run_cell_magic('bash', '', 'ls')", shell),
        ("$ ls", shell),
        ("%%bash\nls", "language 'bash'"),
        ("x = 1\n%%bash\nls", "in the middle of the program"),
        ("!pip install numpy", "cannot install packages"),
        ("pip install numpy", "cannot install packages"),
        ("%who", "%who does not work here: write it in Python"),
    ];
    let works = [
        ("%matplotlib inline\nprint(1)", "1\n"),
        ("%%time\nprint(2)", "2\nWall time: "),
        ("%time print(3)", "3\nWall time: "),
        ("get_ipython().run_cell_magic('time', '', 'x = 4\\n')\nprint(x)", "Wall time: "),
        ("get_ipython().run_line_magic('matplotlib', 'inline')\nprint(5)", "5\n"),
    ];
    for (user, server) in servers(|builder| builder) {
        for (code, advice) in refused {
            let reply = run(&server, "python-native", code, json!({}));
            reply.assert_status("exited 1");
            assert!(reply.error("value").contains(advice), "{user}: {code}: {}", reply.text());
            assert!(!reply.error("traceback").contains("magics.py"), "{user}: {code}: {}", reply.text());
        }
        for (code, output) in works {
            let reply = run(&server, "python-native", code, json!({}));
            assert!(reply.output().starts_with(output), "{user}: {code}: {}", reply.text());
        }
    }
}

#[test]
fn prompts_before_commands_are_named() {
    for (user, server) in servers(|builder| builder) {
        for (code, advice) in [
            ("$ echo hi\nhi", "note: `$ ` is the prompt of a shell"),
            ("user@host:~$ echo hi", "note: `user@host:~$ ` is the prompt of a shell"),
            ("```console\n$ echo hi\n```", "note: `$ ` is the prompt of a shell"),
            (">>> print('hi')\nhi", "language \"python\""),
        ] {
            let reply = run(&server, "bash", code, json!({}));
            assert!(reply.text().contains(advice), "{user}: {code}: {}", reply.text());
        }
        let reply = run(&server, "bash", "cat <<END\n$ echo hi\nEND", json!({}));
        assert_eq!(reply.output(), "$ echo hi\n", "{user}");
        assert!(!reply.text().contains("prompt"), "{user}: {}", reply.text());
    }
}

#[test]
fn python_has_processes_and_threads() {
    let code = "import subprocess, threading, multiprocessing, sqlite3\n\
                print(subprocess.run(['echo', 'child'], capture_output=True, text=True).stdout, end='')\n\
                seen = []\nthread = threading.Thread(target=seen.append, args=[1])\nthread.start(); thread.join()\n\
                one, other = multiprocessing.Pipe()\none.send('piped')\n\
                print(seen, other.recv(), sqlite3.connect(':memory:').execute('select 2').fetchone())";
    for (user, server) in servers(|builder| builder) {
        assert_eq!(run(&server, "python-native", code, json!({})).output(), "child\n[1] piped (2,)\n", "{user}");
    }
}

#[test]
fn a_limit_that_is_reached_has_its_name_and_the_server_goes_on() {
    let cases = [
        ("bash", "sleep 60", "wall_time_ms", 300),
        ("bash", "trap '' TERM; sleep 60; sleep 60", "wall_time_ms", 300),
        ("bash", "while :; do :; done", "cpu_time_ms", 300),
        ("python-native", "b = bytearray(300 << 20)", "memory_bytes", 128 << 20),
        ("python-native", "open('f', 'wb').write(bytes(2_000_000))", "disk_bytes", 1_000_000),
        ("python-native", "f = [open('/dev/null') for n in range(30)]", "open_files", 16),
        (
            "python-native",
            "import subprocess\np = [subprocess.Popen(['sleep', '5']) for n in range(30)]",
            "processes",
            8,
        ),
    ];
    for (user, server) in servers(|builder| builder) {
        for (language, code, limit, value) in cases {
            let reply = run(&server, language, code, json!({"limits": {limit: value}}));
            assert_eq!(reply.status(), format!("limit_exceeded {limit}"), "{user}: {code}: {}", reply.message);
        }
        assert_eq!(run(&server, "bash", "echo on", json!({})).output(), "on\n", "{user}");
        server.assert_usable();
    }
}

#[test]
fn output_is_cut_in_the_middle_and_all_of_it_can_be_read() {
    for (user, server) in servers(|builder| builder) {
        let reply = run(&server, "bash", "seq 1 100000", json!({}));
        assert!(reply.output().starts_with("1\n2\n") && reply.output().ends_with("100000\n"), "{user}");
        assert_eq!(reply.structured()["truncated"]["stdout"]["bytes_seen"], 588_895, "{user}");
        let read = server.call("read", json!({"run": reply.run(), "stream": "stdout", "offset": 50_000, "limit": 1}));
        assert!(read.text().contains("50001") || read.text().contains("50000"), "{user}: {}", read.text());
    }
}

#[test]
fn a_cancelled_program_ends_with_all_that_it_started() {
    for (user, server) in servers(|builder| builder) {
        let code = "trap '' TERM; (trap '' TERM; setsid sleep 300 &) ; echo started; sleep 300";
        let arguments = json!({"language": "bash", "code": code});
        let pending = server.begin("execute", arguments);
        server.client.progress(&pending, "started");
        server.client.notify("notifications/cancelled", json!({"requestId": pending.id()}));
        server.wait_for_health("the run to end", |health| health["runs_active"] == 0);
        tests::eventually("its processes to be gone", || server.jails().is_empty().then_some(()));
        assert_eq!(run(&server, "bash", "echo on", json!({})).output(), "on\n", "{user}");
    }
}

#[test]
fn a_program_that_is_cancelled_while_it_is_started_ends_as_well() {
    for (user, server) in servers(|builder| builder) {
        run(&server, "bash", "true", json!({})).assert_status("exited 0");
        // The arguments are long, so that what starts the program takes more than one write.
        let arguments = json!({"language": "bash", "code": "sleep 300", "args": ["x".repeat(200_000)]});
        for _ in 0..20 {
            let pending = server.begin("execute", arguments.clone());
            server.client.notify("notifications/cancelled", json!({"requestId": pending.id()}));
        }
        server.wait_for_health("all runs to end", |health| health["runs_active"] == 0 && health["runs_queued"] == 0);
        tests::eventually("their processes to be gone", || server.jails().is_empty().then_some(()));
        assert_eq!(run(&server, "bash", "echo on", json!({})).output(), "on\n", "{user}");
        assert!(!server.log().contains("ERROR"), "{user}: {}", server.log());
    }
}
