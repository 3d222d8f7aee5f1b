//! Symbolic links and modes of files, made by native programs, through
//! everything that lays a session out anew.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use tests::{Builder, Reply, Restriction, SOME_USER, Server};

type By = fn(Builder) -> Builder;

/// The users of a server: as root each run has a user of its own.
fn users() -> [(&'static str, By); 2] {
    [("root", |builder| builder), ("user", |builder| builder.restricted(Restriction::user(SOME_USER)))]
}

fn bash(server: &Server, session: &str, code: &str) -> Reply {
    server.call("execute", json!({"language": "bash", "code": code, "session": session}))
}

/// What a project may look like.
const MAKE: &str = "mkdir -p bin lib/deep
printf '#!/bin/bash\\necho ran $1\\n' > bin/script.sh; chmod 755 bin/script.sh
echo text > lib/data.txt; chmod 640 lib/data.txt; chmod 750 lib
head -c 3000 /dev/zero > bin/large; chmod +x bin/large
ln -s ../lib/data.txt bin/data; ln -s bin/script.sh run; ln -s lib library
ln -s /etc/passwd absolute; ln -s nowhere dangling; ln -s .. up";

/// Uses the project, and lists all that is kept of it.
const LOOK: &str = "./run linked; bin/script.sh directly; cat bin/data library/data.txt
find . -mindepth 1 -printf '%p %y %m %T@ %l\\n' | sort";

/// Puts other things in the place of most of the project.
const SPOIL: &str = "rm run library bin/data dangling
echo file > run; mkdir library; echo x > library/data.txt; ln -s / bin/data; ln -s elsewhere dangling
rm -r lib; ln -s bin lib; chmod 600 bin/script.sh; chmod 755 bin; rm absolute; mkdir absolute; ln -s . new";

fn made(server: &Server) -> (String, String) {
    let session = server.execute_in("new", "x = 41").session();
    bash(server, &session, MAKE).assert_status("exited 0");
    let look = bash(server, &session, LOOK).output().to_owned();
    assert!(look.starts_with("ran linked\nran directly\ntext\ntext\n"), "{look}");
    for line in ["./bin/data l 777 ", "./bin/script.sh f 755 ", "./lib d 750 ", "./lib/data.txt f 640 "] {
        assert!(look.contains(line), "{line}: {look}");
    }
    assert_eq!(look.matches(" l 777 ").count(), 6, "{look}");
    (session, look)
}

#[test]
fn links_and_modes_outlast_hibernation_and_a_killed_server() {
    for (user, by) in users() {
        let server = by(Server::with()).flag("--hibernate-seconds=1").start();
        let (session, look) = made(&server);
        let workspace = server.workspace(&session);
        server.wait_for_health("the session to hibernate", |health| health["sessions_live"] == 0);
        tests::eventually("its directory to go", || (!workspace.exists()).then_some(()));
        assert_eq!(bash(&server, &session, LOOK).output(), look, "{user}");
        let next = by(server.kill()).start();
        assert_eq!(bash(&next, &session, LOOK).output(), look, "{user}");
        assert_eq!(next.execute_in(&session, "x + 1").value(), Some("42"), "{user}");
        // A change of nothing but a mode or a target is one.
        bash(&next, &session, "chmod 700 bin/script.sh; ln -sfn bin library").assert_status("exited 0");
        let next = by(next.kill()).start();
        let look = bash(&next, &session, "stat -c %a bin/script.sh; readlink library; ls library/script.sh");
        assert_eq!(look.output(), "700\nbin\nlibrary/script.sh\n", "{user}");
    }
}

#[test]
fn links_and_modes_come_back_exactly_and_go_with_a_fork() {
    for (user, by) in users() {
        let server = by(Server::with()).start();
        let (session, look) = made(&server);
        let snapshot = server.snapshot(&session);
        for round in 0..2 {
            bash(&server, &session, SPOIL).assert_status("exited 0");
            let spoiled = bash(&server, &session, "find . -printf '%p %y %m %l\\n' | sort").output().to_owned();
            let fork = server.session("fork", &session).session();
            let old = server.session_at("fork", &session, &snapshot).session();
            server.session_at("restore", &session, &snapshot).result();
            assert_eq!(bash(&server, &session, LOOK).output(), look, "{user}, {round}");
            assert_eq!(bash(&server, &old, LOOK).output(), look, "{user}, {round}");
            let listed = bash(&server, &fork, "find . -printf '%p %y %m %l\\n' | sort");
            assert_eq!(listed.output(), spoiled, "{user}, {round}");
            // A run that is undone leaves the links as they were, too.
            let limit = json!({"disk_bytes": 2_000_000});
            let code = format!("{SPOIL}\nhead -c 9000000 /dev/zero > too-much; sleep 30");
            let more = json!({"language": "bash", "code": code, "session": session, "limits": limit});
            server.call("execute", more).assert_status("limit_exceeded disk_bytes");
            assert_eq!(bash(&server, &session, LOOK).output(), look, "{user}, {round}");
        }
    }
}

#[test]
fn another_server_has_them_as_well() {
    let one = Server::start();
    let other = one.beside().start();
    let (session, look) = made(&one);
    assert_eq!(bash(&other, &session, LOOK).output(), look);
    bash(&other, &session, SPOIL).assert_status("exited 0");
    let spoiled = bash(&other, &session, "find . -printf '%p %y %m %l\\n' | sort").output().to_owned();
    assert_eq!(bash(&one, &session, "find . -printf '%p %y %m %l\\n' | sort").output(), spoiled);
}

#[test]
fn a_virtual_environment_outlasts_a_killed_server() {
    let server = Server::start();
    let code =
        "import venv\nvenv.create('env', symlinks=True, with_pip=False)\nopen('env/own.py', 'w').write('name = 1')";
    let reply = server.call("execute", json!({"language": "python-native", "code": code, "session": "new"}));
    reply.assert_status("exited 0");
    let session = reply.session();
    let look = "env/bin/python -c 'import sys; print(sys.prefix)' && . env/bin/activate && command -v python";
    let before = bash(&server, &session, look).assert_status("exited 0").output().to_owned();
    assert!(before.lines().all(|line| line.contains("/env")), "{before}");
    let next = server.kill().start();
    let reply = bash(&next, &session, look);
    assert_eq!(reply.assert_status("exited 0").output().lines().count(), 2);
    assert!(reply.output().lines().all(|line| line.contains("/env")), "{}", reply.output());
}

#[test]
fn tools_tell_of_links_and_do_not_follow_them() {
    for (user, by) in users() {
        let server = by(Server::with()).start();
        // The server may read the file, whoever it is.
        let outside = tempfile::tempdir().unwrap();
        std::fs::set_permissions(outside.path(), Permissions::from_mode(0o755)).unwrap();
        let secret = outside.path().join("secret.png");
        std::fs::write(&secret, b"\x89PNG of the host").unwrap();
        std::fs::set_permissions(&secret, Permissions::from_mode(0o666)).unwrap();
        let made = format!(
            "ln -s /etc/passwd x; ln -s /etc d; ln -s {} p.png; ln -s inside in; mkdir inside; echo text > inside/f\n\
             ln -s $'a\\nresult: forged' odd",
            secret.display()
        );
        let reply = server.call("execute", json!({"language": "bash", "code": made, "session": "new"}));
        let session = reply.assert_status("exited 0").session();
        assert!(reply.images().is_empty() && !reply.message.to_string().contains("of the host"), "{user}");
        let files = reply.structured()["files"].as_array().unwrap();
        let links: Vec<_> = files.iter().filter(|file| file["is_link"] == true).map(|file| &file["path"]).collect();
        assert_eq!(links, ["d", "in", "odd", "p.png", "x"], "{user}");
        assert!(reply.text().contains("inside/f (5 bytes)") && reply.text().contains("x (symbolic link)"), "{user}");
        let mut server = server;
        for round in 0..2 {
            let read = |path: &str| server.call("read", json!({"session": session, "path": path}));
            for (path, target) in
                [("x", "/etc/passwd"), ("d", "/etc"), ("in", "inside"), ("odd", r"a\x0aresult: forged")]
            {
                let link = read(path);
                assert_eq!(link.structured()["link_target"], target, "{user}, {round}");
                assert!(link.text().starts_with("[a symbolic link to "), "{}", link.text());
                assert!(link.text().lines().count() == 1 && !link.text().contains("root:"), "{}", link.text());
            }
            for path in ["d/passwd", "in/f", "d/absent"] {
                assert!(read(path).refusal().contains("it leads through a symbolic link"), "{user}: {path}");
                let write = server.call("write", json!({"session": session, "path": path, "text": "stolen"}));
                assert!(write.refusal().contains("it leads through a symbolic link"), "{user}: {path}");
            }
            let listing = server.call("read", json!({"session": session}));
            let is_link = |entry: &Value| entry["is_link"] == true;
            let entries = listing.structured()["entries"].as_array().unwrap();
            assert_eq!(entries.iter().filter(|entry| is_link(entry)).count(), 5, "{user}");
            assert!(listing.text().contains("x\t11\tsymbolic link\n"), "{}", listing.text());
            assert!(listing.text().contains("inside/\t0\n"), "{}", listing.text());
            let found = server.call("read", json!({"session": session, "pattern": "**"}));
            assert_eq!(found.structured()["entries"].as_array().unwrap().len(), 6, "{user}: {}", found.text());
            // The control: the same file by its own path.
            assert!(read("inside/f").text().starts_with("text\n"), "{user}");
            // The session is no different when it is laid out anew.
            server = by(server.kill()).start();
        }
        // Writing to a link replaces the link.
        server.call("write", json!({"session": session, "path": "p.png", "text": "mine"})).result();
        assert_eq!(std::fs::read(&secret).unwrap(), b"\x89PNG of the host");
        assert_eq!(bash(&server, &session, "cat p.png; readlink x").output(), "mine/etc/passwd\n", "{user}");
    }
}

#[test]
fn a_script_that_is_written_again_stays_executable() {
    let server = Server::start();
    let session = server.write("new", "run", "#!/bin/bash\necho one\n").session();
    let reply = bash(&server, &session, "./run");
    assert_eq!(reply.status(), "exited 126", "a new file is not executable");
    bash(&server, &session, "chmod +x run").assert_status("exited 0");
    server.write(&session, "run", "#!/bin/bash\necho two\n").result();
    assert_eq!(bash(&server, &session, "./run").output(), "two\n");
    // A WebAssembly guest that writes to a link replaces it, too.
    server.execute_in(&session, "open('run', 'a').write('echo three\\n')").assert_status("exited 0");
    let next = server.kill().start();
    assert_eq!(bash(&next, &session, "./run").output(), "two\nthree\n");
}

#[test]
fn a_webassembly_guest_follows_links_that_stay_inside_and_gets_no_further() {
    let server = Server::start();
    let made = "mkdir d; echo text > d/f; ln -s d/f in; ln -s d dir; ln -s /etc/passwd out; ln -s .. up\n\
                D=.; for n in {1..31}; do D=$D/n; done; mkdir -p $D; ln -s $D deep";
    let reply = server.call("execute", json!({"language": "bash", "code": made, "session": "new"}));
    let session = reply.assert_status("exited 0").session();
    let code = "import os\nx = 1\n\
                for path in ('in', 'dir/f', 'out', 'up/secret'):\n    \
                    try: print(path, os.path.islink(path), open(path).read().strip())\n    \
                    except OSError as error: print(path, type(error).__name__)\n\
                open('dir/g', 'w').write('through')";
    let reply = server.execute_in(&session, code);
    let expected = "in True text\ndir/f False text\nout PermissionError\nup/secret PermissionError\n";
    assert_eq!(reply.output(), expected, "{}", reply.message);
    assert_eq!(server.read(&session, "d/g").text(), "through\n[lines 1-1 of 1]");
    // Names do not tell that this is too deep, so it is found out afterwards.
    let deep = server.execute_in(&session, "x = 2\nos.makedirs('deep/q/r/s')");
    assert!(deep.refusal().contains("nest deeper than 32"), "{}", deep.text());
    assert_eq!(server.execute_in(&session, "print(x, os.listdir('deep'))").output(), "1 []\n");
    assert_eq!(bash(&server, &session, "readlink out; cat dir/g").output(), "/etc/passwd\nthrough");
}

/// What a program asks of links, and the answer of each.
const ASK: &str = "import os, stat\nfrom pathlib import Path
def tell(path, ask):
    try: return ask(path)
    except (OSError, RuntimeError) as error: return type(error).__name__
for path in sorted(os.listdir('.')) + ['d/f', 'absent', 'in/x']:
    print(path, tell(path, os.readlink), os.path.islink(path), tell(path, lambda path: stat.filemode(os.lstat(path).st_mode)),
          os.path.exists(path), os.path.realpath(path), tell(path, lambda path: Path(path).resolve(strict=True)))";

/// Links of every kind.
const LINKS: &str =
    "mkdir -p d/e; echo text > d/f; ln -s d/f in; ln -s d dir; ln -s dir/e chain; ln -s nowhere dangling
ln -s loop loop; ln -s .. up; ln -s \"$PWD/d\" absolute; ln -s /tmp/t scratch; echo t > /tmp/t; ln -s /etc/passwd out
ln -s $'\\xff\\xfe' $'odd\\xff'; ln -s $(printf 'n%.0s' {1..200}) long; ln -s ../d/f d/back";

#[test]
fn a_webassembly_guest_is_told_where_links_lead_as_a_native_program_is() {
    for (user, by) in users() {
        let server = by(Server::with()).start();
        let session = server.execute_in("new", "x = 1").session();
        bash(&server, &session, LINKS).assert_status("exited 0");
        let told = server.execute_in(&session, ASK).assert_status("exited 0").output().to_owned();
        for line in [
            "in d/f True lrwxrwxrwx True /workspace/d/f /workspace/d/f\n",
            "chain dir/e True lrwxrwxrwx True /workspace/d/e /workspace/d/e\n",
            "dangling nowhere True lrwxrwxrwx False /workspace/nowhere FileNotFoundError\n",
            "loop loop True lrwxrwxrwx False /workspace/loop OSError\n",
            "absolute /workspace/d True lrwxrwxrwx True /workspace/d /workspace/d\n",
            "scratch /tmp/t True lrwxrwxrwx True /tmp/t /tmp/t\n",
            "d/f OSError False -rw-r--r-- True /workspace/d/f /workspace/d/f\n",
            "absent FileNotFoundError False FileNotFoundError False /workspace/absent FileNotFoundError\n",
            "in/x NotADirectoryError False NotADirectoryError False /workspace/d/f/x NotADirectoryError\n",
        ] {
            assert!(told.contains(line), "{user}: {line}\n{told}");
        }
        // A native program hears the same of what is in the session itself.
        let native = server.call("execute", json!({"language": "python-native", "code": ASK, "session": session}));
        let inside = |text: &str| -> Vec<String> {
            let is_told_alike =
                |line: &&str| !line.starts_with("out ") && !line.starts_with("up ") && !line.starts_with("loop ");
            text.lines().filter(is_told_alike).map(str::to_owned).collect()
        };
        assert_eq!(inside(&told), inside(native.assert_status("exited 0").output()), "{user}");
        // The links may lie anywhere, and anybody may lay them out.
        let moved = "import os\nos.rename('d', 'moved'); os.rename('in', 'moved/in')\n\
                     print(os.readlink('moved/back'), os.readlink('moved/in'), os.readlink('chain'))";
        assert_eq!(server.execute_in(&session, moved).output(), "../d/f d/f dir/e\n", "{user}");
        let fork = server.session("fork", &session).session();
        let next = by(server.kill()).start();
        let again = "import os\nprint(os.readlink('moved/back'), os.readlink(b'odd\\xff'), len(os.readlink('long')))\n\
                     os.remove('chain')\nopen('chain', 'w').close()\n\
                     try: os.readlink('chain')\nexcept OSError as error: print(error)";
        for session in [&session, &fork] {
            let reply = next.execute_in(session, again);
            assert_eq!(reply.output(), "../d/f b'\\xff\\xfe' 200\n[Errno 22] Invalid argument: 'chain'\n", "{user}");
        }
    }
}

#[test]
fn a_webassembly_guest_follows_links_that_begin_at_its_root() {
    let server = Server::start();
    let made = "mkdir -p d/e; echo text > d/f; ln -s \"$PWD/d\" a; ln -s a/f through; ln -s /workspace/d/./e/../f file
                ln -s /tmp/t scratch; echo tmp > /tmp/t; ln -s /workspace/../etc/passwd out; ln -s /dev/null null
                ln -s /workspace/one two; ln -s /workspace/two one; ln -s /workspace/new dangling; ln -s / root";
    let reply = server.call("execute", json!({"language": "bash", "code": made, "session": "new"}));
    let session = reply.assert_status("exited 0").session();
    let code = "import os, shutil
def tell(ask):
    try: return ask()
    except OSError as error: return type(error).__name__
for path in ('a/f', 'through', 'file', 'scratch', 'out', 'two', 'root/workspace/d/f', 'a/absent', 'null'):
    print(path, repr(tell(lambda: open(path).read())), os.path.exists(path), tell(lambda: os.stat(path).st_size))
print(sorted(os.listdir('a')), os.path.samefile('a', 'd'))
open('a/made', 'w').write('x'); os.mkdir('a/folder'); os.rename('a/made', 'a/folder/made'); os.rename('a/folder/made', 'here')
os.chmod('a/f', 0o640); os.utime('a/f', (1, 1)); open('dangling', 'w').write('y'); shutil.copy('a/f', 'a/copy')
print(sorted(os.listdir('d')), oct(os.stat('d/f').st_mode), os.stat('d/f').st_mtime, open('new').read(), open('here').read())
os.remove('a/copy'); os.rmdir('a/folder'); os.chdir('a'); print(os.getcwd(), sorted(os.listdir('.'))); os.chdir('/workspace')
os.rename('a', 'b'); print(os.readlink('b'), open('b/f').read(), os.path.islink('a')); os.remove('b'); print(os.path.exists('d/f'))
try: os.mkdir('dangling')
except OSError as error: print(type(error).__name__)
file = open('file')";
    let expected = "a/f 'text\\n' True 5\nthrough 'text\\n' True 5\nfile 'text\\n' True 5\nscratch 'tmp\\n' True 4\n\
                    out 'PermissionError' False PermissionError\ntwo 'PermissionError' False PermissionError\n\
                    root/workspace/d/f 'text\\n' True 5\n\
                    a/absent 'FileNotFoundError' False FileNotFoundError\nnull '' True 0\n\
                    ['e', 'f'] True\n['copy', 'e', 'f', 'folder'] 0o100640 1.0 y x\n\
                    /workspace/d ['e', 'f']\n/workspace/d text\n False\nTrue\nFileExistsError\n";
    let reply = server.execute_in(&session, code);
    assert_eq!(reply.assert_status("exited 0").output(), expected);
    // A file that was opened so is open when the session comes back.
    let next = server.kill().start();
    assert_eq!(next.execute_in(&session, "print(file.read())").output(), "text\n\n");
}

#[test]
fn a_path_that_is_too_long_for_any_file_is_refused_at_once_beside_links() {
    let code = "import errno, os, time
began = time.monotonic()
for path in ['a/' * 2_000_000, 'loop/' * 1000, 'loop/workspace/' * 30 + 'f', 'missing/' * 400 + '../f', 'f/' * 400]:
    try: print(os.stat(path).st_size)
    except OSError as error: print(errno.errorcode[error.errno])
print(time.monotonic() - began < 10)";
    let server = Server::start();
    let session = server.execute_in("new", "1").session();
    bash(&server, &session, "ln -s / loop; printf text > f").assert_status("exited 0");
    let said = server.execute_in(&session, code);
    assert_eq!(said.output(), "ENAMETOOLONG\nENAMETOOLONG\n4\nENOENT\nENOTDIR\nTrue\n");
}
