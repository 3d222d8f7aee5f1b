//! The shapes of addresses.

use rmcp::model::{CacheScope, ListResourceTemplatesResult, ResourceTemplate};

use super::LASTING_TTL_MS;

/// A template.
struct Template {
    uri: &'static str,
    name: &'static str,
    title: &'static str,
    description: &'static str,
}

/// All templates.
const TEMPLATES: [Template; 4] = [
    Template {
        uri: "belljar://session/{session}/{+path}",
        name: "session-file",
        title: "File of a session",
        description: "A file or folder below /workspace, or in /tmp; of a mounted folder with its whole path",
    },
    Template {
        uri: "belljar://run/{run}/{stream}",
        name: "run-stream",
        title: "Output of a run",
        description: "All of stdout, stderr, result or traceback, for ten minutes",
    },
    Template {
        uri: "belljar://run/{run}/output/{number}",
        name: "run-output",
        title: "Something that a run displayed",
        description: "An image, table or text, by its number from 1, for ten minutes",
    },
    Template {
        uri: "belljar://run/{run}/files/{+path}",
        name: "run-file",
        title: "File of a run without a session",
        description: "A file or folder that it left, for ten minutes",
    },
];

/// Whether `uri` is one of the templates.
pub(crate) fn has_template(uri: &str) -> bool {
    TEMPLATES.iter().any(|template| template.uri == uri)
}

/// The list of all templates.
pub(crate) fn templates() -> ListResourceTemplatesResult {
    let template = |template: &Template| {
        ResourceTemplate::new(template.uri, template.name)
            .with_title(template.title)
            .with_description(template.description)
    };
    ListResourceTemplatesResult::with_all_items(TEMPLATES.iter().map(template).collect())
        .with_ttl_ms(LASTING_TTL_MS)
        .with_cache_scope(CacheScope::Public)
}
