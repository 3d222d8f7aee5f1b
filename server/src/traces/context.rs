//! Which trace a call is part of: what its client says in `_meta` of the message (MCP
//! 2026-07-28), or else in the fields of the request over HTTP (W3C Trace Context).

use hyper::HeaderMap;
use rmcp::model::MetaObject;

/// The longest list of what other systems keep with a trace, as the standard has it.
const STATE_BYTES: usize = 512;

/// A place in a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TraceContext {
    pub(super) trace: [u8; 16],
    pub(super) span: [u8; 8],
    /// Whether whoever began the trace keeps it.
    pub(super) is_sampled: bool,
    /// The state of other systems, which is handed on as it came.
    pub(super) state: Option<String>,
}

impl TraceContext {
    /// The place in a trace that a message says; what is not in order is as if it were not there.
    pub(crate) fn of(meta: &MetaObject, headers: Option<&HeaderMap>) -> Option<Self> {
        let of_message = || Self::parse(meta.get_traceparent()?, meta.get_tracestate());
        let field = |name: &str| {
            let mut values = headers?.get_all(name).iter();
            let value = values.next()?.to_str().ok()?;
            values.next().is_none().then_some(value)
        };
        of_message().or_else(|| Self::parse(field("traceparent")?, field("tracestate")))
    }

    fn parse(parent: &str, state: Option<&str>) -> Option<Self> {
        let mut parts = parent.split('-');
        let version = bytes::<1>(parts.next()?)?[0];
        let (trace, span) = (bytes(parts.next()?)?, bytes(parts.next()?)?);
        let flags = bytes::<1>(parts.next()?)?[0];
        // A later version may have more behind it; the first has not, and the last is none.
        let is_known = version != 0xff && (version > 0 || parts.next().is_none());
        let is_there = trace != [0; 16] && span != [0; 8];
        let is_plain = |text: &&str| text.len() <= STATE_BYTES && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        (is_known && is_there).then(|| Self {
            trace,
            span,
            is_sampled: flags & 1 == 1,
            state: state.filter(is_plain).filter(|state| !state.is_empty()).map(str::to_owned),
        })
    }
}

/// So many bytes, which are written in lower-case digits.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    let is_digit = |digit: &u8| digit.is_ascii_digit() || matches!(digit, b'a'..=b'f');
    if digits.len() != 2 * N || !digits.iter().all(is_digit) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use hyper::http::HeaderValue;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";

    #[test]
    fn a_parent_is_read_as_the_standard_has_it_and_everything_else_is_none() {
        let parsed = TraceContext::parse(PARENT, Some("a=1,b=2")).unwrap();
        assert_eq!((parsed.trace[0], parsed.span[7], parsed.is_sampled), (0x0a, 0xb7, true));
        assert_eq!(parsed.state.as_deref(), Some("a=1,b=2"));
        assert!(!TraceContext::parse(&PARENT.replace("-01", "-00"), None).unwrap().is_sampled);
        assert!(TraceContext::parse(&format!("{}-more", PARENT.replace("00-0af", "01-0af")), None).is_some());
        for wrong in [
            "",
            "00",
            &PARENT.to_uppercase(),
            &PARENT.replace("00-0af", "ff-0af"),
            &format!("{PARENT}-more"),
            &PARENT.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &PARENT.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &PARENT.replace("00f067aa0ba902b7", "00f067aa0ba902b"),
            &PARENT.replace("00f067aa0ba902b7", "00f067aa0ba902é"),
            &PARENT.replace("-01", "-+1"),
        ] {
            assert_eq!(TraceContext::parse(wrong, None), None, "{wrong}");
        }
        for state in ["", "a\nb", &"a".repeat(STATE_BYTES + 1)] {
            assert_eq!(TraceContext::parse(PARENT, Some(state)).unwrap().state, None);
        }
    }

    #[test]
    fn what_the_message_says_wins_over_the_request() {
        let other = PARENT.replace("0af", "1af");
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", HeaderValue::from_str(&other).unwrap());
        let mut meta = MetaObject::default();
        let trace =
            |meta: &MetaObject, headers: &HeaderMap| TraceContext::of(meta, Some(headers)).map(|it| it.trace[0]);
        assert_eq!(trace(&meta, &headers), Some(0x1a));
        meta.set_traceparent("nonsense");
        assert_eq!(trace(&meta, &headers), Some(0x1a));
        meta.set_traceparent(PARENT);
        assert_eq!(trace(&meta, &headers), Some(0x0a));
        headers.append("traceparent", HeaderValue::from_static("x"));
        assert_eq!(trace(&MetaObject::default(), &headers), None, "two say nothing");
    }
}
