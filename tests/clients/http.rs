//! HTTP/1.1 as far as a model server on loopback needs it: one request of a
//! connection, read with a bound, and one answer to it.

use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// The longest request line with its headers.
const HEAD_BYTES: u64 = 64 << 10;
/// The longest body: a conversation with the tools and images in it.
const BODY_BYTES: u64 = 32 << 20;
/// How long a client may keep silent in the middle of a request.
const SILENCE: Duration = Duration::from_secs(30);

/// A request.
#[derive(Debug)]
pub(crate) struct Request {
    /// `GET`, `POST`, or `CONNECT` to a proxy.
    pub(crate) method: String,
    /// What the request is for: a path, or a whole address when a proxy is meant.
    pub(crate) target: String,
    /// The body, decoded from its transfer encoding.
    pub(crate) body: Vec<u8>,
}

/// A connection with one request on it.
#[derive(Debug)]
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Reads the request; an error when there is none, or none of this kind.
    pub(crate) fn request(&mut self) -> io::Result<Request> {
        let mut head = (&mut self.0).take(HEAD_BYTES);
        let first = line(&mut head)?;
        let mut words = first.split(' ').map(str::to_owned);
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(malformed("a request line"));
        };
        let (mut length, mut is_chunked, mut waits) = (0, false, false);
        loop {
            let header = line(&mut head)?;
            if header.is_empty() {
                break;
            }
            let Some((name, value)) = header.split_once(':') else { return Err(malformed("a header")) };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().map_err(|_| malformed("a length"))?,
                "transfer-encoding" => is_chunked = value.eq_ignore_ascii_case("chunked"),
                "content-encoding" if value != "identity" => return Err(malformed("a body that is not compressed")),
                "expect" => waits = true,
                _ => {}
            }
        }
        if waits {
            self.0.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let body = if is_chunked { self.chunks()? } else { self.bytes(length)? };
        Ok(Request { method, target, body })
    }

    fn bytes(&mut self, length: u64) -> io::Result<Vec<u8>> {
        if length > BODY_BYTES {
            return Err(malformed("a smaller body"));
        }
        let mut bytes = Vec::new();
        (&mut self.0).take(length).read_to_end(&mut bytes)?;
        if (bytes.len() as u64) < length { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(bytes) }
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = line(&mut (&mut self.0).take(HEAD_BYTES))?;
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| malformed("the size of a chunk"))?;
            if size == 0 {
                // Trailers end with an empty line, as a head does.
                let mut trailers = (&mut self.0).take(HEAD_BYTES);
                while !line(&mut trailers)?.is_empty() {}
                return Ok(body);
            }
            if size > BODY_BYTES - body.len() as u64 {
                return Err(malformed("a smaller body"));
            }
            body.extend(self.bytes(size)?);
            line(&mut (&mut self.0).take(HEAD_BYTES))?;
        }
    }

    /// Answers the request and ends the connection.
    pub(crate) fn answer(mut self, status: &str, mime: &str, body: &str) -> io::Result<()> {
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {mime}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        self.0.get_mut().write_all(answer.as_bytes())
    }
}

fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let line = line.strip_suffix('\n').ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

fn malformed(wanted: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("expected {wanted}"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use std::net::TcpListener;

    use super::*;

    fn read(bytes: &[u8]) -> io::Result<Request> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut connection = Connection::new(listener.accept().unwrap().0).unwrap();
        client.write_all(bytes).unwrap();
        drop(client);
        connection.request()
    }

    #[test]
    fn both_ways_to_send_a_body_are_read() {
        let whole = read(b"POST /a?b HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello, more").unwrap();
        assert_eq!((whole.method.as_str(), whole.target.as_str(), &whole.body[..]), ("POST", "/a?b", &b"hello"[..]));
        let chunks =
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\na: b\r\n\r\n";
        assert_eq!(read(chunks).unwrap().body, b"hello");
    }

    #[test]
    fn what_is_cut_short_or_too_large_is_refused() {
        for bytes in [
            &b""[..],
            b"POST",
            b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhell",
            b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            &[b'a'; 70_000],
        ] {
            assert!(read(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
