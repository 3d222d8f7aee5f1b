//! A JWT in its compact form (RFC 7515, section 7.1), before anything of it is believed.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;

use super::algorithm::Algorithm;
use super::object::Object;
use super::refusal::TokenError;

/// The longest token. The head of a request, 16 KiB, has room for it.
pub(super) const MAX_TOKEN_BYTES: usize = 12 << 10;

/// A token in its parts.
#[derive(Debug)]
pub(super) struct Token<'a> {
    pub(super) algorithm: Algorithm,
    /// Which key signed it.
    pub(super) key: Option<String>,
    /// What it is, in small letters and without `application/`.
    pub(super) kind: Option<String>,
    /// What was signed.
    message: &'a [u8],
    signature: Vec<u8>,
    /// What it says, and nobody has vouched for.
    pub(super) says: Object,
}

impl<'a> Token<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    ///
    /// When it is too long, is none, or asks for what nobody here understands. What is
    /// wrong with the head is told before what is wrong with the rest.
    pub(super) fn read(text: &'a str) -> Result<Self, TokenError> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLarge(text.len()));
        }
        let parts: Vec<_> = text.split('.').collect();
        let [head, body, signature] = parts[..] else {
            let is_encrypted = parts.len() == 5;
            let what = if is_encrypted { "it is encrypted" } else { "it has not three parts with dots between them" };
            return Err(TokenError::Malformed(what));
        };
        let decode = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).ok();
        let head = decode(head).and_then(|json| Object::read(&json));
        let head = head.ok_or(TokenError::Malformed("its header is no JSON object with every name once"))?;
        let text_of = |name: &str| match head.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(TokenError::Malformed("`alg`, `kid` or `typ` in its header is no text")),
        };
        let name = text_of("alg")?.ok_or(TokenError::Malformed("its header has no `alg`"))?;
        let algorithm = Algorithm::from_name(name).ok_or_else(|| TokenError::UnsupportedAlgorithm(name.to_owned()))?;
        if head.get("crit").is_some() {
            return Err(TokenError::Critical);
        }
        let kind = text_of("typ")?.map(|kind| {
            let kind = kind.to_ascii_lowercase();
            kind.strip_prefix("application/").map(str::to_owned).unwrap_or(kind)
        });
        let key = text_of("kid")?.map(str::to_owned);
        let says = decode(body).and_then(|json| Object::read(&json));
        let says = says.ok_or(TokenError::Malformed("its claims are no JSON object with every name once"))?;
        let signature_bytes = decode(signature).ok_or(TokenError::Malformed("its signature is no base64url"))?;
        let message = &text.as_bytes()[..text.len() - signature.len() - 1];
        Ok(Self { algorithm, key, kind, message, signature: signature_bytes, says })
    }

    /// What was signed, and the signature.
    pub(super) fn signed(&self) -> (&[u8], &[u8]) {
        (self.message, &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token(head: &str, body: &str) -> String {
        let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.c2ln", encode(head), encode(body))
    }

    fn reason(text: &str) -> String {
        Token::read(text).map_or_else(|error| error.reason().to_owned(), |_| "read".into())
    }

    #[test]
    fn a_token_is_taken_apart() {
        let text = token(r#"{"alg":"ES256","kid":"k","typ":"application/AT+JWT","x":1}"#, r#"{"iss":"i"}"#);
        let read = Token::read(&text).unwrap();
        assert_eq!((read.algorithm, read.key.as_deref()), (Algorithm::Es256, Some("k")));
        assert_eq!((read.kind.as_deref(), read.says.get("iss")), (Some("at+jwt"), Some(&json!("i"))));
        let (message, signature) = read.signed();
        assert_eq!((message, signature), (text.rsplit_once('.').unwrap().0.as_bytes(), &b"sig"[..]));
    }

    #[test]
    fn what_is_no_signed_token_is_told_so() {
        let good = r#"{"alg":"ES256"}"#;
        assert_eq!(reason(&token(good, "{}")), "read");
        for head in [r#"{"alg":"ES256","alg":"ES256"}"#, "{}", r#"{"alg":1}"#, r#"{"alg":"ES256","kid":1}"#, "[]", ""] {
            assert_eq!(reason(&token(head, "{}")), "malformed_token", "{head}");
        }
        for body in ["", "[]", "\"x\"", r#"{"iss":"a","iss":"b"}"#, &token(good, "{}")] {
            assert_eq!(reason(&token(good, body)), "malformed_token", "{body}");
        }
        let whole = token(good, "{}");
        for text in ["", ".", "..", "a.b", "....", &format!("{whole}="), &format!("{whole}.x"), &format!(" {whole}")] {
            assert_eq!(reason(text), "malformed_token", "{text}");
        }
        // The last letter has bits that say nothing, and must say nothing.
        let (rest, _) = whole.rsplit_once('.').unwrap();
        assert_eq!(reason(&format!("{rest}.c2l")), "malformed_token");
    }

    #[test]
    fn an_algorithm_without_a_key_of_its_own_and_an_extension_are_refused_by_name() {
        for name in ["none", "NONE", "HS256", "HS512", "ES512", "rs256"] {
            let said = Token::read(&token(&json!({"alg": name}).to_string(), "{}")).unwrap_err();
            assert_eq!(said, TokenError::UnsupportedAlgorithm(name.into()));
            assert!(said.to_string().contains(name) && said.to_string().contains("RS256, PS256"), "{said}");
        }
        for extension in [r#""crit":["b64"],"b64":false"#, r#""crit":[]"#, r#""crit":null"#] {
            assert_eq!(reason(&token(&format!(r#"{{"alg":"ES256",{extension}}}"#), "{}")), "critical_extension");
        }
    }

    #[test]
    fn a_token_is_no_longer_than_the_head_of_a_request_has_room_for() {
        let long = |bytes: usize| {
            let text = token(r#"{"alg":"ES256"}"#, "{}");
            format!("{text}{}", "A".repeat(bytes - text.len()))
        };
        assert_eq!(reason(&long(MAX_TOKEN_BYTES)), "read");
        let too_long = long(MAX_TOKEN_BYTES + 4);
        assert_eq!(Token::read(&too_long).unwrap_err(), TokenError::TooLarge(too_long.len()));
    }
}
