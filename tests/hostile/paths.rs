//! Paths that try to leave a workspace, in every argument that takes one and
//! from within a program.

use std::os::unix::fs::symlink;

use serde_json::json;
use tests::{Reply, Server};

#[test]
fn paths_that_lead_out_are_refused_with_the_reason_by_every_tool() {
    let server = Server::start();
    let session = server.execute_in("new", "open('f', 'w').write('inside')").session();
    let run = server.execute("open('f', 'w').write('inside')").run().to_owned();
    let outside = server.principal_directory().join("stolen");
    for (path, reason) in [
        ("..", "must not lead upwards"),
        ("../stolen", "must not lead upwards"),
        ("a/../../stolen", "must not lead upwards"),
        ("a/..", "must not lead upwards"),
        ("/workspace/../stolen", "must not lead upwards"),
        ("/etc/passwd", "must be relative to the workspace"),
        ("//etc/passwd", "must be relative to the workspace"),
        ("/", "must be relative to the workspace"),
        ("/workspaces/f", "must be relative to the workspace"),
        ("/proc/self/environ", "must be relative to the workspace"),
        ("", "must not be empty"),
        ("a\nb", "without control characters"),
        ("a\rb", "without control characters"),
        ("a\u{1b}[31m", "without control characters"),
        ("a\u{0}b", "without control characters"),
        (&"a/".repeat(33), "at most 32 directories deep"),
        (&"a".repeat(1025), "at most 1024 bytes"),
    ] {
        let replies: [(&str, Reply); 4] = [
            ("read session", server.call("read", json!({"session": session, "path": path}))),
            ("read run", server.call("read", json!({"run": run, "path": path}))),
            ("write", server.call("write", json!({"session": session, "path": path, "text": "x"}))),
            ("files", server.execute_with("1", json!({"session": session, "files": [{"path": path, "text": "x"}]}))),
        ];
        for (tool, reply) in replies {
            // A program may have made a file of that name.
            let reason = match reason {
                "without control characters" if tool.starts_with("read") && !path.contains('\0') => "no file",
                reason => reason,
            };
            assert!(reply.refusal().contains(reason), "{tool} {path:?}: {}", reply.text());
        }
    }
    assert!(!outside.exists());
    // The control: the same calls with paths that stay inside.
    for path in ["f", "./f", "/workspace/f", "/workspace//f"] {
        assert!(
            server.call("read", json!({"session": session, "path": path})).text().starts_with("inside\n"),
            "{path}"
        );
        assert!(server.call("read", json!({"run": run, "path": path})).text().starts_with("inside\n"), "{path}");
    }
    for path in ["a b/ü.txt", "..x", "x..", "...", "-rf", "a'\"$(x)`", "C:\\x", &"d/".repeat(31)] {
        let path = format!("{path}{}", if path.ends_with('/') { "f" } else { "" });
        let written = server.call("write", json!({"session": session, "path": path, "text": "x"}));
        assert!(!written.is_error(), "{path}: {}", written.text());
        assert!(server.workspace(&session).join(&path).is_file(), "{path}");
    }
}

/// A program that tries `open(path)` to read and to write, and prints how each
/// ends.
fn attempt(path: &str) -> String {
    format!(
        "for mode in ('r', 'w', 'a'):\n    try:\n        with open({path:?}, mode) as file:\n            print(mode, file.read() if mode == 'r' else file.write('stolen'))\n    \
         except OSError as error:\n        print(mode, type(error).__name__)"
    )
}

#[test]
fn a_program_cannot_open_what_lies_outside() {
    let server = Server::start();
    let session = server.execute_in("new", "import os\nos.mkdir('d')\nopen('f', 'w').write('inside')").session();
    let parent = server.principal_directory();
    std::fs::write(parent.join("secret"), "secret").unwrap();
    for path in [
        "../secret",
        "d/../../secret",
        "/workspace/../secret",
        "/../secret",
        "./.././secret",
        "/tmp/../../secret",
        "/etc/passwd",
        "/proc/self/environ",
        "/dev/mem",
        "/dev/tty",
        "~/secret",
    ] {
        let reply = server.execute_in(&session, &attempt(path));
        let outcome = reply.output();
        for (line, mode) in outcome.lines().zip(["r", "w", "a"]) {
            let refused = ["FileNotFoundError", "PermissionError", "OSError"]
                .iter()
                .any(|error| line == format!("{mode} {error}"));
            assert!(refused, "{path}: {outcome}");
        }
    }
    assert_eq!(std::fs::read_to_string(parent.join("secret")).unwrap(), "secret");
    let absolute = server.workspace(&session).join("f");
    let host = server.execute_in(&session, &attempt(absolute.to_str().unwrap()));
    assert_eq!(host.output(), "r FileNotFoundError\nw FileNotFoundError\na FileNotFoundError\n");
    // The control: the same file by ways that stay inside.
    for path in ["f", "d/../f", "/workspace/f", "/workspace/d/../f"] {
        let reply = server.execute_in(&session, &attempt(path));
        assert!(reply.output().starts_with("r "), "{path}: {}", reply.stdout());
        assert!(reply.output().ends_with("w 6\na 6\n"), "{path}: {}", reply.stdout());
    }
}

