//! What clients may take over HTTP, with the reason for each bound.

use std::time::Duration;

/// Connections at once: far above what the clients of one machine open. Past it
/// the one that has been idle for the longest makes room.
pub(super) const CONNECTIONS: usize = 1024;
/// How long a connection may be idle: longer than clients keep one for their next
/// request, which is 4 s to 90 s, would be for nobody.
pub(super) const IDLE_TIME: Duration = Duration::from_secs(90);
/// How long the head of a request may take from its first byte on. It is one
/// packet.
pub(super) const HEAD_TIME: Duration = Duration::from_secs(10);
/// The longest head. Those of clients have 1 KiB, and a token of another sort may
/// have a few more.
pub(super) const HEAD_BYTES: usize = 16 << 10;
/// Fields of a head: clients send about fifteen.
pub(super) const HEAD_FIELDS: usize = 64;
/// How long a body may take. The longest one then needs 0.8 MB a second.
pub(super) const BODY_TIME: Duration = Duration::from_secs(30);
/// How much of a body that is too long is read and thrown away, because a client that
/// is still writing does not see the answer.
pub(super) const DISCARDED_BYTES: u64 = 256 << 20;
/// Principals that are known at once: four times as many as can have a connection.
pub(super) const CLIENTS: usize = 4 * CONNECTIONS;
/// Requests of one principal at once. As many runs may go on or wait by default,
/// and some more for what is no run.
pub(super) const REQUESTS: usize = 128;
/// Bytes of bodies of one principal at once: requests are in memory until they are
/// answered. Twice the longest and something for the others beside them.
pub(super) const REQUEST_BYTES: usize = 64 << 20;
/// Bytes of bodies of all principals at once, but for small bodies, of which each
/// principal has no more than so many requests.
pub(super) const ALL_REQUEST_BYTES: usize = 8 * REQUEST_BYTES;
/// Bytes of bodies that a principal has when the others have all: a file that is
/// written, and little enough for thousands of principals.
pub(super) const LEAST_REQUEST_BYTES: usize = 1 << 20;
/// The largest small body: more than the arguments of a call without files have.
pub(super) const SMALL_REQUEST_BYTES: usize = 64 << 10;
/// How long a client may take nothing of an answer that is there for it.
pub(super) const STALL_TIME: Duration = Duration::from_secs(30);
/// Sessions of the `initialize` era of one principal, past which the one that was
/// not used for the longest ends. A client has one, and few end theirs.
pub(super) const MCP_SESSIONS: usize = 256;
/// Sessions of the `initialize` era of all principals, past which one of whoever has
/// the most ends. One takes some 15 KiB.
pub(super) const ALL_MCP_SESSIONS: usize = 16 * MCP_SESSIONS;
/// How many principals share the connections: none may have more with something going on.
pub(super) const SHARES: usize = 4;
/// Streams that wait for what may come, of one principal at once: half of its
/// connections, so that there are some for calls.
pub(super) const STREAMS: usize = CONNECTIONS / SHARES / 2;
/// How long a session of the `initialize` era lives without use, beyond the longest
/// run. What agents pause for is shorter, and one that comes later says hello again.
pub(super) const MCP_SESSION_IDLE: Duration = Duration::from_secs(1800);
/// How long an answer may take that is sent as it is. Of one that takes longer the head
/// goes out before it: clients that wait for that are not kept, and what is done in a
/// moment needs no stream.
pub(super) const HEAD_START: Duration = Duration::from_millis(500);
/// How often a stream that has nothing to say shows that it is there. Proxies cut
/// what is silent for a minute.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a WebSocket may be silent: three times what it is asked for a sign of life.
pub(super) const SILENCE_TIME: Duration = Duration::from_secs(45);
/// The longest frame that is sent over a WebSocket: longer ones would be moved about in
/// memory for each piece that a slow client takes.
pub(super) const FRAME_BYTES: usize = 64 << 10;
/// How long the last answers are waited for when the server ends.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(5);
/// How long connections get to close after that.
pub(super) const GOODBYE: Duration = Duration::from_secs(1);
/// When a client that was refused for want of room should come again, in seconds.
pub(super) const RETRY_AFTER_SECONDS: u64 = 1;
