//! Runtimes that are programs of this machine: how they are started.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// Files that every native program finds, so that a Python that it starts is
/// fitted to the sandbox.
const EVERYWHERE: [(&str, &str); 12] = [
    ("site/sitecustomize.py", include_str!("../python-native/site/sitecustomize.py")),
    ("belljar/__init__.py", include_str!("../python-native/belljar/__init__.py")),
    ("belljar/accounts.py", include_str!("../python-native/belljar/accounts.py")),
    ("belljar/api.py", include_str!("../python/session/api.py")),
    ("belljar/asking.py", include_str!("../python-native/belljar/asking.py")),
    ("belljar/children.py", include_str!("../python-native/belljar/children.py")),
    // The image and native programs make results by the same code, so that these are the same.
    ("belljar/display.py", include_str!("../python/session/display.py")),
    ("belljar/files.py", include_str!("../python-native/belljar/files.py")),
    ("belljar/forks.py", include_str!("../python-native/belljar/forks.py")),
    ("belljar/late.py", include_str!("../python-native/belljar/late.py")),
    ("belljar/listeners.py", include_str!("../python-native/belljar/listeners.py")),
    ("belljar/shared.py", include_str!("../python-native/belljar/shared.py")),
];

/// The `native` table of `runtime.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Description {
    program: String,
    arguments: Vec<Argument>,
    extension: String,
    canary: String,
    layout: Option<Box<Layout>>,
    packages: Option<Packages>,
}

/// Packages that programs of a language may find on a machine.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packages {
    /// Packages that are worth telling a model about.
    pub names: Vec<String>,
    /// A program that takes these names as arguments and prints `package` and a
    /// name for each that is there, and `place` and a path for what changes when
    /// one is added or removed.
    pub program: String,
    /// How the operator adds packages.
    pub add: String,
}

/// How an interpreter is installed: what of a directory in which other things
/// may lie as well is its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// The file that marks an environment. `home = DIRECTORY` in it is where the
    /// environment's interpreter is.
    pub environment: String,
    /// Programs are called one of these and a version, or without one.
    pub programs: Vec<String>,
    /// Directories of libraries are called one of these and a version.
    pub libraries: Vec<String>,
    /// Libraries of the interpreter itself begin with one of these.
    pub shared_libraries: Vec<String>,
    /// What directories are called in which packages are installed, in one of
    /// libraries.
    pub packages: Vec<String>,
}

impl Layout {
    /// Whether a file of this name is the interpreter.
    pub fn is_program(&self, name: &str) -> bool {
        let is_version = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        self.programs.iter().any(|program| name.strip_prefix(program.as_str()).is_some_and(is_version))
    }

    /// Whether a directory of this name holds the libraries of a version.
    pub fn is_version(&self, name: &str) -> bool {
        let is_version = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
        self.libraries.iter().any(|library| name.strip_prefix(library.as_str()).is_some_and(is_version))
    }

    /// Whether a file of this name is a library of the interpreter.
    pub fn is_shared_library(&self, name: &str) -> bool {
        name.contains(".so") && self.shared_libraries.iter().any(|start| name.starts_with(start.as_str()))
    }
}

/// `native.toml`: what all programs of the machine find.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Common {
    minimum_memory_bytes: u64,
    minimum_open_files: u64,
    environment: BTreeMap<String, String>,
    search_paths: BTreeMap<String, String>,
    hints: Vec<Hint>,
}

/// What a program may say that has a reason in the sandbox.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hint {
    said: Vec<String>,
    advice: String,
}

/// A program of this machine that runs code.
#[derive(Debug)]
pub struct Native {
    description: Description,
    common: Common,
    files: &'static [(&'static str, &'static str)],
}

/// An argument of that program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A text as it stands, after the path of the runtime's own files was put in the
    /// place of `{runtime}`.
    Text(String),
    /// The path of a file with the code: `{program}`.
    Program,
    /// The path of a file with the request of the guest ABI: `{request}`. The
    /// reply is expected on descriptor 3.
    Request,
    /// The arguments of the request, any number of them: `{args}`.
    Args,
}

impl<'de> Deserialize<'de> for Argument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match String::deserialize(deserializer)?.as_str() {
            "{program}" => Self::Program,
            "{request}" => Self::Request,
            "{args}" => Self::Args,
            text => Self::Text(text.to_owned()),
        })
    }
}

impl Native {
    pub(crate) const fn new(
        description: Description,
        common: Common,
        files: &'static [(&'static str, &'static str)],
    ) -> Self {
        Self { description, common, files }
    }

    /// The name of the program, to be looked for on the path.
    pub fn program(&self) -> &str {
        &self.description.program
    }

    /// The arguments of the program.
    pub fn arguments(&self) -> &[Argument] {
        &self.description.arguments
    }

    /// The file name extension of a program in this language, without the dot.
    pub fn extension(&self) -> &str {
        &self.description.extension
    }

    /// The lowest limit on memory that a run can ask for.
    pub const fn minimum_memory_bytes(&self) -> u64 {
        self.common.minimum_memory_bytes
    }

    /// The lowest limit on open files that a run can ask for.
    pub const fn minimum_open_files(&self) -> u64 {
        self.common.minimum_open_files
    }

    /// Files of the runtime's own, read-only to the program: path and content.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        EVERYWHERE.into_iter().chain(self.files.iter().copied())
    }

    /// Variables of its environment, unless the request has them.
    pub const fn environment(&self) -> &BTreeMap<String, String> {
        &self.common.environment
    }

    /// Variables that are lists of directories, and what is first in each when
    /// its own files are at `runtime`.
    pub fn search_paths(&self, runtime: &str) -> impl Iterator<Item = (&str, String)> {
        self.common.search_paths.iter().map(move |(name, path)| (name.as_str(), path.replace("{runtime}", runtime)))
    }

    /// What the reader of this standard error should know about the sandbox.
    pub fn hint(&self, stderr: &str) -> Option<&str> {
        let is_said = |hint: &&Hint| hint.said.iter().any(|said| stderr.contains(said));
        self.common.hints.iter().find(is_said).map(|hint| hint.advice.as_str())
    }

    /// A program that tries what it must not be able to do: connecting to the
    /// local port of its first argument, signalling the process of its second,
    /// and opening the files and directories of the others. It prints a line for
    /// each that succeeds, and in the end `version` and its version.
    pub fn canary(&self) -> &str {
        &self.description.canary
    }

    /// Which packages programs of this language may find.
    pub const fn packages(&self) -> Option<&Packages> {
        self.description.packages.as_ref()
    }

    /// How the interpreter is installed, where it has libraries beside those of
    /// the system.
    pub fn layout(&self) -> Option<&Layout> {
        self.description.layout.as_deref()
    }
}
