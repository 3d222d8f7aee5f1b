//! What a client is told that is refused: the field `WWW-Authenticate` (RFC 6750,
//! section 3, with `resource_metadata` of RFC 9728, section 5.1).

use super::refusal::TokenError;

/// A challenge: where metadata are, the scopes to ask for, and the error if a token was given.
pub(super) fn challenge(metadata: &str, scopes: &str, error: Option<(&str, &str)>) -> String {
    let mut challenge = format!("Bearer resource_metadata=\"{metadata}\", scope=\"{scopes}\"");
    if let Some((error, description)) = error {
        challenge.push_str(&format!(", error=\"{error}\", error_description=\"{}\"", plain(description)));
    }
    challenge
}

/// For a token that was not taken.
pub(super) fn invalid_token(metadata: &str, scopes: &str, error: &TokenError) -> String {
    challenge(metadata, scopes, Some(("invalid_token", &error.to_string())))
}

/// What a description may have (RFC 6750, section 3): ASCII without `"` and `\`.
fn plain(text: &str) -> String {
    let is_plain = |letter: char| matches!(letter, ' '..='~') && !matches!(letter, '"' | '\\');
    text.chars().map(|letter| if is_plain(letter) { letter } else { '\'' }).collect()
}
