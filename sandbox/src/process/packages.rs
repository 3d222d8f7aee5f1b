//! Which packages an interpreter of this machine has. Asking it takes as long as
//! a run, so the answer is kept in the cache until a place changes in which
//! packages lie.

#![expect(clippy::disallowed_methods, reason = "owns a file of the cache, and looks at times of files")]

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use guest_runtimes::Packages;
use serde::{Deserialize, Serialize};

use super::host::answer;

/// What was found out about an interpreter.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Answer {
    interpreter: PathBuf,
    /// What was asked for: another build may ask for more.
    asked: Vec<String>,
    places: Vec<Place>,
    packages: Vec<String>,
}

/// A place in which packages lie, and when it last changed: seconds and
/// nanoseconds.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Place(PathBuf, i64, i64);

impl Place {
    fn now(path: PathBuf) -> Option<Self> {
        let found = fs::metadata(&path).ok()?;
        Some(Self(path, found.mtime(), found.mtime_nsec()))
    }

    fn is_unchanged(&self) -> bool {
        Self::now(self.0.clone()).as_ref() == Some(self)
    }
}

/// Which of `wanted` the interpreter has. Blocks.
pub(super) fn packages(interpreter: &Path, wanted: &Packages, cache: &Path) -> Result<Vec<String>, String> {
    let name = blake3::hash(interpreter.as_os_str().as_encoded_bytes()).to_hex();
    let file = cache.join(format!("packages-{}.json", &name[..16]));
    if let Some(known) = read(&file)
        && known.interpreter == interpreter
        && known.asked == wanted.names
        && known.places.iter().all(Place::is_unchanged)
    {
        return Ok(known.packages);
    }
    let said = answer(interpreter, &wanted.program, &wanted.names)?;
    let after = |word: &'static str| said.lines().filter_map(move |line| line.strip_prefix(word)?.strip_prefix(' '));
    let packages: Vec<_> =
        after("package").filter(|name| wanted.names.iter().any(|wanted| wanted == name)).map(str::to_owned).collect();
    let places = after("place").map(PathBuf::from).chain([interpreter.to_path_buf()]).filter_map(Place::now).collect();
    let answer = Answer { interpreter: interpreter.to_path_buf(), asked: wanted.names.clone(), places, packages };
    if let Err(error) = write(&file, &answer) {
        // The next server asks again.
        tracing::warn!(%error, "what an interpreter has was not kept in the cache");
    }
    Ok(answer.packages)
}

fn read(file: &Path) -> Option<Answer> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

fn write(file: &Path, answer: &Answer) -> std::io::Result<()> {
    let directory = file.parent().unwrap_or_else(|| Path::new("."));
    let new = tempfile::NamedTempFile::new_in(directory)?;
    serde_json::to_writer(&new, answer)?;
    new.persist(file).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn an_interpreter_is_asked_again_only_when_a_place_of_its_packages_changed() {
        let directory = tempfile::tempdir().unwrap();
        let (place, interpreter) = (directory.path().join("site"), directory.path().join("interpreter"));
        fs::create_dir(&place).unwrap();
        let script = format!(
            "#!/bin/sh\necho x >> {0}/asked\nls {0}/site | sed 's/^/package /'\necho place {0}/site\n",
            directory.path().display()
        );
        fs::write(&interpreter, script).unwrap();
        fs::set_permissions(&interpreter, fs::Permissions::from_mode(0o755)).unwrap();
        let wanted =
            Packages { names: vec!["numpy".into(), "pandas".into()], program: String::new(), add: String::new() };
        let cache = tempfile::tempdir().unwrap();
        let found = || packages(&interpreter, &wanted, cache.path()).unwrap();
        let asked = || fs::read_to_string(directory.path().join("asked")).unwrap().lines().count();
        assert_eq!((found(), found(), asked()), (vec![], vec![], 1));
        fs::write(place.join("numpy"), "").unwrap();
        fs::write(place.join("other"), "").unwrap();
        assert_eq!((found(), found(), asked()), (vec!["numpy".to_owned()], vec!["numpy".to_owned()], 2));
        // A file that is damaged is no answer.
        let kept = fs::read_dir(cache.path()).unwrap().next().unwrap().unwrap().path();
        fs::write(kept, "{").unwrap();
        assert_eq!((found(), asked()), (vec!["numpy".to_owned()], 3));
    }
}
