//! MCP over standard input and output: one client, the one who started us, and
//! with whom the server ends.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rmcp::ServiceExt;
use rmcp::transport::io::stdio_pipes;
use sandbox::Principal;
use tokio_util::sync::CancellationToken;

use crate::caller::Caller;
use crate::handler::Handler;
use crate::logging::Bounded;
use crate::service::Service;
use crate::transport::conversation::Conversation;
use crate::transport::lines::Lines;
use crate::transport::unsent::Unsent;

/// How long a client that takes nothing is waited for at the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves until the server is over.
pub(crate) async fn serve(service: Arc<Service>) -> anyhow::Result<()> {
    let (reader, writer) = stdio_pipes();
    let ended = CancellationToken::new();
    let unsent = Unsent::new();
    let transport = Conversation::over(Lines::new(reader, writer), ended.clone(), Arc::clone(&unsent));
    let caller = Caller::new(Principal::local(), Arc::clone(&unsent));
    let handler = Handler::new(Arc::clone(&service), caller, ended.clone());
    let stop = CancellationToken::new();
    let connecting = handler.serve_with_ct(transport, stop.clone());
    let connection = tokio::select! {
        connection = connecting => match connection {
            Ok(connection) => Some(connection),
            // A client that leaves before it says anything is no failure.
            Err(_) if ended.is_cancelled() => None,
            // The error may quote all that the client said.
            Err(error) => anyhow::bail!("the client did not begin: {}", Bounded(&format_args!("{error}"))),
        },
        () = service.stopping() => None,
    };
    let is_stopped = tokio::select! {
        () = ended.cancelled() => false,
        () = service.stopping() => true,
    };
    if !is_stopped {
        service.client_left();
    }
    service.over().await;
    if let Some(connection) = connection {
        // The answers of drained calls are on their way out; after them the
        // transport may go. It goes as well when nobody takes them.
        let waiting = connection.waiting();
        if is_stopped {
            unsent.close();
            stop.cancel();
            ended.cancel();
        }
        let mut waiting = pin!(waiting);
        loop {
            tokio::select! {
                quit = &mut waiting => {
                    drop(quit?);
                    break;
                }
                is_read = unsent.shrinks_within(PATIENCE) => if !is_read {
                    unsent.close();
                    tracing::warn!("the client does not read: the last replies are left unsent");
                    break;
                },
            }
        }
    }
    Ok(())
}
