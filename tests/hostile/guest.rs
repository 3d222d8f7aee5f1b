//! Programs that work against the sandbox from within. Each ends in a typed
//! outcome, and the server and its other sessions do not notice.

use serde_json::json;
use tests::{Server, alone};

#[test]
fn an_interpreter_that_is_taken_apart_hurts_only_itself() {
    let server = Server::start();
    let bystander = server.execute_in("new", "x = 'unhurt'").session();
    for code in [
        "import sys\nsys.stdout = None\nsys.stderr = None\nprint('x')",
        "import sys\nsys.stdout.close()\nsys.stderr.close()\nsys.stdin.close()",
        "import sys\nsys.modules.clear()",
        "import builtins\nfor name in list(vars(builtins)):\n    if name not in ('list', 'vars', 'delattr'): delattr(builtins, name)",
        "import gc, sys\nfor thing in gc.get_objects():\n    if isinstance(thing, dict) and thing is not globals():\n        try: thing.clear()\n        except Exception: pass",
        "import sys\nfor name in [name for name in sys.modules if 'belljar' in name]:\n    module = sys.modules[name]\n    for key in list(vars(module)): setattr(module, key, None)",
        "import json\njson.JSONEncoder.encode = json.JSONEncoder.iterencode = json.dumps = lambda *a, **k: '}{'",
        "import sys\nsys.settrace(lambda *a: 1 / 0)\nsys.setprofile(lambda *a: 1 / 0)",
        "import sys\nsys.excepthook = sys.displayhook = None\n1 / 0",
        "import gc\ngc.disable()\nimport os\nfor fd in range(3, 64):\n    try: os.close(fd)\n    except OSError: pass",
        "__builtins__ = None\nundefined",
        "import sys\nsys.setrecursionlimit(50)\ndef f(): f()\nf()",
        "import os\nos.chdir = os.open = os.getcwd = None",
    ] {
        let session = server.new_session();
        let reply = server.execute_with(code, json!({"session": session, "limits": {"wall_time_ms": 5000}}));
        let status = reply.status();
        let typed =
            ["exited ", "trapped ", "limit_exceeded wall_time_ms"].iter().any(|start| status.starts_with(start));
        assert!(typed && status != "trapped worker_lost", "{code}: {}", reply.message);
        // Its own session may be spoilt, but it answers, and nobody else's is.
        server.execute_with("1", json!({"session": session, "limits": {"wall_time_ms": 5000}})).structured();
        assert_eq!(server.execute_in(&bystander, "x").value(), Some("'unhurt'"), "{code}");
        server.assert_usable();
    }
}

