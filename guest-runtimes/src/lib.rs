//! The catalogue of guest runtimes.
//!
//! Adding a language is one folder and one entry of [`FOLDERS`]; nothing
//! outside this crate names a language. There is no engine here and no limit:
//! see `README.md` for the contract between a guest and its host.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

mod image;
mod native;

pub use image::{Image, ImageError, Instance, unpack};
pub use native::{Argument, Layout, Native, Packages};

/// What a folder holds.
#[derive(Clone, Copy)]
struct Folder {
    description: &'static str,
    probes: &'static str,
    content: Content,
}

#[derive(Clone, Copy)]
enum Content {
    /// A compressed image.
    Image(&'static [u8]),
    /// Files that a native program finds beside the code, by their paths.
    Files(&'static [(&'static str, &'static str)]),
}

const FOLDERS: &[Folder] = &[
    Folder {
        description: include_str!("../python/runtime.toml"),
        probes: include_str!("../python/probes.toml"),
        content: Content::Image(include_bytes!("../python/python.wasm.zst")),
    },
    Folder {
        description: include_str!("../bash/runtime.toml"),
        probes: include_str!("../bash/probes.toml"),
        content: Content::Files(&[]),
    },
    Folder {
        description: include_str!("../python-native/runtime.toml"),
        probes: include_str!("../python-native/probes.toml"),
        content: Content::Files(&[
            ("entrypoint.py", include_str!("../python-native/entrypoint.py")),
            ("belljar/runner.py", include_str!("../python-native/belljar/runner.py")),
            ("belljar/plots.py", include_str!("../python-native/belljar/plots.py")),
            ("belljar/errors.py", include_str!("../python-native/belljar/errors.py")),
            ("belljar/advice.py", include_str!("../python-native/belljar/advice.py")),
            // The same results as from the image, so the same code makes them.
            ("belljar/display.py", include_str!("../python/session/display.py")),
            ("belljar/source.py", include_str!("../python/session/source.py")),
            ("belljar/hooks.py", include_str!("../python/session/hooks.py")),
            ("belljar/magics.py", include_str!("../python/session/magics.py")),
            ("belljar/notebook.py", include_str!("../python/session/notebook.py")),
            // Found last: where there is a real one, programs get that.
            ("IPython/__init__.py", include_str!("../python/session/IPython/__init__.py")),
            ("IPython/display.py", include_str!("../python/session/IPython/display.py")),
            ("IPython/core/__init__.py", include_str!("../python/session/IPython/core/__init__.py")),
            ("IPython/core/display.py", include_str!("../python/session/IPython/core/display.py")),
            ("IPython/core/display_functions.py", include_str!("../python/session/IPython/core/display_functions.py")),
            ("IPython/core/getipython.py", include_str!("../python/session/IPython/core/getipython.py")),
            ("IPython/core/interactiveshell.py", include_str!("../python/session/IPython/core/interactiveshell.py")),
            ("IPython/core/magic.py", include_str!("../python/session/IPython/core/magic.py")),
        ]),
    },
];

/// What all native runtimes have in common.
const COMMON: &str = include_str!("../native.toml");

/// A language that programs can be written in.
#[derive(Debug)]
pub struct GuestRuntime {
    description: Description,
    probes: BTreeMap<String, Probe>,
    kind: Kind,
}

/// What runs the programs of a language.
#[derive(Debug)]
pub enum Kind {
    /// A WebAssembly image.
    Wasm(Image),
    /// A program of this machine.
    Native(Native),
}

/// Two programs that show whether a limit holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The limit to run both under.
    pub limit: u64,
    /// Runs into the limit.
    pub exceeds: String,
    /// Stays below it and ends in order.
    pub obeys: String,
    /// Whether all that shows of the limit is that the program fails: what it
    /// is refused is then the business of a program that it started.
    #[serde(default)]
    pub fails: bool,
}

/// `runtime.toml`. Members that only people read, such as sources and
/// licences, are not decoded.
#[derive(Debug, Deserialize)]
struct Description {
    id: String,
    name: String,
    description: String,
    version: String,
    image_sha256: Option<String>,
    instance: Option<Instance>,
    native: Option<native::Description>,
    #[serde(default)]
    source_extensions: Vec<String>,
    /// Limits on what a guest of this kind cannot have at all.
    #[serde(default)]
    has_none_of: Vec<String>,
    #[serde(default)]
    revoked: Vec<image::Revoked>,
}

impl GuestRuntime {
    /// The language id that a request names.
    pub fn id(&self) -> &str {
        &self.description.id
    }

    /// The name for people.
    pub fn name(&self) -> &str {
        &self.description.name
    }

    /// One line on what it has and what it has not.
    pub fn description(&self) -> &str {
        &self.description.description
    }

    /// The version of the language implementation.
    pub fn version(&self) -> &str {
        &self.description.version
    }

    /// What runs its programs.
    pub const fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Its image, if it has one.
    pub const fn image(&self) -> Option<&Image> {
        match &self.kind {
            Kind::Wasm(image) => Some(image),
            Kind::Native(_) => None,
        }
    }

