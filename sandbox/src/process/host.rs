//! What of this machine a native program gets to see, read-only: the system's
//! programs and libraries, and where its interpreter lies.

#![expect(clippy::disallowed_methods, reason = "looks for programs, and asks an interpreter where it lies")]

use std::collections::BTreeSet;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use guest_runtimes::Native;
use jailer::{Access, Mount};

use crate::children;

/// Programs and libraries, and the few files of `/etc` that they read when
/// they start. What is not on a machine is left out.
const SYSTEM: [&str; 18] = [
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
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/protocols",
    "/etc/ssl/openssl.cnf",
];

/// Never shown whole, whatever an interpreter says of where it lies.
const TOO_WIDE: [&str; 12] =
    ["/", "/boot", "/dev", "/etc", "/home", "/media", "/mnt", "/proc", "/root", "/run", "/sys", "/var"];

/// Where programs are looked for inside.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The most that an interpreter may say of where it lies.
const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// An interpreter of this machine.
#[derive(Clone, Debug)]
pub(super) struct Interpreter {
    /// Its program.
    pub(super) path: PathBuf,
    /// What it needs beside the system's directories.
    mounts: Vec<Mount>,
}

impl Interpreter {
    /// Finds the program of `native`: the one that is `configured`, or on the
    /// path of this process. `hidden` is what must not become visible.
    pub(super) fn find(native: &Native, configured: Option<&Path>, hidden: &[PathBuf]) -> Result<Self, String> {
        let mut path = match configured {
            Some(path) if is_executable(path) => path.to_path_buf(),
            Some(path) => return Err(format!("{} is not a program", path.display())),
            None => {
                on_path(native.program()).ok_or_else(|| format!("there is no `{}` on the path", native.program()))?
            }
        };
        let mut needed = BTreeSet::new();
        if let Some(program) = native.prefixes() {
            let mut said = ask(&path, program)?.into_iter();
            path = said.next().ok_or_else(|| format!("{} does not say where it is", path.display()))?;
            needed.extend(said);
        }
        let mut mounts = Vec::new();
        for directory in needed {
            let is_shown = |shown: &Mount| directory.starts_with(&shown.destination);
            if system().iter().chain(&mounts).any(is_shown) {
                continue;
            }
            let real = directory.canonicalize().unwrap_or_else(|_| directory.clone());
            if TOO_WIDE.iter().any(|wide| real == Path::new(wide))
                || hidden.iter().any(|hidden| hidden.starts_with(&real))
            {
                return Err(format!(
                    "{} needs {}, which holds more than an interpreter",
                    path.display(),
                    directory.display()
                ));
            }
            mounts.push(read_only(directory));
        }
        let is_visible = system().iter().chain(&mounts).any(|shown| path.starts_with(&shown.destination));
        if !is_visible {
            mounts.push(read_only(path.clone()));
        }
        Ok(Self { path, mounts })
    }

    /// Everything of the machine that its programs see.
    pub(super) fn mounts(&self) -> Vec<Mount> {
        system().into_iter().chain(self.mounts.iter().cloned()).collect()
    }

    /// Where its programs look for programs.
    pub(super) fn search_path(&self) -> String {
        let own = self.path.parent().and_then(Path::to_str).filter(|own| !PATH.split(':').any(|known| known == *own));
        own.map_or_else(|| PATH.to_owned(), |own| format!("{own}:{PATH}"))
    }
}

fn system() -> Vec<Mount> {
    SYSTEM.iter().map(PathBuf::from).filter(|path| path.symlink_metadata().is_ok()).map(read_only).collect()
}

fn read_only(path: PathBuf) -> Mount {
    Mount { destination: path.clone(), source: path, access: Access::Read }
}

fn on_path(name: &str) -> Option<PathBuf> {
    // A host of agents may start us with no environment at all.
    let path = std::env::var_os("PATH").unwrap_or_else(|| PATH.into());
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|candidate| is_executable(candidate))
}

fn is_executable(path: &Path) -> bool {
    path.is_absolute()
        && path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Where an interpreter lies, in its own words.
fn ask(interpreter: &Path, program: &str) -> Result<Vec<PathBuf>, String> {
    let said = answer(interpreter, program, &[])?;
    Ok(said.lines().map(PathBuf::from).filter(|path| path.is_absolute()).collect())
}

/// What a program of ours prints in an interpreter.
pub(super) fn answer(interpreter: &Path, program: &str, args: &[String]) -> Result<String, String> {
    let failed = |error: io::Error| format!("{} does not start: {error}", interpreter.display());
    let mut command = Command::new(interpreter);
    command
        .args(["-I", "-c", program])
        .args(args)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = children::start(&mut command).map_err(failed)?;
    let mut text = String::new();
    let read = child.stdout.take().map(|stdout| stdout.take(MAX_ANSWER_BYTES).read_to_string(&mut text));
    let status = children::wait(&mut child).map_err(failed)?;
    read.transpose().map_err(failed)?;
    if !status.success() {
        return Err(format!("{} does not start: {status}", interpreter.display()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn python() -> &'static Native {
        let guest_runtimes::Kind::Native(native) = guest_runtimes::find("python-native").unwrap().kind() else {
            panic!("it is native")
        };
        native
    }

    #[test]
    fn an_interpreter_is_found_with_what_it_needs_and_no_more() {
        let found = Interpreter::find(python(), None, &[]).unwrap();
        assert!(found.mounts().iter().any(|mount| found.path.starts_with(&mount.destination)));
        for mount in found.mounts() {
            assert!(mount.access == Access::Read && !TOO_WIDE.contains(&mount.source.to_str().unwrap()), "{mount:?}");
        }
    }

    #[test]
    fn one_that_would_show_what_is_hidden_or_is_no_program_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("python3");
        std::fs::write(
            &program,
            format!("#!/bin/sh\necho {}\necho {}\n", program.display(), directory.path().display()),
        )
        .unwrap();
        let reason = Interpreter::find(python(), Some(&program), &[]).unwrap_err();
        assert!(reason.contains("not a program"), "{reason}");
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let found = Interpreter::find(python(), Some(&program), &[]).unwrap();
        assert!(found.mounts().iter().any(|mount| mount.source == directory.path()));
        let hidden = directory.path().join("state");
        let reason = Interpreter::find(python(), Some(&program), &[hidden]).unwrap_err();
        assert!(reason.contains("holds more than an interpreter"), "{reason}");
    }
}
