//! Files that all languages of a session see in the same way: `/tmp`, and modes.

use serde_json::json;
use tests::{Restriction, SOME_USER, Server};

use crate::{run, servers};

/// Servers of every tier: with namespaces, and without.
fn everywhere() -> Vec<(String, Server)> {
    let without = Server::with().restricted(Restriction::docker_user(SOME_USER)).start();
    let with = servers(|builder| builder).map(|(user, server)| (user.to_owned(), server));
    with.into_iter().chain([("docker".to_owned(), without)]).collect()
}

#[test]
fn a_session_has_one_tmp_in_all_languages() {
    for (place, server) in everywhere() {
        let reply = server.execute_in("new", "open('/tmp/data.txt', 'w').write('python\\n')");
        assert_eq!(reply.files(), ["/tmp/data.txt"], "{place}");
        let session = reply.session();
        let in_session = || json!({"session": session});
        let code = "ls -A; cat $TMPDIR/data.txt; echo bash >> $TMPDIR/data.txt; mkdir $TMPDIR/d; echo x > $TMPDIR/d/x";
        let reply = run(&server, "bash", code, in_session());
        assert_eq!((reply.output(), reply.stderr()), ("python\n", ""), "{place}");
        assert_eq!(reply.files(), ["/tmp/d/x", "/tmp/data.txt"], "{place}");
        let code = "import os, tempfile\nwhere = tempfile.gettempdir()\nprint(sorted(os.listdir(where)), os.listdir('.'))\nprint(open(where + '/data.txt').read(), end='')\nos.mkdir(where + '/e', 0o700)";
        let reply = run(&server, "python-native", code, in_session());
        assert_eq!(reply.output(), "['d', 'data.txt'] []\npython\nbash\n", "{place}: {}", reply.stderr());
        let code =
            "import os\nprint(sorted(os.listdir('/tmp')), os.listdir('.'), open('/tmp/data.txt').read(), end='')";
        assert_eq!(server.execute_in(&session, code).output(), "['d', 'data.txt', 'e'] [] python\nbash\n", "{place}");
        // The tools of the server show the file.
        assert!(server.read(&session, "/tmp/data.txt").text().contains("bash"), "{place}");
        assert!(server.read(&session, "/tmp").text().contains("data.txt"), "{place}");
        assert!(!server.read(&session, ".").text().contains("tmp"), "{place}");
        // The folder goes with its session wherever that goes.
        let snapshot = server.snapshot(&session);
        run(&server, "bash", "rm -r $TMPDIR/*", in_session()).assert_status("exited 0");
        assert_eq!(server.execute_in(&session, "os.listdir('/tmp')").value(), Some("[]"), "{place}");
        server.session_at("restore", &session, &snapshot);
        assert_eq!(run(&server, "bash", "cat $TMPDIR/d/x", in_session()).output(), "x\n", "{place}");
    }
}

#[test]
fn tmp_has_its_own_name_where_there_are_namespaces() {
    for (user, server) in servers(|builder| builder) {
        let session = run(&server, "bash", "echo x > /tmp/x; echo $TMPDIR", json!({"session": "new"})).session();
        assert_eq!(server.execute_in(&session, "open('/tmp/x').read()").value(), Some("'x\\n'"), "{user}");
        let other = run(&server, "bash", "ls -A /tmp", json!({"session": "new"}));
        assert_eq!(other.output(), "", "{user}");
    }
}

#[test]
fn tmp_of_a_run_can_be_read_as_long_as_the_run() {
    for (place, server) in everywhere() {
        for language in ["bash", "python"] {
            let code = if language == "bash" {
                "echo kept > $TMPDIR/out.csv"
            } else {
                "print('kept', file=open('/tmp/out.csv', 'w'))"
            };
            let reply = run(&server, language, code, json!({}));
            assert_eq!(reply.files(), ["/tmp/out.csv"], "{place}");
            let read = server.call("read", json!({"run": reply.run(), "path": "/tmp/out.csv"}));
            assert!(read.text().contains("kept"), "{place}: {}", read.text());
        }
    }
}

