//! Which packages an interpreter of this machine has. Asking it is a run like any
//! other, so the answer is kept in the cache until a place changes in which
//! packages lie.

#![expect(clippy::disallowed_methods, reason = "owns a file of the cache, and looks at times of files")]

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use guest_runtimes::Packages;
use serde::{Deserialize, Serialize};

/// What was found out about an interpreter.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Answer {
    interpreter: PathBuf,
    /// The packages that were asked for: another build may ask for more.
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

/// Which of `wanted` the interpreter has, if that is known. Blocks.
pub(in crate::native) fn known(interpreter: &Path, wanted: &Packages, cache: &Path) -> Option<Vec<String>> {
    let known = read(&file(interpreter, cache))?;
    let is_current =
        known.interpreter == interpreter && known.asked == wanted.names && known.places.iter().all(Place::is_unchanged);
    is_current.then_some(known.packages)
}

/// Keeps what the interpreter said, and tells which of `wanted` it has. Blocks.
pub(in crate::native) fn learn(interpreter: &Path, wanted: &Packages, cache: &Path, said: &str) -> Vec<String> {
    let after = |word: &'static str| said.lines().filter_map(move |line| line.strip_prefix(word)?.strip_prefix(' '));
    let packages: Vec<_> =
        after("package").filter(|name| wanted.names.iter().any(|wanted| wanted == name)).map(str::to_owned).collect();
    let places = after("place").map(PathBuf::from).chain([interpreter.to_path_buf()]).filter_map(Place::now).collect();
    let answer = Answer { interpreter: interpreter.to_path_buf(), asked: wanted.names.clone(), places, packages };
    if let Err(error) = write(&file(interpreter, cache), &answer) {
        // The next server asks again.
        tracing::warn!(%error, "what an interpreter has was not kept in the cache");
    }
    answer.packages
}

fn file(interpreter: &Path, cache: &Path) -> PathBuf {
    let name = blake3::hash(interpreter.as_os_str().as_encoded_bytes()).to_hex();
    // Answers that were asked for without walls have files of another name.
    cache.join(format!("seen-packages-{}.json", &name[..16]))
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
    use super::*;

    #[test]
    fn an_interpreter_is_asked_again_only_when_a_place_of_its_packages_changed() {
        let directory = tempfile::tempdir().unwrap();
        let (place, interpreter) = (directory.path().join("site"), directory.path().join("interpreter"));
        fs::create_dir(&place).unwrap();
        fs::write(&interpreter, "").unwrap();
        let wanted =
            Packages { names: vec!["numpy".into(), "pandas".into()], program: String::new(), add: String::new() };
        let cache = tempfile::tempdir().unwrap();
        let ask = || known(&interpreter, &wanted, cache.path());
        let said = format!("package other\npackage numpy\nplace {}\nplace /not/there\n", place.display());
        assert_eq!(ask(), None);
        assert_eq!(learn(&interpreter, &wanted, cache.path(), &said), ["numpy"]);
        assert_eq!(ask(), Some(vec!["numpy".to_owned()]));
        fs::write(place.join("pandas"), "").unwrap();
        assert_eq!(ask(), None);
        learn(&interpreter, &wanted, cache.path(), &said);
        // A file that is damaged is no answer.
        fs::write(file(&interpreter, cache.path()), "{").unwrap();
        assert_eq!(ask(), None);
    }
}
