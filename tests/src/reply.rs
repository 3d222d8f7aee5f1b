//! Answers of the server, with names for what tests look at.

use serde_json::Value;

/// A JSON-RPC response.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The whole message.
    pub message: Value,
    /// How many messages the server had sent before this one.
    pub arrival: usize,
}

impl Reply {
    /// A reply that is the only message that came.
    pub const fn of(message: Value) -> Self {
        Self { message, arrival: 0 }
    }

    /// The result of a call that the protocol accepted.
    pub fn result(&self) -> &Value {
        self.message.get("result").unwrap_or_else(|| panic!("expected a result, got {}", self.message))
    }

    /// Code and message of a protocol error.
    pub fn protocol_error(&self) -> (i64, &str) {
        let error = self.message.get("error").unwrap_or_else(|| panic!("expected an error, got {}", self.message));
        (error["code"].as_i64().expect("an error has a code"), error["message"].as_str().unwrap_or_default())
    }

    /// Whether the tool says that the call failed.
    pub fn is_error(&self) -> bool {
        self.result()["isError"].as_bool().unwrap_or(false)
    }

    /// The message of a call that was refused, which has no structured content.
    pub fn refusal(&self) -> &str {
        assert!(self.is_error(), "expected a refusal, got {}", self.message);
        assert_eq!(self.result().get("structuredContent"), None, "a refusal has no outcome");
        self.text()
    }

    /// The first text of the content.
    pub fn text(&self) -> &str {
        self.result()["content"][0]["text"].as_str().unwrap_or_else(|| panic!("expected text, got {}", self.message))
    }

    /// The content blocks that are images: type and base64.
    pub fn images(&self) -> Vec<(&str, &str)> {
        let content = self.result()["content"].as_array().map(Vec::as_slice).unwrap_or_default();
        content
            .iter()
            .filter(|block| block["type"] == "image")
            .map(|block| (block["mimeType"].as_str().unwrap_or(""), block["data"].as_str().unwrap_or("")))
            .collect()
    }

    /// The structured content.
    pub fn structured(&self) -> &Value {
        match self.result().get("structuredContent") {
            Some(value) if value.is_object() => value,
            _ => panic!("expected structured content, got {}", self.message),
        }
    }

    /// One field of the structured content as text, empty when it is absent.
    fn field(&self, name: &str) -> &str {
        self.structured()[name].as_str().unwrap_or("")
    }

    /// How a run ended, as one word and what stands beside it: `exited 0`,
    /// `limit_exceeded wall_time_ms`, `trapped worker_lost`, `cancelled`.
    pub fn status(&self) -> String {
        let reply = self.structured();
        let beside: Vec<String> = ["exit_code", "signal", "trap", "limit"]
            .iter()
            .filter_map(|name| reply.get(*name))
            .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            .collect();
        let status = self.field("status");
        if beside.is_empty() { status.to_owned() } else { format!("{status} {}", beside.join(" ")) }
    }

    /// Asserts how a run ended.
    #[track_caller]
    pub fn assert_status(&self, expected: &str) -> &Self {
        assert_eq!(self.status(), expected, "in {}", self.message);
        self
    }

    /// Asserts that a run ended well, and gives its standard output.
    #[track_caller]
    pub fn output(&self) -> &str {
        self.assert_status("exited 0").stdout()
    }

    /// Standard output of a run.
    pub fn stdout(&self) -> &str {
        self.field("stdout")
    }

    /// Standard error of a run.
    pub fn stderr(&self) -> &str {
        self.field("stderr")
    }

    /// The representation of the last expression, if there was one.
    pub fn value(&self) -> Option<&str> {
        self.structured()["result"].as_str()
    }

    /// Name, value or traceback of the program's error; empty when it raised none.
    pub fn error(&self, field: &str) -> &str {
        self.structured()["error"][field].as_str().unwrap_or("")
    }

    /// The handle of the run.
    pub fn run(&self) -> &str {
        self.field("run")
    }

    /// The handle of the session.
    pub fn session(&self) -> String {
        let id = &self.structured()["session"]["id"];
        id.as_str().unwrap_or_else(|| panic!("expected a session, got {}", self.message)).to_owned()
    }

    /// What became of the session's variables.
    pub fn session_state(&self) -> &str {
        self.structured()["session"]["state"].as_str().unwrap_or("")
    }

    /// How many states the session has had.
    pub fn sequence(&self) -> u64 {
        let sequence = &self.structured()["session"]["sequence"];
        sequence.as_u64().unwrap_or_else(|| panic!("expected a session, got {}", self.message))
    }

    /// Names of the files that the run created or changed.
    pub fn files(&self) -> Vec<&str> {
        let files = self.structured()["files"].as_array().map(Vec::as_slice).unwrap_or_default();
        files.iter().filter_map(|file| file["path"].as_str()).collect()
    }

    /// What the run used of a resource.
    pub fn usage(&self, name: &str) -> u64 {
        self.structured()["usage"][name].as_u64().unwrap_or_else(|| panic!("no usage of {name} in {}", self.message))
    }
}
