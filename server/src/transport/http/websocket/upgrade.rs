//! The opening handshake of a WebSocket (RFC 6455, section 4.2), as far as HTTP is not
//! done with it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::{
    CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use hyper::http::HeaderValue;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Response, StatusCode, Version};
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};

use super::super::exchange::Answer;
use super::super::refusal::Refusal;

/// The protocol that is spoken over a WebSocket: messages of MCP, one in each text.
const PROTOCOL: &str = "mcp";

/// What the standard has appended to the key of a client.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The answer that opens a WebSocket.
pub(super) fn answer(request: &Parts) -> Result<Answer, Refusal> {
    let fields = &request.headers;
    if request.version != Version::HTTP_11
        || !says(fields, CONNECTION, "upgrade")
        || !says(fields, UPGRADE, "websocket")
    {
        return Err(Refusal::NoUpgrade);
    }
    if one(fields, SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(Refusal::WebSocketVersion);
    }
    let key = one(fields, SEC_WEBSOCKET_KEY).unwrap_or_default();
    if STANDARD.decode(key).ok().is_none_or(|bytes| bytes.len() != 16) {
        return Err(Refusal::WebSocketField("Sec-WebSocket-Key must be 16 bytes in base64"));
    }
    if !words(fields, SEC_WEBSOCKET_PROTOCOL).any(|word| word == PROTOCOL) {
        return Err(Refusal::WebSocketField(
            "MCP over a WebSocket is the subprotocol `mcp`: offer it in Sec-WebSocket-Protocol",
        ));
    }
    let mut answer = Response::new(Full::<Bytes>::default().boxed());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let fields = answer.headers_mut();
    fields.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
    fields.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    // Base64 is plain, and a field may always have it.
    if let Ok(accept) = HeaderValue::try_from(accept(key)) {
        fields.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    Ok(answer)
}

/// What shows a client that its key was read by a server that knows WebSockets.
fn accept(key: &str) -> String {
    let mut digest = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    digest.update(key.as_bytes());
    digest.update(GUID);
    STANDARD.encode(digest.finish())
}

/// The words of a list in the fields of a name.
fn words(fields: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = fields.get_all(name).into_iter();
    values.flat_map(|value| value.to_str().unwrap_or_default().split(',')).map(str::trim)
}

fn says(fields: &HeaderMap, name: HeaderName, wanted: &str) -> bool {
    words(fields, name).any(|word| word.eq_ignore_ascii_case(wanted))
}

/// The value of a field that there is once.
fn one(fields: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = fields.get_all(name).into_iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    const FIELDS: [(&str, &str); 5] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", "chat, mcp"),
    ];

    fn asked(change: Option<(&str, &[&str])>) -> Result<Answer, String> {
        let mut request = Request::get("/ws");
        for (name, value) in FIELDS {
            match change.filter(|(changed, _)| *changed == name) {
                Some((_, values)) => {
                    request = values.iter().fold(request, |request, value| request.header(name, *value))
                }
                None => request = request.header(name, value),
            }
        }
        answer(&request.body(()).unwrap().into_parts().0).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn the_handshake_of_the_standard_is_answered_and_half_of_one_is_not() {
        let answer = asked(None).unwrap();
        assert_eq!(answer.status(), 101);
        // Of RFC 6455, section 1.3.
        assert_eq!(answer.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(answer.headers()["sec-websocket-protocol"], "mcp");
        let whole = ["dGhlIHNhbXBsZSBub25jZQ=="];
        for (name, values, said) in [
            ("connection", &["keep-alive"][..], "begins with"),
            ("upgrade", &["h2c"], "begins with"),
            ("sec-websocket-version", &["8"], "must be 13"),
            ("sec-websocket-version", &["13", "13"], "must be 13"),
            ("sec-websocket-key", &["c2hvcnQ="], "16 bytes"),
            ("sec-websocket-key", &[], "16 bytes"),
            ("sec-websocket-key", &[whole[0], whole[0]], "16 bytes"),
            ("sec-websocket-protocol", &["MCP, chat"], "subprotocol `mcp`"),
            ("sec-websocket-protocol", &[], "subprotocol `mcp`"),
        ] {
            let refused = asked(Some((name, values))).unwrap_err();
            assert!(refused.contains(said), "{name} {values:?}: {refused}");
        }
    }
}
