//! Processes that programs start, and what they inherit.

use serde_json::json;
use tests::{Restriction, SOME_USER, Server};

use crate::{run, servers};

/// Servers in every tier, the weakest one too, where nothing is shared.
fn tiers() -> impl Iterator<Item = (&'static str, Server)> {
    let container = Restriction::user(SOME_USER).option("--no-user-namespaces");
    servers(|builder| builder).into_iter().chain([("container", Server::with().restricted(container).start())])
}

#[test]
fn a_pool_says_nothing_but_what_it_is_asked_and_ends() {
    let code = "from multiprocessing import Pool\ndef f(x): return x * x\nprint('first', end=' ')\n\
                with Pool(3) as p: print(p.map(f, range(9)))";
    for (tier, server) in tiers() {
        for _ in 0..5 {
            let reply = run(&server, "python-native", code, json!({}));
            assert_eq!(reply.output(), "first [0, 1, 4, 9, 16, 25, 36, 49, 64]\n", "{tier}");
            assert_eq!(reply.stderr(), "", "{tier}");
        }
    }
}

#[test]
fn a_signal_ends_a_child_however_it_was_started() {
    let code = "import multiprocessing, os, signal, subprocess, sys, time\n\
        def wait(): time.sleep(60)\n\
        p = multiprocessing.Process(target=wait); p.start(); p.terminate(); p.join(); print(p.exitcode)\n\
        q = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); q.terminate(); print(q.wait())\n\
        q = subprocess.Popen(['sleep', '60']); q.terminate(); print(q.wait())\n\
        def fork(body):\n\
        \x20   pid = os.fork()\n\
        \x20   if pid == 0:\n\
        \x20       body()\n\
        \x20       os._exit(0)\n\
        \x20   return pid\n\
        def end(pid): os.kill(pid, signal.SIGTERM); return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])\n\
        print(end(fork(wait)))\n\
        print(os.waitstatus_to_exitcode(os.waitpid(fork(lambda: print(end(fork(wait)), flush=True)), 0)[1]))\n\
        print(signal.pthread_sigmask(signal.SIG_BLOCK, []))\n";
    for (tier, server) in tiers() {
        let reply = run(&server, "python-native", code, json!({}));
        assert_eq!(reply.output(), "-15\n-15\n-15\n-15\n-15\n0\nset()\n", "{tier}: {}", reply.stderr());
        assert_eq!(reply.stderr(), "", "{tier}");
    }
}

#[test]
fn a_forked_process_that_goes_on_ends_as_a_script_does_and_only_its_parent_answers() {
    let code = "import os, sys\nprint('before', end=' ')\npid = os.fork()\nif pid:\n    print(os.waitpid(pid, 0)[1] >> 8)\n\
                {}\n'of the parent' if pid else 'of the child'";
    let cases = [
        ("if not pid: print('child', end=' ')", "before child 0\n", ""),
        ("if not pid: sys.exit(7)", "before 7\n", ""),
        ("if not pid: sys.exit('bye')", "before 1\n", "bye\n"),
        (
            "if not pid: 1 / 0",
            "before 1\n",
            "Traceback (most recent call last):\n  File \"<cell 1>\", line 6, in <module>",
        ),
    ];
    for (tier, server) in tiers() {
        for (child, output, error) in cases {
            let reply = run(&server, "python-native", &code.replace("{}", child), json!({}));
            assert_eq!((reply.output(), reply.value()), (output, Some("'of the parent'")), "{tier}: {child}");
            assert!(reply.stderr().starts_with(error), "{tier}: {child}: {}", reply.stderr());
            assert!(!reply.stderr().contains("runner.py"), "{tier}: {child}: {}", reply.stderr());
            assert_eq!(reply.stderr().is_empty(), error.is_empty(), "{tier}: {child}: {}", reply.stderr());
        }
    }
}

