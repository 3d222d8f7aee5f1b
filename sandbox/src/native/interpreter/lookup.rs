//! Which program of this machine runs a language. Looked for without starting
//! anything: what is on the path may be a script of a version manager, and what
//! that does depends on the directory of whoever asks.

#![expect(clippy::disallowed_methods, reason = "looks for programs")]

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Where programs are looked for without a path of ours.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where version managers keep what looks for the version that is asked for.
const SHIMS: &str = "shims";

/// The most that a file with the name of the chosen version holds.
const MAX_NAME_BYTES: u64 = 4096;

/// The program of a language: the one that is `configured`, or the first on the
/// path of this process.
pub(in crate::native) fn find(name: &str, configured: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(path) = configured {
        return look(path, name);
    }
    // A host of agents may start us with no environment at all.
    let path = std::env::var_os("PATH").unwrap_or_else(|| PATH.into());
    find_on(&std::env::split_paths(&path).collect::<Vec<_>>(), name)
}

fn find_on(path: &[PathBuf], name: &str) -> Result<PathBuf, String> {
    let mut reasons = Vec::new();
    for candidate in path.iter().map(|directory| directory.join(name)).filter(|candidate| is_executable(candidate)) {
        match look(&candidate, name) {
            Ok(found) => return Ok(found),
            Err(reason) => reasons.push(reason),
        }
    }
    match reasons.is_empty() {
        true => Err(format!("there is no `{name}` on the path")),
        false => Err(reasons.join("; ")),
    }
}

/// The program that a path stands for, if that can be seen.
fn look(path: &Path, name: &str) -> Result<PathBuf, String> {
    if !is_executable(path) {
        return Err(format!("{} is not a program", path.display()));
    }
    let real = path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?;
    let is_shim = |path: &Path| path.parent().is_some_and(|parent| parent.ends_with(SHIMS));
    if is_shim(path) || is_shim(&real) {
        let shims = if is_shim(path) { path } else { &real };
        let file_name = path.file_name().and_then(|name| name.to_str()).unwrap_or(name);
        return installed(shims, file_name).ok_or_else(|| {
            format!(
                "{} looks for the program when it is started, and none of its versions was found; name the program \
                 itself with --native-program",
                path.display()
            )
        });
    }
    let mut start = [0; 4];
    let read = File::open(&real).and_then(|mut file| file.read_exact(&mut start));
    read.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    if &start != b"\x7fELF" {
        return Err(format!(
            "{} is a script, which is not run to find out what it starts; name the program itself with \
             --native-program",
            path.display()
        ));
    }
    Ok(path.to_path_buf())
}

/// The version that a version manager chooses where nothing else is asked for,
/// or its newest.
fn installed(shim: &Path, name: &str) -> Option<PathBuf> {
    let root = shim.parent()?.parent()?;
    let tool = name.trim_end_matches(|end: char| end.is_ascii_digit() || end == '.');
    let program = |directory: &Path| directory.join("bin").join(name);
    let is_there = |program: &PathBuf| is_executable(program) && !program.starts_with(root.join(SHIMS));
    let versions = [root.join("versions"), root.join("installs").join(tool)];
    let mut chosen = String::new();
    let file = File::open(root.join("version"));
    // Without a file that names a version, or with one that makes no sense, the newest
    // version is chosen.
    let _ = file.and_then(|file| file.take(MAX_NAME_BYTES).read_to_string(&mut chosen));
    let chosen = chosen.split_whitespace().filter(|name| !name.contains('/'));
    // `system` means the next program on the path.
    if chosen.clone().next() == Some("system") {
        return None;
    }
    let chosen = chosen.map(|chosen| program(&versions[0].join(chosen))).find(is_there);
    chosen.or_else(|| {
        let all = versions.iter().filter_map(|directory| fs::read_dir(directory).ok()).flatten().flatten();
        let mut all: Vec<_> = all.map(|entry| entry.path()).filter(|path| is_there(&program(path))).collect();
        all.sort_by_key(|path| numbers(path));
        all.last().map(|path| program(path))
    })
}

/// The numbers in the name of a version, by which versions are compared.
fn numbers(path: &Path) -> Vec<u64> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split(|letter: char| !letter.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

pub(in crate::native) fn is_executable(path: &Path) -> bool {
    path.is_absolute()
        && path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Where programs look for programs, `own` first.
pub(in crate::native) fn search_path(program: &Path) -> String {
    let own = program.parent().and_then(Path::to_str).filter(|own| !PATH.split(':').any(|known| known == *own));
    own.map_or_else(|| PATH.to_owned(), |own| format!("{own}:{PATH}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(path: &Path, content: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn nothing_is_started_to_find_a_program() {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path();
        let script = format!("#!/bin/sh\ntouch {}/ran\n", top.display());
        program(&top.join("script/python3"), &script);
        program(&top.join("pyenv/shims/python3"), &script);
        program(&top.join("mise/shims/python3"), "\x7fELF of the manager");
        for version in ["3.9.1", "3.12.4", "3.11.0"] {
            program(&top.join(format!("pyenv/versions/{version}/bin/python3")), "\x7fELF");
            program(&top.join(format!("mise/installs/python/{version}/bin/python3")), "\x7fELF");
        }
        let found = |names: &[&str]| {
            find_on(&names.iter().map(|name| top.join(name)).collect::<Vec<_>>(), "python3")
                .map(|path| path.strip_prefix(top).unwrap().to_path_buf())
        };
        let reason = found(&["script", "relative"]).unwrap_err();
        assert!(reason.contains("is a script") && reason.contains("--native-program"), "{reason}");
        assert_eq!(found(&["script", "mise/shims"]).unwrap(), Path::new("mise/installs/python/3.12.4/bin/python3"));
        assert_eq!(found(&["pyenv/shims"]).unwrap(), Path::new("pyenv/versions/3.12.4/bin/python3"));
        fs::write(top.join("pyenv/version"), "3.8.0\n3.11.0\n").unwrap();
        assert_eq!(found(&["pyenv/shims"]).unwrap(), Path::new("pyenv/versions/3.11.0/bin/python3"));
        fs::write(top.join("pyenv/version"), "system\n").unwrap();
        assert_eq!(
            found(&["pyenv/shims", "pyenv/versions/3.9.1/bin"]).unwrap(),
            Path::new("pyenv/versions/3.9.1/bin/python3")
        );
        program(&top.join("empty/shims/python3"), &script);
        assert!(found(&["empty/shims"]).unwrap_err().contains("looks for the program"));
        let reason = find("python3", Some(&top.join("script/python3"))).unwrap_err();
        assert!(reason.contains("is a script"), "{reason}");
        assert!(!top.join("ran").exists());
    }
}
