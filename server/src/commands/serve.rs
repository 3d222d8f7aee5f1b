//! The server, over the one transport or the other.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::config::Config;
use crate::identity::Authentication;
use crate::identity::token::Token;
use crate::service::Service;
use crate::shutdown::Signals;
use crate::transport;
use crate::transport::http::hello::hello;
use crate::transport::http::listener::listen;

/// Serves MCP over standard input and output.
pub(crate) fn over_stdio(config: Config) -> anyhow::Result<ExitCode> {
    serve(config, transport::stdio::serve)
}

/// Serves MCP over HTTP.
pub(crate) fn over_http(config: Config) -> anyhow::Result<ExitCode> {
    let descriptors = raise_open_files().context("failed to raise the limit of open files")?;
    let (listener, address) = listen(config.listen)?;
    let authentication = Authentication::by_token(introduce(&config, address)?);
    serve(config, move |service| transport::http::serve(service, listener, address, authentication, descriptors))
}

/// Says where the server listens, and to which token.
fn introduce(config: &Config, address: SocketAddr) -> anyhow::Result<Token> {
    let (token, text) = match &config.token_file {
        Some(path) => (Token::read(path)?, None),
        None => Token::random().map(|(token, text)| (token, Some(text)))?,
    };
    let lines = match (&text, &config.token_file) {
        (None, Some(path)) => hello(address, Err(path)),
        (text, _) => hello(address, Ok(text.as_deref().unwrap_or_default())),
    };
    super::tell(&lines);
    Ok(token)
}

/// Lets this process have as many open files as it may, and says how many: each
/// connection is one, and what runs needs some too.
fn raise_open_files() -> nix::Result<usize> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    Ok(usize::try_from(most).unwrap_or(usize::MAX))
}

fn serve<T: Future<Output = anyhow::Result<()>>>(
    config: Config,
    transport: impl FnOnce(Arc<Service>) -> T,
) -> anyhow::Result<ExitCode> {
    let event_loop = super::event_loop(config.threads)?;
    let ended = event_loop.block_on(async {
        let service = Arc::new(Service::new(config)?);
        let signals = Signals::listen()?;
        let life = async {
            service.live(signals).await;
            Ok(())
        };
        tokio::try_join!(life, transport(Arc::clone(&service)))
    });
    // A blocked read of standard input must not keep the process.
    event_loop.shutdown_background();
    ended.map(|_| ExitCode::SUCCESS)
}
