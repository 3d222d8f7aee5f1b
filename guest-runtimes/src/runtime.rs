//! A language that programs can be written in, and how its folder describes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::image::{Image, Instance, Revoked};
use crate::native::{self, Native};

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
    Wasm(Arc<Image>),
    /// A program of this machine.
    Native(Box<Native>),
}

/// Two programs that show whether a limit holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The limit to run both under.
    pub limit: u64,
    /// The program that runs into the limit.
    pub exceeds: String,
    /// The program that stays below it and ends in order.
    pub obeys: String,
    /// Whether all that shows of the limit is that the program fails: what it
    /// is refused is then the business of a program that it started.
    #[serde(default)]
    pub fails: bool,
}

/// `runtime.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Description {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) version: String,
    #[serde(default)]
    source_extensions: Vec<String>,
    /// Limits on what a guest of this kind cannot have at all.
    #[serde(default)]
    has_none_of: Vec<String>,
    pub(crate) abi: Option<u32>,
    pub(crate) image: Option<String>,
    pub(crate) image_sha256: Option<String>,
    pub(crate) image_bytes: Option<u64>,
    pub(crate) compressed_sha256: Option<String>,
    pub(crate) compressed_bytes: Option<u64>,
    pub(crate) instance: Option<Instance>,
    #[serde(default)]
    pub(crate) revoked: Vec<Revoked>,
    pub(crate) native: Option<native::Description>,
    /// Licences of what is in the image, for people.
    #[serde(rename = "licences", default)]
    _licences: IgnoredAny,
    /// Sources of what is in the image, for people.
    #[serde(rename = "sources", default)]
    _sources: IgnoredAny,
}

impl GuestRuntime {
    pub(crate) const fn new(description: Description, probes: BTreeMap<String, Probe>, kind: Kind) -> Self {
        Self { description, probes, kind }
    }

    #[cfg(test)]
    pub(crate) fn into_kind(self) -> Kind {
        self.kind
    }

    /// The language id that a request names.
    pub fn id(&self) -> &str {
        &self.description.id
    }

    /// The name for people.
    pub fn name(&self) -> &str {
        &self.description.name
    }

    /// One line on what the language has and what it has not.
    pub fn description(&self) -> &str {
        &self.description.description
    }

    /// The version of the language implementation.
    pub fn version(&self) -> &str {
        &self.description.version
    }

    /// What runs programs of the language.
    pub const fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The lowest limit on memory that a run in this language can ask for: below
    /// it no program would start.
    pub fn minimum_memory_bytes(&self) -> u64 {
        match &self.kind {
            Kind::Wasm(image) => image.instance().minimum_bytes,
            Kind::Native(native) => native.minimum_memory_bytes(),
        }
    }

    /// The lowest limit on open files that a run in this language can ask for.
    pub const fn minimum_open_files(&self) -> u64 {
        match &self.kind {
            Kind::Wasm(_) => 0,
            Kind::Native(native) => native.minimum_open_files(),
        }
    }

    /// File name extensions of programs, without the dot.
    pub fn source_extensions(&self) -> &[String] {
        &self.description.source_extensions
    }

    /// Programs that show whether a limit holds, by its name.
    pub const fn probes(&self) -> &BTreeMap<String, Probe> {
        &self.probes
    }

    /// Whether this guest cannot have any of what the limit is about.
    pub fn has_none_of(&self, limit: &str) -> bool {
        self.description.has_none_of.iter().any(|name| name == limit)
    }
}
