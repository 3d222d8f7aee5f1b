//! Redis between servers and their bucket: `GET`, `MGET` and `SET`, in bounds that hold
//! whatever the other side says. A library for Redis takes any length for an answer.
//!
//! It is a cache. Whoever does not answer in time, or does not speak the protocol, is left alone
//! for a while, and everything goes on without it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::loopback::is_this_machine;
use async_trait::async_trait;
use parking_lot::Mutex;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use sandbox::SharedCache;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufStream};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long an answer may take, what waits before it included. More is slower than the
/// bucket.
const ANSWER_TIME: Duration = Duration::from_millis(50);
/// How long an answer to servers that listen to each other may take: it is long, and no call
/// waits for it.
const LISTENING_TIME: Duration = Duration::from_millis(500);
/// How long a connection may take to come to be.
const CONNECT_TIME: Duration = Duration::from_millis(500);
/// How long something is kept there.
const KEPT_SECONDS: u64 = 600;
/// The longest line of an answer that is not content.
const MAX_LINE_BYTES: u64 = 512;
/// What Redis begins a refusal with. The rest of it may repeat what it was sent, a password
/// too, and so may another word.
const REFUSALS: [&str; 10] =
    ["ERR", "OOM", "NOAUTH", "WRONGPASS", "NOPERM", "LOADING", "MISCONF", "READONLY", "BUSY", "CLUSTERDOWN"];
/// How long it is left alone after a failure, at first and at most.
const FIRST_REST: Duration = Duration::from_millis(250);
const LONGEST_REST: Duration = Duration::from_secs(10);

/// `redis[s]://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RedisAddress {
    host: String,
    port: u16,
    is_tls: bool,
    user: Option<String>,
    password: Option<String>,
    database: u32,
}

impl RedisAddress {
    /// The host, if what is sent to it would be in clear over a network.
    pub(super) fn clear_host(&self) -> Option<&str> {
        (!self.is_tls && !is_this_machine(&self.host)).then_some(&self.host)
    }

    pub(super) const fn is_tls(&self) -> bool {
        self.is_tls
    }
}

impl std::str::FromStr for RedisAddress {
    type Err = String;

    // What is wrong is not repeated: it may hold a password.
    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || "expected redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], or rediss:// for TLS".to_owned();
        let (scheme, rest) = text.split_once("://").ok_or_else(wanted)?;
        let is_tls = match scheme {
            "redis" => false,
            "rediss" => true,
            _ => return Err(wanted()),
        };
        let (login, rest) = rest.rsplit_once('@').map_or((None, rest), |(login, rest)| (Some(login), rest));
        let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
            Some((user, password)) => (Some(user), Some(password)),
            None => (None, None),
        };
        let (place, database) = rest.split_once('/').unwrap_or((rest, ""));
        let database = if database.is_empty() { 0 } else { database.parse().map_err(|_| wanted())? };
        let (host, port) = match place.strip_prefix('[').and_then(|place| place.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Ok(6379), |port| port.parse().map_err(|_| wanted()))?;
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'_');
        if host.is_empty() || !host.bytes().all(is_host) {
            return Err(wanted());
        }
        let some = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        Ok(Self { host: host.to_ascii_lowercase(), port, is_tls, user: some(user), password: some(password), database })
    }
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}:{}", if self.is_tls { "rediss" } else { "redis" }, self.host, self.port)
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

type Connection = BufStream<Box<dyn Stream>>;

/// When it is tried again, and how often it failed one after the other.
#[derive(Default)]
struct Rest {
    until: Option<Instant>,
    failures: u32,
}

/// Whether it is to be left alone now.
fn is_on(rest: &Mutex<Rest>) -> bool {
    rest.lock().until.is_some_and(|until| Instant::now() < until)
}

/// One that is reached over three connections, so that what a call asks for waits neither
/// behind what is put nor behind what servers tell each other.
pub(super) struct Redis {
    address: RedisAddress,
    tls: TlsConnector,
    /// What the names of all begin with: others may use it, too.
    prefix: String,
    reading: tokio::sync::Mutex<Option<Connection>>,
    writing: tokio::sync::Mutex<Option<Connection>>,
    listening: tokio::sync::Mutex<Option<Connection>>,
    /// Of what calls ask for and what is put.
    rest: Mutex<Rest>,
    /// Of what servers tell each other, which is long and may be slow for that alone.
    listening_rest: Mutex<Rest>,
}

