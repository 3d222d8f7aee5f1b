//! The text of a run's result: everything that a model needs, output first,
//! nothing twice, and within a bound: two and a half times `output_bytes` and 8 KiB,
//! or six times and 8 KiB where what a program wrote is no UTF-8.

use std::fmt::Write as _;
use std::time::SystemTime;

use sandbox::{Outcome, Output, Resource, SessionReport, SessionState, Status, one_line};

use super::displayed::{IMAGE_BYTES, MAX_IMAGES, Shown, is_bare};
use super::reply::text_of;

/// How many changed files are named, and in how many bytes.
const FILES: usize = 20;
const FILES_BYTES: usize = 2048;
/// How much of a traceback, of a result and of a long display there always is.
const LEAST_BYTES: usize = 1024;
/// How much room a display needs for more than being counted.
const NOTE_BYTES: usize = 200;
/// How long a run takes at least that is told how long it took.
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
    let mut report = Report { outcome, shown, sent, text: String::new(), room: 0 };
    report.push("", &text_of_output(&outcome.report.stdout, outcome.run.as_str(), "stdout"));
    report.push("stderr:\n", &text_of_output(&outcome.report.stderr, outcome.run.as_str(), "stderr"));
    // Output has its limit. What follows takes what half as much again leaves.
    let limit = usize::try_from(outcome.limits.get(Resource::OutputBytes)).unwrap_or(usize::MAX);
    report.room = limit.saturating_add(limit / 2).saturating_sub(report.text.len());
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
    if let Some(session) = &outcome.session {
        report.push("session: ", &session_line(session));
    }
    report.text
}

