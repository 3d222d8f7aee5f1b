//! A program, and what it is started with: the same for every runtime.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A program and its input.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Program {
    /// Its text.
    pub code: String,
    /// Arguments after its name.
    pub args: Vec<String>,
    /// The whole environment: nothing of the host's is added.
    pub env: BTreeMap<String, String>,
    /// Standard input; at its end when empty.
    pub stdin: Vec<u8>,
}
