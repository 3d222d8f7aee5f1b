//! Storage that speaks as much S3 as a store needs, in the memory of a test, and fails
//! as it is told. It checks no signature: [`crate::moto`] is the second opinion.
//!
//! A request is answered as S3 does, in order on each connection, or it meets a
//! [`Fault`], which the test chooses when it comes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, SystemTime};

/// What a request asks for, in S3's words.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `GetObject`, `PutObject`, `CopyObject`, `HeadObject`, `DeleteObject`,
    /// `DeleteObjects` or `ListObjectsV2`.
    pub operation: &'static str,
    /// The name of the object, or what the names begin with that are listed.
    pub key: String,
    /// Whether the object is to be written only where nothing is.
    pub creates: bool,
    /// Bytes that came with the request.
    pub bytes: usize,
}

impl Asked {
    /// Whether the request makes a state of a session the newest.
    pub fn is_commit(&self) -> bool {
        let name = self.key.rsplit('/').next().unwrap_or_default();
        let is_number = name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        self.creates && is_number && !self.key.contains("/ended/")
    }
}

/// What befalls a request.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The request is answered later.
    Slow(Duration),
    /// The request is answered `503 SlowDown`, and nothing is done.
    SlowDown,
    /// The request is answered `403` with this code, and nothing is done.
    Refused(&'static str),
    /// The request is answered `500 InternalError`, although it was done.
    DoneAndFailed,
    /// The connection ends before the request was done.
    LostBefore,
    /// The connection ends after the request was done, without an answer.
    LostAfter,
    /// The connection ends in the middle of the answer.
    LostWithin,
    /// The request is never answered, and never done.
    Silent,
    /// The request is done and answered once the test lets it go: [`S3::release`].
    Held,
}

struct Stored {
    content: Vec<u8>,
    modified: SystemTime,
}

type Chooser = Box<dyn FnMut(&Asked) -> Option<Fault> + Send>;

#[derive(Default)]
struct Bucket {
    objects: BTreeMap<String, Stored>,
    asked: BTreeMap<&'static str, u64>,
    bytes_in: u64,
    bytes_out: u64,
    connections: Vec<TcpStream>,
}

struct Shared {
    bucket: Mutex<Bucket>,
    chooser: Mutex<Chooser>,
    /// Seconds by which the storage's clock is ahead.
    ahead: AtomicI64,
    overwrites: AtomicBool,
    ended: AtomicBool,
    /// Whether what is held may go.
    released: (Mutex<bool>, Condvar),
}

/// The storage, with one bucket, whatever it is called. It ends when dropped.
pub struct S3 {
    shared: Arc<Shared>,
    address: SocketAddr,
    listener: Option<JoinHandle<()>>,
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl S3 {
    /// A storage with nothing in it, on a free port of this machine.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("a socket has an address");
        let shared = Arc::new(Shared {
            bucket: Mutex::default(),
            chooser: Mutex::new(Box::new(|_| None)),
            ahead: AtomicI64::new(0),
            overwrites: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            released: (Mutex::new(false), Condvar::new()),
        });
        let served = Arc::clone(&shared);
        let listener = spawn(move || {
            for stream in listener.incoming() {
                if served.ended.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let _ = stream.set_nodelay(true);
                let kept = stream.try_clone().expect("a socket can be cloned");
                lock(&served.bucket).connections.push(kept);
                let shared = Arc::clone(&served);
                spawn(move || serve(&shared, stream));
            }
        });
        Self { shared, address, listener: Some(listener) }
    }

    /// Where the storage listens.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Chooses what befalls each request from now on.
    pub fn fail(&self, chooser: impl FnMut(&Asked) -> Option<Fault> + Send + 'static) {
        *lock(&self.shared.chooser) = Box::new(chooser);
    }

    /// Has everything go well from now on.
    pub fn heal(&self) {
        self.fail(|_| None);
    }

    /// Lets go what is held, and will be.
    pub fn release(&self) {
        *lock(&self.shared.released.0) = true;
        self.shared.released.1.notify_all();
    }

    /// Sets the clock of the storage ahead, or back.
    pub fn set_clock(&self, ahead_seconds: i64) {
        self.shared.ahead.store(ahead_seconds, Ordering::SeqCst);
    }

    /// Has the storage ignore `If-None-Match`, as one did that is older than that.
    pub fn overwrite(&self) {
        self.shared.overwrites.store(true, Ordering::SeqCst);
    }

    /// The names of all objects, and how long they are.
    pub fn objects(&self) -> BTreeMap<String, usize> {
        let bucket = lock(&self.shared.bucket);
        bucket.objects.iter().map(|(key, stored)| (key.clone(), stored.content.len())).collect()
    }

