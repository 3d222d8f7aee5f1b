//! Folders of the operator's that programs see.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};
use tests::{Builder, Server};

/// A folder to mount, with a file, a folder and links in it.
fn folder() -> tempfile::TempDir {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("folder");
    fs::create_dir_all(folder.join("sub/deep")).unwrap();
    fs::write(folder.join("x.csv"), "a,b\n1,2\n").unwrap();
    fs::write(folder.join("sub/deep/f"), "deep\n").unwrap();
    fs::write(parent.path().join("secret"), "secret").unwrap();
    for (name, target) in [
        ("inside", "sub/deep/f".into()),
        ("out", PathBuf::from("../secret")),
        ("absolute", parent.path().join("secret")),
    ] {
        std::os::unix::fs::symlink(target, folder.join(name)).unwrap();
    }
    // The folder can be read by every user that a run may be.
    for path in [parent.path(), &folder] {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    parent
}

fn mounted(source: &Path, destination: &str) -> Builder {
    Server::with().flag(format!("--mount={}:{destination}", source.display()))
}

/// Defines `tried(function, ...)`, which tells how a call failed.
const TRIED: &str = "
import os, errno
def tried(function, *arguments, **named):
    try: return function(*arguments, **named)
    except OSError as error: return errno.errorcode[error.errno]
";

#[test]
fn every_language_sees_a_folder_at_one_path_and_read_reads_it() {
    let parent = folder();
    let source = parent.path().join("folder");
    let server = mounted(&source, "/data/in").start();
    let run = |language: &str, code: &str| server.execute_with(code, json!({"language": language}));
    let python = "import os; print(open('/data/in/x.csv').read(), os.listdir('/data'), sorted(os.listdir('/data/in')))";
    let expected = "a,b\n1,2\n ['in'] ['absolute', 'inside', 'out', 'sub', 'x.csv']\n";
    for language in ["python", "python-native"] {
        assert_eq!(run(language, python).output(), expected, "{language}");
    }
    assert_eq!(run("bash", "cd /data/in/sub; cat ../x.csv deep/f ../inside").output(), "a,b\n1,2\ndeep\ndeep\n");

    let read = |arguments: Value| server.call("read", arguments);
    let text = |arguments: Value| read(arguments).text().to_owned();
    let whole = "a,b\n1,2\n[lines 1-2 of 2]";
    assert_eq!(text(json!({"path": "/data/in/x.csv"})), whole);
    assert_eq!(text(json!({"path": "/data/in//x.csv", "offset": 2, "limit": 1})), "1,2\n[lines 2-2 of 2]");
    assert_eq!(text(json!({"path": "/data/in/x.csv", "session": server.new_session()})), whole);
    let listed = read(json!({"path": "/data/in"}));
    assert!(listed.text().contains("x.csv\t8\n") && listed.text().contains("sub/"), "{}", listed.text());
    let found = read(json!({"path": "/data/in", "pattern": "**/f"}));
    assert_eq!(found.structured()["entries"], json!([{"path": "sub/deep/f", "size_bytes": 5}]));
    for (path, reason) in [
        ("/data/in/none", "no file `/data/in/none` in a folder of the operator"),
        ("/data/in/../x", "must not lead upwards"),
        ("/data/in/inside/x", "reading /data/in/inside/x is denied: it leads through a symbolic link"),
        ("/data", "must name `session` with `path`"),
        ("/data/inside", "must name `session` with `path`"),
    ] {
        assert!(read(json!({"path": path})).refusal().contains(reason), "{}", read(json!({"path": path})).text());
    }
    assert_eq!(read(json!({"path": "/data/in/out"})).structured()["link_target"], "../secret");

    // The tools name no path of this machine for a mount.
    let tools = server.client.request("tools/list", json!({})).wait().result()["tools"].clone();
    assert!(tools[0]["description"].as_str().unwrap().contains("Mounted: /data/in (read-only)."), "{tools}");
    let health = server.call("health_check", json!({}));
    assert_eq!(health.structured()["mounts"], "/data/in (read-only)");
    assert!(health.text().contains("mounted: /data/in (read-only)"), "{}", health.text());
    let told = format!("{tools} {} {}", health.message, found.message);
    assert!(!told.contains(parent.path().to_str().unwrap()), "{told}");
    assert!(!Server::start().health().to_string().contains("mount"), "without one there is none");
}

#[test]
fn a_guest_can_change_nothing_that_is_read_only_and_leaves_it_by_no_path() {
    let parent = folder();
    let source = parent.path().join("folder");
    nix::unistd::mkfifo(&source.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(source.join("socket")).unwrap();
    let before = tree(&source);
    let server = mounted(&source, "/data").start();
    let attempts = [
        ("open, '/data/new', 'w'", "EROFS"),
        ("open, '/data/new', 'x'", "EROFS"),
        ("open, '/data/x.csv', 'x'", "EEXIST"),
        ("open, '/data/x.csv', 'w'", "EROFS"),
        ("open, '/data/x.csv', 'a'", "EROFS"),
        ("open, '/data/x.csv', 'r+'", "EROFS"),
        ("open, '/data/sub', 'w'", "EISDIR"),
        ("os.truncate, '/data/x.csv', 0", "EROFS"),
        ("os.mkdir, '/data/new'", "EROFS"),
        ("os.mkdir, '/data/sub'", "EEXIST"),
        ("os.mkdir, '/data'", "EEXIST"),
        ("os.rmdir, '/data/sub/deep'", "EROFS"),
        ("os.rmdir, '/data'", "EBUSY"),
        ("os.unlink, '/data/x.csv'", "EROFS"),
        ("os.rename, '/data/x.csv', '/data/y'", "EROFS"),
        ("os.rename, '/data/x.csv', '/workspace/y'", "EXDEV"),
        ("os.rename, '/workspace/own', '/data/y'", "EXDEV"),
        ("os.rename, '/data', '/workspace/y'", "EXDEV"),
        ("os.symlink, 'x.csv', '/data/y'", "EROFS"),
        ("os.link, '/data/x.csv', '/data/y'", "EROFS"),
        ("os.link, '/data/x.csv', '/workspace/y'", "EXDEV"),
        ("os.link, '/workspace/own', '/data/y'", "EXDEV"),
        ("os.utime, '/data/x.csv', (1, 1)", "EROFS"),
        ("os.chmod, '/data/x.csv', 0o777", "EROFS"),
        ("os.utime, file, (1, 1)", "EROFS"),
        ("os.fchmod, file, 0o777", "EROFS"),
        ("os.ftruncate, file, 0", "EROFS"),
        ("os.write, file, b'x'", "EBADF"),
        ("os.unlink, 'x.csv', dir_fd=folder", "EROFS"),
        ("os.mkdir, 'new', dir_fd=folder", "EROFS"),
        ("os.open, 'x.csv', os.O_RDWR, dir_fd=folder", "EROFS"),
        ("os.open, 'x.csv', os.O_RDONLY | os.O_TRUNC, dir_fd=folder", "EROFS"),
        ("os.open, '../secret', os.O_RDONLY, dir_fd=folder", "EPERM"),
        ("os.open, '/etc/passwd', os.O_RDONLY, dir_fd=folder", "ENOENT"),
        ("open, '/data/out'", "EPERM"),
        ("open, '/data/absolute'", "EPERM"),
        ("os.stat, '/data/out'", "EPERM"),
        ("open, '/data/../secret'", "EPERM"),
        ("open, '/data/sub/../../secret'", "EPERM"),
        ("open, '/data/fifo'", "EPERM"),
        ("os.open, '/data/fifo', os.O_RDONLY | os.O_NONBLOCK", "EPERM"),
        ("open, '/data/socket'", "EPERM"),
        ("open, '/datax'", "ENOENT"),
        ("open, '/DATA/x.csv'", "ENOENT"),
        // The controls.
        ("open('/data/inside').read", "'deep\\n'"),
        ("open('/data/sub/../x.csv').read", "'a,b\\n1,2\\n'"),
        ("open('//data/./x.csv').read", "'a,b\\n1,2\\n'"),
        ("os.read, os.open('sub/deep/f', os.O_RDONLY, dir_fd=folder), 9", "b'deep\\n'"),
    ];
    let tries: String = attempts.iter().map(|(attempt, _)| format!("print(repr(tried({attempt})))\n")).collect();
    let code = format!(
        "{TRIED}open('own', 'w').close()\nfile, folder = os.open('/data/x.csv', os.O_RDONLY), os.open('/data', \
         os.O_RDONLY)\n{tries}"
    );
    let reply = server.execute(&code);
    let outcomes: Vec<_> = reply.output().lines().collect();
    assert_eq!(outcomes.len(), attempts.len());
    for ((attempt, expected), outcome) in attempts.iter().zip(outcomes) {
        let expected = if expected.starts_with('E') { format!("'{expected}'") } else { (*expected).to_owned() };
        assert_eq!(outcome, expected, "{attempt}");
    }
    assert_eq!(tree(&source), before);
    assert_eq!(fs::read_to_string(parent.path().join("secret")).unwrap(), "secret");
    // Tools do not change the folder either.
    let refusals = [
        ("write", json!({"session": "new", "path": "/data/new", "text": "x"})),
        ("execute", json!({"language": "python", "code": "", "files": [{"path": "/data/new", "text": "x"}]})),
    ];
    for (tool, arguments) in refusals {
        let refused = server.call(tool, arguments);
        assert!(refused.refusal().contains("path lies in the operator's folder /data, which is read-only"), "{tool}");
    }
}

/// Paths, contents and stamps below a directory.
fn tree(directory: &Path) -> Vec<String> {
    use std::os::unix::fs::MetadataExt as _;
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_path_buf()];
    while let Some(path) = waiting.pop() {
        let at = fs::symlink_metadata(&path).unwrap();
        let content = if at.is_file() { fs::read_to_string(&path).unwrap() } else { String::new() };
        found.push(format!("{} {:o} {} {} {content}", path.display(), at.mode(), at.mtime(), at.mtime_nsec()));
        if at.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    found.sort();
    found
}

#[test]
fn what_is_written_to_a_folder_stays_there_and_counts_for_the_run() {
    let parent = folder();
    let source = parent.path().join("folder");
    fs::set_permissions(&source, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    fs::write(source.join("large"), vec![0; 3 << 20]).unwrap();
    let server = mounted(&source, "/out:rw").start();
    let code = "import os, shutil
os.makedirs('/out/new/deeper')
open('/out/new/f', 'w').write('hello')
os.rename('/out/new/f', '/out/new/deeper/g')
os.chdir('/out/new'); open('deeper/g', 'a').write(' world'); os.chdir('/workspace')
shutil.move('/out/new/deeper/g', 'taken'); shutil.copy('taken', '/out/copy')
os.utime('/out/copy', (1, 2)); os.chmod('/out/copy', 0o600); os.rmdir('/out/new/deeper')
print(open('/out/copy').read(), os.stat('/out/copy').st_mtime, oct(os.stat('/out/copy').st_mode))";
    let reply = server.execute(code);
    assert_eq!(reply.output(), "hello world 2.0 0o100600\n");
    assert_eq!(reply.files(), ["taken"], "files of a mount are none of the run's");
    assert_eq!(fs::read_to_string(source.join("copy")).unwrap(), "hello world");
    fs::set_permissions(source.join("copy"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(server.execute_with("cat /out/copy", json!({"language": "bash"})).output(), "hello world");

    // Two MiB are allowed, and what the folder holds already is nobody's use.
    let limits = json!({"disk_bytes": 2 << 20, "disk_files": 20});
    let run = |code: &str| server.execute_with(code, json!({"limits": limits}));
    let append = "with open('/out/large', 'ab') as file: file.write(bytes(1 << 20))";
    run(append).assert_status("exited 0");
    for excess in [
        "open('/out/a', 'wb').write(bytes(3 << 20))",
        "for n in range(3): open('/out/a', 'wb').write(bytes(1 << 20))",
        "f = open('/out/a', 'wb'); f.truncate(3 << 20)",
        "f = open('/out/a', 'wb'); f.seek(3 << 20); f.write(b'x'); f.flush()",
        "open('own', 'wb').write(bytes(1 << 20)); open('/out/a', 'wb').write(bytes(1 << 20) + b'x')",
    ] {
        run(excess).assert_status("limit_exceeded disk_bytes");
    }
    run("for n in range(21): open(f'/out/n{n}', 'w').close()").assert_status("limit_exceeded disk_files");
    run("import os\nfor n in range(21): os.mkdir(f'/out/d{n}')").assert_status("limit_exceeded disk_files");
    let native =
        "with open('/out/b', 'wb', 0) as file:\n    for n in range(64): file.write(bytes(1 << 20))\n    os.sync()";
    let native = format!(
        "import os\nfor n in range(9):\n    {}",
        native.replace('\n', "\n    ").replace("/out/b", "/out/b%d'%n+'")
    );
    let limits = json!({"disk_bytes": 32 << 20});
    let reply = server.execute_with(&native, json!({"language": "python-native", "limits": limits}));
    // A single file past it is a limit of its own, which the program sees.
    assert!(["limit_exceeded disk_bytes", "exited 1"].contains(&reply.status().as_str()), "{}", reply.message);
    let refused = server.call("write", json!({"session": "new", "path": "/out/x", "text": "x"}));
    assert!(refused.refusal().contains("which only a program can write to"), "{}", refused.text());
}

#[test]
fn a_folder_that_cannot_be_shown_keeps_the_server_from_starting() {
    let parent = folder();
    let source = parent.path().join("folder");
    let state = parent.path().join("state");
    fs::create_dir_all(state.join("inner")).unwrap();
    fs::set_permissions(&state, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    std::os::unix::fs::symlink(&state, source.join("../link")).unwrap();
    let shown = |path: &Path| path.display().to_string();
    let cache = tests::cache_directory();
    let start = |mounts: &[String]| {
        let mut server = Server::with().flag("run").flag("-c").flag("1");
        for mount in mounts {
            server = server.flag(format!("--mount={mount}"));
        }
        let ended = server.command(&state).output().unwrap();
        (ended.status.success(), String::from_utf8(ended.stderr).unwrap())
    };
    let at = |path: &Path, rest: &str| vec![format!("{}:{rest}", shown(path))];
    let two = |one: &str, other: &str| vec![format!("{}:{one}", shown(&source)), format!("{}:{other}", shown(&source))];
    for (mounts, reason) in [
        (at(&parent.path().join("none"), "/data"), "it is not there"),
        (at(&source.join("x.csv"), "/data"), "it is not a folder, and a file cannot be mounted by itself"),
        (at(Path::new("folder"), "/data"), "must be an absolute path, got folder"),
        (at(Path::new("/"), "/data"), "it is the root of this machine"),
        (at(Path::new("/proc"), "/data"), "/proc is made by the kernel"),
        (at(Path::new("/sys/kernel"), "/data"), "is made by the kernel"),
        (at(Path::new("/dev"), "/data"), "is made by the kernel"),
        (at(&state, "/data"), "programs would come to the key of the store"),
        (at(&state.join("inner"), "/data"), "programs would come to the state directory"),
        (at(parent.path(), "/data"), "programs would come to the key of the store"),
        (at(&parent.path().join("link"), "/data"), "programs would come to the key of the store"),
        (at(cache, "/data"), "programs would come to the cache directory"),
        (at(&source, "/workspace"), "must not be /workspace"),
        (at(&source, "/usr/local/x"), "must not lie in /usr"),
        (at(&source, "/"), "must not be the root itself"),
        (at(&source, "/a/../b"), "must have neither `.`"),
        (at(&source, "/data:rx"), "must have neither control characters nor"),
        (at(&source, "data"), "expected SOURCE:DESTINATION[:ro|rw]"),
        (two("/data", "/data"), "two mounts have the destination /data"),
        (two("/data", "/data/x"), "/data and /data/x would lie in each other"),
        (two("/data", "/out:rw"), "/out is read-write and /data is read-only, and one lies in the other"),
    ] {
        let (is_started, said) = start(&mounts);
        assert!(!is_started && said.contains(reason), "{mounts:?}: {said}");
    }
    assert!(start(&at(&source, "/data/")).0, "the control");
}

#[test]
fn what_takes_the_place_of_a_folder_is_not_shown() {
    let parent = folder();
    let (source, moved) = (parent.path().join("folder"), parent.path().join("moved"));
    let other = parent.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("x.csv"), "secret").unwrap();
    let server = mounted(&source, "/data").start();
    let python = "print(open('/data/x.csv').read())";
    assert_eq!(server.execute(python).output(), "a,b\n1,2\n\n");
    fs::rename(&source, &moved).unwrap();
    std::os::unix::fs::symlink(&other, &source).unwrap();
    assert_eq!(server.execute(python).output(), "a,b\n1,2\n\n");
    assert_eq!(server.call("read", json!({"path": "/data/x.csv"})).text(), "a,b\n1,2\n[lines 1-2 of 2]");
    let native = |server: &Server| server.execute_with("cat /data/x.csv", json!({"language": "bash"}));
    let expected = "taking /data: it is not the directory that was handed over: something took its place";
    assert!(native(&server).refusal().contains(expected), "{}", native(&server).text());
    fs::remove_file(&source).unwrap();
    fs::rename(&other, &source).unwrap();
    assert!(native(&server).refusal().contains(expected), "{}", native(&server).text());
    // It is gone for good, and nothing else is there.
    fs::remove_dir_all(&moved).unwrap();
    assert_eq!(server.execute("import os; print(os.listdir('/data'))").output(), "[]\n");
    server.assert_usable();
}

#[test]
fn a_search_through_many_directories_takes_no_descriptors() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..1000 {
        fs::create_dir(folder.path().join(format!("d{number}"))).unwrap();
        fs::write(folder.path().join(format!("d{number}/f{number}")), "x").unwrap();
    }
    let server = Server::with().flag(format!("--mount={}:/data", folder.path().display())).start();
    server.assert_usable();
    let few = Some(server.process().open_files().len() as u64 + 40);
    let limit = Rlimit { current: few, maximum: few };
    prlimit(Pid::from_raw(server.process().pid()), Resource::Nofile, limit).unwrap();
    let found = server.call("read", json!({"path": "/data", "pattern": "d*/f99?"}));
    assert_eq!(found.text().matches("/f99").count(), 10, "{}", found.text());
}
