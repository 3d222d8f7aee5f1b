//! Which runtimes there are: those of this build, and those that an operator
//! put into a folder.

#![expect(clippy::disallowed_methods, reason = "reads the folders of an operator")]

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::image::{Image, Source};
use crate::runtime::{Description, GuestRuntime, Kind};
use crate::{built_in, image};

/// What a folder of an operator's must hold.
const DESCRIPTION: &str = "runtime.toml";
/// A file that the folder of an operator's may hold.
const PROBES: &str = "probes.toml";
/// The longest text: longer ones would crowd the definition of a tool.
const MAX_TEXT_CHARS: usize = 200;
/// The longest id, which is a part of file names.
const MAX_ID_BYTES: usize = 40;

/// Guest runtimes, each with an id of its own. The first is the one that is
/// meant where none is named.
#[derive(Clone)]
pub struct Catalogue(Arc<[Arc<GuestRuntime>]>);

/// Why a folder of runtimes cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueError {
    /// A file or a folder cannot be read.
    #[error("failed to read {}", path.display())]
    Unreadable {
        /// The path of the file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file is not what it should be: its syntax, a key that it lacks or
    /// should not have, or a value of another type.
    #[error("{} does not describe a runtime", file.display())]
    Malformed {
        /// The path of the file.
        file: PathBuf,
        /// Names the key, or the place.
        source: toml::de::Error,
    },
    /// The value of a key cannot be.
    #[error("{}: {key} {reason}", file.display())]
    Invalid {
        /// The file that has the key.
        file: PathBuf,
        /// The key, with the table that it is in.
        key: &'static str,
        /// What it must be, and what it is.
        reason: String,
    },
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter().map(|runtime| runtime.id())).finish()
    }
}

impl Catalogue {
    /// Every runtime of this build.
    ///
    /// # Panics
    ///
    /// When a description in this very source tree cannot be read, which a test
    /// rules out.
    pub fn built_in() -> Self {
        static BUILT_IN: OnceLock<Catalogue> = OnceLock::new();
        let load = || match built_in::runtimes() {
            Ok(runtimes) => Self(runtimes.into_iter().map(Arc::new).collect()),
            Err(error) => panic!("a description of a guest cannot be read: {error}"),
        };
        BUILT_IN.get_or_init(load).clone()
    }

    /// This catalogue and the runtimes in `folder`: an image and its description in a
    /// folder of its own for each. Of the image only the size is looked at; its content
    /// is verified when it is first used.
    ///
    /// # Errors
    ///
    /// [`CatalogueError`], which names file and key.
    pub fn with_folder(&self, folder: &Path) -> Result<Self, CatalogueError> {
        let unreadable = |source| CatalogueError::Unreadable { path: folder.to_owned(), source };
        let entries = folder.read_dir().and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
        let mut paths: Vec<_> = entries.map_err(unreadable)?.into_iter().map(|entry| entry.path()).collect();
        // The order is the same on every machine.
        paths.sort();
        let is_hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes()[0] == b'.');
        let mut runtimes = self.0.to_vec();
        for path in paths.iter().filter(|path| path.is_dir() && !is_hidden(path)) {
            let runtime = load(path, &runtimes)?;
            runtimes.push(Arc::new(runtime));
        }
        Ok(Self(runtimes.into()))
    }

    /// All runtimes, those of this build first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<GuestRuntime>> {
        self.0.iter()
    }

    /// The runtime of language `id`.
    pub fn find(&self, id: &str) -> Option<&Arc<GuestRuntime>> {
        self.iter().find(|runtime| runtime.id() == id)
    }

    /// The runtime that is meant where none is named.
    pub fn first(&self) -> Option<&Arc<GuestRuntime>> {
        self.0.first()
    }
}

fn read(path: &Path) -> Result<String, CatalogueError> {
    std::fs::read_to_string(path).map_err(|source| CatalogueError::Unreadable { path: path.to_owned(), source })
}

/// A runtime from a folder of an operator's, beside `others`.
fn load(folder: &Path, others: &[Arc<GuestRuntime>]) -> Result<GuestRuntime, CatalogueError> {
    let file = folder.join(DESCRIPTION);
    let malformed = |file: &Path, source| CatalogueError::Malformed { file: file.to_owned(), source };
    let description: Description = toml::from_str(&read(&file)?).map_err(|source| malformed(&file, source))?;
    let probes_file = folder.join(PROBES);
    let probes = if probes_file.exists() {
        toml::from_str(&read(&probes_file)?).map_err(|source| malformed(&probes_file, source))?
    } else {
        Default::default()
    };
    let invalid = |key, reason: String| CatalogueError::Invalid { file: file.clone(), key, reason };
    check_texts(&description).map_err(|(key, reason)| invalid(key, reason))?;
    if description.native.is_some() {
        return Err(invalid("native", "is for runtimes of the build alone: a folder brings an image".into()));
    }
    if others.iter().any(|other| other.id() == description.id) {
        return Err(invalid("id", format!("must be another than that of other runtimes, got {:?}", description.id)));
    }
    let image = load_image(folder, &description).map_err(|(key, reason)| invalid(key, reason))?;
    let digests = others.iter().filter_map(|other| match other.kind() {
        Kind::Wasm(image) => Some((other.id(), image.digest())),
        Kind::Native(_) => None,
    });
    if let Some((id, _)) = digests.into_iter().find(|(_, digest)| *digest == image.digest()) {
        return Err(invalid("image_sha256", format!("must be of an image of its own, and is that of `{id}`")));
    }
    Ok(GuestRuntime::new(description, probes, Kind::Wasm(Arc::new(image))))
}