impl Redis {
    pub(super) fn new(address: RedisAddress, tls: ClientConfig, prefix: String) -> Self {
        Self {
            address,
            tls: TlsConnector::from(Arc::new(tls)),
            prefix,
            reading: tokio::sync::Mutex::default(),
            writing: tokio::sync::Mutex::default(),
            listening: tokio::sync::Mutex::default(),
            rest: Mutex::default(),
            listening_rest: Mutex::default(),
        }
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn note<T>(&self, rest: &Mutex<Rest>, answer: io::Result<T>) -> Option<T> {
        let mut rest = rest.lock();
        match answer {
            Ok(answer) => {
                if rest.failures > 0 {
                    tracing::info!(redis = %self.address, "the cache between servers answers again");
                }
                *rest = Rest::default();
                Some(answer)
            }
            Err(error) => {
                if rest.failures == 0 {
                    tracing::warn!(redis = %self.address, %error, "the cache between servers is left alone for a while");
                }
                let wait = FIRST_REST.saturating_mul(1 << rest.failures.min(6)).min(LONGEST_REST);
                *rest = Rest { until: Some(Instant::now() + wait), failures: rest.failures + 1 };
                None
            }
        }
    }

    /// Sends a command on a connection and reads its answer. One that was given up, or
    /// was answered wrongly, is not used again: its next answer would be another's.
    async fn ask(
        &self,
        connection: &tokio::sync::Mutex<Option<Connection>>,
        answer_time: Duration,
        words: &[&[u8]],
        max_bytes: usize,
    ) -> io::Result<Vec<Option<Vec<u8>>>> {
        let too_slow = |_| io::Error::new(io::ErrorKind::TimedOut, "it does not answer in time");
        let mut place = timeout(answer_time, connection.lock()).await.map_err(too_slow)?;
        let mut open = match place.take() {
            Some(open) => open,
            None => timeout(CONNECT_TIME, self.connect()).await.map_err(too_slow)??,
        };
        let answer = timeout(answer_time, exchange(&mut open, words, max_bytes)).await.map_err(too_slow)??;
        *place = Some(open);
        Ok(answer)
    }

    async fn connect(&self) -> io::Result<Connection> {
        let stream = TcpStream::connect((self.address.host.as_str(), self.address.port)).await?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = if self.address.is_tls {
            let name = ServerName::try_from(self.address.host.clone()).map_err(io::Error::other)?;
            Box::new(self.tls.connect(name, stream).await?)
        } else {
            Box::new(stream)
        };
        let mut connection = BufStream::new(stream);
        if let Some(password) = &self.address.password {
            let user = self.address.user.as_deref().unwrap_or("default");
            exchange(&mut connection, &[b"AUTH", user.as_bytes(), password.as_bytes()], 0).await?;
        }
        if self.address.database > 0 {
            exchange(&mut connection, &[b"SELECT", self.address.database.to_string().as_bytes()], 0).await?;
        }
        Ok(connection)
    }
}

#[async_trait]
impl SharedCache for Redis {
    async fn get(&self, name: &str, max_bytes: usize) -> Option<Vec<u8>> {
        if is_on(&self.rest) {
            return None;
        }
        let key = self.key(name);
        let answer = self.ask(&self.reading, ANSWER_TIME, &[b"GET", key.as_bytes()], max_bytes).await;
        self.note(&self.rest, answer)?.pop().flatten()
    }

    async fn get_all(&self, names: &[String], max_bytes: usize) -> Option<Vec<Option<Vec<u8>>>> {
        if is_on(&self.listening_rest) {
            return None;
        }
        let keys: Vec<_> = names.iter().map(|name| self.key(name)).collect();
        let words: Vec<&[u8]> = std::iter::once(&b"MGET"[..]).chain(keys.iter().map(String::as_bytes)).collect();
        let answer = self.ask(&self.listening, LISTENING_TIME, &words, max_bytes).await;
        self.note(&self.listening_rest, answer)
    }

