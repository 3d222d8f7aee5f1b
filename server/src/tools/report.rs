//! The text of a run's result: everything that a model needs, output first,
//! nothing twice, and within a bound.

use std::fmt::Write as _;
use std::time::SystemTime;

use sandbox::{Outcome, Output, Resource, SessionReport, SessionState, Status};

use super::displayed::{IMAGE_BYTES, MAX_IMAGES, Shown, is_bare};
use super::reply::{one_line, text_of};

/// How many changed files are named, and in how many bytes.
const FILES: usize = 20;
const FILES_BYTES: usize = 2048;
/// A run that took longer is told how long.
const LONG_MS: u64 = 1000;

/// The text of a result while it is made.
struct Report<'a> {
    outcome: &'a Outcome,
    shown: &'a [Shown],
    /// Which of `shown` go with the result as images.
    sent: &'a [bool],
    text: String,
    /// How much result, traceback and displayed texts may still take together.
    room: usize,
}

/// The text of a result. `sent` says which of `shown` go with it as images.
pub(crate) fn report(outcome: &Outcome, shown: &[Shown], sent: &[bool], notes: &[String]) -> String {
    let room = usize::try_from(outcome.limits.get(Resource::OutputBytes)).unwrap_or(usize::MAX);
    let mut report = Report { outcome, shown, sent, text: String::new(), room };
    report.push("", &text_of_output(&outcome.stdout, outcome.run.as_str(), "stdout"));
    report.push("stderr:\n", &text_of_output(&outcome.stderr, outcome.run.as_str(), "stderr"));
    report.error();
    report.result();
    report.displayed();
    report.files();
    report.ended();
    for note in notes {
        report.push("note: ", note);
    }
    if report.text.is_empty() {
        report.text.push_str("(no output)");
    }
    report.session();
    report.text
}

