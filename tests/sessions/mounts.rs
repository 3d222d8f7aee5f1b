//! Sessions that had files of a mount open: nothing of a mount is saved.

use std::fs;
use std::path::Path;

use serde_json::json;
use tests::{Builder, Server};

fn with(builder: Builder, source: &Path, rest: &str) -> Server {
    builder.flag(format!("--mount={}:/data{rest}", source.display())).start()
}

const TRIED: &str = "
import os, errno
def tried(function, *arguments):
    try: return function(*arguments)
    except OSError as error: return errno.errorcode[error.errno]
";

#[test]
fn files_of_a_mount_go_on_if_they_are_what_they_were_and_fail_by_name_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    for name in ["same", "changed", "gone", "sub/f"] {
        fs::write(folder.path().join(name), "0123456789").unwrap();
    }
    let server = with(Server::with(), folder.path(), "");
    let code = format!(
        "{TRIED}
files = [open('/data/' + name, 'rb', 0) for name in ('same', 'changed', 'gone', 'sub/f')]
for file in files: file.read(3)
folder, root = os.open('/data/sub', os.O_RDONLY), os.open('/', os.O_RDONLY)
open('own', 'w').write('kept')"
    );
    let begun = server.execute_in("new", &code);
    begun.assert_status("exited 0");
    let session = begun.session();
    let look = "print([tried(file.read, 2) for file in files], tried(lambda: os.stat('f', dir_fd=folder).st_size), tried(lambda: \
                os.stat('data', dir_fd=root).st_nlink > 0))";
    // A file goes on as long as its session is in memory, whatever becomes of its name.
    fs::remove_file(folder.path().join("gone")).unwrap();
    let reply = server.execute_in(&session, look);
    assert_eq!(reply.output(), "[b'34', b'34', b'34', b'34'] 10 True\n");
    fs::write(folder.path().join("changed"), "another").unwrap();

    let server = with(server.kill(), folder.path(), "");
    let reply = server.execute_in(&session, look);
    assert_eq!(reply.output(), "[b'56', 'ESTALE', 'ESTALE', b'56'] 10 True\n");

    // A server that does not show the folder has nothing to go on with.
    let server = server.kill().start();
    let reply = server.execute_in(&session, &format!("{look}\nprint(tried(open, '/data/same'), open('own').read())"));
    let stale = "['ESTALE', 'ESTALE', 'ESTALE', 'ESTALE'] ESTALE ENOENT\nENOENT kept\n";
    assert_eq!(reply.output(), stale);
}

#[test]
fn nothing_of_a_mount_is_saved_forked_or_said_to_be_changed() {
    let folder = tempfile::tempdir().unwrap();
    let word = "a word that is in no other file";
    fs::write(folder.path().join("large"), word.repeat(100_000)).unwrap();
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let server = with(Server::with(), folder.path(), ":rw");
    let begun = server.execute_in("new", "import os; open('/data/new', 'w').write('x' * 1_000_000); os.chmod('/data/new', 0o666); open('own', 'w').write('1')");
    let session = begun.session();
    assert_eq!((begun.output(), begun.files()), ("", vec!["own"]));
    let native = json!({"language": "bash", "session": session});
    let code = "echo more >> /data/new; ln /data/new /data/second; cat /data/large > /dev/null; echo 2 > own";
    let reply = server.execute_with(code, native);
    assert_eq!((reply.output(), reply.files()), ("", vec!["own"]), "{}", reply.message);
    assert!(reply.usage("disk_bytes") < 1 << 16, "{}", reply.message);
    let listed = server.call("read", json!({"session": session, "pattern": "**"}));
    assert_eq!(listed.structured()["entries"].as_array().unwrap().len(), 1, "{}", listed.text());
    let fork = server.session("fork", &session).structured()["session"]["id"].as_str().unwrap().to_owned();
    let look = "import os\nprint(sorted(os.listdir('/workspace')), os.path.getsize('/data/new'))";
    assert_eq!(server.execute_in(&fork, look).output(), "['own'] 1000005\n");
    // Rewinding the session leaves the folder as it is.
    let snapshot = server.snapshot(&session);
    server.execute_in(&session, "open('/data/new', 'w').write('after')").assert_status("exited 0");
    assert!(!server.session_at("restore", &session, &snapshot).is_error());
    assert_eq!(fs::read_to_string(folder.path().join("new")).unwrap(), "after");
    // A run that is rolled back leaves the folder as it is, too.
    server.execute_in(&session, "open('/data/new', 'w').write('crashed'); import os; os._exit(1)");
    assert_eq!(fs::read_to_string(folder.path().join("new")).unwrap(), "crashed");
    // What another server finds of the session is its own file.
    let server = server.kill().start();
    let look = "import os\nprint(sorted(os.listdir('/workspace')), os.path.exists('/data'), sorted(os.listdir('/')))";
    assert_eq!(server.execute_in(&session, look).output(), "['own'] False ['dev', 'tmp', 'workspace']\n");
}
