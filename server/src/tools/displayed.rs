//! What a program displayed, as a reply shows it: images as images, and of
//! everything else the form that a reader of text has most of.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sandbox::RichOutput;

use super::arguments::decode_base64 as base64_of;

/// The most images in one result.
pub(crate) const MAX_IMAGES: usize = 8;
/// How much image data one result carries, in base64.
pub(crate) const IMAGE_BYTES: usize = 2 << 20;

/// Sources of a display without a text of its own, the one that reads best
/// first.
const SOURCES: [&str; 5] = ["text/markdown", "text/latex", "text/html", "application/json", "image/svg+xml"];

/// The longest side of an image that models take.
const MAX_PIXELS: usize = 8000;

/// One thing that was displayed.
pub(crate) enum Shown {
    /// An image that clients can show, and what else it has to say.
    Image { image: Image, text: Option<String> },
    /// Text, or a source in `mime`.
    Text {
        /// `text/plain`, or what the text is a source of.
        mime: String,
        text: String,
    },
    /// Something that is neither: of which type, and in base64.
    Other { mime: String, base64: String },
    /// An image that is none, and of which type it was to be.
    Broken { mime: String, reason: String },
}

/// An image as it goes to a client.
pub(crate) struct Image {
    /// The type of the image, by its first bytes.
    pub(crate) mime: &'static str,
    pub(crate) base64: String,
    /// Width and height in pixels.
    pub(crate) pixels: (usize, usize),
    pub(crate) bytes: usize,
}

impl Image {
    /// The image that these bytes are, or why they are none that could be sent:
    /// clients refuse a whole result over a broken image.
    pub(crate) fn new(bytes: &[u8]) -> Result<Self, String> {
        let Some(mime) = image_type(bytes) else { return Err(format!("no image in these {} bytes", bytes.len())) };
        let Ok(size) = imagesize::blob_size(bytes) else { return Err(format!("an {mime} that is damaged")) };
        let (width, height) = (size.width, size.height);
        if !(1..=MAX_PIXELS).contains(&width) || !(1..=MAX_PIXELS).contains(&height) {
            return Err(format!("{width}x{height} pixels, and a side must be between 1 and {MAX_PIXELS}"));
        }
        Ok(Self { mime, base64: STANDARD.encode(bytes), pixels: (width, height), bytes: bytes.len() })
    }

    /// The image in words.
    pub(crate) fn description(&self) -> String {
        let (width, height) = self.pixels;
        format!("{}, {width}x{height} pixels, {} bytes", self.mime, self.bytes)
    }
}

