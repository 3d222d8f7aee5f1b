//! MCP over standard input and output: one client, the one who started us.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rmcp::ServiceExt;
use rmcp::transport::io::stdio_pipes;
use sandbox::{Executor, Principal};
use tokio_util::sync::CancellationToken;

use crate::commands::prepare::Bar;
use crate::handler::Handler;
use crate::logging::Bounded;
use crate::shutdown::{self, Cause, Signals};
use crate::tools::Form;
use crate::transport::lines::Lines;
use crate::transport::unsent::Unsent;

/// How often sessions, runs and workers that are over are cleared away.
const TIDY: Duration = Duration::from_secs(5);

/// Serves until the client goes away or a signal comes.
pub(crate) async fn serve(
    executor: Arc<Executor>,
    mut signals: Signals,
    drain: Duration,
    form: Form,
) -> anyhow::Result<()> {
    let principal = Principal::local();
    tokio::spawn(warm_up(Arc::clone(&executor), principal.clone()));
    tokio::spawn(tidy(Arc::clone(&executor)));

    let (reader, writer) = stdio_pipes();
    let ended = CancellationToken::new();
    let unsent = Unsent::new();
    let transport = Lines::new(reader, writer, ended.clone(), Arc::clone(&unsent));
    let handler = Handler::new(Arc::clone(&executor), principal, form, ended.clone(), unsent);
    let stop = CancellationToken::new();
    let serving = handler.serve_with_ct(transport, stop.clone());
    let mut cause = Cause::EndOfInput;
    let service = tokio::select! {
        service = serving => match service {
            Ok(service) => Some(service),
            // A client that leaves before it says anything is no failure.
            Err(_) if ended.is_cancelled() => None,
            // It may quote all that the client said.
            Err(error) => anyhow::bail!("the client did not begin: {}", Bounded(&format_args!("{error}"))),
        },
        () = signals.next() => {
            cause = Cause::Signal;
            None
        }
    };
    if service.is_some() {
        cause = tokio::select! {
            () = ended.cancelled() => Cause::EndOfInput,
            () = signals.next() => Cause::Signal,
        };
    }
    shutdown::drain(&executor, cause, &mut signals, drain).await;
    if let Some(service) = service {
        // The answers of drained calls are on their way out; after them the
        // transport may go.
        let waiting = service.waiting();
        match cause {
            Cause::EndOfInput => drop(waiting.await?),
            Cause::Signal => {
                stop.cancel();
                ended.cancel();
                drop(waiting.await?);
            }
        }
    }
    Ok(())
}

/// Prepares for the first call while the client is still saying hello.
async fn warm_up(executor: Arc<Executor>, principal: Principal) {
    let mut bar = Bar::default();
    let progress = move |runtime: &'static _, done, total| bar.show(runtime, done, total);
    if let Err(error) = executor.warm_up(&principal, progress).await {
        // The first call will fail with the same, and tell its caller.
        tracing::error!(error = ?error, "preparing failed");
    }
    // Both for the first list of tools, which tells what there is.
    executor.probe_native().await;
    executor.languages().await;
}

async fn tidy(executor: Arc<Executor>) {
    let mut interval = tokio::time::interval(TIDY);
    loop {
        interval.tick().await;
        executor.tidy(Instant::now());
    }
}
