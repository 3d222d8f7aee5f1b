//! The clients: where each comes from, and how it is told to use one model
//! server and one MCP server, and nothing else.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::wires::Wire;

/// What the user says. Only a real model would read it.
const PROMPT: &str = "Draw the plot.";
/// A key that opens nothing.
const KEY: &str = "dummy";

/// A program that has an MCP client and a model.
#[derive(Debug)]
pub(crate) struct Client {
    /// The name by which people call the client.
    pub(crate) name: &'static str,
    /// Its package on npm.
    pub(crate) package: &'static str,
    /// The version that its configuration here is written for.
    pub(crate) version: &'static str,
    /// Its program.
    pub(crate) program: &'static str,
    /// How it speaks to its model.
    pub(crate) wire: Wire,
    /// Whether it runs only when asked for.
    pub(crate) is_extra: bool,
    /// Writes its configuration and completes its command line.
    configure: fn(&mut Command, &Place<'_>),
}

/// Where a client runs.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    /// Its home directory, empty.
    pub(crate) home: &'a Path,
    /// Its working directory, empty.
    pub(crate) work: &'a Path,
    /// The model server's address: `http://` and a port of loopback.
    pub(crate) model: &'a str,
    /// The command that is its MCP server.
    pub(crate) server: &'a [String],
    /// The environment of that command.
    pub(crate) environment: &'a Value,
}

impl Client {
    /// Every client, in the order of the report.
    pub(crate) const ALL: [Self; 5] = [
        Self {
            name: "Claude Code",
            package: "@anthropic-ai/claude-code",
            version: "2.1.332",
            program: "claude",
            wire: Wire::Messages,
            is_extra: false,
            configure: claude_code,
        },
        // What Codex does depends on its model: with this one it has to search for tools.
        Self {
            name: "Codex CLI, gpt-5.5",
            package: "@openai/codex",
            version: "0.171.0",
            program: "codex",
            wire: Wire::Responses,
            is_extra: false,
            configure: |command, place| codex(command, place, "gpt-5.5"),
        },
        // Codex writes scripts that call tools with this model.
        Self {
            name: "Codex CLI, gpt-6.1-sol",
            package: "@openai/codex",
            version: "0.171.0",
            program: "codex",
            wire: Wire::Responses,
            is_extra: false,
            configure: |command, place| codex(command, place, "gpt-6.1-sol"),
        },
        Self {
            name: "OpenCode",
            package: "opencode-ai",
            version: "1.18.33",
            program: "opencode",
            wire: Wire::Messages,
            is_extra: true,
            configure: opencode,
        },
        Self {
            name: "Gemini CLI",
            package: "@google/gemini-cli",
            version: "0.61.0",
            program: "gemini",
            wire: Wire::Generate,
            is_extra: true,
            configure: gemini,
        },
    ];

    /// The command that runs the client once, headless, with [`PROMPT`].
    pub(crate) fn command(&self, program: &Path, place: &Place<'_>) -> Command {
        let temporary = place.home.join("tmp");
        fs::create_dir(&temporary).expect("a home can be written to");
        let mut command = Command::new(program);
        command
            .current_dir(place.work)
            .env_clear()
            .env("HOME", place.home)
            .env("TMPDIR", temporary)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            // A client may ask anything of the world: it reaches the model server,
            // which refuses it.
            .envs(["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"].map(|name| (name, place.model)))
            .envs(["NO_PROXY", "no_proxy"].map(|name| (name, "127.0.0.1")));
        (self.configure)(&mut command, place);
        command
    }
}

fn write(file: &Path, text: &str) {
    fs::create_dir_all(file.parent().expect("it lies in a folder")).expect("a home can be written to");
    fs::write(file, text).expect("a home can be written to");
}

/// The server as most clients want it.
fn mcp_servers(place: &Place<'_>, more: &[(&str, Value)]) -> Value {
    let mut server = json!({"command": place.server[0], "args": place.server[1..], "env": place.environment});
    for (name, value) in more {
        server[name] = value.clone();
    }
    json!({"belljar": server})
}