#[test]
fn what_lies_in_the_place_of_tmp_leads_nowhere() {
    for (place, server) in everywhere() {
        let session = server.new_session();
        let in_session = || json!({"session": session});
        // A link is put in the folder's place: beside something, beside nothing, and
        // before the run.
        for code in ["ln -s /etc .tmp; echo x > $TMPDIR/x", "rm $TMPDIR/*; rm -f $TMPDIR/.tmp*; ln -s /etc .tmp", ":"] {
            run(&server, "bash", code, in_session()).assert_status("exited 0");
            assert!(server.read(&session, "/tmp/passwd").is_error(), "{place}: {code}");
            let code = "import os\nos.path.exists('/tmp/passwd'), os.path.isdir('/tmp'), os.listdir('.')";
            assert_eq!(server.execute_in(&session, code).value(), Some("(False, True, [])"), "{place}: {code}");
            let code = "echo $(ls $TMPDIR/passwd 2>&1 | grep -c cannot) $(readlink $TMPDIR/.tmp)";
            assert_eq!(run(&server, "bash", code, in_session()).output(), "1 /etc\n", "{place}: {code}");
        }
        run(&server, "bash", "rm -f $TMPDIR/.tmp; echo text > .tmp", in_session()).assert_status("exited 0");
        assert!(server.read(&session, "/tmp/.tmp").text().contains("text"), "{place}");
        run(&server, "bash", "rm $TMPDIR/.tmp; mkdir .tmp; chmod 0 .tmp $TMPDIR; true", in_session())
            .assert_status("exited 0");
        assert_eq!(server.execute_in(&session, "open('/tmp/y', 'w').write('y')").value(), Some("1"), "{place}");
    }
}

#[test]
fn tmp_counts_towards_the_disk_limit() {
    for (place, server) in everywhere() {
        let session = server.new_session();
        let limits = json!({"session": session, "limits": {"disk_bytes": 2_000_000}});
        let reply = server.execute_with("open('/tmp/x', 'wb').write(bytes(3_000_000))", limits.clone());
        reply.assert_status("limit_exceeded disk_bytes");
        let code = "for n in 1 2 3 4 5 6 7 8; do yes | head -c 900000 > $TMPDIR/f$n; done; sleep 30";
        run(&server, "bash", code, limits).assert_status("limit_exceeded disk_bytes");
        assert_eq!(server.execute_in(&session, "import os; os.listdir('/tmp')").value(), Some("['x']"), "{place}");
    }
}

#[test]
fn modes_are_the_same_in_all_languages() {
    for (place, server) in everywhere() {
        let code = "import os\nopen('run.sh', 'w').write('#!/bin/bash\\necho ran\\n')\nos.chmod('run.sh', 0o755)\n\
                    open('plain', 'w').close()\nos.mkdir('d')\nopen('kept', 'w').close()\nos.chmod('kept', 0o444)";
        let session = server.execute_in("new", code).session();
        let in_session = || json!({"session": session});
        let code = "./run.sh; stat -c %a run.sh plain d kept; touch made; mkdir -m 750 e; stat -c %a made";
        let reply = run(&server, "bash", code, in_session());
        assert_eq!(reply.output(), "ran\n755\n644\n755\n444\n644\n", "{place}: {}", reply.stderr());
        let code = "[oct(os.stat(name).st_mode & 0o7777) for name in ('made', 'e', 'kept', 'run.sh')]";
        let value = "['0o644', '0o750', '0o444', '0o755']";
        assert_eq!(server.execute_in(&session, code).value(), Some(value), "{place}");
        // What is gone past is no limit to anything: not to saving, nor to removal.
        let code = "os.makedirs('shut/below')\nopen('shut/f', 'w').write('x')\nos.chmod('shut/f', 0)\nos.chmod('shut', 0)\n\
                    oct(os.stat('shut').st_mode), oct(os.stat('shut/f').st_mode)";
        assert_eq!(server.execute_in(&session, code).value(), Some("('0o40700', '0o100400')"), "{place}");
        assert!(server.read(&session, "shut/f").text().contains('x'), "{place}");
        let code = "import os, stat\nos.chmod('run.sh', 0o6755)\noct(os.stat('run.sh').st_mode)";
        assert_eq!(server.execute_in(&session, code).value(), Some("'0o100755'"), "{place}");
    }
}

#[test]
fn a_mode_is_not_set_through_a_link_that_leads_out() {
    for (user, server) in servers(|builder| builder) {
        let code = "ln -s /etc/passwd out; ln -s .. up; echo x > in; ln -s in link; printf x > $'\\xff.txt'";
        let session = run(&server, "bash", code, json!({"session": "new"})).session();
        let code = "import os\ndef tried(path):\n    try: os.chmod(path, 0o600)\n    except OSError as error: return error.errno\n\
                    [tried('out') is not None, tried('up') is not None, tried('link'), oct(os.stat('in').st_mode)]";
        let value = "[True, True, None, '0o100600']";
        assert_eq!(server.execute_in(&session, code).value(), Some(value), "{user}");
        // The text is what Python has for any name that is not UTF-8.
        let value = "['in', 'link', 'out', 'up', '\\udcff.txt']";
        assert_eq!(server.execute_in(&session, "sorted(os.listdir())").value(), Some(value), "{user}");
    }
}