/// The key whose value cannot be, and why.
type Wrong = (&'static str, String);

fn check_texts(description: &Description) -> Result<(), Wrong> {
    let id = &description.id;
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if id.is_empty() || id.len() > MAX_ID_BYTES || !id.bytes().all(is_plain) {
        let reason = format!("must be 1 to {MAX_ID_BYTES} lower-case letters, digits and hyphens, got {id:?}");
        return Err(("id", reason));
    }
    for (key, text) in
        [("name", &description.name), ("description", &description.description), ("version", &description.version)]
    {
        let chars = text.chars().count();
        if chars == 0 || chars > MAX_TEXT_CHARS || text.contains(char::is_control) {
            return Err((key, format!("must be one line of 1 to {MAX_TEXT_CHARS} characters, got {chars}")));
        }
    }
    Ok(())
}

fn load_image(folder: &Path, description: &Description) -> Result<Image, Wrong> {
    let name = description.image.as_deref().ok_or(("image", "is missing: the name of the image's file".to_owned()))?;
    if Path::new(name).file_name().is_none_or(|plain| plain != name) {
        return Err(("image", format!("must be the name of a file in the same folder, got {name:?}")));
    }
    let path = folder.join(name);
    let compressed_bytes = amount("compressed_bytes", description.compressed_bytes, image::MAX_COMPRESSED_BYTES)?;
    amount("image_bytes", description.image_bytes, image::MAX_IMAGE_BYTES as u64)?;
    let metadata = path.metadata().map_err(|error| ("image", format!("cannot be looked at: {name}: {error}")))?;
    if !metadata.is_file() {
        return Err(("image", format!("must be a file, and {name} is none")));
    }
    if metadata.len() != compressed_bytes {
        return Err(("compressed_bytes", format!("is {compressed_bytes}, and {name} has {} bytes", metadata.len())));
    }
    let sha256 = digest("compressed_sha256", description.compressed_sha256.as_deref())?;
    let source = Source::File { path, sha256, bytes: compressed_bytes };
    let of_image = digest("image_sha256", description.image_sha256.as_deref())?;
    Image::new(description, of_image, source)
}

fn amount(key: &'static str, value: Option<u64>, most: u64) -> Result<u64, Wrong> {
    match value {
        Some(value) if (1..=most).contains(&value) => Ok(value),
        Some(value) => Err((key, format!("must be between 1 and {most}, got {value}"))),
        None => Err((key, "is missing".into())),
    }
}

fn digest(key: &'static str, value: Option<&str>) -> Result<String, Wrong> {
    let value = value.ok_or((key, "is missing".to_owned()))?;
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if value.len() == 64 && value.bytes().all(is_digit) {
        Ok(value.to_owned())
    } else {
        Err((key, format!("must be 64 hexadecimal digits in lower case, got {value:?}")))
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::fs;

    use super::*;

    const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn description() -> String {
        format!(
            "id = \"small\"\nname = \"Small\"\ndescription = \"a small one\"\nversion = \"1\"\nabi = 1\n\
             image = \"small.wasm.zst\"\nimage_sha256 = \"{DIGEST}\"\nimage_bytes = 9\n\
             compressed_sha256 = \"{DIGEST}\"\ncompressed_bytes = 3\nlicences = [\"MIT\"]\n\
             [instance]\ninitial_bytes = 131072\nminimum_bytes = 1048576\nheadroom_bytes = 65536\n\
             stack_bytes = 65536\nwarm_slots = 2\nwarm_bytes = 1048576\nhot_bytes = 4096\n[sources]\nown = \"1\"\n"
        )
    }

    /// A folder of an operator's with one runtime.
    fn folder(description: &str) -> tempfile::TempDir {
        let parent = tempfile::tempdir().unwrap();
        let own = parent.path().join("small");
        fs::create_dir(&own).unwrap();
        fs::write(own.join("runtime.toml"), description).unwrap();
        fs::write(own.join("small.wasm.zst"), "abc").unwrap();
        parent
    }

    fn load_with(from: &str, to: &str) -> Result<Catalogue, CatalogueError> {
        let text = description();
        assert!(text.contains(from), "{from}");
        Catalogue::built_in().with_folder(folder(&text.replace(from, to)).path())
    }

    #[test]
    fn a_folder_adds_its_runtimes_after_those_of_the_build() {
        let parent = folder(&description());
        fs::write(parent.path().join("README.md"), "no runtime").unwrap();
        fs::create_dir(parent.path().join(".git")).unwrap();
        let built_in = Catalogue::built_in();
        let catalogue = built_in.with_folder(parent.path()).unwrap();
        let ids: Vec<_> = catalogue.iter().map(|runtime| runtime.id()).collect();
        assert_eq!(ids.len(), built_in.iter().count() + 1);
        assert_eq!(ids.last(), Some(&"small"));
        assert_eq!(catalogue.first().unwrap().id(), "python");
        let small = catalogue.find("small").unwrap();
        assert_eq!((small.name(), small.minimum_memory_bytes()), ("Small", 1 << 20));
        let Kind::Wasm(image) = small.kind() else { panic!("it has an image") };
        assert_eq!((image.digest(), image.instance().warm_slots), (DIGEST, 2));
        assert!(format!("{catalogue:?}").contains("small"));
    }

    #[test]
    fn bad_content_is_refused_by_file_and_key() {
        for (from, to, key, reason) in [
            ("id = \"small\"", "id = \"Small one\"", "id", "lower-case letters, digits and hyphens, got \"Small one\""),
            ("id = \"small\"", "id = \"../x\"", "id", "got \"../x\""),
            ("id = \"small\"", "id = \"bash\"", "id", "another than that of other runtimes, got \"bash\""),
            ("\"a small one\"", "\"two\\nlines\"", "description", "one line of 1 to 200 characters"),
            ("name = \"Small\"", "name = \"\"", "name", "got 0"),
            ("\"small.wasm.zst\"", "\"../small.wasm.zst\"", "image", "a file in the same folder"),
            ("\"small.wasm.zst\"", "\"other.zst\"", "image", "other.zst: No such file"),
            ("image = \"small.wasm.zst\"", "", "image", "is missing"),
            ("abi = 1", "abi = 3", "abi", "between 1 and 2, got 3"),
            ("abi = 1", "", "abi", "is missing"),
            ("compressed_bytes = 3", "compressed_bytes = 4", "compressed_bytes", "is 4, and small.wasm.zst has 3"),
            ("compressed_bytes = 3", "", "compressed_bytes", "is missing"),
            ("image_bytes = 9", "image_bytes = 999999999", "image_bytes", "between 1 and 268435456, got 999999999"),
            ("image_sha256 = \"01", "image_sha256 = \"XY", "image_sha256", "64 hexadecimal digits"),
            ("warm_slots = 2", "warm_slots = 999", "instance.warm_slots", "between 0 and 256, got 999"),
            (
                "[sources]",
                "[native]\nprogram=\"x\"\narguments=[]\nextension=\"x\"\ncanary=\"x\"\n[sources]",
                "native",
                "the build alone",
            ),
        ] {
            let error = load_with(from, to).unwrap_err();
            let said = error.to_string();
            let CatalogueError::Invalid { file, key: found, .. } = error else { panic!("{to}: {said}") };
            assert!(file.ends_with("small/runtime.toml") && found == key, "{to}: {said}");
            assert!(said.contains(reason), "{to}: {said}");
        }
        for (from, to, named) in [
            ("hot_bytes = 4096", "", "missing field `hot_bytes`"),
            ("warm_slots = 2", "warm_slots = 2\nwarm_slot = 3", "unknown field `warm_slot`"),
            ("abi = 1", "abi = 1\nlanguage = \"x\"", "unknown field `language`"),
            ("initial_bytes = 131072", "initial_bytes = \"x\"", "initial_bytes = \"x\""),
            ("[instance]", "[instance", "[instance"),
        ] {
            let error = load_with(from, to).unwrap_err();
            let cause = error.source().unwrap().to_string();
            assert!(error.to_string().contains("small/runtime.toml does not describe a runtime"), "{error}");
            assert!(cause.contains(named), "{cause}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let parent = folder(&description());
        fs::remove_file(parent.path().join("small/runtime.toml")).unwrap();
        let error = Catalogue::built_in().with_folder(parent.path()).unwrap_err().to_string();
        assert!(error.ends_with("small/runtime.toml"), "{error}");
        let error = Catalogue::built_in().with_folder(&parent.path().join("nowhere")).unwrap_err().to_string();
        assert!(error.starts_with("failed to read") && error.ends_with("nowhere"), "{error}");
    }

    #[test]
    fn two_runtimes_with_one_image_are_refused() {
        let python = Catalogue::built_in().first().cloned().unwrap();
        let Kind::Wasm(image) = python.kind() else { panic!("it has an image") };
        let from = format!("image_sha256 = \"{DIGEST}\"");
        let error = load_with(&from, &format!("image_sha256 = \"{}\"", image.digest())).unwrap_err().to_string();
        assert!(error.ends_with("image_sha256 must be of an image of its own, and is that of `python`"), "{error}");
    }
}
