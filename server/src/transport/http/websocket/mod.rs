//! MCP over a WebSocket, which no revision of it has: its messages, one in each text,
//! under the checks of a request over HTTP. The upgrade passes those of a request, and
//! each message those of a message.
//!
//! - `upgrade`: the handshake; `ending`: the goodbye.
//! - `meter`: what comes before it is a message.
//! - `admission`, `requests`: what a message may ask for, and what it holds.
//! - `wire`: rmcp's side.

mod admission;
mod ending;
mod meter;
mod requests;
mod upgrade;
mod wire;

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::body::{Bytes, Incoming as Body};
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use hyper::upgrade::Upgraded;
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use rmcp::ServiceExt as _;
use tokio::sync::mpsc;
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;

use self::admission::{Admission, Admitted};
use self::ending::{End, linger};
use self::meter::{Inflow, Meter, Patience};
use self::requests::Requests;
use self::wire::{Incoming, Messages, Outgoing};
use super::Server;
use super::bounds::{BODY_TIME, FRAME_BYTES, GOODBYE, KEEP_ALIVE};
use super::client::Client;
use super::connection::Connection;
use super::exchange::{Answer, Exchange};
use super::operation::Operation;
use super::refusal::Refusal;
use crate::caller::Held;
use crate::identity::{Identity, Over, Unauthenticated};
use crate::logging::Bounded;
use crate::transport::conversation::Conversation;
use crate::transport::message::MAX_MESSAGE_BYTES;
use crate::transport::unsent::Unsent;

/// The path at which a WebSocket is opened.
pub(super) const PATH: &str = "/ws";

/// Messages that wait to be written beside the one that is. Whoever has one more waits.
const QUEUE: usize = 16;

type Socket = WebSocketStream<Meter<TokioIo<Upgraded>>>;

/// Opens a WebSocket for a client whom the server knows.
pub(super) fn open(
    server: &Arc<Server>,
    request: Request<Body>,
    connection: &Arc<Connection>,
    client: Arc<Client>,
    (identity, address): (Arc<Identity>, IpAddr),
) -> Result<Answer, Refusal> {
    Operation::OF_NO_MESSAGE.check(&identity, &server.service.accounts)?;
    let place = client.connection()?;
    let stream = client.stream()?;
    let (parts, _) = request.into_parts();
    let answer = upgrade::answer(&parts)?;
    let over = identity.over(server.service.longest_run());
    let held = Held::new(server.calls.clone());
    held.keep((Arc::clone(&client), stream));
    // The connection is busy for as long as it is a WebSocket.
    let exchange = Exchange::begin(connection, held);
    exchange.admit(place);
    let admission = Admission {
        server: Arc::clone(server),
        client,
        identity,
        address,
        headers: credential(&parts),
        requests: Requests::default(),
    };
    let upgrading = hyper::upgrade::on(Request::from_parts(parts, ()));
    server.tasks.spawn(async move {
        match upgrading.await {
            Ok(upgraded) => admission.serve(upgraded, over).await,
            Err(error) => tracing::debug!(%error, "a connection did not become a WebSocket"),
        }
        drop(exchange);
    });
    Ok(answer)
}

/// The fields in which a credential is.
fn credential(request: &Parts) -> HeaderMap {
    let fields = request.headers.get_all(AUTHORIZATION).into_iter();
    fields.map(|value| (AUTHORIZATION, value.clone())).collect()
}

impl Admission {
    /// Serves a connection until either side ends it.
    async fn serve(self, upgraded: Upgraded, over: Over) {
        let inflow = Arc::<Inflow>::default();
        let meter = Meter::new(TokioIo::new(upgraded), Arc::clone(&inflow), self.client.room(), Patience::default());
        let config = WebSocketConfig::default()
            .read_buffer_size(16 << 10)
            .write_buffer_size(0)
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        let socket: Socket = WebSocketStream::from_raw_socket(meter, Role::Server, Some(config)).await;
        let (mut sink, mut stream) = socket.split();
        let end = self.converse(&mut sink, &mut stream, &inflow, over).await;
        tracing::debug!(?end, "a WebSocket has ended");
        let patience = if self.server.stop.is_cancelled() { GOODBYE } else { BODY_TIME };
        match end {
            // The answer to a goodbye is on its way already.
            End::Left => drop(timeout(GOODBYE, sink.flush()).await),
            End::Gone => return,
            ours @ End::Ours(..) => {
                drop(timeout(GOODBYE, sink.send(Message::Close(ours.frame()))).await);
            }
        }
        if let Ok(socket) = sink.reunite(stream) {
            tokio::select! {
                () = linger(socket.into_inner().into_inner(), patience) => {}
                () = self.server.stop.cancelled(), if patience > GOODBYE => {}
            }
        }
    }

