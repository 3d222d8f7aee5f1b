//! The server, over the one transport or the other.

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::config::{Config, Method};
use crate::identity::token::Token;
use crate::identity::{Authentication, Keys, ResourceServer, Roster};
use crate::service::Service;
use crate::shutdown::Signals;
use crate::traces::{TraceSettings, Traces};
use crate::transport;
use crate::transport::http::Door;
use crate::transport::http::hello::{Credential, hello};
use crate::transport::http::listener::listen;

/// Serves MCP over standard input and output.
pub(crate) fn over_stdio(mut config: Config) -> anyhow::Result<ExitCode> {
    // Several editors may have a server each, with one file of settings.
    config.metrics = None;
    // Hosts of agents hand on what is meant for their own traces.
    serve(config, None, transport::stdio::serve)
}

/// Serves MCP over HTTP.
pub(crate) fn over_http(mut config: Config) -> anyhow::Result<ExitCode> {
    let descriptors = raise_open_files().context("failed to raise the limit of open files")?;
    let (listener, address) = listen(&config.serving)?;
    let door = Door::new(address, &config.serving)?;
    let for_metrics = config.metrics.map(|settings| listen_for_metrics(settings.listen)).transpose()?;
    let (authentication, mut said) = introduce(&config, address)?;
    let for_metrics = for_metrics.map(|(listener, address)| {
        said.push_str(&format!("\nMetrics: http://{address}/metrics\n"));
        listener
    });
    let traces = TraceSettings::new(config.traces.clone())?.map(Traces::new).transpose()?;
    config.executor.tenancy = config.tenancy.clone();
    serve(config, traces, move |service| {
        // Nothing keeps the server from serving any more, so that it may say where.
        super::tell(&said);
        transport::http::serve(service, (listener, for_metrics), door, authentication, descriptors)
    })
}

/// Listens for collectors of metrics. They need no token, so others may reach it: what
/// they are told has no secret in it.
fn listen_for_metrics(address: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let failed = || format!("failed to listen on {address} for metrics; another port is chosen by --metrics-listen");
    let listener = TcpListener::bind(address).with_context(failed)?;
    listener.set_nonblocking(true).with_context(failed)?;
    let address = listener.local_addr().with_context(failed)?;
    Ok((listener, address))
}

/// Who is let in, and what is said of where the server listens and to whom.
fn introduce(config: &Config, address: SocketAddr) -> anyhow::Result<(Authentication, String)> {
    let url = config.serving.url(address);
    let mut said = String::new();
    let mut say = |credential: &Credential<'_>| said.push_str(&hello(&url, address, credential));
    let mut authentication = Authentication::default();
    if config.serving.authentication.contains(&Method::Keys) {
        let keys = Keys::open(config.client_keys(), config.roster.clone())?;
        if !config.serving.authentication.contains(&Method::Token) {
            say(&Credential::Keys(keys.count()));
        }
        authentication = authentication.with_keys(keys);
    }
    if let Some(oauth) = &config.oauth {
        let issuers: Vec<_> = oauth.issuers.iter().map(|issuer| issuer.name.as_str()).collect();
        say(&Credential::AccessTokens { resource: oauth.resource.as_str(), issuers: &issuers.join(", ") });
        authentication = authentication.with_oauth(ResourceServer::new(oauth.clone(), config.roster.clone())?);
    }
    if config.serving.authentication.contains(&Method::Token) {
        ensure!(
            matches!(config.roster, Roster::One),
            "this server has tenants, and one token cannot tell which of them calls: set authentication = [\"keys\"] and add \
             keys with `belljar keys add --tenant NAME --scopes sandbox:execute`"
        );
        let token = match &config.serving.token_file {
            Some(path) => {
                let token = Token::read(path)?;
                say(&Credential::TokenFile(path));
                token
            }
            None => {
                let (token, text) = Token::random()?;
                say(&Credential::Token(&text));
                token
            }
        };
        authentication = authentication.with_token(token);
    }
    Ok((authentication, said))
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
    traces: Option<Arc<Traces>>,
    transport: impl FnOnce(Arc<Service>) -> T,
) -> anyhow::Result<ExitCode> {
    let event_loop = super::event_loop(config.threads)?;
    let ended = event_loop.block_on(async {
        if let Some(storage) = &config.storage {
            storage.check().await?;
        }
        let service = Arc::new(Service::new(config, traces)?);
        service.check_store_keys().await?;
        // Runs have their ends when transports are through with their answers.
        let _end = service.ends();
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
