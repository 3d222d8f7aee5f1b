//! What a native program wrote where the disk does not show it.

use serde_json::json;
use tests::{Reply, Server};

use super::disk::Disk;

/// Among so many files each counts as at rest, also as root.
const FILES: &str = "import os\nx = 1\nos.mkdir('more')\nfor i in range(100): open(f'more/{i}', 'w').write('x')\n\
    open('small', 'w').write('a' * 100)\nopen('large', 'wb').write(b'a' * 50_000)";
/// Looks and then writes through mappings that are shared, and says whether that
/// shows.
const WRITE: &str = "import mmap, os\n\
    for name in ['small', 'large']:\n\
    \x20   before = os.stat(name)\n\
    \x20   with open(name, 'r+b') as file, mmap.mmap(file.fileno(), 0) as mapped:\n\
    \x20       mapped[7] += 1\n\
    \x20   after = os.stat(name)\n\
    \x20   print((before.st_mtime_ns, before.st_ctime_ns) != (after.st_mtime_ns, after.st_ctime_ns))\n";
const LOOK: &str = "for f in small large; do head -c 10 $f; tr -d a < $f; wc -c < $f; done";
const BEFORE: &str = "aaaaaaaaaa100\naaaaaaaaaa50000\n";
const AFTER: &str = "aaaaaaabaab100\naaaaaaabaab50000\n";

fn native(server: &Server, language: &str, session: &str, code: &str) -> Reply {
    server.call("execute", json!({"language": language, "code": code, "session": session}))
}

#[test]
fn what_was_written_through_a_mapping_outlasts_a_killed_server_on_every_disk() {
    let disk = Disk::new("size=64m");
    for (directory, shows) in [(Some(disk.path()), "False\nFalse\n"), (None, "True\nTrue\n")] {
        let start = |builder: tests::Builder| match directory {
            Some(directory) => builder.env("BELLJAR_STATE_DIRECTORY", directory).start(),
            None => builder.start(),
        };
        let server = start(Server::with());
        let session = server.execute_in("new", FILES).session();
        assert_eq!(native(&server, "bash", &session, LOOK).output(), BEFORE);
        // A run that is taken back takes this back as well.
        let code = format!("{WRITE}open('much', 'wb').write(bytes(9_000_000))");
        let lost = server.call(
            "execute",
            json!({"language": "python-native", "code": code, "session": session, "limits": {"disk_bytes": 8 << 20}}),
        );
        assert_eq!(lost.session_state(), "rolled_back", "{}", lost.text());
        assert_eq!(native(&server, "bash", &session, LOOK).output(), BEFORE, "{directory:?}");

        let written = native(&server, "python-native", &session, WRITE);
        // The control: whether the disk shows it.
        assert_eq!(written.output(), shows, "{directory:?}");
        assert_eq!(written.files(), ["large", "small"], "{directory:?}");
        let server = start(server.kill());
        assert_eq!(native(&server, "bash", &session, LOOK).output(), AFTER, "{directory:?}");
        assert_eq!(server.execute_in(&session, "print(x, open('large').read()[:10])").output(), "1 aaaaaaabaa\n");
        // What nobody wrote to is not named.
        assert!(native(&server, "bash", &session, "true").files().is_empty());
    }
}

#[test]
fn a_file_that_was_dated_back_is_named_and_kept() {
    let server = Server::start();
    let session = server.execute_in("new", FILES).session();
    let code = "import os\nbefore = os.stat('small')\nopen('small', 'r+').write('b')\n\
                os.utime('small', ns=(before.st_atime_ns, before.st_mtime_ns))\n\
                print(os.stat('small').st_mtime_ns == before.st_mtime_ns)";
    let written = native(&server, "python-native", &session, code);
    assert_eq!((written.output(), written.files()), ("True\n", vec!["small"]));
    let server = server.kill().start();
    assert_eq!(native(&server, "bash", &session, "head -c 3 small").output(), "baa");
}