/// A session as every result names it.
pub(crate) fn session_line(session: &SessionReport) -> String {
    let SessionReport { id, state, sequence, expires_at } = session;
    let state = match state {
        SessionState::Kept | SessionState::FilesOnly => "",
        SessionState::RolledBack => ", rolled back: variables and files are as before this call",
    };
    let lifetime = expires_at.duration_since(SystemTime::now()).unwrap_or_default().as_secs();
    // The lifetime is told once, in the first result, where it is read.
    let lifetime = match (*sequence, lifetime + 60) {
        (1, seconds) if seconds >= 2 * 86_400 => format!(", kept until {} days without use", seconds / 86_400),
        (1, seconds) => format!(", kept until {} minutes without use", seconds / 60),
        _ => String::new(),
    };
    format!("{id}, sequence {sequence}{state}{lifetime}")
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
        let Some(error) = &self.outcome.report.error else { return };
        // What went wrong stands at the end of a traceback.
        let text = self.excerpt(&error.traceback, "stream=traceback", 4);
        self.push("", &text);
    }

    fn result(&mut self) {
        let Some(result) = &self.outcome.report.result else { return };
        // The last thing displayed is the result itself if it has a rich form.
        let is_shown = |shown: &Shown| match shown {
            Shown::Image { .. } | Shown::Other { .. } | Shown::Broken { .. } => true,
            Shown::Text { mime, text } => mime != "text/plain" && text != result,
        };
        let is_displayed = self.outcome.report.outputs.last().is_some_and(|last| self.is_result(last));
        if is_displayed && is_bare(result) && self.shown.last().is_some_and(is_shown) {
            return;
        }
        let text = self.excerpt(result, "stream=result", 2);
        self.push("result: ", &text);
    }

    fn is_result(&self, output: &sandbox::RichOutput) -> bool {
        let is_plain =
            |(mime, text): &(String, String)| mime == "text/plain" && Some(text) == self.outcome.report.result.as_ref();
        output.0.iter().any(is_plain)
    }

    fn displayed(&mut self) {
        let run = self.outcome.run.clone();
        let (mut images, mut not_sent, mut too_much) = (false, false, Vec::new());
        let mut kind = "texts";
        for (index, shown) in self.shown.iter().enumerate() {
            let number = index + 1;
            let is_result = number == self.shown.len() && self.is_result(&self.outcome.report.outputs[index]);
            match shown {
                Shown::Image { image, text } => {
                    images = true;
                    not_sent |= !self.sent[index];
                    let note = if self.sent[index] { "" } else { ", not sent" };
                    let line = format!("output {number}: {}{note}", image.description());
                    if !self.line(&line, self.sent[index]) {
                        kind = "outputs";
                        too_much.push(number);
                        continue;
                    }
                    if let Some(text) = text.as_ref().filter(|_| !is_result) {
                        let text = self.excerpt(text, &format!("output={number}"), 2);
                        self.push("displayed: ", &text);
                    }
                }
                Shown::Other { .. } | Shown::Broken { .. } => {
                    let line = match shown {
                        Shown::Other { mime, base64 } => format!(
                            "output {number}: {mime}, {} bytes; read run={run} output={number} gives base64",
                            base64.len() / 4 * 3
                        ),
                        Shown::Broken { mime, reason } => format!("output {number}: {mime} left out: {reason}"),
                        Shown::Image { .. } | Shown::Text { .. } => continue,
                    };
                    if !self.line(&line, false) {
                        kind = "outputs";
                        too_much.push(number);
                    }
                }
                // This text has been told as the result.
                Shown::Text { mime, .. } if mime == "text/plain" && is_result => {}
                // A note that is longer than what it stands for says less.
                Shown::Text { text, .. } if self.room < NOTE_BYTES && text.len() > self.room => too_much.push(number),
                Shown::Text { mime, text } => {
                    let text = self.excerpt(text, &format!("output={number}"), 2);
                    let label = if mime == "text/plain" { "displayed: ".into() } else { format!("displayed {mime}: ") };
                    self.room = self.room.saturating_sub(label.len());
                    self.push(&label, &text);
                }
            }
        }
        if let (Some(first), Some(last)) = (too_much.first(), too_much.last()) {
            let count = too_much.len();
            self.push(
                "",
                &format!(
                    "{count} more {kind} were displayed, outputs {first} to {last}; read run={run} output={first}"
                ),
            );
        }
        if not_sent {
            let bounds = format!("{MAX_IMAGES} images and {} MiB", IMAGE_BYTES >> 20);
            self.push("", &format!("a result carries at most {bounds}; read run={run} output=N gives one of them"));
        } else if images {
            self.push("", &format!("read run={run} output=N gives an image again"));
        }
    }

    /// A line about something that was displayed, if there is room for it or it
    /// must be there.
    fn line(&mut self, line: &str, must: bool) -> bool {
        let fits = must || line.len() <= self.room;
        if fits {
            self.room = self.room.saturating_sub(line.len());
            self.push("", line);
        }
        fits
    }

    fn files(&mut self) {
        let files = &self.outcome.report.files;
        let Some(first) = files.first() else { return };
        let mut names = String::new();
        let mut named = 0;
        for file in files.iter().take(FILES) {
            let size = if file.is_link { "symbolic link".to_owned() } else { format!("{} bytes", file.size_bytes) };
            let name = format!("{} ({size})", one_line(&file.path));
            if names.len() + name.len() > FILES_BYTES {
                break;
            }
            names.push_str(if named > 0 { ", " } else { "" });
            names.push_str(&name);
            named += 1;
        }
        let rest = files.len() - named;
        // Writing to a string cannot fail.
        let _ = match (named, rest) {
            (_, 0) => Ok(()),
            (0, _) => write!(names, "{rest}, whose names are long"),
            (_, _) => write!(names, ", and {rest} more"),
        };
        let place = match &self.outcome.session {
            Some(session) => format!("session={}", session.id),
            None => format!("run={}", self.outcome.run),
        };
        let path = if files.len() == 1 && named == 1 { one_line(&first.path) } else { "NAME".into() };
        let list = if rest > 0 { ", or path=. lists all" } else { "" };
        self.push("files: ", &format!("{names}; read {place} path={path}{list}"));
    }

    fn ended(&mut self) {
        let outcome = self.outcome;
        let ended = match outcome.report.status {
            Status::Exited(0) => String::new(),
            Status::Exited(code) => format!("exit code {code}"),
            Status::Signaled(signal) => format!("ended by signal {signal}"),
            Status::Trapped(trap) => format!("ended: trapped ({})", trap.name()),
            Status::LimitExceeded(resource) => {
                let limit = outcome.limits.get(resource);
                // What was refused is not counted as used.
                let used = outcome.report.usage.get(resource).filter(|used| *used >= limit);
                let used = used.map(|used| format!(", it used {used}")).unwrap_or_default();
                format!(
                    "ended: {resource} reached its limit of {limit}{used}; do less, or pass a higher `limits.{resource}`"
                )
            }
            Status::Cancelled => "ended: cancelled".into(),
        };
        self.push("", &ended);
        if let Some(took) = outcome.report.usage.get(Resource::WallTimeMs).filter(|took| *took > LONG_MS) {
            let (seconds, tenths) = (took / 1000, took % 1000 / 100);
            self.push("", &format!("took {seconds}.{tenths} s"));
        }
    }

    /// A text within what room there is: its beginning, of which there is one
    /// part in `parts`, and its end; and between them how the rest is read.
    fn excerpt(&mut self, text: &str, rest: &str, parts: usize) -> String {
        let text = text.strip_suffix('\n').unwrap_or(text);
        // There is something to read of each kind, whatever came before.
        let room = self.room.max(LEAST_BYTES);
        self.room = self.room.saturating_sub(text.len());
        if text.len() <= room {
            return text.to_owned();
        }
        let head = text.floor_char_boundary(room / parts);
        let tail = text.ceil_char_boundary(text.len() - (room - room / parts));
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
    let (mut text, from) = text_of(&output.head);
    let missing = output.bytes_seen - output.bytes_kept();
    let spooled = sandbox::SPOOL_BYTES;
    let reach = if output.bytes_seen > spooled { format!("the first {spooled} bytes: ") } else { String::new() };
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "\n[… {missing} of {} bytes cut; {reach}read run={run} stream={stream} byte_offset={from} …]\n",
        output.bytes_seen
    );
    text.push_str(&text_of(&output.tail).0);
    text
}
