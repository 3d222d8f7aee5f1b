//! A collector of traces: it takes what comes over OTLP/HTTP, and reads it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// A collector that takes everything, or answers with other statuses first.
pub(crate) struct Collector {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    spans: Vec<Span>,
    /// Heads of requests.
    heads: Vec<String>,
    /// The attributes of whoever sent the last request.
    resource: BTreeMap<String, String>,
    /// What is answered next, before everything is taken.
    statuses: Vec<u16>,
    /// Whether nothing is answered.
    is_mute: bool,
}

/// A span.
#[derive(Clone, Debug, Default)]
pub(crate) struct Span {
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) state: String,
    pub(crate) name: String,
    pub(crate) kind: u64,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) attributes: BTreeMap<String, String>,
    /// The code of the span's status.
    pub(crate) status: u64,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, shared) = (listener.local_addr().unwrap(), Arc::<Shared>::default());
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&of_thread);
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers with these statuses first.
    pub(crate) fn refuse_with(&self, statuses: &[u16]) {
        self.shared.state.lock().unwrap().statuses = statuses.to_vec();
    }

    /// Answers nothing from here on.
    pub(crate) fn fall_silent(&self) {
        self.shared.state.lock().unwrap().is_mute = true;
    }

    /// The spans, once there are so many.
    pub(crate) fn spans(&self, count: usize) -> Vec<Span> {
        let state = self.shared.state.lock().unwrap();
        let waiting = |state: &mut State| state.spans.len() < count;
        let (state, waited) = self.shared.changed.wait_timeout_while(state, tests::PATIENCE, waiting).unwrap();
        assert!(!waited.timed_out(), "{} of {count} spans have come: {:#?}", state.spans.len(), state.spans);
        state.spans.clone()
    }

    /// The heads of all requests.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.shared.state.lock().unwrap().heads.clone()
    }

    pub(crate) fn resource(&self) -> BTreeMap<String, String> {
        self.shared.state.lock().unwrap().resource.clone()
    }
}

impl Shared {
    /// Answers requests until the connection ends.
    fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut input = BufReader::new(stream.try_clone().ok()?);
        let mut output = stream;
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                (input.read_line(&mut head).ok()? > 0).then_some(())?;
            }
            let length = head.to_lowercase().split("content-length: ").nth(1)?.lines().next()?.parse().ok()?;
            let mut body = vec![0; length];
            input.read_exact(&mut body).ok()?;
            let status = {
                let mut state = self.state.lock().unwrap();
                state.heads.push(head);
                if state.is_mute {
                    self.changed.notify_all();
                    continue;
                }
                let status = if state.statuses.is_empty() { 200 } else { state.statuses.remove(0) };
                if status == 200 {
                    let (resource, spans) = read(&body);
                    state.resource = resource;
                    state.spans.extend(spans);
                }
                status
            };
            self.changed.notify_all();
            output.write_all(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").as_bytes()).ok()?;
        }
    }
}

/// A field of a message.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl Field<'_> {
    fn number(&self) -> u64 {
        let Self::Number(number) = self else { panic!("not a number") };
        *number
    }

    fn bytes(&self) -> &[u8] {
        let Self::Bytes(bytes) = self else { panic!("no bytes") };
        bytes
    }

    fn text(&self) -> String {
        String::from_utf8(self.bytes().to_vec()).unwrap()
    }

    fn hex(&self) -> String {
        self.bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The fields of a message, by number (the encoding of Protocol Buffers).
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return value;
            }
        }
        panic!("a number without an end");
    }
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => Field::Number(u64::from_le_bytes(bytes.split_off(..8).unwrap().try_into().unwrap())),
            2 => {
                let length = varint(&mut bytes) as usize;
                Field::Bytes(bytes.split_off(..length).unwrap())
            }
            5 => Field::Number(u32::from_le_bytes(bytes.split_off(..4).unwrap().try_into().unwrap()).into()),
            wire => panic!("a field of an unknown sort {wire}"),
        };
        fields.push((tag >> 3, field));
    }
    fields
}

fn attribute(bytes: &[u8]) -> (String, String) {
    let (mut name, mut value) = (String::new(), String::new());
    for (number, field) in fields(bytes) {
        match number {
            1 => name = field.text(),
            2 => {
                for (kind, field) in fields(field.bytes()) {
                    value = if kind == 1 { field.text() } else { field.number().to_string() };
                }
            }
            other => panic!("unknown field {other}"),
        }
    }
    (name, value)
}

/// An `ExportTraceServiceRequest`.
fn read(body: &[u8]) -> (BTreeMap<String, String>, Vec<Span>) {
    let (mut resource, mut spans) = (BTreeMap::new(), Vec::new());
    for (number, field) in fields(body) {
        assert_eq!(number, 1);
        for (number, field) in fields(field.bytes()) {
            match number {
                1 => resource.extend(fields(field.bytes()).iter().map(|(_, field)| attribute(field.bytes()))),
                2 => spans.extend(
                    fields(field.bytes())
                        .iter()
                        .filter(|(number, _)| *number == 2)
                        .map(|(_, field)| span(field.bytes())),
                ),
                other => panic!("unknown field {other}"),
            }
        }
    }
    (resource, spans)
}

fn span(bytes: &[u8]) -> Span {
    let mut span = Span::default();
    for (number, field) in fields(bytes) {
        match number {
            1 => span.trace = field.hex(),
            2 => span.id = field.hex(),
            3 => span.state = field.text(),
            4 => span.parent = field.hex(),
            5 => span.name = field.text(),
            6 => span.kind = field.number(),
            7 => span.from = field.number(),
            8 => span.to = field.number(),
            9 => span.attributes.extend([attribute(field.bytes())]),
            15 => span.status = fields(field.bytes()).iter().map(|(_, field)| field.number()).next().unwrap_or(0),
            16 => assert_eq!(field.number(), 1),
            other => panic!("unknown field {other}"),
        }
    }
    span
}
