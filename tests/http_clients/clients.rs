//! The clients, and how each is installed and started.

use std::path::{Path, PathBuf};
use std::process::Command;

const MANIFEST: &str = include_str!("package.json");
const LOCK: &str = include_str!("package-lock.json");
const PYTHON: &str = include_str!("python.txt");
const LANGCHAIN: &str = include_str!("langchain.txt");

/// A program with an MCP client.
#[derive(Debug)]
pub(crate) struct Client {
    /// What people call it, and in which era it runs where that is a choice.
    pub(crate) name: &'static str,
    /// The package of the client.
    package: &'static str,
    place: Place,
    script: &'static str,
    /// What the script is told.
    words: &'static [&'static str],
}

/// Where a client lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Node,
    Python,
    /// The client needs another version of the SDK, in an environment of its own.
    Langchain,
}

const fn client(
    name: &'static str,
    package: &'static str,
    place: Place,
    script: &'static str,
    words: &'static [&'static str],
) -> Client {
    Client { name, package, place, script, words }
}

/// All clients, in the order of the table.
pub(crate) const CLIENTS: &[Client] = &[
    client("Python SDK", "mcp", Place::Python, "sdk_client.py", &["auto"]),
    client("Python SDK, legacy", "mcp", Place::Python, "sdk_client.py", &["legacy"]),
    client("TypeScript SDK", "@modelcontextprotocol/client", Place::Node, "client_v2.mjs", &["auto"]),
    client("TypeScript SDK, legacy", "@modelcontextprotocol/client", Place::Node, "client_v2.mjs", &["legacy"]),
    client("TypeScript SDK 1", "@modelcontextprotocol/sdk", Place::Node, "client_v1.mjs", &[]),
    client("fastmcp", "fastmcp", Place::Python, "fastmcp_client.py", &[]),
    client("Inspector CLI", "@modelcontextprotocol/inspector", Place::Node, "inspector.mjs", &["modern"]),
    client("Inspector CLI, legacy", "@modelcontextprotocol/inspector", Place::Node, "inspector.mjs", &["legacy"]),
    client("langchain-mcp-adapters", "langchain-mcp-adapters", Place::Langchain, "langchain_client.py", &[]),
    client("pydantic-ai", "pydantic-ai-slim", Place::Python, "pydantic_ai_client.py", &[]),
];

/// Everything that the clients need, in folders of the target directory.
#[derive(Debug)]
pub(crate) struct Installation {
    node: PathBuf,
    python: PathBuf,
    langchain: PathBuf,
}

impl Installation {
    /// Installs clients that are not there, each by its digest.
    pub(crate) fn make() -> Result<Self, String> {
        let node = tests::installed::npm("http-clients-node", MANIFEST, LOCK)?;
        let python = tests::installed::python("http-clients-python", PYTHON)?;
        let langchain = tests::installed::python("http-clients-langchain", LANGCHAIN)?;
        // Modules of JavaScript find packages in folders above them alone.
        for script in std::fs::read_dir(scripts()).map_err(|error| error.to_string())?.flatten() {
            if script.path().extension().is_some_and(|extension| extension == "mjs") {
                std::fs::copy(script.path(), node.join(script.file_name())).map_err(|error| error.to_string())?;
            }
        }
        Ok(Self { node, python, langchain })
    }

    /// The version of a client that is installed.
    pub(crate) fn version(&self, client: &Client) -> String {
        let package = client.package;
        let (text, before, after) = match client.place {
            Place::Node => (MANIFEST, format!("\"{package}\": \""), '"'),
            Place::Python => (PYTHON, format!("\n{package}=="), ' '),
            Place::Langchain => (LANGCHAIN, format!("\n{package}=="), ' '),
        };
        let rest = text.split_once(&before).expect("what is pinned has a version").1;
        rest.split(after).next().unwrap_or_default().to_owned()
    }

    /// The command for a script of JavaScript that is no client.
    pub(crate) fn script(&self, name: &str) -> Command {
        let mut command = Command::new(tests::installed::node(&self.node));
        command.arg(self.node.join(name));
        command
    }

    /// Variables by which clients find the browser of the user.
    pub(crate) fn browser(&self) -> Vec<(&'static str, String)> {
        let (node, script) = (tests::installed::node(&self.node), self.node.join("browser.mjs"));
        let command = format!("{} {}", node.display(), script.display());
        vec![
            // Python starts this browser, and does not wait for it.
            ("BROWSER", format!("{command} %s &")),
            ("BELLJAR_BROWSER", command),
        ]
    }

    /// The command that runs a client.
    pub(crate) fn command(&self, client: &Client) -> Command {
        let mut command = match client.place {
            Place::Node => Command::new(tests::installed::node(&self.node)),
            Place::Python => Command::new(&self.python),
            Place::Langchain => Command::new(&self.langchain),
        };
        let folder = if client.place == Place::Node { self.node.clone() } else { scripts() };
        command.arg(folder.join(client.script)).args(client.words);
        command
    }
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("http_clients")
}