    async fn put(&self, name: &str, content: &[u8]) {
        if is_on(&self.rest) {
            return;
        }
        let (key, seconds) = (self.key(name), KEPT_SECONDS.to_string());
        let words = [b"SET", key.as_bytes(), content, b"EX", seconds.as_bytes()];
        let answer = self.ask(&self.writing, ANSWER_TIME, &words, 0).await;
        self.note(&self.rest, answer);
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Redis").field("address", &self.address).finish_non_exhaustive()
    }
}

/// One command and its answer: content, or none; of `MGET` for each name.
async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut BufStream<S>,
    words: &[&[u8]],
    max_bytes: usize,
) -> io::Result<Vec<Option<Vec<u8>>>> {
    send(connection, words).await?;
    let first = line(connection, words).await?;
    let Some((b"MGET", names)) = words.split_first().map(|(command, names)| (*command, names)) else {
        let is_done = first.starts_with(b"+");
        return Ok(vec![if is_done { None } else { content(connection, &first, max_bytes).await? }]);
    };
    if first != format!("*{}", names.len()).as_bytes() {
        return Err(wrong("its answer is not about what it was asked for"));
    }
    let mut contents = Vec::with_capacity(names.len());
    for _ in names {
        let line = line(connection, words).await?;
        contents.push(content(connection, &line, max_bytes).await?);
    }
    Ok(contents)
}

async fn send<S: AsyncRead + AsyncWrite + Unpin>(connection: &mut BufStream<S>, words: &[&[u8]]) -> io::Result<()> {
    connection.write_all(format!("*{}\r\n", words.len()).as_bytes()).await?;
    for word in words {
        connection.write_all(format!("${}\r\n", word.len()).as_bytes()).await?;
        connection.write_all(word).await?;
        connection.write_all(b"\r\n").await?;
    }
    connection.flush().await
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// The next line of an answer to `words`, unless it refuses them.
async fn line<S: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut BufStream<S>,
    words: &[&[u8]],
) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    (&mut *connection).take(MAX_LINE_BYTES).read_until(b'\n', &mut line).await?;
    let line = line.strip_suffix(b"\r\n").ok_or_else(|| wrong("it does not speak the protocol of Redis"))?;
    let Some(why) = line.strip_prefix(b"-") else { return Ok(line.to_vec()) };
    let word = why.split(|byte| *byte == b' ').next().unwrap_or_default();
    let word = REFUSALS.into_iter().find(|known| known.as_bytes() == word);
    let what = words.first().map(|command| String::from_utf8_lossy(command)).unwrap_or_default();
    Err(wrong(&format!("it refuses {what}: {}", word.unwrap_or("in words of its own"))))
}

