//! Interpreters as package managers install them: programs run with their libraries, and
//! see nothing of what lies beside those.

use std::fs::{create_dir_all, set_permissions, write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;
use tests::{Builder, Server};

use crate::controls::new_secret;
use crate::place::{PYTHON, Place, run};

/// Everything below a directory that can be read and is told to be secret.
const LOOT: &str = "import os, sys
found = []
for directory, _, names in os.walk(TOP):
    for name in names:
        path = os.path.join(directory, name)
        try:
            if SECRET in open(path, errors='replace').read(): found.append(os.path.relpath(path, TOP))
        except OSError: pass
for path in KNOWN:
    try: open(os.path.join(TOP, path)).read(); found.append(path)
    except OSError: pass
print(sorted(set(found)))
import ctypes, json, mine, sqlite3
print(sys.prefix, mine.VALUE)
";

/// What lies in the prefix of Conda and is no library.
const BESIDE: [&str; 6] = [
    "conda-meta/history",
    ".condarc",
    "etc/conda/token",
    "pkgs/other-1.0/info",
    "envs/other/lib/python3/secret.py",
    "bin/deploy",
];

/// A Conda of the machine's own Python: a base with an environment, whose files are links
/// to those of the base as Conda makes them.
struct Conda {
    _directory: TempDir,
    home: PathBuf,
    base: PathBuf,
    environment: PathBuf,
    secret: String,
}

fn copy(options: &str, from: &Path, to: &Path) {
    create_dir_all(to.parent().unwrap()).unwrap();
    assert!(Command::new("cp").arg(options).arg(from).arg(to).status().unwrap().success());
}

impl Conda {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let home = directory.path().canonicalize().unwrap().join("home");
        let (base, secret) = (home.join("miniconda3"), new_secret());
        let environment = base.join("envs/data");
        let program = Path::new(PYTHON).canonicalize().unwrap();
        let version = program.file_name().unwrap().to_owned();
        let libraries = base.join("lib").join(&version);
        copy("-rL", &Path::new("/usr/lib").join(&version), &libraries);
        copy("-L", &program, &base.join("bin").join(&version));
        write(libraries.join("mine.py"), "VALUE = 'found'\n").unwrap();
        copy("-rl", &base.join("lib"), &environment.join("lib"));
        copy("-l", &base.join("bin").join(&version), &environment.join("bin").join(&version));
        for prefix in [&base, &environment] {
            symlink(&version, prefix.join("bin/python3")).unwrap();
            create_dir_all(prefix.join("conda-meta")).unwrap();
            let packages = prefix.join("lib").join(&version).join("site-packages");
            create_dir_all(&packages).unwrap();
            symlink(base.join("pkgs/soft-1.0/soft.py"), packages.join("soft.py")).unwrap();
            for path in BESIDE {
                create_dir_all(prefix.join(path).parent().unwrap()).unwrap();
                write(prefix.join(path), &secret).unwrap();
            }
        }
        create_dir_all(base.join("pkgs/soft-1.0")).unwrap();
        write(base.join("pkgs/soft-1.0/soft.py"), &secret).unwrap();
        Self { _directory: directory, home, base, environment, secret }
    }

    fn loot(&self) -> String {
        let known =
            BESIDE.iter().flat_map(|path| [format!("miniconda3/{path}"), format!("miniconda3/envs/data/{path}")]);
        let known: Vec<_> = known.collect();
        format!("TOP, SECRET, KNOWN = {:?}, {:?}, {known:?}\n{LOOT}", self.home.display().to_string(), self.secret)
    }

    fn server(&self, place: Place, prefix: &Path, home: &Path) -> Builder {
        let flag = format!("--native-program=python-native={}", prefix.join("bin/python3").display());
        Server::with().restricted(place.restriction()).env("HOME", home).flag(flag)
    }
}

#[test]
fn of_conda_the_libraries_of_one_environment_are_shown() {
    let conda = Conda::new();
    let outside = Command::new(conda.environment.join("bin/python3")).args(["-c", &conda.loot()]).output().unwrap();
    let outside = String::from_utf8_lossy(&outside.stdout).into_owned();
    assert!(BESIDE.iter().all(|path| outside.contains(path)), "{outside}");
    assert!(outside.ends_with(&format!("{} found\n", conda.environment.display())), "{outside}");
    let own_home = (Place::ContainerUser, &conda.environment, &conda.base);
    // The interpreter lies right among what is private in the last place.
    for (place, prefix, home) in
        [(Place::User, &conda.environment, &conda.home), own_home, (Place::User, &conda.base, &conda.base)]
    {
        let server = conda.server(place, prefix, home).start();
        let what = format!("{} {} {}", place.name(), prefix.display(), home.display());
        let reply = run(&server, "python-native", &conda.loot(), json!({}));
        assert_eq!(reply.output(), format!("[]\n{} found\n", prefix.display()), "{what}");
        let protections = server.health()["protections"].to_string();
        let target = conda.base.join("pkgs/soft-1.0/soft.py");
        let told = format!("`soft` is a link to {}, which is not shown: put a copy", target.display());
        assert!(protections.contains(&told), "{what}: {protections}");
    }
}

/// The store of Nix for as long as a test goes on.
struct NixStore;

impl NixStore {
    const PATH: &str = "/nix";

    /// A store of Nix; `None` where there is one already, which is somebody's.
    fn new() -> Option<Self> {
        std::fs::create_dir(Self::PATH).ok()?;
        Some(Self)
    }
}

impl Drop for NixStore {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(Self::PATH);
    }
}

#[test]
fn of_nix_the_store_is_shown_and_what_leads_to_it() {
    let Some(_store) = NixStore::new() else { return };
    let store = Path::new("/nix/store");
    let program = Path::new(PYTHON).canonicalize().unwrap();
    let version = program.file_name().unwrap().to_owned();
    let python = store.join("a1-python3");
    copy("-rL", &Path::new("/usr/lib").join(&version), &python.join("lib").join(&version));
    copy("-L", &program, &python.join("bin").join(&version));
    create_dir_all(store.join("b2-mine/lib")).unwrap();
    write(store.join("b2-mine/lib/mine.py"), "VALUE = 'found'\n").unwrap();
    symlink(store.join("b2-mine/lib/mine.py"), python.join("lib").join(&version).join("mine.py")).unwrap();
    // Users call it by a path over a profile.
    let directory = tempfile::tempdir().unwrap();
    set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let home = directory.path().canonicalize().unwrap();
    create_dir_all(store.join("c3-profile/bin")).unwrap();
    symlink(python.join("bin").join(&version), store.join("c3-profile/bin/python3")).unwrap();
    symlink(store.join("c3-profile"), home.join(".nix-profile")).unwrap();
    let secret = new_secret();
    write(home.join("notes"), &secret).unwrap();
    let code = format!("TOP, SECRET, KNOWN = {:?}, {secret:?}, ['notes']\n{LOOT}", home.display().to_string());
    for place in [Place::User, Place::ContainerUser] {
        let flag = format!("--native-program=python-native={}", home.join(".nix-profile/bin/python3").display());
        let server = Server::with().restricted(place.restriction()).env("HOME", &home).flag(flag);
        let server = server.start();
        let reply = run(&server, "python-native", &code, json!({}));
        assert_eq!(reply.output(), format!("[]\n{} found\n", python.display()), "{}", place.name());
    }
}
