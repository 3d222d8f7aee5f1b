//! `belljar run`: one program in the same sandbox that the server uses.

#![expect(clippy::disallowed_methods, reason = "reads the files that its caller names")]

use std::collections::BTreeMap;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use guest_runtimes::Catalogue;
use sandbox::{
    CodeCache, ExecuteRequest, Executor, Follower, InputFile, Observer, Outcome, Principal, Program, Status,
    StoreBackend, Stream, WorkspacePath,
};
use tokio_util::sync::CancellationToken;

use super::{complain, event_loop, prepare};
use crate::audit::Audit;
use crate::calls::{Audience, Handlers, Step};
use crate::config::Config;
use crate::inputs::Inputs;
use crate::origin::Origin;
use crate::{calls, shutdown, source};

/// The largest program that is read from a file or standard input. The
/// sandbox has a lower bound of its own and says so.
const MAX_PROGRAM_BYTES: u64 = 64 << 20;

/// What to run.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Program text
    #[arg(short = 'c', long = "code", value_name = "CODE")]
    code: Option<String>,
    /// File with the program, or - for standard input
    #[arg(value_name = "FILE", required_unless_present = "code")]
    program: Option<PathBuf>,
    /// Arguments of the program
    #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
    /// Language id [default: by the file's extension, else python]
    #[arg(short, long, value_name = "ID")]
    language: Option<String>,
    /// Give the program this command's standard input
    #[arg(long)]
    stdin: bool,
    /// Environment variable of the program; may be repeated
    #[arg(short, long = "env", value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// File to copy into the program's workspace, under its own name; may be repeated
    #[arg(short, long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Runs it, and gives its exit code.
pub(crate) fn run(mut config: Config, mut arguments: Arguments) -> anyhow::Result<ExitCode> {
    // With -c the first word is an argument, not a file.
    if arguments.code.is_some()
        && let Some(first) = arguments.program.take()
    {
        arguments.arguments.insert(0, first.to_string_lossy().into_owned());
    }
    let catalogue = config.executor.catalogue.clone();
    let request = request(&catalogue, arguments)?;
    // There is no session here, so nothing to store.
    config.executor.store = StoreBackend::Memory;
    config.executor.store_keys = None;
    let cache = CodeCache::open(config.executor.cache_directory.clone())?;
    prepare::compile_missing(&cache, catalogue.find(&request.language))?;
    let inputs = if config.audit.is_some() { Inputs::of(&request) } else { Inputs::default() };
    let audit = config.audit.as_ref().map(Audit::open).transpose()?;
    let outcome = event_loop(config.threads)?.block_on(async {
        let executor = Arc::new(Executor::new(config.executor)?);
        executor.observe_with(audit.iter().map(|audit| Arc::clone(audit) as Arc<dyn Observer>).collect());
        let cancel = CancellationToken::new();
        let interrupted = cancel.clone();
        let mut signals = shutdown::Signals::listen()?;
        let _watch = tokio::spawn(async move {
            signals.next().await;
            interrupted.cancel();
        });
        let principal = Principal::local();
        let audience: Option<Arc<dyn Audience>> = Some(Arc::new(Terminal));
        let handler = Handlers::of(calls::Context { principal: principal.clone(), audience });
        let live = Box::new(|stream, bytes: &[u8]| print(stream, bytes));
        let follower =
            Follower { live: Some(live), handler: Some(handler), origin: Some(Arc::new(Origin::command(inputs))) };
        anyhow::Ok(executor.execute(&principal, request, &cancel, follower).await?)
    });
    if let Some(audit) = audit {
        audit.end();
    }
    Ok(conclude(&outcome?))
}

