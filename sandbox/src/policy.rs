//! What programs of one principal are granted beyond code, time and memory.
//!
//! Whatever is not named here is not granted. Each runtime maps a policy to its
//! mechanism in one function that takes the value apart, so that a grant which
//! is added here has to be decided there: `WasmRuntime::order` for guests in
//! WebAssembly, `native/confinement.rs` for programs of the machine.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Error;
use crate::mounts::Mounts;

/// The grants of one principal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Which languages may be run.
    pub languages: Languages,
    /// Variables of every program; those of a request win over them.
    pub environment: BTreeMap<String, String>,
    /// What programs reach of the network.
    pub network: Network,
    /// The calls to its host that a program may make, by their names.
    pub calls: BTreeSet<String>,
    /// Folders of the host that programs see.
    pub mounts: Mounts,
}

/// Which languages may be run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Languages {
    /// All languages that there are.
    #[default]
    All,
    /// These, by their ids.
    Only(BTreeSet<String>),
}

/// What programs reach of the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// Nothing, not even their own machine.
    #[default]
    None,
}

impl Languages {
    /// Whether the language of this id may be run.
    pub fn allow(&self, id: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(ids) => ids.contains(id),
        }
    }
}

impl Policy {
    /// Fails for a language that is there and may not be run.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] with those that may.
    pub(crate) fn allow_language(&self, id: &str) -> Result<(), Error> {
        match &self.languages {
            Languages::Only(ids) if !ids.contains(id) => {
                let allowed = ids.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                let reason = format!("the policy of this server allows {allowed}; use one of these");
                Err(Error::Denied { action: format!("running `{id}`"), reason })
            }
            _ => Ok(()),
        }
    }
}
