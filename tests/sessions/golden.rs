//! Sessions that earlier builds kept: each still opens, with everything in it.
//! `golden/README.md` says what they are and how another is made.

use std::fs::{DirBuilder, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::json;
use tests::Server;

/// The format that this build writes.
const FORMAT: &str = "1";

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

#[test]
fn a_session_of_this_format_opens_with_everything_in_it() {
    let golden = folder(FORMAT);
    let image = std::fs::read_to_string(golden.join("image")).unwrap();
    assert_eq!(
        image.trim(),
        image_of_this_build(),
        "the golden session belongs to another guest image than the one of this build: make a new one with \
         `cargo test --release --workspace --test sessions -- --ignored make_the_golden_session` and commit \
         tests/golden/{FORMAT}"
    );
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    DirBuilder::new().mode(0o700).create(&state).unwrap();
    copy(&golden.join("store"), &state.join("store"));
    let sessions = std::fs::read_dir(golden.join("store/objects/local")).unwrap();
    let session = sessions.map(|entry| entry.unwrap().file_name().into_string().unwrap()).next().unwrap();

    let server = Server::with().env("BELLJAR_STATE_DIRECTORY", &state).start();
    assert!(
        server.call("read", json!({"session": session, "path": "data/lines.txt"})).text().starts_with("one\ntwo\n")
    );
    let seen = server.execute_in(
        &session,
        "print(json.dumps([numbers, text, more(), point.x, next(it), lines.readline(), lines.tell()]))\n\
         print(sorted(os.listdir('data')), os.listdir('data/empty'), type(point).__name__)",
    );
    assert_eq!(
        seen.output(),
        "[[1, 2, {\"three\": 3.5}, 4], \"\\u00fcn\\u00efcode \\u00fcn\\u00efcode \\u00fcn\\u00efcode \", 42, 8, 9, \
         \"two\\n\", 8]\n['empty', 'lines.txt'] [] Point\n"
    );
    assert_eq!(seen.session_state(), "kept");
    assert_eq!(seen.structured()["session"]["sequence"], CALLS.len() + 1);
    assert_eq!(server.execute_in(&session, "(more(), next(it), lines.read())").value(), Some("(43, 16, 'three\\n')"));
}

#[test]
#[ignore = "makes what the other test opens; see golden/README.md"]
fn make_the_golden_session() {
    let server = Server::start();
    let session = server.execute_in("new", CALLS[0]).session();
    for call in &CALLS[1..] {
        server.execute_in(&session, call).assert_status("exited 0");
    }
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
