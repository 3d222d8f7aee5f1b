//! Where an interpreter keeps its libraries, seen from its program: what of the
//! directory that it is installed in its programs need, and no more. It may be
//! installed among somebody's own files.

#![expect(clippy::disallowed_methods, reason = "looks at how an interpreter is installed")]

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use guest_runtimes::Layout;

use crate::native::private::Guarded;

/// The most that the configuration of an environment holds.
const MAX_CONFIGURATION_BYTES: u64 = 64 << 10;

/// Stores of Nix and Guix: everybody may read all of it, and a program's
/// libraries lie anywhere in it.
const STORES: [&str; 2] = ["/nix/store", "/gnu/store"];

/// Data that libraries read, beside them.
const DATA: [&str; 4] = ["share/zoneinfo", "share/terminfo", "ssl/openssl.cnf", "ssl/cacert.pem"];

const LIBRARIES: [&str; 2] = ["lib", "lib64"];

/// What programs of an interpreter need of the machine.
#[derive(Debug, Default)]
pub(in crate::native) struct Needed {
    /// Files and directories by the paths that they are called by, links or not, each
    /// with what it is for.
    pub(in crate::native) parts: Vec<(PathBuf, String)>,
    /// Directories that packages are installed in.
    pub(in crate::native) packages: Vec<PathBuf>,
}

/// What `program` needs, as `layout` describes it.
pub(in crate::native) fn needed(program: &Path, layout: Option<&Layout>, guarded: &Guarded) -> Result<Needed, String> {
    let mut needed = Needed { parts: vec![(program.to_path_buf(), "the program".into())], packages: Vec::new() };
    let Some(layout) = layout else { return Ok(needed) };
    let real = real(program)?;
    let environment = environment(program, layout);
    let base = match &environment {
        Some((prefix, configuration)) => {
            let configuration_file = prefix.join(&layout.environment);
            stays(prefix, &configuration_file, layout)?;
            needed.parts.push((configuration_file, "says where its interpreter is".into()));
            needed.libraries(prefix, layout, false)?;
            let home = home(configuration).ok_or_else(|| {
                format!("{} does not say where its interpreter is", prefix.join(&layout.environment).display())
            })?;
            let name = program.file_name().unwrap_or_default();
            let own = home.join(name);
            let base = if own.exists() { own } else { home.join(real.file_name().unwrap_or_default()) };
            if base.exists() { base } else { real.clone() }
        }
        None => program.to_path_buf(),
    };
    needed.programs(program, layout);
    needed.programs(&base, layout);
    let real_base = self::real(&base)?;
    let prefix = real_base.ancestors().skip(1).find(|above| !versions(above, layout).is_empty());
    if let Some(prefix) = prefix {
        needed.libraries(prefix, layout, is_its_own(prefix, guarded))?;
    }
    Ok(needed)
}

/// Directories that an interpreter of the system has its packages in.
pub(in crate::native) fn packages_of(prefix: &Path, layout: &Layout) -> Vec<PathBuf> {
    let found = versions(prefix, layout).into_iter().chain([prefix.join("lib/python3")]);
    found.flat_map(|library| layout.packages.iter().map(move |name| library.join(name))).collect()
}

/// The store of a package manager that a file comes from.
pub(in crate::native) fn store(real: &Path) -> Option<&'static Path> {
    STORES.iter().map(Path::new).find(|store| real.starts_with(store))
}

