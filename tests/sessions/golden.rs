//! Sessions that earlier builds kept: each still opens, with everything in it.
//! `golden/README.md` says what they are and how another is made.

use std::fs::{DirBuilder, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;
use tests::{Reply, Server};

/// The format that this build writes.
const FORMAT: &str = "2";
/// Formats that this build reads as well.
const OLDER: [&str; 1] = ["1"];

/// What is done in the session, call by call.
const CALLS: [&str; 2] = [
    "import json, os\n\
     numbers = [1, 2, {'three': 3.5}]\n\
     text = 'ünïcode ' * 3\n\
     def counter(start):\n    count = start\n    def more(by=1):\n        nonlocal count\n        count += by\n        return count\n    return more\n\
     more = counter(40)\n\
     class Point:\n    def __init__(self, x):\n        self.x = x\n\
     point = Point(7)\n\
     def squares():\n    n = 0\n    while True:\n        n += 1\n        yield n * n\n\
     it = squares()\n\
     os.makedirs('data/empty')\n\
     with open('data/lines.txt', 'w') as file: file.write('one\\ntwo\\nthree\\n')\n\
     lines = open('data/lines.txt')",
    "more(); point.x += 1; numbers.append(4); (next(it), next(it), lines.readline())",
];

/// What `bash` does in the session after that, since format 2.
const MAKE_LINKS: &str =
    "printf '#!/bin/bash\\ncat \"$1\"\\n' > data/show.sh; chmod 750 data/show.sh; chmod 711 data/empty
ln -s data/show.sh show; ln -s lines.txt data/link; ln -s /etc/passwd data/absolute; ln -s nowhere data/dangling";

const LOOK: &str = "cd data; find . -mindepth 1 -printf '%p %y %m %l\\n' | sort";

fn folder(format: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(format)
}

/// The digest of the image that the sessions of this build differ from.
fn image_of_this_build() -> &'static str {
    let description = include_str!("../../guest-runtimes/python/runtime.toml");
    let line = description.lines().find_map(|line| line.strip_prefix("image_sha256 = ")).unwrap();
    line.trim_matches('"')
}

/// Copies a directory, with modes that a server accepts.
fn copy(from: &Path, to: &Path) {
    DirBuilder::new().mode(0o700).create(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, target) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            let mut file = File::options().write(true).create_new(true).mode(0o600).open(target).unwrap();
            file.write_all(&std::fs::read(path).unwrap()).unwrap();
        }
    }
}

/// The golden session of a format, in a state directory of its own.
pub(super) struct Golden {
    home: TempDir,
    pub(super) session: String,
    image: String,
}

impl Golden {
    fn open(format: &str) -> Self {
        let golden = folder(format);
        let home = tempfile::tempdir().unwrap();
        let state = home.path().join("state");
        DirBuilder::new().mode(0o700).create(&state).unwrap();
        copy(&golden.join("store"), &state.join("store"));
        let sessions = std::fs::read_dir(golden.join("store/objects/local")).unwrap();
        let session = sessions.map(|entry| entry.unwrap().file_name().into_string().unwrap()).next().unwrap();
        let image = std::fs::read_to_string(golden.join("image")).unwrap().trim().to_owned();
        Self { home, session, image }
    }

    pub(super) fn of_this_format() -> Self {
        Self::open(FORMAT)
    }

    /// The state directory.
    pub(super) fn state(&self) -> PathBuf {
        self.home.path().join("state")
    }

    pub(super) fn start(&self) -> Server {
        Server::with().env("BELLJAR_STATE_DIRECTORY", self.state()).start()
    }
}

fn bash(server: &Server, session: &str, code: &str) -> Reply {
    server.call("execute", json!({"language": "bash", "code": code, "session": session}))
}

/// Looks at all that the calls made, and goes on with the session.
fn assert_interpreter(server: &Server, session: &str) {
    let seen = server.execute_in(
        session,
        "print(json.dumps([numbers, text, more(), point.x, next(it), lines.readline(), lines.tell()]))\n\
         print(os.path.isfile('data/lines.txt'), os.listdir('data/empty'), type(point).__name__)",
    );
    assert_eq!(
        seen.output(),
        "[[1, 2, {\"three\": 3.5}, 4], \"\\u00fcn\\u00efcode \\u00fcn\\u00efcode \\u00fcn\\u00efcode \", 42, 8, 9, \
         \"two\\n\", 8]\nTrue [] Point\n"
    );
    assert_eq!(seen.session_state(), "kept");
    assert_eq!(server.execute_in(session, "(more(), next(it), lines.read())").value(), Some("(43, 16, 'three\\n')"));
}

#[test]
fn a_session_of_this_format_opens_with_everything_in_it() {
    let golden = Golden::open(FORMAT);
    assert_eq!(
        golden.image,
        image_of_this_build(),
        "the golden session belongs to another guest image than the one of this build: make a new one with \
         `cargo test --release --workspace --test sessions -- --ignored make_the_golden_session` and commit \
         tests/golden/{FORMAT}"
    );
    let (server, session) = (golden.start(), &golden.session);
    assert!(server.read(session, "data/lines.txt").text().starts_with("one\ntwo\n"));
    assert_eq!(server.read(session, "data/absolute").structured()["link_target"], "/etc/passwd");
    assert_eq!(bash(&server, session, "./show data/link").output(), "one\ntwo\nthree\n");
    assert_eq!(
        bash(&server, session, LOOK).output(),
        "./absolute l 777 /etc/passwd\n./dangling l 777 nowhere\n./empty d 711 \n./lines.txt f 644 \n\
         ./link l 777 lines.txt\n./show.sh f 750 \n"
    );
    assert_interpreter(&server, session);
}

#[test]
fn sessions_of_older_formats_open_with_their_files_and_go_on_in_this_one() {
    for format in OLDER {
        let golden = Golden::open(format);
        let (server, session) = (golden.start(), &golden.session);
        assert!(server.read(session, "data/lines.txt").text().starts_with("one\ntwo\n"), "{format}");
        // The files come back without links, and with modes as the server gives them.
        assert_eq!(bash(&server, session, LOOK).output(), "./empty d 700 \n./lines.txt f 600 \n", "{format}");
        let snapshot = server.snapshot(session);
        bash(&server, session, MAKE_LINKS).assert_status("exited 0");
        let next = server.kill().env("BELLJAR_STATE_DIRECTORY", golden.home.path().join("state")).start();
        assert_eq!(bash(&next, session, "./show data/link").output(), "one\ntwo\nthree\n", "{format}");
        next.session_at("restore", session, &snapshot).result();
        assert_eq!(bash(&next, session, LOOK).output(), "./empty d 700 \n./lines.txt f 600 \n", "{format}");
    }
}

#[test]
#[ignore = "makes what the other test opens; see golden/README.md"]
fn make_the_golden_session() {
    let server = Server::start();
    let session = server.execute_in("new", CALLS[0]).session();
    for call in &CALLS[1..] {
        server.execute_in(&session, call).assert_status("exited 0");
    }
    bash(&server, &session, MAKE_LINKS).assert_status("exited 0");
    let made = server.state_directory().join("store");
    let golden = folder(FORMAT);
    if golden.exists() {
        std::fs::remove_dir_all(&golden).unwrap();
    }
    std::fs::create_dir_all(golden.join("store/objects")).unwrap();
    std::fs::copy(made.join("key"), golden.join("store/key")).unwrap();
    copy(&made.join("objects/local"), &golden.join("store/objects/local"));
    std::fs::write(golden.join("image"), format!("{}\n", image_of_this_build())).unwrap();
}