fn request(catalogue: &Catalogue, arguments: Arguments) -> anyhow::Result<ExecuteRequest> {
    let from_stdin = arguments.program.as_deref() == Some(Path::new("-"));
    if from_stdin && arguments.stdin {
        bail!("standard input cannot be both the program (-) and its input (--stdin)");
    }
    let code = match (&arguments.code, &arguments.program) {
        (Some(code), _) => code.clone(),
        (None, Some(path)) if !from_stdin => {
            read_text(&mut std::fs::File::open(path).with_context(|| format!("failed to open {}", path.display()))?)
                .with_context(|| format!("failed to read {}", path.display()))?
        }
        _ => read_text(&mut std::io::stdin()).context("failed to read the program from standard input")?,
    };
    let extension = arguments.program.as_deref().and_then(Path::extension).and_then(|extension| extension.to_str());
    let by_extension = catalogue
        .iter()
        .find(|runtime| runtime.source_extensions().iter().any(|known| Some(known.as_str()) == extension));
    let runtime = by_extension.or_else(|| catalogue.first()).map(|runtime| runtime.id().to_owned());
    let language = arguments.language.or(runtime).context("there is no language")?;
    let (code, notes) = source::plain(catalogue, code, &language);
    notes.iter().for_each(|note| complain(note));
    let mut stdin = Vec::new();
    if arguments.stdin {
        if std::io::stdin().is_terminal() {
            complain("reading the program's input from the terminal; end it with Ctrl-D");
        }
        std::io::stdin().take(MAX_PROGRAM_BYTES).read_to_end(&mut stdin).context("failed to read standard input")?;
    }
    let mut env = BTreeMap::new();
    for entry in &arguments.env {
        let (name, value) =
            entry.split_once('=').with_context(|| format!("--env must be NAME=VALUE, got {entry:?}"))?;
        env.insert(name.to_owned(), value.to_owned());
    }
    let files = arguments.files.iter().map(|path| input_file(path)).collect::<anyhow::Result<_>>()?;
    let program = Program { code, args: arguments.arguments, env, stdin };
    Ok(ExecuteRequest { language, program, files, ..ExecuteRequest::default() })
}

fn input_file(path: &Path) -> anyhow::Result<InputFile> {
    let name = path.file_name().with_context(|| format!("--file needs a file with a name, got {}", path.display()))?;
    let bytes = std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    Ok(InputFile { path: WorkspacePath::of_name("file", name)?, bytes })
}

fn read_text(source: &mut impl Read) -> anyhow::Result<String> {
    let mut text = String::new();
    source.take(MAX_PROGRAM_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// Shows what a program tells while it runs.
struct Terminal;

impl Audience for Terminal {
    fn step(&self, Step { message, fraction }: Step) {
        let percent = fraction.map(|fraction| format!("{:3.0} % ", fraction * 100.0)).unwrap_or_default();
        complain(&format!("{percent}{message}"));
    }

    fn displayed(&self, text: &str) {
        print(Stream::Stdout, format!("{text}\n").as_bytes());
    }
}

fn print(stream: Stream, bytes: &[u8]) {
    // A reader that went away is noticed by nobody: the run has limits.
    let _ = match stream {
        Stream::Stdout => {
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(bytes).and_then(|()| stdout.flush())
        }
        Stream::Stderr => std::io::stderr().lock().write_all(bytes),
    };
}

/// Says how it ended, where that is not the program's own doing.
fn conclude(outcome: &Outcome) -> ExitCode {
    if let Some(error) = &outcome.report.error {
        let _ = std::io::stderr().lock().write_all(error.traceback.as_bytes());
    }
    if !outcome.report.files.is_empty() {
        let names: Vec<_> = outcome.report.files.iter().map(|file| file.path.as_str()).collect();
        complain(&format!("files the program made, gone with it: {}", names.join(", ")));
    }
    match outcome.report.status {
        // Like a shell, what an exit status can hold.
        Status::Exited(code) => ExitCode::from(code.to_le_bytes()[0]),
        Status::LimitExceeded(resource) => {
            complain(&format!(
                "ended: {resource} reached its limit of {}; --limit {resource}=… allows more",
                outcome.limits.get(resource)
            ));
            ExitCode::from(124)
        }
        Status::Cancelled => {
            complain("ended: cancelled");
            ExitCode::from(130)
        }
        Status::Trapped(trap) => {
            complain(&format!("ended: trapped ({})", trap.name()));
            ExitCode::from(134)
        }
        Status::Signaled(signal) => ExitCode::from(128_u8.wrapping_add(signal.to_le_bytes()[0])),
    }
}
