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
    #[serde(default)]
    prefixes: Option<String>,
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

    /// A program that tries what it must not be able to do: reading the file
    /// of its first argument, connecting to the local port of its second and
    /// signalling the process of its third. It prints a word for each that
    /// succeeds, and in the end `version` and its version.
    pub fn canary(&self) -> &str {
        &self.description.canary
    }

    /// Which packages its programs may find.
    pub const fn packages(&self) -> Option<&Packages> {
        self.description.packages.as_ref()
    }

    /// A program that prints, a line each, where the interpreter really is (what
    /// is on the path may be a script that looks for it) and the directories
    /// that it needs beside those of the system. Run once, unconfined:
    /// interpreter and program are the operator's and ours.
    pub fn prefixes(&self) -> Option<&str> {
        self.description.prefixes.as_deref()
    }
}