fn claude_code(command: &mut Command, place: &Place<'_>) {
    let configuration = place.home.join("mcp.json");
    write(&configuration, &json!({"mcpServers": mcp_servers(place, &[])}).to_string());
    command
        .args(["-p", PROMPT, "--strict-mcp-config", "--mcp-config"])
        .arg(configuration)
        .args(["--allowedTools", "mcp__belljar__execute"])
        .env("ANTHROPIC_BASE_URL", place.model)
        .env("ANTHROPIC_API_KEY", KEY)
        .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
        .env("DISABLE_TELEMETRY", "1")
        .env("DISABLE_ERROR_REPORTING", "1")
        .env("DISABLE_AUTOUPDATER", "1");
}

fn codex(command: &mut Command, place: &Place<'_>, name: &str) {
    let home = place.home.join(".codex");
    let environment: Vec<_> = place
        .environment
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name} = {value}\n"))
        .collect();
    // Strings and arrays of strings are written in TOML as they are in JSON.
    let configuration = format!(
        r#"
model = {name}
model_provider = "fake"
check_for_update_on_startup = false

[analytics]
enabled = false

[model_providers.fake]
name = "fake"
base_url = {model}
wire_api = "responses"
env_key = "FAKE_KEY"

[mcp_servers.belljar]
command = {program}
args = {arguments}
default_tools_approval_mode = "approve"

[mcp_servers.belljar.env]
{environment}"#,
        name = json!(name),
        model = json!(format!("{}/v1", place.model)),
        program = json!(place.server[0]),
        arguments = json!(place.server[1..]),
        environment = environment.concat(),
    );
    write(&home.join("config.toml"), &configuration);
    command
        .args(["exec", "--skip-git-repo-check", "--sandbox", "read-only", PROMPT])
        .env("CODEX_HOME", home)
        .env("FAKE_KEY", KEY);
}

fn opencode(command: &mut Command, place: &Place<'_>) {
    let configuration = place.home.join("opencode.json");
    let model = json!({
        "name": "fake",
        "attachment": true,
        "tool_call": true,
        "modalities": {"input": ["text", "image"], "output": ["text"]},
        "limit": {"context": 200_000, "output": 8_000},
    });
    let settings = json!({
        "autoupdate": false,
        "share": "disabled",
        "model": "fake/fake",
        "small_model": "fake/fake",
        "enabled_providers": ["fake"],
        "provider": {"fake": {
            "npm": "@ai-sdk/anthropic",
            "options": {"baseURL": format!("{}/v1", place.model), "apiKey": KEY},
            "models": {"fake": model},
        }},
        "permission": "allow",
        "mcp": {"belljar": {
            "type": "local",
            "command": place.server,
            "environment": place.environment,
            "enabled": true,
        }},
    });
    write(&configuration, &settings.to_string());
    command
        .args(["run", PROMPT])
        .env("OPENCODE_CONFIG", configuration)
        .env("OPENCODE_DISABLE_AUTOUPDATE", "1")
        .env("OPENCODE_DISABLE_MODELS_FETCH", "1")
        .env("OPENCODE_DISABLE_LSP_DOWNLOAD", "1")
        .env("OPENCODE_DISABLE_DEFAULT_PLUGINS", "1");
}

fn gemini(command: &mut Command, place: &Place<'_>) {
    let settings = json!({
        "general": {"enableAutoUpdate": false, "enableAutoUpdateNotification": false},
        "privacy": {"usageStatisticsEnabled": false},
        "telemetry": {"enabled": false},
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "mcpServers": mcp_servers(place, &[("trust", json!(true))]),
    });
    write(&place.home.join(".gemini/settings.json"), &settings.to_string());
    command
        .args(["--skip-trust", "--model", "gemini-2.5-flash", "--approval-mode", "yolo", "--prompt", PROMPT])
        .env("GOOGLE_GEMINI_BASE_URL", place.model)
        .env("GEMINI_API_KEY", KEY);
}