#[test]
fn multiprocessing_works_with_every_start_method() {
    let code = "import multiprocessing, sys\n\
        from concurrent.futures import ProcessPoolExecutor\n\
        class Box:\n\
        \x20   def __init__(self, value): self.value = value\n\
        def square(x): return x * x\n\
        def put(box, queue): queue.put(Box(box.value + 1))\n\
        def count(value, lock):\n\
        \x20   for _ in range(100):\n\
        \x20       with lock: value.value += 1\n\
        if __name__ == '__main__':\n\
        \x20   c = multiprocessing.get_context(sys.argv[1])\n\
        \x20   with c.Pool(2) as p: print(p.map(square, range(5)))\n\
        \x20   q = c.Queue(); p = c.Process(target=put, args=(Box(1), q)); p.start(); print(q.get().value); p.join()\n\
        \x20   v, l = c.Value('i', 0), c.Lock()\n\
        \x20   ps = [c.Process(target=count, args=(v, l)) for _ in range(3)]\n\
        \x20   [p.start() for p in ps]; [p.join() for p in ps]; print(v.value)\n\
        \x20   with ProcessPoolExecutor(2, mp_context=c) as e: print(list(e.map(square, range(4))))\n\
        \x20   one, other = c.Pipe(); p = c.Process(target=other.send, args=('sent',)); p.start(); print(one.recv()); p.join()\n\
        \x20   e = c.Event(); p = c.Process(target=e.set); p.start(); print(e.wait(20)); p.join()\n\
        \x20   b = c.Barrier(2); p = c.Process(target=b.wait); p.start(); b.wait(20); p.join(); print(p.exitcode)\n\
        \x20   s = c.BoundedSemaphore(1)\n\
        \x20   try: s.release()\n\
        \x20   except ValueError as error: print(error)\n\
        \x20   with c.Manager() as m:\n\
        \x20       d, n = m.dict(a=1), m.list([3])\n\
        \x20       p = c.Process(target=d.update, args=({'b': 2},)); p.start(); p.join(); n.append(4); print(dict(d), list(n))\n\
        \x20       q = m.Queue(); q.put(5); print(q.get())\n";
    let expected = "[0, 1, 4, 9, 16]\n2\n300\n[0, 1, 4, 9]\nsent\nTrue\n0\nsemaphore or lock released too many times\n\
                    {'a': 1, 'b': 2} [3, 4]\n5\n";
    for (tier, server) in tiers() {
        for method in ["fork", "spawn", "forkserver"] {
            let reply = run(&server, "python-native", code, json!({"args": [method]}));
            assert_eq!(reply.output(), expected, "{tier}: {method}: {}", reply.stderr());
            assert_eq!(reply.stderr(), "", "{tier}: {method}");
        }
    }
}

#[test]
fn a_process_that_was_started_anew_cleans_up_what_it_made() {
    // A pool of threads has semaphores of the start method.
    let code = "import multiprocessing, sys\nfrom multiprocessing.pool import ThreadPool\n\
                multiprocessing.set_start_method(sys.argv[1], force=True)\n\
                pool = ThreadPool(1)\nif __name__ == '__main__':\n    \
                p = multiprocessing.Process(target=abs, args=(1,)); p.start(); p.join(); print(p.exitcode)";
    for (tier, server) in tiers() {
        for method in ["spawn", "forkserver"] {
            let reply = run(&server, "python-native", code, json!({"args": [method]}));
            assert_eq!((reply.output(), reply.stderr()), ("0\n", ""), "{tier}: {method}");
        }
    }
}

/// What a program is told that starts processes each time it is run.
const GUARD: &str = "put what is not a definition under `if __name__ == \"__main__\":`";

