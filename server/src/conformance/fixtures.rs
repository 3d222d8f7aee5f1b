//! What is listed, and answered as it is.

use std::collections::HashMap;
use std::sync::LazyLock;

use rmcp::model::{
    ContentBlock, InputRequest, Prompt, PromptMessage, Resource, ResourceContents, ResourceTemplate, Tool,
};
use serde::Deserialize;

/// All fixtures of the suite.
pub(super) static FIXTURES: LazyLock<Fixtures> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "it is part of the build, and every test reads it")]
    serde_json::from_str(include_str!("fixtures.json")).expect("the fixtures are what the protocol has")
});

/// The fixtures of the suite.
#[derive(Debug, Deserialize)]
pub(super) struct Fixtures {
    pub(super) tools: Vec<Tool>,
    /// Results of tools that always answer the same.
    pub(super) results: HashMap<String, Vec<ContentBlock>>,
    pub(super) resources: Vec<Resource>,
    pub(super) templates: Vec<ResourceTemplate>,
    pub(super) contents: HashMap<String, ResourceContents>,
    pub(super) prompts: Vec<Prompt>,
    /// Messages of prompts that are always the same.
    pub(super) messages: HashMap<String, Vec<PromptMessage>>,
    /// What clients are asked for, by the keys of their answers.
    pub(super) inputs: HashMap<String, InputRequest>,
}