#[test]
fn a_program_cannot_make_links_or_other_special_files() {
    let server = Server::start();
    let session = server.new_session();
    let code = "import os\nopen('f', 'w').write('x')\n\
                attempts = {\n    'symlink': lambda: os.symlink('f', 'link'),\n    'symlink out': lambda: os.symlink('/etc/passwd', 'link'),\n    \
                'symlink up': lambda: os.symlink('..', 'link'),\n    'hard link': lambda: os.link('f', 'link'),\n    \
                'fifo': lambda: os.mkfifo('link'),\n    'device': lambda: os.mknod('link'),\n    'plain': lambda: os.rename('f', 'g'),\n}\n\
                for name, attempt in attempts.items():\n    try:\n        attempt()\n        print(name, 'done')\n    \
                except (OSError, AttributeError) as error:\n        print(name, 'refused')";
    let reply = server.execute_in(&session, code);
    let expected = "symlink refused\nsymlink out refused\nsymlink up refused\nhard link refused\nfifo refused\ndevice refused\nplain done\n";
    assert_eq!(reply.output(), expected);
    let names: Vec<_> =
        std::fs::read_dir(server.workspace(&session)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["g"]);
}

#[test]
fn links_and_pipes_in_a_workspace_are_denied_however_they_came_there() {
    let server = Server::start();
    let session = server.execute_in("new", "open('plain', 'w').write('plain')").session();
    let workspace = server.workspace(&session);
    let outside = server.principal_directory().join("secret");
    std::fs::write(&outside, "secret").unwrap();
    symlink(&outside, workspace.join("absolute")).unwrap();
    symlink("../secret", workspace.join("relative")).unwrap();
    symlink("..", workspace.join("up")).unwrap();
    symlink("plain", workspace.join("inner")).unwrap();
    nix::unistd::mkfifo(&workspace.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let read = |path: &str| server.call("read", json!({"session": session, "path": path}));
    for (path, target) in [("absolute", outside.to_str().unwrap()), ("relative", "../secret"), ("inner", "plain")] {
        assert_eq!(read(path).structured()["link_target"], target);
    }
    assert!(read("up/secret").refusal().contains("it leads through a symbolic link"), "{}", read("up/secret").text());
    assert!(read("fifo").refusal().contains("neither a regular file nor a directory"), "{}", read("fifo").text());
    assert!(read("plain").text().starts_with("plain\n"));
    // A search does not follow them either, and a link counts for itself only.
    let found = server.call("read", json!({"session": session, "pattern": "**"}));
    assert!(!found.text().contains("secret"), "{}", found.text());
    // From within: what leads out cannot be opened, and nothing hangs.
    for path in ["absolute", "relative", "up/secret"] {
        let reply = server.execute_with(&attempt(path), json!({"session": session, "limits": {"wall_time_ms": 5000}}));
        assert!(reply.output().lines().all(|line| line.ends_with("Error")), "{path}: {}", reply.stdout());
    }
    // Writing through a link replaces the link.
    let written = server.call("write", json!({"session": session, "path": "relative", "text": "mine"}));
    assert!(!written.is_error(), "{}", written.text());
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "secret");
    assert!(read("relative").text().starts_with("mine\n"));
    let through = server.call("write", json!({"session": session, "path": "up/new", "text": "x"}));
    assert!(through.refusal().contains("it leads through a symbolic link"), "{}", through.message);
    assert!(!server.principal_directory().join("new").exists());
}

#[test]
fn odd_names_of_files_are_told_and_cannot_pass_for_others() {
    let server = Server::start();
    let session = server.new_session();
    let code = "for name in ('a\\nresult: forged', 'tab\\there', 'esc\\x1b[31m', ' ', 'ü', '-x', '.hidden'):\n    open(name, 'w').close()";
    let reply = server.execute_in(&session, code);
    reply.assert_status("exited 0");
    let mut names = reply.files();
    names.sort_unstable();
    assert_eq!(names, [" ", "-x", ".hidden", r"a\x0aresult: forged", r"esc\x1b[31m", r"tab\x09here", "ü"]);
    let listing = server.call("read", json!({"session": session}));
    for (what, text) in [("reply", reply.text()), ("listing", listing.text())] {
        assert!(text.lines().all(|line| !line.starts_with("result: forged")), "{what}: {text}");
        assert!(!text.contains('\u{1b}'), "{what}: {text:?}");
    }
    let entries = listing.structured()["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 7);
    // Each is the same file again when its name is sent back as it stands.
    for entry in entries {
        let path = entry["path"].as_str().unwrap();
        assert!(server.read(&session, path).text().starts_with("[no line in range"), "{path}");
        server.write(&session, path, "x").result();
    }
    let written =
        server.execute_in(&session, "import os\nlen(os.listdir()), {os.stat(name).st_size for name in os.listdir()}");
    assert_eq!(written.value(), Some("(7, {1})"));
    // Sent as they are they can be read, and no new file gets such a name.
    server.read(&session, "tab\there").result();
    let refused = server.write(&session, "tab\tthere", "x");
    assert!(refused.refusal().contains("without control characters"), "{}", refused.text());
}
