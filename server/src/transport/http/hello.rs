//! What is printed when the server listens: lines to paste into clients.

use std::net::SocketAddr;
use std::path::Path;

/// The lines, with a token that was made, or the file of one that was not, which is
/// not shown.
pub(crate) fn hello(address: SocketAddr, token: Result<&str, &Path>) -> String {
    let url = format!("http://{address}/mcp");
    let (bearer, says) = match token {
        Ok(token) => (token.to_owned(), format!("Its token, made for this start and not shown again: {token}")),
        Err(path) => (
            format!("$(cat '{}')", path.display().to_string().replace('\'', "'\\''")),
            format!("Its token is the one in {}.", path.display()),
        ),
    };
    let in_json = if token.is_ok() { bearer.as_str() } else { "TOKEN" };
    format!(
        "\
belljar serves MCP at {url}, on this machine alone.
{says}

Claude Code:
  claude mcp add --transport http belljar {url} --header \"Authorization: Bearer {bearer}\"
Codex:
  export BELLJAR_TOKEN=\"{bearer}\"
  codex mcp add belljar --url {url} --bearer-token-env-var BELLJAR_TOKEN
VS Code, .vscode/mcp.json:
  {{\"servers\": {{\"belljar\": {{\"type\": \"http\", \"url\": \"{url}\", \"headers\": {{\"Authorization\": \"Bearer {in_json}\"}}}}}}}}
curl:
  curl {url} -H \"Authorization: Bearer {bearer}\" -H 'Content-Type: application/json' \\
    -H 'Accept: application/json, text/event-stream' -H 'MCP-Protocol-Version: 2026-07-28' \\
    -H 'Mcp-Method: tools/call' -H 'Mcp-Name: execute' \\
    -d '{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\"execute\",\"arguments\":{{\"language\":\"python\",\"code\":\"print(6*7)\"}},\"_meta\":{{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\"io.modelcontextprotocol/clientInfo\":{{\"name\":\"curl\",\"version\":\"8\"}},\"io.modelcontextprotocol/clientCapabilities\":{{}}}}}}}}'
"
    )
}
