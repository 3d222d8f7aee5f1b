//! The server, over the one transport or the other.

use std::process::ExitCode;
use std::sync::Arc;

use crate::config::Config;
use crate::service::Service;
use crate::shutdown::Signals;
use crate::transport;
use crate::transport::http::hello::hello;
use crate::transport::http::listener::listen;
use crate::transport::http::token::Token;

/// Serves MCP over standard input and output.
pub(crate) fn over_stdio(config: Config) -> anyhow::Result<ExitCode> {
    serve(config, transport::stdio::serve)
}

/// Serves MCP over HTTP.
pub(crate) fn over_http(config: Config) -> anyhow::Result<ExitCode> {
    let (token, text) = match &config.token_file {
        Some(path) => (Token::read(path)?, None),
        None => Token::random().map(|(token, text)| (token, Some(text)))?,
    };
    let (listener, address) = listen(config.listen)?;
    let lines = match (&text, &config.token_file) {
        (None, Some(path)) => hello(address, Err(path)),
        (text, _) => hello(address, Ok(text.as_deref().unwrap_or_default())),
    };
    super::tell(&lines);
    serve(config, move |service| transport::http::serve(service, listener, address, token))
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
