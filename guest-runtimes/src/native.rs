//! Runtimes that are programs of this machine: how they are started.

use serde::{Deserialize, Deserializer};

/// The `native` table of `runtime.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Description {
    program: String,
    arguments: Vec<Argument>,
    extension: String,
    canary: String,
    layout: Option<Layout>,
    packages: Option<Packages>,
}

/// Packages that programs of a language may find on a machine.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packages {
    /// Those that are worth telling a model about.
    pub names: Vec<String>,
    /// A program that takes these names as arguments and prints `package` and a
    /// name for each that is there, and `place` and a path for what changes when
    /// one is added or removed.
    pub program: String,
    /// How the operator adds some.
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

/// A program of this machine that runs code.
#[derive(Debug)]
pub struct Native {
    description: Description,
    files: &'static [(&'static str, &'static [u8])],
}

/// An argument of that program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// As it stands, after the path of the runtime's own files was put in the
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
    pub(crate) const fn new(description: Description, files: &'static [(&'static str, &'static [u8])]) -> Self {
        Self { description, files }
    }

    /// The name of the program, to be looked for on the path.
    pub fn program(&self) -> &str {
        &self.description.program
    }

    /// Its arguments.
    pub fn arguments(&self) -> &[Argument] {
        &self.description.arguments
    }

    /// The file name extension of a program in this language, without the dot.
    pub fn extension(&self) -> &str {
        &self.description.extension
    }

    /// Files of its own, read-only to the program: path and content.
    pub const fn files(&self) -> &'static [(&'static str, &'static [u8])] {
        self.files
    }

    /// A program that tries what it must not be able to do: connecting to the
    /// local port of its first argument, signalling the process of its second,
    /// and opening the files and directories of the others. It prints a line for
    /// each that succeeds, and in the end `version` and its version.
    pub fn canary(&self) -> &str {
        &self.description.canary
    }

    /// Which packages its programs may find.
    pub const fn packages(&self) -> Option<&Packages> {
        self.description.packages.as_ref()
    }

    /// How the interpreter is installed, where it has libraries beside those of
    /// the system.
    pub const fn layout(&self) -> Option<&Layout> {
        self.description.layout.as_ref()
    }
}
