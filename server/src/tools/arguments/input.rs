//! Files as callers give them: text, or base64 as common tools write it.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sandbox::Error;

use super::prefix;

/// Takes padding or none, which common tools leave out.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The content of a file as a caller gives it: one of two fields.
///
/// # Errors
///
/// [`Error::InvalidRequest`] when it is neither or both, or not base64.
pub(crate) fn content(field: &str, text: Option<String>, base64: Option<&str>) -> Result<Vec<u8>, Error> {
    match (text, base64) {
        (Some(text), None) => Ok(text.into_bytes()),
        (None, Some(encoded)) => decode_base64(&format!("{}base64", prefix(field)), encoded),
        (given, _) => {
            let given = if given.is_some() { "both" } else { "neither" };
            let field = if field.is_empty() { "arguments" } else { field };
            Err(Error::invalid(field, format!("must have either `text` or `base64`, got {given}")))
        }
    }
}

/// Decodes base64 as common tools write it: in lines, with or without padding,
/// in the alphabet for URLs, in a `data:` URL, between the lines of PEM, or as
/// Python shows bytes.
///
/// # Errors
///
/// [`Error::InvalidRequest`] when it is not base64.
pub(crate) fn decode_base64(field: &str, encoded: &str) -> Result<Vec<u8>, Error> {
    let invalid = |reason: String| Error::invalid(field, format!("is not base64: {reason}"));
    let mut text = encoded.trim_start_matches('\u{feff}').trim();
    if text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("data:")) {
        let (kind, data) = text.split_once(',').ok_or_else(|| invalid("a data: URL without a comma".into()))?;
        if !kind.to_ascii_lowercase().ends_with(";base64") {
            return Err(invalid("a data: URL that does not say ;base64; pass its content as `text`".into()));
        }
        text = data;
    }
    for quote in ['\'', '"'] {
        let bare = text.strip_prefix('b').unwrap_or(text);
        text = bare.strip_prefix(quote).and_then(|inner| inner.strip_suffix(quote)).unwrap_or(text);
    }
    let lines = text.lines().filter(|line| !line.trim().starts_with("-----"));
    let in_alphabet = |char: char| match char {
        '-' => '+',
        '_' => '/',
        other => other,
    };
    let plain: String =
        lines.flat_map(str::chars).filter(|char| !char.is_ascii_whitespace()).map(in_alphabet).collect();
    let plain = plain.trim_end_matches('=');
    let is_symbol = |char: char| char.is_ascii_alphanumeric() || matches!(char, '+' | '/');
    if let Some((index, char)) = plain.chars().enumerate().find(|(_, char)| !is_symbol(*char)) {
        return Err(invalid(format!("character {} is {char:?}; plain text goes into `text`", index + 1)));
    }
    LENIENT.decode(plain).map_err(|_| invalid(format!("{} characters are cut off somewhere", plain.len())))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD as STANDARD_PADDED;

    use super::*;

    #[test]
    fn base64_is_taken_as_tools_write_it() {
        let bytes: Vec<u8> = (0..=255).collect();
        let plain = STANDARD_PADDED.encode(&bytes);
        let lines = plain.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect::<Vec<_>>();
        let url = plain.replace('+', "-").replace('/', "_");
        for text in [
            plain.clone(),
            lines.join("\n"),
            lines.join("\r\n") + "\r\n",
            plain.trim_end_matches('=').to_owned(),
            url.trim_end_matches('=').to_owned(),
            url,
            format!("data:image/png;base64,{plain}"),
            format!("DATA:;BASE64,{plain}"),
            format!("b'{plain}'"),
            format!("\"{plain}\""),
            format!("\u{feff}{plain}"),
            format!("-----BEGIN X-----\n{}\n-----END X-----\n", lines.join("\n")),
        ] {
            assert_eq!(content("", None, Some(&text)).unwrap(), bytes, "{text}");
        }
        assert_eq!(content("", None, Some("")).unwrap(), b"");
        let refused = content("files[1]", None, Some("not base64!")).unwrap_err().to_string();
        assert!(
            refused.starts_with("files[1].base64 is not base64: character 10 is '!'") && refused.contains("`text`"),
            "{refused}"
        );
        assert!(content("", None, None).unwrap_err().to_string().contains("got neither"));
    }
}
