//! One client, run once: does its model get what `belljar` answered?

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::clients::{Client, Place};
use crate::installation::Installation;
use crate::model::{Heard, Model};
use crate::processes;
use crate::recording::{RECORD, Recording, Sent};
use crate::wires::Received;

/// What the model wants to be executed.
const PLOT: &str = include_str!("plot.py");
/// What the plot prints.
const PRINTED: &str = "peak: \"+1.0\" at 80\ntrough: \u{2212}1.0 at 240 \\ end";
/// How every PNG begins.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// A client that did not end by then has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// The `belljar` that clients get.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) binary: PathBuf,
    pub(crate) arguments: Vec<String>,
    cache: PathBuf,
}

impl Server {
    /// Compiles its images, so that no client waits for that.
    pub(crate) fn prepare(binary: PathBuf, arguments: Vec<String>) -> Self {
        let binary = fs::canonicalize(&binary).unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
        // The cache is that of the tests.
        let cache = private_directory(tests::target_directory().join("belljar-test-cache"));
        let prepared = Command::new(&binary)
            .arg("prepare")
            .env_clear()
            .env("HOME", &cache)
            .env("BELLJAR_CACHE_DIRECTORY", &cache)
            .output()
            .expect("the binary can be started");
        assert!(prepared.status.success(), "`belljar prepare`: {}", String::from_utf8_lossy(&prepared.stderr));
        Self { binary, arguments, cache }
    }

    /// The command for the server that records what is said.
    fn command(&self, recording: &Path) -> Vec<String> {
        let path = |path: &Path| path.to_str().expect("temporary and target directories have plain names").to_owned();
        let mut command = ["/bin/sh", "-c", RECORD, "record"].map(str::to_owned).to_vec();
        command.push(path(recording));
        command.push(path(&self.binary));
        command.extend_from_slice(&self.arguments);
        command
    }
}

fn private_directory(path: PathBuf) -> PathBuf {
    DirBuilder::new().recursive(true).mode(0o700).create(&path).expect("a directory can be made");
    path
}

/// What came of a trial.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) client: &'static Client,
    /// The revision of MCP.
    pub(crate) protocol: Option<String>,
    /// Whether the model got every text that `belljar` sent.
    pub(crate) text: Result<(), String>,
    /// Whether the model got the image that `belljar` sent.
    pub(crate) image: Result<(), String>,
    /// How many bytes of text belljar sent, and how many the model got.
    pub(crate) bytes: Option<(usize, usize)>,
    /// Hosts that the client asked for, in vain.
    pub(crate) hosts: Vec<String>,
    /// What the model got instead, or what the client said if it got nothing.
    pub(crate) complaint: String,
}

impl Trial {
    /// Runs a client.
    pub(crate) fn run(client: &'static Client, installation: &Installation, server: &Server) -> Self {
        let model = Model::start(client.wire, json!({"language": "python", "code": PLOT}));
        // The folder is not in the target directory: a client would find this project.
        let folder = tempfile::tempdir().expect("a temporary directory can be made");
        let inside = |name: &str| private_directory(folder.path().join(name));
        let (home, work, recording) = (inside("home"), inside("work"), inside("recording"));
        let place = Place {
            home: &home,
            work: &work,
            model: &model.url(),
            server: &server.command(&recording),
            environment: &json!({
                "BELLJAR_CACHE_DIRECTORY": server.cache,
                "BELLJAR_STATE_DIRECTORY": inside("state"),
            }),
        };
        let log = folder.path().join("log");
        let output = File::create(&log).expect("a temporary file can be made");
        let child = client
            .command(&installation.program(client.program), &place)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file can be shared"))
            .stderr(output)
            .spawn();
        let ended = match child.map(|child| processes::wait(child, PATIENCE)) {
            Ok(Some(status)) => format!("the client ended with {status}"),
            Ok(None) => format!("the client was killed after {} s", PATIENCE.as_secs()),
            Err(error) => format!("the client cannot be started: {error}"),
        };
        let mut trial = Self::judge(client, &Recording::read(&recording), model.finish());
        if trial.bytes.is_none() {
            trial.complaint = format!("{ended}\n{}", processes::end_of(&log));
        }
        trial
    }

    fn judge(client: &'static Client, recording: &Recording, heard: Heard) -> Self {
        let sent = recording.sent();
        let (text, image) = match (&sent, &heard.received) {
            (Some(sent), Some(received)) => (text(sent, received), image(sent, received)),
            (sent, _) => {
                let reason = match (heard.turns, heard.called, sent) {
                    (0, ..) => "the model was not asked",
                    (_, false, _) => "the model was not offered `execute`",
                    (_, true, None) => "`execute` was not called",
                    (_, true, Some(_)) => "the model got no result",
                };
                (Err(reason.to_owned()), Err(reason.to_owned()))
            }
        };
        let complaint = match &heard.received {
            Some(received) if text.is_err() => format!("its model got {}", excerpt(&received.texts.join("\n"))),
            _ => String::new(),
        };
        let length = |texts: &[String]| texts.iter().map(String::len).sum();
        Self {
            client,
            protocol: recording.protocol().map(str::to_owned),
            text,
            image,
            bytes: sent.zip(heard.received).map(|(sent, received)| (length(&sent.texts), length(&received.texts))),
            hosts: heard.hosts.into_iter().collect(),
            complaint,
        }
    }

    /// Whether text and image both arrived.
    pub(crate) const fn is_success(&self) -> bool {
        self.text.is_ok() && self.image.is_ok()
    }
}

/// The beginning of a text, on one line.
fn excerpt(text: &str) -> String {
    const LENGTH: usize = 300;
    let end = text.floor_char_boundary(LENGTH);
    format!("{:?}{}", &text[..end], if end < text.len() { " …" } else { "" })
}

/// Whether the model got all texts as they are, those that the program printed
/// among them.
fn text(sent: &Sent, received: &Received) -> Result<(), String> {
    let received = received.texts.join("\n");
    if !sent.texts.iter().any(|text| text.contains(PRINTED)) {
        return Err("belljar sent none".to_owned());
    }
    // Clients may put words around a text, and trim its end.
    if sent.texts.iter().all(|text| received.contains(text.trim_end())) {
        return Ok(());
    }
    let reason = if received.contains(PRINTED) {
        "in part"
    } else if sent.has_structure && received.contains("\"stdout\"") {
        "structure instead"
    } else {
        "other text"
    };
    Err(reason.to_owned())
}

/// Whether the model got the image, to the byte.
fn image(sent: &Sent, received: &Received) -> Result<(), String> {
    let Some(image) = sent.images.iter().find(|image| image.mime == "image/png") else {
        return Err("belljar sent none".to_owned());
    };
    if !STANDARD.decode(&image.data).is_ok_and(|bytes| bytes.starts_with(PNG)) {
        return Err("belljar sent no PNG".to_owned());
    }
    if received.images.contains(image) {
        return Ok(());
    }
    Err(if received.images.is_empty() { "none" } else { "another image" }.to_owned())
}
