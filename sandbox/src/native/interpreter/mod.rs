//! What of this machine a native program gets to see, read-only: the system's
//! programs and libraries, and the interpreter with its libraries. Each part is
//! held against what must stay private before it is shown.

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "makes what is to be shown"))]

pub(in crate::native) mod editable;
pub(in crate::native) mod environment;
pub(in crate::native) mod layout;
pub(in crate::native) mod lookup;
pub(in crate::native) mod packages;

use std::fs;
use std::path::{Path, PathBuf};

use guest_runtimes::Native;
use jailer::{Access, Mount};

use super::private::{Guarded, Kind, Private};
use crate::filesystem::canonical::follow;

/// Programs and libraries, and the few files of `/etc` that they read when
/// they start. What is not on a machine is left out.
const SYSTEM: [&str; 19] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/gai.conf",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    // Of Debian's Matplotlib, which does not begin without.
    "/etc/matplotlibrc",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/protocols",
    "/etc/ssl/openssl.cnf",
];

/// Where the system's own files are. Users that only run a service have one of
/// these as their home.
const SYSTEM_HOMES: [&str; 12] = [
    "/usr",
    "/usr/bin",
    "/usr/games",
    "/usr/lib",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/local",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/share",
    "/usr/local/lib",
    "/usr/local/share",
];

/// Directories that are never shown whole, whatever an interpreter needs.
const TOO_WIDE: [&str; 12] =
    ["/", "/boot", "/dev", "/etc", "/home", "/media", "/mnt", "/proc", "/root", "/run", "/sys", "/var"];

/// The most parts that a directory is shown in, because something in it is not.
const MAX_PARTS: usize = 512;

/// A part of this machine that programs see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The file or directory, without links.
    pub path: PathBuf,
    /// What it is for.
    pub why: String,
}

/// An interpreter of this machine.
#[derive(Clone, Debug)]
pub(in crate::native) struct Interpreter {
    /// The program of the interpreter.
    pub(in crate::native) path: PathBuf,
    mounts: Vec<Mount>,
    /// What programs see of the machine.
    pub(in crate::native) shown: Vec<Shown>,
    /// Packages that programs do not find, and why.
    pub(in crate::native) left_out: Vec<String>,
    /// What programs must not be able to open.
    pub(in crate::native) secrets: Vec<PathBuf>,
}

impl Interpreter {
    /// Finds the program of `native`: the one that is `configured`, or on the
    /// path of this process. Nothing of `private` becomes visible with it.
    pub(in crate::native) fn find(
        native: &Native,
        configured: Option<&Path>,
        private: &[Private],
    ) -> Result<Self, String> {
        let guarded = Guarded::new(private)?;
        if let Some(secret) = guarded.has_names() {
            return Err(format!(
                "{} {} has another name (a hard link), where it could be seen: remove that, or put a copy in the place \
                 of the file",
                secret.what,
                secret.path.display()
            ));
        }
        let path = lookup::find(native.program(), configured)?;
        let mut view = View::of_system(&guarded)?;
        let needed = layout::needed(&path, native.layout(), &guarded)?;
        for (part, why) in &needed.parts {
            view.add(part, why, &guarded)?;
        }
        let real = path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?;
        if let Some(store) = layout::store(&real) {
            view.add(store, "the store that the interpreter comes from", &guarded)?;
        }
        let mut packages = needed.packages;
        if let Some(layout) = native.layout() {
            packages
                .extend(["/usr", "/usr/local"].iter().flat_map(|prefix| layout::packages_of(prefix.as_ref(), layout)));
        }
        let left_out = editable::left_out(&packages, &|place| view.shows(place));
        let secrets = guarded.secrets().map(Path::to_path_buf).collect();
        let View { mounts, shown } = view.finished();
        Ok(Self { path, mounts, shown, left_out, secrets })
    }

    /// Everything of the machine that its programs see.
    pub(in crate::native) fn mounts(&self) -> Vec<Mount> {
        self.mounts.clone()
    }

    /// Where its programs look for programs.
    pub(in crate::native) fn search_path(&self) -> String {
        lookup::search_path(&self.path)
    }
}

/// What is to be seen, as it is put together.
#[derive(Debug)]
struct View {
    mounts: Vec<Mount>,
    shown: Vec<Shown>,
}

impl View {
    fn of_system(guarded: &Guarded) -> Result<Self, String> {
        let mut view = Self { mounts: Vec::new(), shown: Vec::new() };
        let is_there = |path: &&Path| path.symlink_metadata().is_ok();
        for path in SYSTEM.iter().map(Path::new).filter(is_there) {
            view.add(path, "programs and libraries of the system", guarded)?;
        }
        Ok(view)
    }

