//! Logs go to standard error, and never hold guest code or its output.
//!
//! What callers and guests wrote may end up in an error, and so in a field. So
//! every field of every event is bounded and escaped here, whoever logs it.

#![expect(clippy::disallowed_methods, reason = "reads the filter that the parent process passed on")]

use std::fmt::{self, Write as _};
use std::io::{IsTerminal as _, Write as _};
use std::panic::PanicHookInfo;

use tracing::Metadata;
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The most that a field says, in bytes before they are escaped.
const FIELD_BYTES: usize = 256;

/// Starts logging with `filter`, in the syntax of `tracing-subscriber`'s
/// `EnvFilter`, such as `info` or `sandbox=debug`.
///
/// # Errors
///
/// When the filter cannot be read.
pub(crate) fn start(filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| anyhow::anyhow!("failed to read the log filter {filter:?}: {error}"))?;
    // A line that cannot be written is lost: complaining about it would end in a
    // panic, on the same standard error.
    let lines = tracing_subscriber::fmt::layer()
        .fmt_fields(debug_fn(write_field).delimited(" "))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .log_internal_errors(false);
    tracing_subscriber::registry().with(lines).with(filter).with(filter_fn(is_ours)).init();
    std::panic::set_hook(Box::new(tell_panic));
    Ok(())
}

/// Starts logging in a process that the server started. What it says goes to
/// the server's standard error.
pub(crate) fn start_child() {
    let filter = std::env::var(crate::config::LOG_VARIABLE).ok().filter(|filter| !filter.is_empty());
    // The parent has checked the filter; without it the child is silent.
    let _ = start(&filter.unwrap_or_else(|| crate::config::DEFAULT_LOG.into()));
}

/// Whether an event is ours. rmcp logs whole requests at `debug` and every error reply at
/// `warn`; both carry guest code, and nothing of it passes, whatever the filter says.
fn is_ours(metadata: &Metadata<'_>) -> bool {
    !metadata.target().starts_with("rmcp")
}

fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    if field.name() != "message" {
        write!(writer, "{}=", field.name())?;
    }
    write!(writer, "{}", Bounded(value))
}

/// A panic as one bounded line: its message may quote what was being worked on.
fn tell_panic(panic: &PanicHookInfo<'_>) {
    let said = panic.payload();
    let said = said.downcast_ref::<&str>().copied().or_else(|| said.downcast_ref::<String>().map(String::as_str));
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("?");
    let line = format!("thread {name} panicked at {place}: {}\n", Bounded(&format_args!("{}", said.unwrap_or("?"))));
    // Nobody reading is no reason to panic once more.
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
    let backtrace = std::backtrace::Backtrace::capture();
    if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
        let _ = write!(std::io::stderr().lock(), "{backtrace}");
    }
}

/// The beginning of a value, on one line, and how much was cut.
pub(crate) struct Bounded<'a>(pub(crate) &'a dyn fmt::Debug);

impl fmt::Display for Bounded<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut beginning = Beginning { room: FIELD_BYTES, cut: 0, to: formatter };
        write!(beginning, "{:?}", self.0)?;
        let cut = beginning.cut;
        if cut > 0 { write!(formatter, "… ({cut} more bytes)") } else { Ok(()) }
    }
}

/// Passes on what there is room for and counts the rest, so that a long value
/// is never in memory as a whole.
struct Beginning<'a, 'b> {
    room: usize,
    cut: usize,
    to: &'a mut fmt::Formatter<'b>,
}

impl fmt::Write for Beginning<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Once something is cut, nothing that comes later may follow it.
        let taken = if self.cut > 0 { 0 } else { text.floor_char_boundary(self.room) };
        self.room -= taken;
        self.cut += text.len() - taken;
        for character in text[..taken].chars() {
            // What ends a line, moves the cursor or turns the direction of text.
            if character.is_control() {
                write!(self.to, "{}", character.escape_debug())?;
            } else if is_invisible(character) {
                write!(self.to, "{}", character.escape_unicode())?;
            } else {
                self.to.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// Separators of lines, and what has no width and changes how the rest looks.
const fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &dyn fmt::Debug) -> String {
        Bounded(value).to_string()
    }

    #[test]
    fn a_field_is_one_bounded_line_and_says_what_was_cut() {
        assert_eq!(shown(&format_args!("no such file")), "no such file");
        assert_eq!(shown(&"quoted"), "\"quoted\"");
        assert_eq!(
            shown(&format_args!("a\nERROR forged\x1b[2J\r\u{202e}x")),
            "a\\nERROR forged\\u{1b}[2J\\r\\u{202e}x"
        );
        let long = "é".repeat(500);
        assert_eq!(shown(&format_args!("{long}")), format!("{}… (744 more bytes)", "é".repeat(128)));
        // A value is cut between characters, also when it comes in pieces.
        let pieces = shown(&format_args!("{}{}{}", "a".repeat(255), "é", "tail"));
        assert_eq!(pieces, format!("{}… (6 more bytes)", "a".repeat(255)));
        let list = shown(&vec!["x".repeat(100); 1000]);
        assert!(list.len() < 300 && list.ends_with("more bytes)"), "{list}");
    }
}
