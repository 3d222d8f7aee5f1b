//! What a program displayed, as a reply shows it: images as images, and of
//! everything else the form that a reader of text has most of.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sandbox::RichOutput;

/// The most images in one result.
pub(crate) const MAX_IMAGES: usize = 8;
/// How much image data one result carries, in base64.
pub(crate) const IMAGE_BYTES: usize = 2 << 20;

/// Sources of a display without a text of its own, the one that reads best
/// first.
const SOURCES: [&str; 5] = ["text/markdown", "text/latex", "text/html", "application/json", "image/svg+xml"];

/// One thing that was displayed.
pub(crate) enum Shown {
    /// An image that clients can show.
    Image(Image),
    /// Text, or a source in `mime`.
    Text {
        /// `text/plain`, or what the text is a source of.
        mime: String,
        text: String,
    },
    /// Something that is neither.
    Other {
        mime: String,
        /// As it came: base64, longer than what it stands for.
        encoded_bytes: usize,
    },
}

/// An image as it goes to a client.
pub(crate) struct Image {
    pub(crate) mime: String,
    pub(crate) base64: String,
    /// Width and height in pixels, where the image says.
    pub(crate) pixels: Option<(usize, usize)>,
    pub(crate) bytes: usize,
}

impl Image {
    /// The image in `base64`; `None` when it is not base64, over which clients
    /// refuse a whole result.
    pub(crate) fn new(mime: String, base64: String) -> Option<Self> {
        let bytes = STANDARD.decode(&base64).ok()?;
        Some(Self { mime, base64, pixels: pixels(&bytes), bytes: bytes.len() })
    }

    /// What it is, in words.
    pub(crate) fn description(&self) -> String {
        description(&self.mime, self.pixels, self.bytes as u64)
    }
}

/// What an image is, in words.
pub(crate) fn description(mime: &str, pixels: Option<(usize, usize)>, bytes: u64) -> String {
    let pixels = pixels.map(|(width, height)| format!(", {width}x{height} pixels")).unwrap_or_default();
    format!("{mime}{pixels}, {bytes} bytes")
}

/// Width and height of an image.
pub(crate) fn pixels(bytes: &[u8]) -> Option<(usize, usize)> {
    imagesize::blob_size(bytes).ok().map(|size| (size.width, size.height))
}

/// Image types that clients show. SVG is text.
pub(crate) fn is_image(mime: &str) -> bool {
    matches!(mime, "image/png" | "image/jpeg" | "image/gif" | "image/webp")
}

impl Shown {
    /// The form of a bundle that a reply shows.
    pub(crate) fn of(RichOutput(bundle): &RichOutput) -> Self {
        let find = |wanted: &str| bundle.iter().find(|(mime, _)| mime == wanted).map(|(_, data)| data);
        if let Some((mime, data)) = bundle.iter().find(|(mime, _)| is_image(mime)) {
            return match Image::new(mime.clone(), data.clone()) {
                Some(image) => Self::Image(image),
                None => Self::Text {
                    mime: "text/plain".into(),
                    text: format!("[{mime} left out: an image must be bytes, or text in base64]"),
                },
            };
        }
        let plain = find("text/plain");
        if let Some(text) = plain.filter(|text| !is_bare(text)) {
            return Self::Text { mime: "text/plain".into(), text: text.clone() };
        }
        let is_text = |mime: &str| mime.starts_with("text/") && mime != "text/plain" || SOURCES.contains(&mime);
        let preferred = SOURCES.iter().find_map(|mime| Some(((*mime).to_owned(), find(mime)?)));
        let any = || bundle.iter().find(|(mime, _)| is_text(mime)).map(|(mime, data)| (mime.clone(), data));
        if let Some((mime, data)) = preferred.or_else(any) {
            // By the guest ABI what is no text type comes in base64.
            let decoded = (mime == "application/json").then(|| STANDARD.decode(data).ok()).flatten();
            let text = decoded.map_or_else(|| data.clone(), |bytes| String::from_utf8_lossy(&bytes).into_owned());
            return Self::Text { mime, text };
        }
        match bundle.iter().find(|(mime, _)| mime != "text/plain") {
            Some((mime, data)) => Self::Other { mime: mime.clone(), encoded_bytes: data.len() },
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
            Shown::Image(image) => format!("image: {}", image.description()),
            Shown::Text { mime, text } => format!("{mime}: {text}"),
            Shown::Other { mime, .. } => format!("other: {mime}"),
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
            (
                &[bare, ("image/png", "not base64")],
                "text/plain: [image/png left out: an image must be bytes, or text in base64]",
            ),
            (&[], "text/plain: "),
        ] {
            assert_eq!(shown(bundle), expected);
        }
    }

    #[test]
    fn an_image_is_told_with_its_pixels() {
        let pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
        assert_eq!(shown(&[("image/png", pixel), ("text/plain", "x")]), "image: image/png, 1x1 pixels, 70 bytes");
        assert_eq!(shown(&[("image/png", "AAAA")]), "image: image/png, 3 bytes");
    }
}
