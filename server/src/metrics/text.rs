//! Metrics as text: in the format 0.0.4 of Prometheus, or as OpenMetrics for who asks for
//! that.

use std::fmt::{self, Display, Write as _};

use super::families::{Family, Kind};
use super::histogram::Histogram;

/// The form in which metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Prometheus,
    OpenMetrics,
}

impl Format {
    /// The form which a client would rather have, by its field `Accept`.
    pub(crate) fn wanted(accept: &str) -> Self {
        let quality = |wanted: &str| {
            let of = |part: &str| {
                let mut words = part.split(';').map(str::trim);
                let is_it = words.next().is_some_and(|kind| kind.eq_ignore_ascii_case(wanted));
                let quality = words.find_map(|word| word.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
                is_it.then_some(quality)
            };
            accept.split(',').filter_map(of).fold(0.0, f32::max)
        };
        let open = quality("application/openmetrics-text");
        if open > 0.0 && open >= quality("text/plain") { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The content type of the form.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A text that grows.
pub(super) struct Text {
    format: Format,
    text: String,
}

impl Text {
    pub(super) fn new(format: Format) -> Self {
        Self { format, text: String::with_capacity(16 << 10) }
    }

    /// Begins a metric; its series follow.
    pub(super) fn family(&mut self, family: &Family) -> Series<'_> {
        let name = match self.format {
            Format::Prometheus => family.name,
            // OpenMetrics calls a counter by what its samples have before `_total`.
            Format::OpenMetrics => family.name.strip_suffix("_total").unwrap_or(family.name),
        };
        let kind = family.kind;
        self.say(format_args!("# HELP {name} {}\n# TYPE {name} {}\n", family.help, kind.name()));
        Series { text: self, name: family.name, kind }
    }

    pub(super) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn say(&mut self, what: fmt::Arguments<'_>) {
        // A string takes all that is written to it.
        let _ = self.text.write_fmt(what);
    }
}

/// The series of one metric.
pub(super) struct Series<'a> {
    text: &'a mut Text,
    name: &'static str,
    kind: Kind,
}

impl Series<'_> {
    /// Writes one value.
    pub(super) fn value(&mut self, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        debug_assert_ne!(self.kind, Kind::Histogram, "{}", self.name);
        self.text.say(format_args!("{}{} {value}\n", self.name, Labels(labels, None)));
        self
    }

    /// Writes the only value, if it is known.
    pub(super) fn if_known(&mut self, value: Option<impl Display>) {
        if let Some(value) = value {
            self.value(&[], value);
        }
    }

    /// Writes one distribution.
    pub(super) fn histogram(&mut self, labels: &[(&str, &str)], histogram: &Histogram) -> &mut Self {
        let name = self.name;
        for (bound, count) in histogram.cumulated() {
            self.text.say(format_args!("{name}_bucket{} {count}\n", Labels(labels, Some(bound))));
        }
        let (labels, sum) = (Labels(labels, None), histogram.sum());
        self.text.say(format_args!("{name}_sum{labels} {sum}\n{name}_count{labels} {}\n", histogram.count()));
        self
    }
}

/// Labels, and the bound of a bucket.
struct Labels<'a>(&'a [(&'a str, &'a str)], Option<f64>);

impl Display for Labels<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(labels, bound) = self;
        if labels.is_empty() && bound.is_none() {
            return Ok(());
        }
        let mut separator = '{';
        for (name, value) in *labels {
            write!(formatter, "{separator}{name}=\"")?;
            for letter in value.chars() {
                match letter {
                    '\\' => formatter.write_str("\\\\")?,
                    '"' => formatter.write_str("\\\"")?,
                    '\n' => formatter.write_str("\\n")?,
                    letter => formatter.write_char(letter)?,
                }
            }
            formatter.write_char('"')?;
            separator = ',';
        }
        match bound {
            Some(bound) if bound.is_infinite() => write!(formatter, "{separator}le=\"+Inf\"")?,
            // A number has a point here: OpenMetrics wants numbers written one way.
            Some(bound) => write!(formatter, "{separator}le=\"{bound:?}\"")?,
            None => {}
        }
        formatter.write_char('}')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_openmetrics_gets_it_and_everybody_else_the_older_text() {
        for (accept, expected) in [
            ("", Format::Prometheus),
            ("*/*", Format::Prometheus),
            ("text/plain;version=0.0.4", Format::Prometheus),
            (
                "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            ("text/plain;q=0.9,application/openmetrics-text;q=0.2", Format::Prometheus),
            ("application/openmetrics-text;q=0", Format::Prometheus),
        ] {
            assert_eq!(Format::wanted(accept), expected, "{accept}");
        }
    }

    #[test]
    fn labels_are_escaped_and_the_end_is_said() {
        const FAMILY: Family = Family { name: "x_total", kind: Kind::Counter, labels: &["a"], help: "Counts." };
        let text = |format| {
            let mut text = Text::new(format);
            text.family(&FAMILY).value(&[("a", "q\"b\\s\n")], 3).value(&[], 4);
            text.finish()
        };
        let samples = "x_total{a=\"q\\\"b\\\\s\\n\"} 3\nx_total 4\n";
        let prometheus = format!("# HELP x_total Counts.\n# TYPE x_total counter\n{samples}");
        assert_eq!(text(Format::Prometheus), prometheus);
        let open = format!("# HELP x Counts.\n# TYPE x counter\n{samples}# EOF\n");
        assert_eq!(text(Format::OpenMetrics), open);
    }
}