    /// How often each thing was asked for.
    pub fn asked(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.shared.bucket).asked.clone()
    }

    /// Bytes that came, and that went.
    pub fn bytes(&self) -> (u64, u64) {
        let bucket = lock(&self.shared.bucket);
        (bucket.bytes_in, bucket.bytes_out)
    }

    /// Replaces the content of every object whose name `wanted` likes.
    pub fn tamper(&self, wanted: impl Fn(&str) -> bool, mut change: impl FnMut(&mut Vec<u8>)) {
        for (key, stored) in &mut lock(&self.shared.bucket).objects {
            if wanted(key) {
                change(&mut stored.content);
            }
        }
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.release();
        // A connection has the listener look up.
        let _ = TcpStream::connect(self.address);
        for connection in lock(&self.shared.bucket).connections.drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

struct Request {
    method: String,
    key: String,
    query: BTreeMap<String, String>,
    fields: BTreeMap<String, String>,
    body: Vec<u8>,
}

struct Answer {
    status: &'static str,
    fields: String,
    body: Vec<u8>,
    /// The length of what is not sent, in an answer to `HEAD`.
    length: Option<usize>,
}

impl Answer {
    fn new(status: &'static str) -> Self {
        Self { status, fields: String::new(), body: Vec::new(), length: None }
    }

    fn error(status: &'static str, code: &str) -> Self {
        Self {
            body: format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>").into_bytes(),
            ..Self::new(status)
        }
    }

    fn xml(body: String) -> Self {
        Self { body: body.into_bytes(), ..Self::new("200 OK") }
    }
}

fn serve(shared: &Shared, stream: TcpStream) {
    let mut output = stream.try_clone().expect("a socket can be cloned");
    let mut input = BufReader::new(stream);
    while let Some(request) = read(&mut input) {
        let asked = asked(&request);
        let fault = lock(&shared.chooser)(&asked);
        {
            let mut bucket = lock(&shared.bucket);
            *bucket.asked.entry(asked.operation).or_default() += 1;
            bucket.bytes_in += asked.bytes as u64;
        }
        let answer = match fault {
            None | Some(Fault::LostWithin) => answer(shared, &request, &asked),
            Some(Fault::Slow(by)) => {
                sleep(by);
                answer(shared, &request, &asked)
            }
            Some(Fault::Held) => {
                let (released, told) = &shared.released;
                drop(told.wait_while(lock(released), |released| !*released).unwrap_or_else(PoisonError::into_inner));
                answer(shared, &request, &asked)
            }
            Some(Fault::SlowDown) => Answer::error("503 Slow Down", "SlowDown"),
            Some(Fault::Refused(code)) => Answer::error("403 Forbidden", code),
            Some(Fault::DoneAndFailed) => {
                answer(shared, &request, &asked);
                Answer::error("500 Internal Server Error", "InternalError")
            }
            Some(Fault::LostBefore) => break,
            Some(Fault::LostAfter) => {
                answer(shared, &request, &asked);
                break;
            }
            Some(Fault::Silent) => {
                // The connection stays until the other side gives up.
                let _ = input.read(&mut [0]);
                break;
            }
        };
        let length = answer.length.unwrap_or(answer.body.len());
        let head = format!("HTTP/1.1 {}\r\nContent-Length: {length}\r\n{}\r\n", answer.status, answer.fields);
        let mut bytes = [head.as_bytes(), &answer.body].concat();
        if matches!(fault, Some(Fault::LostWithin)) {
            bytes.truncate(bytes.len() - (answer.body.len() / 2).max(2));
        }
        lock(&shared.bucket).bytes_out += answer.body.len() as u64;
        if output.write_all(&bytes).is_err() || matches!(fault, Some(Fault::LostWithin)) {
            break;
        }
    }
    let _ = output.shutdown(Shutdown::Both);
}

fn read(input: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    input.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut fields = BTreeMap::new();
    loop {
        let mut line = String::new();
        input.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        fields.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = fields.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    input.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let query = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.to_owned(), decode(value)));
    // The key stands behind the name of the bucket.
    let key = path.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key);
    Some(Request { method, key: decode(key), query: query.collect(), fields, body })
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%').then(|| after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()));
        match escaped.flatten().and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn asked(request: &Request) -> Asked {
    let operation = match request.method.as_str() {
        "GET" if request.query.contains_key("list-type") => "ListObjectsV2",
        "GET" => "GetObject",
        "HEAD" => "HeadObject",
        "PUT" if request.fields.contains_key("x-amz-copy-source") => "CopyObject",
        "PUT" => "PutObject",
        "DELETE" => "DeleteObject",
        _ => "DeleteObjects",
    };
    let key = if operation == "ListObjectsV2" {
        request.query.get("prefix").cloned().unwrap_or_default()
    } else {
        request.key.clone()
    };
    Asked { operation, key, creates: request.fields.contains_key("if-none-match"), bytes: request.body.len() }
}

