//! What went between a client and `belljar`, both ways, a line each.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use crate::wires::Image;

/// Stands between a client and the command that follows its first argument,
/// which is the folder for the recording.
pub(crate) const RECORD: &str = r#"folder=$1; shift; tee "$folder/requests" | "$@" | tee "$folder/replies""#;

/// The most that is read of a recording: a plot and the words beside it are far less.
const RECORDING_BYTES: u64 = 32 << 20;

/// A recorded connection.
#[derive(Debug)]
pub(crate) struct Recording {
    requests: Vec<Value>,
    replies: Vec<Value>,
}

/// The answer to the call of `execute`.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub(crate) texts: Vec<String>,
    pub(crate) images: Vec<Image>,
    pub(crate) has_structure: bool,
}

impl Recording {
    /// Reads what [`RECORD`] wrote.
    pub(crate) fn read(folder: &Path) -> Self {
        let lines = |name: &str| {
            let mut bytes = Vec::new();
            if let Ok(file) = File::open(folder.join(name)) {
                file.take(RECORDING_BYTES).read_to_end(&mut bytes).expect("a file of this process can be read");
            }
            bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
        };
        Self { requests: lines("requests"), replies: lines("replies") }
    }

    /// The revision of MCP that both sides used.
    pub(crate) fn protocol(&self) -> Option<&str> {
        // The older era agrees on it once; each request of the newer names it.
        let agreed = self.replies.iter().rev().find_map(|reply| reply["result"]["protocolVersion"].as_str());
        agreed.or_else(|| {
            let meta = self.requests.iter().rev().map(|request| &request["params"]["_meta"]);
            meta.filter_map(|meta| meta["io.modelcontextprotocol/protocolVersion"].as_str()).next()
        })
    }

    /// What `belljar` answered to the call, if it was called.
    pub(crate) fn sent(&self) -> Option<Sent> {
        let is_call = |request: &&Value| request["method"] == "tools/call" && request["params"]["name"] == "execute";
        let call = self.requests.iter().rfind(is_call)?;
        let reply = self.replies.iter().rfind(|reply| reply["id"] == call["id"] && reply.get("result").is_some())?;
        let mut sent = Sent { has_structure: reply["result"].get("structuredContent").is_some(), ..Sent::default() };
        for block in reply["result"]["content"].as_array()? {
            let field = |name: &str| block[name].as_str().unwrap_or_default().to_owned();
            match block["type"].as_str() {
                Some("text") => sent.texts.push(field("text")),
                Some("image") => sent.images.push(Image { mime: field("mimeType"), data: field("data") }),
                _ => {}
            }
        }
        Some(sent)
    }
}
