//! What is printed when the server listens, and when a key is added: lines to paste into
//! clients.

use crate::loopback::is_loopback;
use std::net::SocketAddr;
use std::path::Path;

/// What clients are to send.
pub(crate) enum Credential<'a> {
    /// A token that was made, and is nowhere else.
    Token(&'a str),
    /// The token in this file, which is not shown.
    TokenFile(&'a Path),
    /// A key that was just added, and is nowhere else.
    Key(&'a str),
    /// Keys, of which there are so many.
    Keys(usize),
    /// Access tokens for a resource, which clients get from these issuers.
    AccessTokens { resource: &'a str, issuers: &'a str },
}

impl Credential<'_> {
    /// The credential as it stands in a line for a shell.
    fn in_shell(&self) -> String {
        match self {
            Self::Token(text) | Self::Key(text) => (*text).to_owned(),
            Self::TokenFile(path) => format!("$(cat '{}')", path.display().to_string().replace('\'', "'\\''")),
            Self::Keys(_) => "KEY".to_owned(),
            Self::AccessTokens { .. } => "$ACCESS_TOKEN".to_owned(),
        }
    }

    /// The credential as it stands in a file.
    fn in_file(&self) -> &str {
        match self {
            Self::Token(text) | Self::Key(text) => text,
            Self::TokenFile(_) => "TOKEN",
            Self::Keys(_) => "KEY",
            Self::AccessTokens { .. } => "TOKEN",
        }
    }

    fn says(&self) -> String {
        match self {
            Self::Token(text) => format!("Its token, made for this start and not shown again: {text}"),
            Self::TokenFile(path) => format!("Its token is the one in {}.", path.display()),
            Self::Key(_) => "The key above is not shown again.".to_owned(),
            Self::Keys(0) => "Nobody has a key yet: `belljar keys add` makes one, and its --help says how.".to_owned(),
            Self::Keys(1) => "There is one key; `belljar keys add` makes another.".to_owned(),
            Self::AccessTokens { resource, issuers } => {
                format!("Clients know it as {resource}, and get access tokens for that from {issuers}.")
            }
            Self::Keys(count) => format!("There are {count} keys; `belljar keys add` makes another."),
        }
    }
}

/// What is said of a server that listens on `address` and that clients find at `url`.
pub(crate) fn hello(url: &str, address: SocketAddr, credential: &Credential<'_>) -> String {
    let here = format!("http://{address}/mcp");
    let from = match is_loopback(address.ip()) {
        true if url == here => "on this machine alone".to_owned(),
        _ => format!("through what reaches it at {here}"),
    };
    format!("belljar serves MCP at {url}, {from}.\n{}\n\n{}", credential.says(), lines(url, credential))
}

/// What is said when a key was added.
pub(crate) fn of_new_key(url: &str, key: &str) -> String {
    let credential = Credential::Key(key);
    format!("{} With the server at {url}:\n\n{}", credential.says(), lines(url, &credential))
}

fn lines(url: &str, credential: &Credential<'_>) -> String {
    let curl = curl(url, &credential.in_shell());
    if let Credential::AccessTokens { resource, .. } = credential {
        // Clients find the rest by themselves.
        return format!(
            "\
Claude Code:
  claude mcp add --transport http belljar {resource}
Codex:
  codex mcp add belljar --url {resource}
  codex mcp login belljar
VS Code, .vscode/mcp.json:
  {{\"servers\": {{\"belljar\": {{\"type\": \"http\", \"url\": \"{resource}\"}}}}}}
{curl}"
        );
    }
    let (bearer, in_json) = (credential.in_shell(), credential.in_file());
    format!(
        "\
Claude Code:
  claude mcp add --transport http belljar {url} --header \"Authorization: Bearer {bearer}\"
Codex:
  export BELLJAR_TOKEN=\"{bearer}\"
  codex mcp add belljar --url {url} --bearer-token-env-var BELLJAR_TOKEN
VS Code, .vscode/mcp.json:
  {{\"servers\": {{\"belljar\": {{\"type\": \"http\", \"url\": \"{url}\", \"headers\": {{\"Authorization\": \"Bearer {in_json}\"}}}}}}}}
{curl}"
    )
}

fn curl(url: &str, bearer: &str) -> String {
    format!(
        "\
curl:
  curl {url} -H \"Authorization: Bearer {bearer}\" -H 'Content-Type: application/json' \\
    -H 'Accept: application/json, text/event-stream' -H 'MCP-Protocol-Version: 2026-07-28' \\
    -H 'Mcp-Method: tools/call' -H 'Mcp-Name: execute' \\
    -d '{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\"execute\",\"arguments\":{{\"language\":\"python\",\"code\":\"print(6*7)\"}},\"_meta\":{{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\"io.modelcontextprotocol/clientInfo\":{{\"name\":\"curl\",\"version\":\"8\"}},\"io.modelcontextprotocol/clientCapabilities\":{{}}}}}}}}'
"
    )
}