    /// Shows `path` where it is: the links that lead to it, and what it really
    /// is.
    fn add(&mut self, path: &Path, why: &str, guarded: &Guarded) -> Result<(), String> {
        let mut links = Vec::new();
        let real = follow(path, &mut |link| links.push(link.to_path_buf()));
        let real = real.map_err(|error| format!("{} cannot be followed: {error}", path.display()))?;
        for link in links {
            // What the link leads to has an entry of its own.
            self.mount(link);
        }
        if self.shows(&real) || real.symlink_metadata().is_err() {
            return Ok(());
        }
        self.check(&real, guarded)?;
        let personal: Vec<_> =
            guarded.personal_below(&real).filter(|place| !is_of_system(place)).map(Path::to_path_buf).collect();
        if personal.is_empty() || !is_of_system(&real) {
            return self.show(real, why, guarded);
        }
        let mut parts = Vec::new();
        without(&real, &personal, &mut parts)?;
        parts.into_iter().try_for_each(|part| self.show(part, why, guarded))
    }

    fn show(&mut self, real: PathBuf, why: &str, guarded: &Guarded) -> Result<(), String> {
        let is_link = real.is_symlink();
        if !is_link && let Some(private) = guarded.in_the_way(&real).filter(|place| !is_of_system(&place.path)) {
            return Err(refusal(&real, private));
        }
        self.mount(real.clone());
        if !is_link {
            self.shown.push(Shown { path: real, why: why.to_owned() });
        }
        Ok(())
    }

    fn check(&self, real: &Path, guarded: &Guarded) -> Result<(), String> {
        let is_hidden = real.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if TOO_WIDE.iter().any(|wide| real == Path::new(wide)) || is_hidden {
            let what = if is_hidden { "a hidden file or directory" } else { "more than an interpreter" };
            return Err(format!(
                "{} is {what}, which native programs may not see: install the interpreter in a directory of its own \
                 and name it with --native-program",
                real.display()
            ));
        }
        match guarded.in_the_way(real) {
            Some(private) if private.kind == Kind::Secret || !is_of_system(real) => Err(refusal(real, private)),
            _ => Ok(()),
        }
    }

    fn mount(&mut self, path: PathBuf) {
        if !self.mounts.iter().any(|mount| mount.destination == path) {
            self.mounts.push(Mount { destination: path.clone(), source: path, access: Access::Read });
        }
    }

    /// Whether a place, which has no links in it, can be seen.
    fn shows(&self, place: &Path) -> bool {
        self.shown.iter().any(|shown| place.starts_with(&shown.path))
    }

    /// The view when all is in it: the outermost first, and nothing twice.
    fn finished(mut self) -> Self {
        let whole: Vec<_> = self.shown.iter().map(|shown| shown.path.clone()).collect();
        let is_within = |path: &Path| whole.iter().any(|whole| path != whole && path.starts_with(whole));
        self.mounts.retain(|mount| !is_within(&mount.destination));
        self.shown.retain(|shown| !is_within(&shown.path));
        self
    }
}

fn is_of_system(path: &Path) -> bool {
    SYSTEM.iter().chain(&SYSTEM_HOMES).any(|own| path == Path::new(own))
}

/// The parts of `directory` that none of `left_out` lies in.
fn without(directory: &Path, left_out: &[PathBuf], parts: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    for entry in entries.flatten() {
        let path = entry.path();
        if left_out.contains(&path) {
            continue;
        }
        if left_out.iter().any(|place| place.starts_with(&path)) {
            without(&path, left_out, parts)?;
        } else {
            parts.push(path);
        }
        if parts.len() > MAX_PARTS {
            return Err(format!(
                "{} lies in {}, which native programs see, among more than {MAX_PARTS} others: start the server in \
                 another directory",
                left_out.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", "),
                directory.display()
            ));
        }
    }
    Ok(())
}