impl Needed {
    /// The libraries in `prefix`: all that lies among them if it is an
    /// installation by itself, those of the language otherwise.
    fn libraries(&mut self, prefix: &Path, layout: &Layout, is_its_own: bool) -> Result<(), String> {
        for library in versions(prefix, layout) {
            stays(prefix, &library, layout)?;
            self.packages.extend(layout.packages.iter().map(|name| library.join(name)));
            self.parts.push((library, "libraries of the interpreter".into()));
        }
        for directory in LIBRARIES.map(|name| prefix.join(name)) {
            if is_its_own && directory.exists() {
                stays(prefix, &directory, layout)?;
                self.add(directory, "libraries of the interpreter");
                continue;
            }
            for file in entries(&directory).filter(|file| is_named(file, |name| layout.is_shared_library(name))) {
                self.add(file, "a library of the interpreter");
            }
        }
        if is_its_own {
            for data in DATA.map(|name| prefix.join(name)).into_iter().filter(|data| data.exists()) {
                stays(prefix, &data, layout)?;
                self.add(data, "data of the interpreter's libraries");
            }
        }
        Ok(())
    }

    /// A program by its other names, as programs ask for themselves.
    fn programs(&mut self, program: &Path, layout: &Layout) {
        let Some(directory) = program.parent() else { return };
        for file in entries(directory).filter(|file| is_named(file, |name| layout.is_program(name))) {
            self.add(file, "the interpreter");
        }
    }

    fn add(&mut self, path: PathBuf, why: &str) {
        if path.exists() && !self.parts.iter().any(|(known, _)| *known == path) {
            self.parts.push((path, why.to_owned()));
        }
    }
}

/// Fails unless a part of an installation belongs to it: whoever made it may have put
/// links in it that lead to what is not theirs. Libraries of a version may be kept
/// elsewhere under the same name, as Stow does, and anything in a store.
fn stays(prefix: &Path, part: &Path, layout: &Layout) -> Result<(), String> {
    let (prefix, real) = (real(prefix)?, real(part)?);
    let is_version = layout.is_version(&name_of(part)) && name_of(part) == name_of(&real);
    if real.starts_with(&prefix) || is_version || store(&real).is_some() {
        return Ok(());
    }
    let (part, real, prefix) = (part.display(), real.display(), prefix.display());
    Err(format!("{part} leads to {real}, which is no part of the interpreter in {prefix}: put a copy in its place"))
}

/// Whether a file is called so, by its own name as well as by that of what it
/// leads to.
fn is_named(file: &Path, is_name: impl Fn(&str) -> bool) -> bool {
    is_name(&name_of(file)) && real(file).is_ok_and(|real| is_name(&name_of(&real)))
}

/// An installation that nothing else lies in. Where several things are put side
/// by side, what is beside an interpreter is not its own.
fn is_its_own(prefix: &Path, guarded: &Guarded) -> bool {
    let is_shared = prefix.ends_with(".local") || prefix.parent().is_none();
    !is_shared && guarded.in_the_way(prefix).is_none()
}

/// The environment that a program belongs to, and the content of its
/// configuration.
fn environment(program: &Path, layout: &Layout) -> Option<(PathBuf, String)> {
    let directory = program.parent()?;
    [Some(directory), directory.parent()].into_iter().flatten().find_map(|prefix| {
        let mut text = String::new();
        let file = File::open(prefix.join(&layout.environment)).ok()?;
        file.take(MAX_CONFIGURATION_BYTES).read_to_string(&mut text).ok()?;
        Some((prefix.to_path_buf(), text))
    })
}

fn home(configuration: &str) -> Option<PathBuf> {
    let value = |line: &str| {
        let (key, value) = line.split_once('=')?;
        (key.trim().eq_ignore_ascii_case("home")).then(|| PathBuf::from(value.trim()))
    };
    configuration.lines().find_map(value).filter(|home| home.is_absolute())
}

/// Directories of libraries in a prefix, one for each version there.
fn versions(prefix: &Path, layout: &Layout) -> Vec<PathBuf> {
    let directories = LIBRARIES.map(|name| prefix.join(name));
    let all = directories.iter().flat_map(|directory| entries(directory));
    all.filter(|path| layout.is_version(&name_of(path)) && path.is_dir()).collect()
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let mut entries: Vec<_> =
        fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    entries.into_iter()
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn real(path: &Path) -> Result<PathBuf, String> {
    path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))
}