fn answer(shared: &Shared, request: &Request, asked: &Asked) -> Answer {
    let ahead = shared.ahead.load(Ordering::SeqCst);
    let by = Duration::from_secs(ahead.unsigned_abs());
    let now = if ahead < 0 { SystemTime::now() - by } else { SystemTime::now() + by };
    let mut bucket = lock(&shared.bucket);
    let objects = &mut bucket.objects;
    match asked.operation {
        "PutObject" => {
            if asked.creates && objects.contains_key(&request.key) && !shared.overwrites.load(Ordering::SeqCst) {
                return Answer::error("412 Precondition Failed", "PreconditionFailed");
            }
            let fields = format!("ETag: \"{}\"\r\n", tag(&request.body));
            objects.insert(request.key.clone(), Stored { content: request.body.clone(), modified: now });
            Answer { fields, ..Answer::new("200 OK") }
        }
        "CopyObject" => {
            let source = decode(request.fields["x-amz-copy-source"].trim_start_matches('/'));
            let source = source.split_once('/').map_or("", |(_, key)| key);
            if source == request.key {
                return Answer::error("400 Bad Request", "InvalidRequest");
            }
            let Some(content) = objects.get(source).map(|stored| stored.content.clone()) else {
                return Answer::error("404 Not Found", "NoSuchKey");
            };
            objects.insert(request.key.clone(), Stored { content, modified: now });
            Answer::xml(format!(
                "<CopyObjectResult><LastModified>{}</LastModified><ETag>\"0\"</ETag></CopyObjectResult>",
                stamp(now, false)
            ))
        }
        "GetObject" | "HeadObject" => {
            let Some(stored) = objects.get(&request.key) else { return Answer::error("404 Not Found", "NoSuchKey") };
            let all = &stored.content;
            let mut fields = format!("ETag: \"{}\"\r\nLast-Modified: {}\r\n", tag(all), stamp(stored.modified, true));
            if asked.operation == "HeadObject" {
                return Answer { fields, length: Some(all.len()), ..Answer::new("200 OK") };
            }
            let range = request.fields.get("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
            let Some((from, to)) = range else { return Answer { fields, body: all.clone(), ..Answer::new("200 OK") } };
            let from = from.parse().unwrap_or(0);
            let end = to.parse::<usize>().map_or(all.len(), |to| (to + 1).min(all.len()));
            if from >= end {
                return Answer::error("416 Range Not Satisfiable", "InvalidRange");
            }
            let _ = write!(fields, "Content-Range: bytes {from}-{}/{}\r\n", end - 1, all.len());
            Answer { fields, body: all[from..end].to_vec(), ..Answer::new("206 Partial Content") }
        }
        "DeleteObject" => {
            objects.remove(&request.key);
            Answer::new("204 No Content")
        }
        "DeleteObjects" => {
            let text = String::from_utf8_lossy(&request.body).into_owned();
            let mut body = "<DeleteResult>".to_owned();
            for key in text.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next()) {
                objects.remove(key);
                let _ = write!(body, "<Deleted><Key>{key}</Key></Deleted>");
            }
            Answer::xml(body + "</DeleteResult>")
        }
        _ => list(objects, request),
    }
}

/// A page of a listing. A thousand names, as S3 gives.
fn list(objects: &BTreeMap<String, Stored>, request: &Request) -> Answer {
    let get = |name: &str| request.query.get(name).map(String::as_str).unwrap_or_default();
    let (prefix, delimiter) = (get("prefix"), get("delimiter"));
    let after = get("continuation-token").max(get("start-after")).to_owned();
    let mut body = "<ListBucketResult>".to_owned();
    let mut folders = BTreeSet::new();
    let (mut names, mut last) = (0, None);
    for (key, stored) in objects.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix)) {
        if *key <= after {
            continue;
        }
        if names == 1000 {
            last = last.or(Some(key.clone()));
            break;
        }
        let folder = (!delimiter.is_empty()).then(|| key[prefix.len()..].split_once(delimiter)).flatten();
        match folder {
            Some((folder, _)) => {
                folders.insert(format!("{prefix}{folder}{delimiter}"));
            }
            None => {
                names += 1;
                let _ = write!(
                    body,
                    "<Contents><Key>{key}</Key><LastModified>{}</LastModified><ETag>&quot;{}&quot;</ETag><Size>{}</Size></Contents>",
                    stamp(stored.modified, false),
                    tag(&stored.content),
                    stored.content.len()
                );
            }
        }
        if names == 1000 {
            last = Some(key.clone());
        }
    }
    let is_more = last.as_ref().is_some_and(|last| objects.range(last.clone()..).nth(1).is_some());
    for folder in folders {
        let _ = write!(body, "<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>");
    }
    if let Some(last) = last.filter(|_| is_more) {
        let _ = write!(body, "<NextContinuationToken>{last}</NextContinuationToken>");
    }
    Answer::xml(format!("{body}<IsTruncated>{is_more}</IsTruncated></ListBucketResult>"))
}

/// Another for another content.
fn tag(content: &[u8]) -> String {
    use std::hash::{DefaultHasher, Hasher as _};
    let mut hasher = DefaultHasher::new();
    hasher.write(content);
    format!("{:016x}", hasher.finish())
}

/// A time as HTTP has it, or XML.
fn stamp(time: SystemTime, is_http: bool) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut day) = (1970, days);
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    if !is_http {
        return format!("{year}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}.000Z", month + 1, day + 1);
    }
    let name = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][usize::try_from(days % 7).unwrap_or(0)];
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    format!("{name}, {:02} {} {year} {hour:02}:{minute:02}:{second:02} GMT", day + 1, months[month])
}