    /// Takes messages in and gives messages out. What goes on for the client is
    /// cancelled at the end.
    async fn converse(
        &self,
        sink: &mut SplitSink<Socket, Message>,
        stream: &mut SplitStream<Socket>,
        inflow: &Inflow,
        over: Over,
    ) -> End {
        let (ended, stop, finish) = (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
        let _stops = stop.clone().drop_guard();
        let (let_in, incoming) = mpsc::channel(1);
        let (outgoing, to_write) = mpsc::channel(QUEUE);
        let messages = Messages { incoming, outgoing: outgoing.clone(), requests: self.requests.clone() };
        let conversation = Conversation::over(messages, ended.clone(), Unsent::new());
        let handler = self.client.handler(ended.clone());
        let mcp = Box::pin(async {
            match handler.serve_with_ct(conversation, stop.clone()).await {
                Ok(service) => drop(service.waiting().await),
                // The error may quote all that the client said.
                Err(error) => tracing::debug!(error = %Bounded(&format_args!("{error}")), "a client did not begin"),
            }
        });
        let mut writing = pin!(write(sink, to_write, &finish));
        let end = tokio::select! {
            end = self.read(stream, inflow, let_in, outgoing) => end,
            error = &mut writing => {
                tracing::debug!(?error, "a WebSocket cannot be written to");
                End::Gone
            }
            () = mcp => End::Ours(CloseCode::Protocol, "a client begins with a request".to_owned()),
            () = over => End::Ours(CloseCode::Policy, Unauthenticated::Revoked.to_string()),
            () = self.server.stop.cancelled() => End::of_server(),
        };
        ended.cancel();
        stop.cancel();
        if matches!(end, End::Ours(..)) {
            // What was answered by now is still given out.
            finish.cancel();
            drop(timeout(GOODBYE / 2, writing).await);
        }
        self.requests.end_all();
        end
    }

    /// Takes messages in until there are no more.
    async fn read(
        &self,
        stream: &mut SplitStream<Socket>,
        inflow: &Inflow,
        let_in: mpsc::Sender<Incoming>,
        outgoing: mpsc::Sender<Outgoing>,
    ) -> End {
        loop {
            // Messages that are there already have others wait no longer than a read would.
            consume_budget().await;
            let text = match stream.next().await {
                None => return End::Gone,
                Some(Err(error)) => return End::of(error),
                Some(Ok(Message::Close(_))) => return End::Left,
                Some(Ok(Message::Binary(_) | Message::Frame(_))) => {
                    return End::Ours(CloseCode::Unsupported, "a message must be a text".to_owned());
                }
                Some(Ok(Message::Ping(bytes) | Message::Pong(bytes))) => {
                    inflow.control(bytes.len());
                    continue;
                }
                Some(Ok(Message::Text(text))) => Bytes::from(text),
            };
            let bytes = text.len();
            let is_taken = match self.admit(text, inflow.message()).await {
                Admitted::In(message) => let_in.send((message, bytes)).await.is_ok(),
                Admitted::Refused(answer) => match Outgoing::of(&answer) {
                    Ok((answer, _)) => outgoing.send(answer).await.is_ok(),
                    Err(_) => false,
                },
                Admitted::Nothing => true,
            };
            if !is_taken {
                // The one who should take the message says why it does not.
                return std::future::pending().await;
            }
        }
    }
}

/// Writes what is to go out, and asks for a sign of life now and then. Ends when the
/// socket does, or with the last message once it is to `finish`.
async fn write(
    sink: &mut SplitSink<Socket, Message>,
    mut outgoing: mpsc::Receiver<Outgoing>,
    finish: &CancellationToken,
) -> Result<(), Error> {
    let mut signs = interval_at(Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
    loop {
        let next = tokio::select! {
            biased;
            next = outgoing.recv() => next,
            () = finish.cancelled(), if !outgoing.is_closed() => {
                outgoing.close();
                continue;
            }
            _ = signs.tick() => {
                sink.send(Message::Ping(Bytes::new())).await?;
                continue;
            }
        };
        let Some(Outgoing { text, sent }) = next else { return Ok(()) };
        send(sink, Bytes::from(text)).await?;
        // The one who waited for the message to go out may be gone.
        let _ = sent.send(());
    }
}

/// Sends a text, in frames that are not too long.
async fn send(sink: &mut SplitSink<Socket, Message>, mut text: Bytes) -> Result<(), Error> {
    let mut kind = Data::Text;
    loop {
        let piece = text.split_to(text.len().min(FRAME_BYTES));
        let is_last = text.is_empty();
        sink.send(Message::Frame(Frame::message(piece, OpCode::Data(kind), is_last))).await?;
        if is_last {
            return Ok(());
        }
        kind = Data::Continue;
    }
}
