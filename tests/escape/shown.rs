//! What of the host is shown with an interpreter: its libraries, wherever they
//! lie, and never what is beside them.

use std::fs::{create_dir_all, hard_link, read_dir, set_permissions, write};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;
use tests::{Builder, Server};

use crate::controls::new_secret;
use crate::place::{ALL, PYTHON, Place, run};

/// Somebody's home with an environment of Python right in it, a secret beside
/// that, and a package among its libraries.
struct Home {
    _directory: TempDir,
    path: PathBuf,
    libraries: PathBuf,
    secret: String,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let path = directory.path().canonicalize().unwrap().join("home");
        let version = Path::new(PYTHON).canonicalize().unwrap().file_name().unwrap().to_owned();
        let libraries = path.join("lib").join(version).join("site-packages");
        let secret = new_secret();
        for made in [&path.join("bin"), &path.join(".ssh"), &path.join("project/package"), &libraries] {
            create_dir_all(made).unwrap();
        }
        symlink(PYTHON, path.join("bin/python3")).unwrap();
        write(path.join("pyvenv.cfg"), "home = /usr/bin\ninclude-system-site-packages = false\n").unwrap();
        for place in [".ssh/key", "notes", "bin/deploy", "lib/notes", "project/.env", "project/package/secret"] {
            write(path.join(place), &secret).unwrap();
        }
        write(libraries.join("mine.py"), "VALUE = 'found'\n").unwrap();
        write(path.join("project/package/__init__.py"), "VALUE = 'the project'\n").unwrap();
        Self { _directory: directory, path, libraries, secret }
    }

    fn python(&self) -> PathBuf {
        self.path.join("bin/python3")
    }

    /// A server of a place whose Python this is.
    fn server(&self, place: Place) -> Builder {
        own(&self.path, place.server_user());
        let flag = format!("--native-program=python-native={}", self.python().display());
        Server::with().restricted(place.restriction()).env("HOME", &self.path).flag(flag)
    }
}

fn own(directory: &Path, user: u32) {
    chown(directory, Some(user), Some(user)).unwrap();
    for entry in read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() && !entry.is_symlink() {
            own(&entry, user);
        } else {
            std::os::unix::fs::lchown(&entry, Some(user), Some(user)).unwrap();
        }
    }
}

/// Everything that a program can read below a directory it knows.
const LOOT: &str = r#"
import os
def take(path, taken):
    try:
        names = os.listdir(path)
    except NotADirectoryError:
        names = []
    except OSError:
        # A name that is known can be opened without being listed.
        names = KNOWN if path == TOP else []
    for name in names:
        take(os.path.join(path, name), taken)
    try:
        taken.append((path, open(path).read()))
    except (OSError, UnicodeDecodeError):
        pass
taken = []
take(TOP, taken)
print([path for path, text in taken if SECRET in text])
"#;

fn loot(home: &Home, secret: &str) -> String {
    let known =
        [".ssh/key", "notes", "bin", "bin/deploy", "lib", "lib/notes", "project/.env", "project/package/secret"];
    format!("TOP, SECRET, KNOWN = {:?}, {secret:?}, {known:?}\n{LOOT}", home.path.display().to_string())
}

#[test]
fn an_environment_at_home_shows_nothing_of_the_home() {
    let home = Home::new();
    // The control: the same program finds all of it outside.
    let outside = std::process::Command::new(PYTHON).args(["-c", &loot(&home, &home.secret)]).output().unwrap();
    let outside = String::from_utf8_lossy(&outside.stdout).into_owned();
    assert!(
        [".ssh/key", "project/.env", "bin/deploy", "lib/notes"].iter().all(|path| outside.contains(path)),
        "{outside}"
    );
    for place in ALL {
        let server = home.server(place).start();
        let reply = run(&server, "python-native", &loot(&home, &home.secret), json!({}));
        assert_eq!(reply.output(), "[]\n", "{}: {}", place.name(), reply.message);
        let code = "import mine, sys\nprint(mine.VALUE, sys.prefix)";
        let expected = format!("found {}\n", home.path.display());
        assert_eq!(run(&server, "python-native", code, json!({})).output(), expected, "{}", place.name());
        let shown = server.health()["protections"].to_string();
        let libraries = home.libraries.parent().unwrap().display().to_string();
        assert!(shown.contains("python-native: of this machine only") && shown.contains(&libraries), "{shown}");
        assert!(!shown.contains(&format!("{},", home.path.display())), "{shown}");
    }
}

#[test]
fn a_package_that_is_installed_in_place_does_not_show_its_project() {
    let home = Home::new();
    let project = home.path.join("project");
    let info = home.libraries.join("package-1.0.dist-info");
    create_dir_all(&info).unwrap();
    let origin = json!({"url": format!("file://{}", project.display()), "dir_info": {"editable": true}});
    write(info.join("direct_url.json"), origin.to_string()).unwrap();
    write(home.libraries.join("__editable__.package-1.0.pth"), format!("{}\n", project.display())).unwrap();
    let outside =
        std::process::Command::new(home.python()).args(["-c", "import package; print(package.VALUE)"]).output();
    assert_eq!(String::from_utf8_lossy(&outside.unwrap().stdout), "the project\n");
    for place in ALL {
        let server = home.server(place).start();
        let code = format!("{}\nimport package", loot(&home, &home.secret));
        let reply = run(&server, "python-native", &code, json!({}));
        assert_eq!((reply.stdout(), reply.error("name")), ("[]\n", "ModuleNotFoundError"), "{}", reply.message);
        let protections = server.health()["protections"].to_string();
        let told = format!("`package` is an editable install of {}", project.display());
        assert!(protections.contains(&told) && protections.contains("install it normally"), "{protections}");
    }
}