#[test]
fn without_a_guard_one_advice_is_all_that_is_said() {
    let starts = [
        "with c.Pool(2) as p: p.map(abs, [1])",
        "p = c.Process(target=abs, args=(1,)); p.start(); p.join()",
        "with ProcessPoolExecutor(2, mp_context=c) as e: print(list(e.map(abs, [1])))",
        "with c.Manager() as m: print(m.dict())",
        "multiprocessing.set_start_method(c._name)\nwith multiprocessing.Pool(2) as p: p.map(abs, [1])",
    ];
    for (tier, server) in tiers() {
        for method in ["spawn", "forkserver"] {
            for start in starts {
                let code = format!(
                    "import multiprocessing\nfrom concurrent.futures import ProcessPoolExecutor\n\
                     c = multiprocessing.get_context('{method}')\n{start}"
                );
                let reply = run(&server, "python-native", &code, json!({"session": "new"}));
                reply.assert_status("exited 1");
                assert_eq!(reply.text().matches(GUARD).count(), 1, "{tier}: {code}: {}", reply.text());
                assert_eq!((reply.stderr(), reply.files()), ("", vec![]), "{tier}: {code}");
            }
        }
        // What fails for another reason there is shown.
        let code = "import multiprocessing\nx = input()\nif __name__ == '__main__':\n    \
                    multiprocessing.get_context('spawn').Pool(1).map(abs, [1])";
        let reply = run(&server, "python-native", code, json!({"stdin": "x\n"}));
        reply.assert_status("exited 1");
        assert!(reply.error("value").contains("and that failed: put"), "{tier}: {}", reply.text());
        assert!(reply.stderr().contains("line 2, in <module>") && reply.stderr().contains("EOFError"), "{tier}");
        assert!(!reply.stderr().contains("belljar"), "{tier}: {}", reply.stderr());
    }
}

#[test]
fn a_python_that_a_program_starts_has_processes_as_well() {
    let app = "import multiprocessing, sys\nfrom concurrent.futures import ProcessPoolExecutor\n\
        def square(x): return x * x\n\
        if __name__ == '__main__':\n\
        \x20   c = multiprocessing.get_context(sys.argv[1])\n\
        \x20   with c.Pool(2) as p: print(p.map(square, range(4)))\n\
        \x20   with c.Manager() as m:\n\
        \x20       d = m.dict(a=1); p = c.Process(target=d.update, args=({'b': 2},)); p.start(); p.join(); print(dict(d))\n\
        \x20   with ProcessPoolExecutor(2, mp_context=c) as e: print(list(e.map(square, range(4))))\n";
    let unguarded = "import multiprocessing\nwith multiprocessing.get_context('spawn').Pool(2) as p: p.map(abs, [1])";
    let files = json!([{"path": "app.py", "text": app}, {"path": "unguarded.py", "text": unguarded}]);
    let shell = "for method in fork spawn forkserver; do python3 app.py $method || exit; done";
    let python = "import subprocess, sys\nfor method in ('fork', 'spawn', 'forkserver'):\n    \
                  subprocess.run([sys.executable, 'app.py', method], check=True)";
    let expected = "[0, 1, 4, 9]\n{'a': 1, 'b': 2}\n[0, 1, 4, 9]\n".repeat(3);
    for (tier, server) in tiers() {
        for (language, code) in [("bash", shell), ("python-native", python)] {
            let reply = run(&server, language, code, json!({"files": files}));
            assert_eq!((reply.output(), reply.stderr()), (&*expected, ""), "{tier}: {language}");
        }
        let reply = run(&server, "bash", "python3 unguarded.py", json!({"files": files}));
        reply.assert_status("exited 1");
        assert_eq!(reply.stderr().matches(GUARD).count(), 1, "{tier}: {}", reply.stderr());
    }
}

#[test]
fn what_fits_a_python_to_the_sandbox_does_not_show_and_leaves_the_machines_own_in_force() {
    let code = "cat > sitecustomize.py <<'END'\nprint('own')\nEND\n\
        PYTHONPATH=$PYTHONPATH:. python3 -c 'import sitecustomize, sys; print(sitecustomize.__file__, sys.path[:2])'\n\
        python3 -c 'import sys; print([p for p in sys.path if \"site\" in p.split(\"/\")])'";
    for (tier, server) in tiers() {
        let reply = run(&server, "bash", code, json!({}));
        let (first, rest) = reply.output().split_once('\n').unwrap();
        let (second, third) = rest.split_once('\n').unwrap();
        assert_eq!((first, third), ("own", "[]\n"), "{tier}: {}", reply.text());
        assert!(second.contains("/sitecustomize.py ['', "), "{tier}: {second}");
        assert!(!second.contains("/site/"), "{tier}: {second}");
    }
}