/// The content that a line announces, or none.
async fn content<S: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut BufStream<S>,
    line: &[u8],
    max_bytes: usize,
) -> io::Result<Option<Vec<u8>>> {
    match line.split_first() {
        Some((b'$', b"-1")) => Ok(None),
        Some((b'$', length)) => {
            let length = std::str::from_utf8(length).ok().and_then(|length| length.parse::<usize>().ok());
            let length = length.filter(|length| *length <= max_bytes);
            let length = length.ok_or_else(|| wrong("its answer is longer than anything that was put there"))?;
            let mut content = vec![0; length + 2];
            connection.read_exact(&mut content).await?;
            if content.split_off(length) == b"\r\n" { Ok(Some(content)) } else { Err(wrong("its answer is cut off")) }
        }
        _ => Err(wrong("it does not speak the protocol of Redis")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_redis_is_what_is_written_and_never_shows_its_password() {
        for (text, shown, database) in [
            ("redis://localhost", "redis://localhost:6379", 0),
            ("redis://127.0.0.1:7/3", "redis://127.0.0.1:7", 3),
            ("rediss://user:p@ss:word@cache.example:6380/", "rediss://cache.example:6380", 0),
            ("redis://:secret@[::1]:7", "redis://::1:7", 0),
        ] {
            let address: RedisAddress = text.parse().unwrap();
            assert_eq!((address.to_string().as_str(), address.database), (shown, database), "{text}");
            assert!(!format!("{address:?}").contains("secret") && !format!("{address:?}").contains("word"));
        }
        let address: RedisAddress = "redis://user:p@ss:word@h".parse().unwrap();
        assert_eq!((address.user.as_deref(), address.password.as_deref()), (Some("user"), Some("p@ss:word")));
        assert_eq!(address.clear_host(), Some("h"));
        for text in ["", "localhost", "http://h", "redis://", "redis://h:x", "redis://h/x", "redis://h h"] {
            assert!(text.parse::<RedisAddress>().unwrap_err().starts_with("expected redis://"), "{text}");
        }
    }

    #[tokio::test]
    async fn an_answer_is_taken_within_its_bounds_alone() {
        let answer = async |bytes: &'static [u8]| {
            let (ours, mut theirs) = tokio::io::duplex(4096);
            theirs.write_all(bytes).await.unwrap();
            theirs.shutdown().await.unwrap();
            exchange(&mut BufStream::new(ours), &[b"GET", b"name"], 4).await.map(|mut each| each.pop().flatten())
        };
        assert_eq!(answer(b"$4\r\nkeys\r\n").await.unwrap().unwrap(), b"keys");
        assert_eq!(answer(b"$0\r\n\r\n").await.unwrap().unwrap(), b"");
        assert_eq!(answer(b"$-1\r\n").await.unwrap(), None);
        assert_eq!(answer(b"+OK\r\n").await.unwrap(), None);
        for wrong in [
            &b"$5\r\nkeys!\r\n"[..],
            b"$99999999999999999999\r\n",
            b"$-2\r\n",
            b"$4\r\nkeys!!",
            b"$4\r\nke",
            b"*1\r\n$4\r\nkeys\r\n",
            b"-OOM command not allowed\r\n",
            b"HTTP/1.1 400 Bad Request\r\n",
            b"",
        ] {
            assert!(answer(wrong).await.is_err(), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_about_several_is_about_all_of_them_and_no_more() {
        let answer = async |bytes: &'static [u8]| {
            let (ours, mut theirs) = tokio::io::duplex(4096);
            theirs.write_all(bytes).await.unwrap();
            theirs.shutdown().await.unwrap();
            exchange(&mut BufStream::new(ours), &[b"MGET", b"one", b"two"], 4).await
        };
        let found = answer(b"*2\r\n$4\r\nkeys\r\n$-1\r\n").await.unwrap();
        assert_eq!(found, [Some(b"keys".to_vec()), None]);
        for wrong in [
            &b"*1\r\n$4\r\nkeys\r\n"[..],
            b"*3\r\n$-1\r\n$-1\r\n$-1\r\n",
            b"*-1\r\n",
            b"*2\r\n$-1\r\n",
            b"*2\r\n$-1\r\n+OK\r\n",
            b"*2\r\n$-1\r\n$5\r\nkeys!\r\n",
            b"*2\r\n$-1\r\n*1\r\n$-1\r\n",
            b"-LOADING Redis is loading the dataset in memory\r\n",
            b"$4\r\nkeys\r\n",
            b"",
        ] {
            assert!(answer(wrong).await.is_err(), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn of_a_refusal_nothing_is_told_that_redis_may_have_from_us() {
        for (said, told) in [
            (&b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"[..], "it refuses AUTH: WRONGPASS"),
            (
                b"-ERR unknown command 'AUTH', with args beginning with: 'default' 'swordfish'\r\n",
                "it refuses AUTH: ERR",
            ),
            (b"-swordfish\r\n", "it refuses AUTH: in words of its own"),
            (b"-\r\n", "it refuses AUTH: in words of its own"),
        ] {
            let (ours, mut theirs) = tokio::io::duplex(4096);
            theirs.write_all(said).await.unwrap();
            let words: [&[u8]; 3] = [b"AUTH", b"default", b"swordfish"];
            let refused = exchange(&mut BufStream::new(ours), &words, 0).await.unwrap_err();
            assert_eq!(refused.to_string(), told);
        }
    }
}