fn refusal(shown: &Path, private: &Private) -> String {
    let (what, path) = (private.what, private.path.display());
    let place = shown.display();
    match private.kind {
        Kind::Secret if is_of_system(shown) => {
            format!("{what} {path} lies in {place}, which native programs see: put it elsewhere")
        }
        Kind::Secret => format!(
            "native programs would see {place} of the interpreter, and with it {what} {path}: put one of them elsewhere"
        ),
        Kind::Personal => format!(
            "native programs would see {place} for the interpreter, and with it all of {what} {path}: install it in a \
             directory of its own and name it with --native-program"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::sync::LazyLock;

    use guest_runtimes::Catalogue;

    use super::*;

    fn python() -> &'static Native {
        static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::built_in);
        let guest_runtimes::Kind::Native(native) = CATALOGUE.find("python-native").unwrap().kind() else {
            panic!("it is native")
        };
        native
    }

    fn private(what: &'static str, path: &Path, kind: Kind) -> Private {
        Private { what, path: path.to_path_buf(), kind }
    }

    /// A directory with an interpreter and an environment of it, as they are
    /// installed, among somebody's files.
    fn home() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path().canonicalize().unwrap().join("home");
        for made in ["opt/py/bin", "opt/py/lib/python3.12/site-packages", "bin", "lib/python3.12/site-packages", ".ssh"]
        {
            fs::create_dir_all(top.join(made)).unwrap();
        }
        let program = top.join("opt/py/bin/python3.12");
        fs::write(&program, "\x7fELF").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        symlink("python3.12", top.join("opt/py/bin/python3")).unwrap();
        symlink(top.join("opt/py/bin/python3"), top.join("bin/python3")).unwrap();
        fs::write(top.join("pyvenv.cfg"), format!("home = {}\n", top.join("opt/py/bin").display())).unwrap();
        fs::write(top.join("opt/py/lib/libpython3.12.so.1.0"), "").unwrap();
        fs::write(top.join("lib/notes.txt"), "").unwrap();
        (directory, top)
    }

    #[test]
    fn an_environment_at_home_shows_its_libraries_and_nothing_beside_them() {
        let (_directory, top) = home();
        let places = [private("the directory", &top, Kind::Personal)];
        let found = Interpreter::find(python(), Some(&top.join("bin/python3")), &places).unwrap();
        let own: Vec<_> = found.shown.iter().filter_map(|part| part.path.strip_prefix(&top).ok()).collect();
        let expected = ["lib/python3.12", "opt/py/bin/python3.12", "opt/py/lib", "pyvenv.cfg"].map(Path::new);
        let mut sorted = own.clone();
        sorted.sort();
        assert_eq!(sorted, expected);
        let links = ["bin/python3", "opt/py/bin/python3"].map(|link| top.join(link));
        assert!(links.iter().all(|link| found.mounts().iter().any(|mount| mount.source == *link)), "{found:?}");
        assert!(found.mounts().iter().all(|mount| mount.access == Access::Read && mount.source == mount.destination));
    }

    #[test]
    fn what_would_show_something_private_is_refused_by_name() {
        let (_directory, top) = home();
        let find = |places: &[Private]| Interpreter::find(python(), Some(&top.join("bin/python3")), places);
        for state in ["opt/py/lib/python3.12/state", "lib/python3.12/site-packages/not-yet/state", "lib/python3.12"] {
            let state = top.join(state);
            let reason = find(&[private("the state directory", &state, Kind::Secret)]).unwrap_err();
            assert!(reason.contains("the state directory") && reason.contains(state.to_str().unwrap()), "{reason}");
            assert!(reason.contains("elsewhere"), "{reason}");
        }
        let reason = find(&[private("the state directory", Path::new("/usr/share/x"), Kind::Secret)]).unwrap_err();
        assert!(reason.contains("lies in /usr, which native programs see"), "{reason}");
        // Libraries that really are somebody's hidden files, or their home.
        fs::rename(top.join("lib/python3.12"), top.join(".hidden")).unwrap();
        symlink(top.join(".hidden"), top.join("lib/python3.12")).unwrap();
        let reason = find(&[]).unwrap_err();
        assert!(reason.contains("hidden") && reason.contains("--native-program"), "{reason}");
        fs::remove_file(top.join("lib/python3.12")).unwrap();
        symlink(&top, top.join("lib/python3.12")).unwrap();
        let reason = find(&[private("the directory", &top, Kind::Personal)]).unwrap_err();
        assert!(reason.contains("all of the directory") && reason.contains("--native-program"), "{reason}");
        // An environment that came with a project, with links in it.
        fs::remove_file(top.join("lib/python3.12")).unwrap();
        fs::create_dir_all(top.join("project/lib")).unwrap();
        fs::create_dir_all(top.join("project/bin")).unwrap();
        fs::write(top.join(".ssh/key"), "").unwrap();
        fs::write(top.join("project/pyvenv.cfg"), format!("home = {}\n", top.join("opt/py/bin").display())).unwrap();
        symlink(top.join("opt/py/bin/python3"), top.join("project/bin/python3")).unwrap();
        symlink(top.join(".ssh/key"), top.join("project/bin/python3.9")).unwrap();
        symlink(top.join(".ssh/key"), top.join("project/lib/libpython3.so")).unwrap();
        let find = || Interpreter::find(python(), Some(&top.join("project/bin/python3")), &[]);
        assert!(!format!("{:?}", find().unwrap()).contains(".ssh"));
        symlink(&top, top.join("project/lib/python3.12")).unwrap();
        let reason = find().unwrap_err();
        assert!(reason.contains("no part of the interpreter"), "{reason}");
    }

    #[test]
    fn a_project_among_the_systems_files_is_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path().canonicalize().unwrap();
        for made in ["bin", "src/app", "src/other"] {
            fs::create_dir_all(top.join(made)).unwrap();
        }
        let mut parts = Vec::new();
        without(&top, &[top.join("src/app")], &mut parts).unwrap();
        parts.sort();
        assert_eq!(parts, [top.join("bin"), top.join("src/other")]);
    }
}