#[test]
fn memory_is_shared_in_every_tier() {
    let code = "import mmap, os\nfrom multiprocessing import shared_memory\n\
        m = mmap.mmap(-1, 100)\nif os.fork() == 0:\n    m[:5] = b'child'\n    os._exit(0)\nos.wait(); print(m[:5])\n\
        s = shared_memory.SharedMemory(create=True, size=10)\nt = shared_memory.SharedMemory(name=s.name)\n\
        s.buf[0] = 7; print(t.buf[0]); t.close(); s.close(); s.unlink()\n\
        try: shared_memory.SharedMemory(name=s.name)\n\
        except FileNotFoundError: print('gone')";
    for (tier, server) in tiers() {
        let reply = run(&server, "python-native", code, json!({}));
        assert_eq!(reply.output(), "b'child'\n7\ngone\n", "{tier}: {}", reply.stderr());
        assert_eq!(reply.stderr(), "", "{tier}");
    }
}

#[test]
fn programs_begin_with_the_usual_signals_and_streams_that_can_be_opened() {
    let signals = "for name in Blk Ign; do grep -q \"^Sig$name:.*[1-9a-f]\" /proc/self/status && echo $name; done; :";
    let streams = "echo out > /dev/stdout; echo err > /dev/stderr; echo both | tee /dev/stderr; echo fd > /dev/fd/1\n\
                   cat /dev/stdin; cat <(echo process); echo in | cat /dev/fd/0";
    let python = "for n in (1, 2): print(n, file=open(f'/dev/fd/{n}', 'w'))\n\
                  print(open('/dev/stdin').read(), file=open('/dev/stdout', 'w'))";
    for (tier, server) in tiers() {
        if tier != "container" {
            // Where that file can be read.
            assert_eq!(run(&server, "bash", signals, json!({})).output(), "", "{tier}");
        }
        let reply = run(&server, "bash", streams, json!({"stdin": "in\n"}));
        assert_eq!((reply.output(), reply.stderr()), ("out\nboth\nfd\nin\nprocess\nin\n", "err\nboth\n"), "{tier}");
        let reply = run(&server, "python-native", python, json!({"stdin": "in"}));
        assert_eq!((reply.output(), reply.stderr()), ("1\nin\n", "2\n"), "{tier}");
    }
}

#[test]
fn a_program_knows_its_user_and_no_other_of_the_machine() {
    let shell = "whoami; id -un; logname 2>/dev/null || whoami; id | tr -d '0-9'; getent passwd | grep -c ^alice:\n\
                 getent passwd alice | cut -d: -f1; [ ~ = $HOME ] && echo home; getent passwd daemon; echo $?";
    let python = "import getpass, grp, os, pwd, pathlib\nme = pwd.getpwuid(os.getuid())\n\
        print(getpass.getuser(), me.pw_name, me.pw_dir == os.path.expanduser('~'), pwd.getpwnam('alice') == me)\n\
        print(grp.getgrgid(os.getgid()).gr_name, str(pathlib.Path.home()) == os.environ['HOME'])\n\
        pathlib.Path('f').touch(); print(pathlib.Path('f').owner(), pathlib.Path('f').group())\n\
        print([user.pw_name for user in pwd.getpwall() if user.pw_uid not in (0, 65534)])\n\
        try: pwd.getpwnam('daemon')\n\
        except KeyError as error: print(error)";
    for (tier, server) in tiers() {
        let alice = || json!({"env": {"LOGNAME": "alice", "USER": "alice"}});
        let expected = "alice\nalice\nalice\nuid=(alice) gid=(alice) groups=(alice)\n1\nalice\nhome\n2\n";
        let reply = run(&server, "bash", shell, alice());
        assert_eq!(reply.output(), expected, "{tier}: {}", reply.stderr());
        assert_eq!(run(&server, "bash", "whoami", json!({})).output(), "belljar\n", "{tier}");
        let expected =
            "alice alice True True\nalice True\nalice alice\n['alice']\n\"getpwnam(): name not found: 'daemon'\"\n";
        assert_eq!(run(&server, "python-native", python, alice()).output(), expected, "{tier}");
    }
}
