//! Names that are not UTF-8, in guests, tools, and all that lays files out anew.

use serde_json::json;
use tests::{Reply, Restriction, SOME_USER, Server};

/// A name that is not UTF-8, one that looks as the text of that, one of two
/// lines, and a directory.
const MAKE: &str = r"printf one > $'caf\xe9'; printf two > 'caf\xe9'; printf three > $'a\nb'
mkdir $'d\xff'; printf four > $'d\xff/\xfe'";
const NAMES: [&str; 4] = [r"a\x0ab", r"caf\x5cxe9", r"caf\xe9", r"d\xff/\xfe"];
/// All names, as bash sees them.
const LOOK: &str =
    r#"LC_ALL=C; shopt -s globstar; for f in **; do [ -f "$f" ] && printf '%q %s\n' "$f" "$(cat "$f")"; done; true"#;

fn bash(server: &Server, session: &str, code: &str) -> Reply {
    server.call("execute", json!({"language": "bash", "code": code, "session": session}))
}

fn made(server: &Server) -> (String, String) {
    let made = bash(server, "new", MAKE);
    assert_eq!(made.files(), NAMES, "{}", made.text());
    let session = made.session();
    let look = bash(server, &session, LOOK).output().to_owned();
    assert_eq!(look.lines().count(), 4, "{look}");
    (session, look)
}

#[test]
fn a_webassembly_guest_lists_and_uses_them() {
    for by_user in [false, true] {
        let builder = Server::with();
        let builder = if by_user { builder.restricted(Restriction::user(SOME_USER)) } else { builder };
        let server = builder.start();
        let (session, _) = made(&server);
        let python = |code: &str| server.execute_in(&session, &format!("import os\n{code}")).output().to_owned();
        let listed = r"['a\nb', 'caf\\xe9', 'caf\udce9', 'd\udcff']";
        assert_eq!(python("print(ascii(sorted(os.listdir())))"), format!("{listed}\n"));
        assert_eq!(python("print(ascii(sorted(e.name for e in os.scandir() if e.stat())))"), format!("{listed}\n"));
        assert_eq!(python("print(os.listdir(b'd\\xff'))"), "[b'\\xfe']\n");
        let walked = "for top, _, names in os.walk('.'):\n    for name in sorted(names): \
                      print(open(os.path.join(top, name)).read())";
        assert_eq!(python(walked), "three\ntwo\none\nfour\n");
        let used = "\
with open(b'new\\xfd', 'w+') as file:
    file.write('text'); file.seek(0); print(file.read())
os.rename(b'new\\xfd', 'plain'); os.rename('plain', b'o\\xfc')
os.utime(b'o\\xfc', ns=(5, 7_000_000_001)); os.chmod(b'o\\xfc', 0o755)
found = os.stat(b'o\\xfc'); print(found.st_size, found.st_mtime_ns, oct(found.st_mode))
os.mkdir(b'm\\xfb'); os.rename(b'o\\xfc', b'm\\xfb/in'); print(os.listdir(b'm\\xfb'))
import shutil; shutil.copytree('m\\udcfb', 'n\\udcfa'); print(os.stat('n\\udcfa/in').st_size)
os.remove(b'm\\xfb/in'); os.rmdir(b'm\\xfb'); shutil.rmtree('n\\udcfa')
print(len(os.listdir()))";
        assert_eq!(python(used), "text\n4 7000000001 0o100755\n[b'in']\n4\n4\n");
        // What goes wrong does so as on any Unix, and nothing leads out.
        let wrong = "\
for act in (lambda: open(b'no\\xff'), lambda: os.mkdir(b'd\\xff'), lambda: os.rmdir(b'd\\xff'), lambda: open(b'd\\xff'),
            lambda: open(b'caf\\xe9/x'), lambda: open(b'caf\\xe9', 'x'), lambda: os.remove(b'd\\xff'),
            lambda: open(b'../\\xff', 'w'), lambda: os.rename(b'caf\\xe9', b'../\\xff'), lambda: os.mkdir(b'/\\xff'),
            lambda: open(b'\\xff' * 256, 'w')):
    try: print('done', act())
    except OSError as error: print(type(error).__name__, error.errno)";
        assert_eq!(
            python(wrong),
            "FileNotFoundError 2\nFileExistsError 17\nOSError 39\nIsADirectoryError 21\nNotADirectoryError 20\n\
             FileExistsError 17\nIsADirectoryError 21\nPermissionError 1\nPermissionError 1\nFileNotFoundError 2\n\
             OSError 36\n"
        );
    }
}

#[test]
fn tools_show_them_as_text_and_take_that_back() {
    let server = Server::start();
    let (session, look) = made(&server);
    let listing = server.call("read", json!({"session": session}));
    let text = listing.text();
    assert!(
        text.starts_with("a\\x0ab\t5\ncaf\\x5cxe9\t3\ncaf\\xe9\t3\nd\\xff/\t0\n[4 of 4 entries; in names \\xHH"),
        "{text}"
    );
    for (name, content) in NAMES.into_iter().zip(["three", "two", "one", "four"]) {
        assert!(server.read(&session, name).text().starts_with(content), "{name}");
        server.write(&session, name, &content.to_uppercase()).result();
    }
    assert_eq!(
        bash(&server, &session, LOOK).output(),
        look.replace("one", "ONE").replace("two", "TWO").replace("three", "THREE").replace("four", "FOUR")
    );
    let found = server.call("read", json!({"session": session, "pattern": "**/*"}));
    let found: Vec<_> =
        found.structured()["entries"].as_array().unwrap().iter().map(|entry| entry["path"].clone()).collect();
    assert_eq!(found, NAMES);
    let missing = server.read(&session, r"no\xff");
    assert!(missing.refusal().contains(r"no file `no\xff`"), "{}", missing.text());
}

#[test]
fn they_outlast_snapshots_forks_hibernation_and_a_killed_server() {
    let server = Server::with().flag("--sessions=1").start();
    let (session, look) = made(&server);
    server
        .execute_in(&session, "opened = open(b'caf\\xe9'); opened.read(1)\nimport os\nfolder = os.listdir(b'd\\xff')")
        .result();
    let snapshot = server.snapshot(&session);
    bash(&server, &session, r"rm -r $'d\xff' $'caf\xe9'").assert_status("exited 0");
    server.session_at("restore", &session, &snapshot).result();
    assert_eq!(bash(&server, &session, LOOK).output(), look);
    let fork = server.session("fork", &session).session();
    // Each session takes the place of the other.
    for session in [&fork, &session] {
        assert_eq!(bash(&server, session, LOOK).output(), look);
        let rest = server.execute_in(session, "print(opened.read(), folder)\nopened.seek(1)");
        assert_eq!(rest.output(), "ne [b'\\xfe']\n", "{}", rest.text());
    }
    let server = server.kill().start();
    for session in [&fork, &session] {
        assert_eq!(bash(&server, session, LOOK).output(), look);
        assert_eq!(server.execute_in(session, "opened.read()").value(), Some("'ne'"));
    }
}