#[test]
fn what_a_program_raises_cannot_break_the_reply() {
    let server = Server::start();
    for (code, name) in [
        ("class E(Exception):\n    def __str__(self): raise ValueError('no')\nraise E", "E"),
        ("class E(Exception):\n    def __str__(self): return 5\nraise E", "E"),
        ("class E(Exception):\n    def __repr__(self): 1 / 0\n    __str__ = __repr__\nraise E", "E"),
        ("raise type('\\ud800\\n\"\\\\', (Exception,), {})('\\udfff \\x00 \\x1b[31m')", ""),
        ("raise BaseException('base')", "BaseException"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise ExecutionTimeout", "ExecutionTimeout"),
        ("raise MemoryError('mine')", "MemoryError"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("error = ValueError(1)\nerror.__cause__ = error\nraise error", "ValueError"),
        ("raise ExceptionGroup('g', [ValueError(n) for n in range(10_000)])", "ExceptionGroup"),
        ("import errno\nraise OSError(errno.ENOSPC, 'not really')", "OSError"),
    ] {
        let reply = server.execute(code);
        // An error that only looks like a limit is the program's own.
        assert_eq!(reply.status(), "exited 1", "{code}: {}", reply.message);
        if name.is_empty() {
            assert!(!reply.error("name").is_empty());
        } else {
            assert_eq!(reply.error("name"), name, "{code}");
        }
        assert!(reply.message.to_string().len() < 200_000);
    }
    server.assert_usable();
}

#[test]
fn values_and_displays_that_misbehave_are_cut_or_reported() {
    let server = Server::start();
    let reply = server.execute("class R:\n    def __repr__(self): 1 / 0\nR()");
    assert!(reply.status() == "exited 0" || reply.error("name") == "ZeroDivisionError", "{}", reply.message);
    let large = server.execute("for _ in range(50):\n    display({'text/html': 'h' * 1_000_000}, raw=True)");
    large.assert_status("exited 0");
    assert!(large.message.to_string().len() < 12 << 20, "{} bytes", large.message.to_string().len());
    let wide = server.execute("display({f'text/x-{n}': str(n) for n in range(10_000)}, raw=True)");
    assert!(wide.message.to_string().len() < 12 << 20);
    let forged = server.execute("display({'image/png': 'not base64 !!'}, raw=True)");
    assert!(forged.images().iter().all(|(_, data)| !data.contains('!')), "{}", forged.message);
    let deep = server.execute("x = []\nx.append(x)\nx, {1: x}");
    assert_eq!(deep.value(), Some("([[...]], {1: [[...]]})"));
    server.assert_usable();
}

#[test]
fn odd_exit_codes_are_those_a_shell_would_see() {
    let server = Server::start();
    for (code, status) in [
        ("import sys\nsys.exit(256)", "exited 0"),
        ("import sys\nsys.exit(-1)", "exited 255"),
        ("import sys\nsys.exit(2 ** 100 + 3)", "exited 3"),
        ("import sys\nsys.exit(True)", "exited 1"),
        ("import sys\nsys.exit([])", "exited 1"),
        // A tuple is the exception's arguments, so this is `SystemExit()`.
        ("import sys\nsys.exit(())", "exited 0"),
        ("raise SystemExit", "exited 0"),
    ] {
        assert_eq!(server.execute(code).status(), status, "{code}");
    }
}

#[test]
fn descriptors_cannot_be_used_to_get_out_or_to_lose_the_workspace() {
    let server = Server::start();
    let session = server.execute_in("new", "open('f', 'w').write('here')").session();
    let code = "import os\nfor fd in range(0, 200):\n    try: os.close(fd)\n    except OSError: pass\n\
                for fd in range(4, 200):\n    try: os.write(fd, b'x'); print('wrote to', fd)\n    except OSError: pass\n\
                print(open('f').read())";
    assert_eq!(server.execute_in(&session, code).output(), "here\n");
    let up = "import os\nfor path in ('..', '../..', '/', '/..', '/etc', '/workspace/..'):\n    \
              try: print(path, [name for name in os.listdir(path) if name not in ('workspace', 'tmp')])\n    except OSError: pass\n\
              try: print(os.listdir(3))\n    \nexcept (OSError, TypeError): print(['f'])";
    let seen = server.execute_in(&session, up);
    assert!(
        !seen.output().contains("s_") && !seen.output().contains("passwd") && !seen.output().contains("lock"),
        "{}",
        seen.stdout()
    );
    let gone = "import os, shutil\nshutil.rmtree('/workspace', ignore_errors=True)\n\
                for path in ('/workspace', '.', '/'):\n    try: os.rmdir(path)\n    except OSError: pass\n    try: os.rename(path, 'x')\n    except OSError: pass";
    server.execute_in(&session, gone).assert_status("exited 0");
    assert_eq!(server.execute_in(&session, "open('g', 'w').write('back')\nprint(open('g').read())").output(), "back\n");
    assert!(server.workspace(&session).join("g").is_file());
}

#[test]
fn nothing_of_the_machine_is_visible() {
    let server = Server::with().env("BELLJAR_TEST_SECRET", "do not tell").start();
    let code = "import os, platform, socket, sys, getpass\n\
                print(dict(os.environ), sys.argv, os.listdir('/workspace'))\n\
                for look in ('os.cpu_count', 'os.getlogin', 'os.uname', 'platform.node', 'platform.platform', 'socket.gethostname', 'getpass.getuser', 'os.getpid', 'os.getppid', 'os.path.expanduser'):\n    \
                try: print(look, eval(look)(*(['~'] if 'user' in look and 'os' in look else [])))\n    except Exception as error: print(look, type(error).__name__)";
    let reply = server.execute(code);
    let text = reply.output();
    let environment = "{'PATH': '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME': '/workspace', \
                       'TMPDIR': '/tmp', 'LANG': 'C.UTF-8', 'USER': 'belljar', 'LOGNAME': 'belljar'} ";
    assert!(text.starts_with(environment), "{text}");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned();
    assert!(
        !text.contains("do not tell") && !text.contains(&format!("'{host}'")) && !text.contains(&format!(" {host}\n")),
        "{text}"
    );
    assert!(!text.contains(&format!("pid {}\n", server.process().pid())), "{text}");
}

#[test]
fn a_workspace_that_is_deep_or_crowded_is_read_all_the_same() {
    let server = Server::start();
    let session = server.new_session();
    let code = "import os\ndepth = 0\ntry:\n    while True:\n        os.mkdir('/'.join('d' * (depth + 1)))\n        depth += 1\nexcept OSError:\n    pass\nprint(depth)";
    let depth: usize = server.execute_in(&session, code).output().trim().parse().unwrap();
    assert!((20..=64).contains(&depth), "{depth}");
    // By renaming, too, a tree does not get deeper.
    let move_down = "os.mkdir('top')\nfor n in range(20): os.mkdir('top' + '/t' * (n + 1))\n\
                     try: os.rename('top', '/'.join('d' * (depth - 1)) + '/below')\nexcept OSError as error: print(type(error).__name__)";
    assert_eq!(server.execute_in(&session, move_down).output(), "PermissionError\n");
    assert_eq!(server.execute_in(&session, "os.rename('top', 'other')\nprint('moved')").output(), "moved\n");
    let many = server.execute_in(&session, "for n in range(2000): open(f'n{n}', 'w').close()");
    many.assert_status("exited 0");
    assert!(many.message.to_string().len() < 100_000, "{} bytes", many.message.to_string().len());
    let listing = server.call("read", json!({"session": session, "limit": 10_000}));
    assert!(listing.text().len() < 64_000 && !listing.is_error());
    assert_eq!(server.execute_in(&session, "print(len(os.listdir()))").output(), "2002\n");
}

#[test]
fn hostile_programs_side_by_side_do_not_stop_each_other_or_anyone() {
    let _alone = alone();
    let server = Server::start();
    let bystander = server.execute_in("new", "n = 0").session();
    let limits = json!({"limits": {"wall_time_ms": 3000}});
    let mut attacks: Vec<_> = [
        "while True: pass",
        "while True: print('x' * 10_000)",
        "blocks = []\nwhile True: blocks.append(b'x' * 1_000_000)",
        "n = 0\nwhile True:\n    try:\n        n += 1\n        open(f'f{n}', 'w').write('x' * 10_000)\n    except OSError: n = 0",
        "import re\nre.match(r'(a|a)*$', 'a' * 50 + 'b')",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "import os\nos.abort()",
        "def f(): f()\nwhile True:\n    try: f()\n    except RecursionError: pass",
    ]
    .iter()
    .flat_map(|code| [*code, *code])
    .map(|code| server.begin_execute(code, limits.clone()))
    .collect();
    let mut answers = 0;
    while attacks.iter_mut().any(tests::Pending::is_open) {
        answers += 1;
        assert_eq!(server.execute_in(&bystander, "n += 1\nn").value(), Some(answers.to_string().as_str()));
    }
    assert!(answers >= 1);
    for attack in attacks {
        let reply = attack.wait();
        let status = reply.status();
        let typed = ["limit_exceeded wall_time_ms", "limit_exceeded memory_bytes", "trapped unreachable"]
            .contains(&status.as_str());
        assert!(typed, "{}", reply.message);
    }
    server.assert_usable();
}

#[test]
fn no_guest_code_is_in_the_memory_of_the_server() {
    let server = Server::start();
    server.assert_usable();
    let maps = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    // The control: where guests run, the compiled image is mapped.
    let workers = server.workers();
    assert!(!workers.is_empty() && workers.iter().all(|worker| maps(worker.pid()).contains(".cwasm")));
    assert!(!maps(server.process().pid()).contains(".cwasm"));
}