/// The type of an image by its first bytes.
pub(crate) fn image_type(start: &[u8]) -> Option<&'static str> {
    match start {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// A MIME type without parameters, in the case it is written in.
fn plain_type(mime: &str) -> String {
    mime.split(';').next().unwrap_or(mime).trim().to_ascii_lowercase()
}

/// Image types that clients show. SVG is text.
pub(crate) fn is_image(mime: &str) -> bool {
    matches!(mime, "image/png" | "image/jpeg" | "image/gif" | "image/webp")
}

impl Shown {
    /// The form of a bundle that a reply shows.
    pub(crate) fn of(RichOutput(bundle): &RichOutput) -> Self {
        let bundle: Vec<_> = bundle.iter().map(|(mime, data)| (plain_type(mime), data)).collect();
        let find = |wanted: &str| bundle.iter().find(|(mime, _)| mime == wanted).map(|(_, data)| *data);
        let plain = find("text/plain");
        let telling = plain.filter(|text| !is_bare(text));
        if let Some((mime, data)) = bundle.iter().find(|(mime, _)| is_image(mime)) {
            let decoded = base64_of("image", data).map_err(|_| "its data is neither bytes nor base64".to_owned());
            return match decoded.and_then(|bytes| Image::new(&bytes)) {
                Ok(image) => Self::Image { image, text: telling.cloned() },
                Err(reason) => Self::Broken { mime: mime.clone(), reason },
            };
        }
        if let Some(text) = telling {
            return Self::Text { mime: "text/plain".into(), text: text.clone() };
        }
        let is_json = |mime: &str| mime == "application/json" || mime.ends_with("+json");
        let is_text =
            |mime: &str| mime.starts_with("text/") && mime != "text/plain" || SOURCES.contains(&mime) || is_json(mime);
        let preferred = SOURCES.iter().find_map(|mime| Some(((*mime).to_owned(), find(mime)?)));
        let any = || bundle.iter().find(|(mime, _)| is_text(mime)).cloned();
        if let Some((mime, data)) = preferred.or_else(any) {
            // Content of no text type comes in base64, by the guest ABI.
            let decoded = is_json(&mime).then(|| STANDARD.decode(data).ok()).flatten();
            let text = decoded.map_or_else(|| data.clone(), |bytes| String::from_utf8_lossy(&bytes).into_owned());
            return Self::Text { mime, text };
        }
        match bundle.iter().find(|(mime, _)| mime != "text/plain") {
            Some((mime, data)) => Self::Other { mime: mime.clone(), base64: (*data).clone() },
            None => Self::Text { mime: "text/plain".into(), text: plain.cloned().unwrap_or_default() },
        }
    }
}

/// Whether a text is only the name of a thing, as Python represents objects
/// that do not say more: `<Figure size 640x480 with 1 Axes>`.
pub(crate) fn is_bare(text: &str) -> bool {
    let text = text.trim();
    text.starts_with('<') && text.ends_with('>') && !text.contains('\n') && !text.contains("</")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bundle: &[(&str, &str)]) -> String {
        let bundle = bundle.iter().map(|(mime, data)| ((*mime).to_owned(), (*data).to_owned())).collect();
        match Shown::of(&RichOutput(bundle)) {
            Shown::Image { image, text } => format!("image: {} {}", image.description(), text.unwrap_or_default()),
            Shown::Text { mime, text } => format!("{mime}: {text}"),
            Shown::Other { mime, .. } => format!("other: {mime}"),
            Shown::Broken { mime, reason } => format!("broken: {mime}, {reason}"),
        }
    }

    #[test]
    fn the_form_with_most_to_read_is_shown() {
        let json = STANDARD.encode("{\"a\": 1}");
        let bare = ("text/plain", "<IPython.display.HTML object>");
        for (bundle, expected) in [
            (&[("text/plain", "   a  b\n0  1  2"), ("text/html", "<table>")][..], "text/plain:    a  b\n0  1  2"),
            (&[bare, ("text/html", "<b>x</b>")], "text/html: <b>x</b>"),
            (&[bare, ("text/html", "<b>x</b>"), ("text/markdown", "**x**")], "text/markdown: **x**"),
            (&[bare, ("text/latex", "$x$")], "text/latex: $x$"),
            (&[bare, ("application/json", &json)], "application/json: {\"a\": 1}"),
            (&[bare, ("image/svg+xml", "<svg/>")], "image/svg+xml: <svg/>"),
            (&[bare, ("text/x-note", "n")], "text/x-note: n"),
            (&[bare, ("application/x-thing", "AAAA")], "other: application/x-thing"),
            (&[bare], "text/plain: <IPython.display.HTML object>"),
            (&[bare, ("application/vnd.x+json", &json)], "application/vnd.x+json: {\"a\": 1}"),
            (&[bare, ("image/png", "not base64!")], "broken: image/png, its data is neither bytes nor base64"),
            (&[bare, ("image/png", "AAAA")], "broken: image/png, no image in these 3 bytes"),
            (&[bare, ("image/png", "iVBORw0KGgo=")], "broken: image/png, an image/png that is damaged"),
            (&[], "text/plain: "),
        ] {
            assert_eq!(shown(bundle), expected);
        }
    }

    #[test]
    fn an_image_is_told_with_its_pixels() {
        let pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
        // An image is shown by what it is, whatever it says it is.
        let expected = "image: image/png, 1x1 pixels, 70 bytes score 0.9";
        assert_eq!(shown(&[("image/JPEG; x=1", pixel), ("text/plain", "score 0.9")]), expected);
        let unpadded = pixel.trim_end_matches('=');
        assert_eq!(shown(&[("image/png", unpadded), ("text/plain", "<x>")]), "image: image/png, 1x1 pixels, 70 bytes ");
    }
}