/// A server whose state directory is really among the libraries of its Python
/// does not run Python, whatever that directory is called.
#[test]
fn the_key_is_not_shown_with_an_interpreter_by_whatever_path() {
    for place in ALL {
        let home = Home::new();
        let state = home.libraries.join("deep/state");
        create_dir_all(state.parent().unwrap()).unwrap();
        symlink(home.libraries.join("deep"), home.path.join("link")).unwrap();
        symlink(&state, home.path.join("dangling")).unwrap();
        let relative = state.strip_prefix("/").unwrap().to_path_buf();
        let through = home.path.join("link/state");
        let ways = [state.clone(), relative, home.path.join("dangling"), through, state.join("../../deep/state")];
        for way in ways {
            let what = format!("{}: {}", place.name(), way.display());
            let server = home.server(place).flag(format!("--state-directory={}", way.display())).start();
            let key = state.join("store/key");
            let reply = run(&server, "python-native", &format!("print(open({key:?}, 'rb').read())"), json!({}));
            assert!(reply.is_error() && reply.result().get("structuredContent").is_none(), "{what}: {}", reply.message);
            assert!(reply.text().contains(state.to_str().unwrap()), "{what}: {}", reply.text());
            assert!(reply.text().contains("elsewhere"), "{what}: {}", reply.text());
            // The control: the key is there, and what is not of that Python runs.
            assert_eq!(std::fs::read(&key).unwrap().len(), 32, "{what}");
            assert_eq!(run(&server, "bash", "echo on", json!({})).output(), "on\n", "{what}");
        }
    }
}

#[test]
fn a_key_with_a_second_name_stops_native_programs() {
    for place in ALL {
        let home = Home::new();
        let server = home.server(place).start();
        assert_eq!(run(&server, "python-native", "print(1)", json!({})).output(), "1\n", "{}", place.name());
        let key = server.store().key();
        let next = server.kill();
        hard_link(&key, home.libraries.join("key")).or_else(|_| hard_link(&key, key.with_extension("second"))).unwrap();
        let flag = format!("--native-program=python-native={}", home.python().display());
        let server = next.restricted(place.restriction()).env("HOME", &home.path).flag(flag).start();
        let reply = run(&server, "python-native", "print(1)", json!({}));
        assert!(reply.is_error() && reply.text().contains("another name"), "{}: {}", place.name(), reply.message);
        assert!(reply.text().contains("key"), "{}: {}", place.name(), reply.text());
    }
}

#[test]
fn configuration_among_the_libraries_is_not_shown() {
    for place in ALL {
        let home = Home::new();
        let file = home.libraries.join("belljar.toml");
        write(&file, "queue = 5\n").unwrap();
        symlink(&file, home.path.join("belljar.toml")).unwrap();
        let flag = format!("--config={}", home.path.join("belljar.toml").display());
        let server = home.server(place).flag(flag).start();
        let reply = run(&server, "python-native", "print(1)", json!({}));
        assert!(
            reply.is_error() && reply.text().contains(file.to_str().unwrap()),
            "{}: {}",
            place.name(),
            reply.message
        );
    }
}

/// What a version manager puts on the path is not started: it does what the
/// directory says in which the server is started.
#[test]
fn nothing_on_the_path_is_started_outside_of_the_walls() {
    for place in ALL {
        let home = Home::new();
        let (shims, marker) = (home.path.join("shims"), home.path.join("ran"));
        create_dir_all(&shims).unwrap();
        for name in ["python3", "bash"] {
            let shim = shims.join(name);
            write(&shim, format!("#!/bin/sh\necho ran >> {}\nexec /usr/bin/{name} \"$@\"\n", marker.display()))
                .unwrap();
            set_permissions(&shim, PermissionsExt::from_mode(0o755)).unwrap();
        }
        own(&home.path, place.server_user());
        // The control: starting the shim leaves a trace.
        std::process::Command::new(shims.join("python3")).args(["-c", ""]).status().unwrap();
        std::fs::remove_file(&marker).unwrap();
        let path = format!("{}:/usr/bin:/bin", shims.display());
        let server = Server::with().restricted(place.restriction()).env("HOME", &home.path).env("PATH", path).start();
        server.client.request("tools/list", json!({})).wait();
        for language in ["bash", "python-native"] {
            let reply = run(&server, language, if language == "bash" { "echo on" } else { "print('on')" }, json!({}));
            assert_eq!(reply.output(), "on\n", "{}: {}", place.name(), reply.message);
        }
        assert!(!marker.exists(), "{}", place.name());
    }
}