    /// The lowest limit on memory that a run in this language can ask for: below
    /// it no program would start.
    pub const fn minimum_memory_bytes(&self) -> u64 {
        match &self.kind {
            Kind::Wasm(image) => image.instance().minimum_bytes,
            Kind::Native(native) => native.minimum_memory_bytes(),
        }
    }

    /// File name extensions of programs, without the dot.
    pub fn source_extensions(&self) -> &[String] {
        &self.description.source_extensions
    }

    /// For the name of each limit, programs that show whether it holds.
    pub const fn probes(&self) -> &BTreeMap<String, Probe> {
        &self.probes
    }

    /// Whether this guest cannot have any of what the limit is about.
    pub fn has_none_of(&self, limit: &str) -> bool {
        self.description.has_none_of.iter().any(|name| name == limit)
    }
}

/// Every runtime of this build.
///
/// # Panics
///
/// When a description in this very source tree cannot be read, which a test
/// rules out.
pub fn all() -> &'static [GuestRuntime] {
    static ALL: OnceLock<Vec<GuestRuntime>> = OnceLock::new();
    ALL.get_or_init(|| {
        let load = |folder| match load(folder) {
            Ok(runtime) => runtime,
            Err(error) => panic!("a description of a guest cannot be read: {error}"),
        };
        FOLDERS.iter().map(load).collect()
    })
}

fn load(folder: &Folder) -> Result<GuestRuntime, toml::de::Error> {
    let mut description: Description = toml::from_str(folder.description)?;
    let missing = |name: &str| serde::de::Error::custom(format!("`{}` has no {name}", description.id));
    if let Some(Err((key, reason))) = description.instance.as_ref().map(Instance::check) {
        return Err(serde::de::Error::custom(format!("{key} {reason}")));
    }
    let kind = match &folder.content {
        Content::Image(compressed) => Kind::Wasm(Image {
            digest: description.image_sha256.take().ok_or_else(|| missing("image_sha256"))?,
            compressed,
            instance: description.instance.ok_or_else(|| missing("instance"))?,
            revoked: std::mem::take(&mut description.revoked),
        }),
        Content::Files(files) => {
            let native = description.native.take().ok_or_else(|| missing("native"))?;
            Kind::Native(Native::new(native, toml::from_str(COMMON)?, files))
        }
    };
    Ok(GuestRuntime { description, probes: toml::from_str(folder.probes)?, kind })
}

/// The runtime of language `id`.
pub fn find(id: &str) -> Option<&'static GuestRuntime> {
    all().iter().find(|runtime| runtime.id() == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> &'static Image {
        all().iter().find_map(GuestRuntime::image).unwrap()
    }

    #[test]
    fn every_image_is_the_one_that_its_description_names() {
        for runtime in all() {
            if let Some(image) = runtime.image() {
                let module = unpack(image.compressed(), image.digest()).unwrap();
                assert!(module.starts_with(b"\0asm"), "{}", runtime.id());
            }
            assert!(find(runtime.id()).is_some());
        }
    }

    #[test]
    fn an_image_that_is_damaged_or_another_is_refused() {
        let other = "0".repeat(64);
        let error = unpack(image().compressed(), &other).unwrap_err().to_string();
        assert!(error.contains(image().digest()) && error.contains(&other), "{error}");
        let cut_off = &image().compressed()[..image().compressed().len() / 2];
        assert!(matches!(unpack(cut_off, image().digest()), Err(ImageError::Decompress { .. })));
    }

    #[test]
    fn no_image_of_this_build_is_revoked_and_others_are_with_their_reason() {
        for image in all().iter().filter_map(GuestRuntime::image) {
            assert_eq!(image.revoked(image.digest()), None);
        }
        let text = include_str!("../python/runtime.toml");
        let text = format!("revoked = [{{ sha256 = \"ab\", reason = \"it leaks\" }}]\n{text}");
        let description = String::leak(text);
        let runtime = load(&Folder { description, ..FOLDERS[0] }).unwrap();
        let image = runtime.image().unwrap();
        assert_eq!((image.revoked("ab"), image.revoked("cd")), (Some("it leaks"), None));
    }

    #[test]
    fn a_native_runtime_starts_with_its_code_or_its_request() {
        for runtime in all() {
            let Kind::Native(native) = runtime.kind() else { continue };
            let given = |argument: &Argument| matches!(argument, Argument::Program | Argument::Request);
            assert_eq!(native.arguments().iter().filter(|argument| given(argument)).count(), 1, "{}", runtime.id());
            assert!(native.canary().contains("version"), "{}", runtime.id());
        }
    }

    #[test]
    fn an_interpreter_is_known_by_the_names_of_its_parts() {
        let Kind::Native(native) = find("python-native").unwrap().kind() else { panic!("it is native") };
        let layout = native.layout().unwrap();
        let programs = ["python", "python3", "python3.12", "pypy3"];
        assert!(programs.iter().all(|name| layout.is_program(name)));
        assert!(["python3-config", "pip3", "python.sh"].iter().all(|name| !layout.is_program(name)));
        assert!(layout.is_version("python3.13") && !layout.is_version("python3.d") && !layout.is_version("python3"));
        assert!(layout.is_shared_library("libpython3.12.so.1.0") && !layout.is_shared_library("libpython3.12.a"));
    }
}