impl Report<'_> {
    fn push(&mut self, label: &str, block: &str) {
        if block.is_empty() {
            return;
        }
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        self.text.push_str(label);
        self.text.push_str(block);
    }

    fn error(&mut self) {
        let Some(error) = &self.outcome.error else { return };
        // What went wrong stands at the end of a traceback.
        let text = self.excerpt(&error.traceback, "stream=traceback", 4);
        self.push("", &text);
    }

    fn result(&mut self) {
        let Some(result) = &self.outcome.result else { return };
        // The last thing displayed is the result itself if it has a rich form.
        let is_shown = |shown: &Shown| match shown {
            Shown::Image(_) | Shown::Other { .. } => true,
            Shown::Text { mime, text } => mime != "text/plain" && text != result,
        };
        let is_displayed = self.outcome.outputs.last().is_some_and(|last| self.is_result(last));
        if is_displayed && is_bare(result) && self.shown.last().is_some_and(is_shown) {
            return;
        }
        let text = self.excerpt(result, "stream=result", 2);
        self.push("result: ", &text);
    }

    fn is_result(&self, output: &sandbox::RichOutput) -> bool {
        let is_plain =
            |(mime, text): &(String, String)| mime == "text/plain" && Some(text) == self.outcome.result.as_ref();
        output.0.iter().any(is_plain)
    }

    fn displayed(&mut self) {
        let mut left_out = None;
        for (index, shown) in self.shown.iter().enumerate() {
            let number = index + 1;
            match shown {
                Shown::Image(image) if self.sent[index] => {
                    self.push("", &format!("output {number}: {}", image.description()));
                }
                Shown::Image(image) => {
                    left_out.get_or_insert(number);
                    self.push("", &format!("output {number}: {}, not sent", image.description()));
                }
                Shown::Other { mime, encoded_bytes } => {
                    let mime = one_line(mime);
                    self.push("", &format!("output {number}: {mime}, {encoded_bytes} bytes of base64, not sent"));
                    left_out.get_or_insert(number);
                }
                // It has been told as the result.
                Shown::Text { mime, .. }
                    if mime == "text/plain"
                        && number == self.shown.len()
                        && self.is_result(&self.outcome.outputs[index]) => {}
                Shown::Text { mime, text } => {
                    let text = self.excerpt(text, &format!("output={number}"), 2);
                    let label = if mime == "text/plain" {
                        "displayed: ".to_owned()
                    } else {
                        format!("displayed {}: ", one_line(mime))
                    };
                    self.push(&label, &text);
                }
            }
        }
        if let Some(number) = left_out {
            let bounds = format!("{MAX_IMAGES} images and {} MiB", IMAGE_BYTES >> 20);
            let run = self.outcome.run.as_str();
            self.push(
                "",
                &format!(
                    "a result carries at most {bounds}; read run={run} output={number} gives one that was not sent"
                ),
            );
        }
    }

    fn files(&mut self) {
        let files = &self.outcome.files;
        let Some(first) = files.first() else { return };
        let mut names = String::new();
        let mut named = 0;
        for file in files.iter().take(FILES) {
            let size = if file.is_link { "symbolic link".to_owned() } else { format!("{} bytes", file.size_bytes) };
            let name = format!("{} ({size})", one_line(&file.path));
            if named > 0 && names.len() + name.len() > FILES_BYTES {
                break;
            }
            names.push_str(if named > 0 { ", " } else { "" });
            names.push_str(&name);
            named += 1;
        }
        if named < files.len() {
            // Writing to a string cannot fail.
            let _ = write!(names, ", and {} more", files.len() - named);
        }
        let place = match &self.outcome.session {
            Some(session) => format!("session={}", session.id),
            None => format!("run={}", self.outcome.run),
        };
        let path = if files.len() == 1 { one_line(&first.path) } else { "…".into() };
        self.push("files: ", &format!("{names}; read {place} path={path}"));
    }

    fn ended(&mut self) {
        let outcome = self.outcome;
        let ended = match outcome.status {
            Status::Exited(0) => String::new(),
            Status::Exited(code) => format!("exit code {code}"),
            Status::Signaled(signal) => format!("ended by signal {signal}"),
            Status::Trapped(trap) => format!("ended: trapped ({})", trap.name()),
            Status::LimitExceeded(resource) => {
                let used = outcome.usage.get(resource).map(|used| format!(", it used {used}")).unwrap_or_default();
                format!(
                    "ended: {resource} reached its limit of {}{used}; do less, or pass a higher `limits.{resource}`",
                    outcome.limits.get(resource)
                )
            }
            Status::Cancelled => "ended: cancelled".into(),
        };
        self.push("", &ended);
        if let Some(took) = outcome.usage.get(Resource::WallTimeMs).filter(|took| *took > LONG_MS) {
            let (seconds, tenths) = (took / 1000, took % 1000 / 100);
            self.push("", &format!("took {seconds}.{tenths} s"));
        }
    }

    fn session(&mut self) {
        let Some(SessionReport { id, state, sequence, expires_at }) = &self.outcome.session else { return };
        let state = match state {
            SessionState::Kept | SessionState::FilesOnly => "",
            SessionState::RolledBack => ", rolled back: variables and files are as before this call",
        };
        let lifetime = expires_at.duration_since(SystemTime::now()).unwrap_or_default().as_secs();
        // Once is enough, and the first result is where it is read.
        let lifetime = match (*sequence, lifetime + 60) {
            (1, seconds) if seconds >= 2 * 86_400 => format!(", kept until {} days without use", seconds / 86_400),
            (1, seconds) => format!(", kept until {} minutes without use", seconds / 60),
            _ => String::new(),
        };
        self.push("session: ", &format!("{id}, sequence {sequence}{state}{lifetime}"));
    }

    /// A text within what room there is: its beginning, of which there is one
    /// part in `parts`, and its end; and between them how the rest is read.
    fn excerpt(&mut self, text: &str, rest: &str, parts: usize) -> String {
        let text = text.strip_suffix('\n').unwrap_or(text);
        if text.len() <= self.room {
            self.room -= text.len();
            return text.to_owned();
        }
        let head = text.floor_char_boundary(self.room / parts);
        let tail = text.ceil_char_boundary(text.len() - (self.room - self.room / parts));
        self.room = 0;
        let run = &self.outcome.run;
        format!(
            "{}\n[… {} of {} bytes cut; read run={run} {rest} byte_offset={head} …]\n{}",
            &text[..head],
            tail - head,
            text.len(),
            &text[tail..]
        )
    }
}

/// What was kept of a stream, with a note where something is missing.
pub(crate) fn text_of_output(output: &Output, run: &str, stream: &str) -> String {
    if !output.is_truncated() {
        return String::from_utf8_lossy(&output.head).into_owned();
    }
    let mut text = text_of(&output.head);
    let (missing, from) = (output.bytes_seen - output.bytes_kept(), output.head.len());
    let spooled = sandbox::SPOOL_BYTES;
    let reach = if output.bytes_seen > spooled { format!("the first {spooled} bytes: ") } else { String::new() };
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "\n[… {missing} of {} bytes cut; {reach}read run={run} stream={stream} byte_offset={from} …]\n",
        output.bytes_seen
    );
    text.push_str(&text_of(&output.tail));
    text
}
