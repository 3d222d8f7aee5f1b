//! The messages of the guest ABI, the same in all its versions, as `guest-runtimes/README.md`
//! describes them: request and reply. What comes from a guest is untrusted and
//! bounded here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::limits::{Limits, Resource};
use super::outcome::{GuestError, MAX_RICH_OUTPUTS, RichOutput};
use super::program::Program;
use crate::codec::bounded::{FirstTexts, first_of};

/// The largest reply that is taken from a guest. Above the bounds that the
/// request gives it, below what would hurt.
pub(crate) const MAX_REPLY_BYTES: usize = 16 << 20;

/// The most bytes that the rich outputs of one run have together: a few images. A guest
/// that is told no bound takes it to be this.
pub(crate) const RICH_OUTPUT_BYTES: u64 = 4 << 20;

/// What a guest takes a workspace to hold that is not told: the ABI says so, and
/// defaults of limits may become others.
pub(crate) const DISK_BYTES: u64 = 256 << 20;
pub(crate) const DISK_FILES: u64 = 10_000;

/// How long the result, a traceback and each text among the outputs may be. A reply
/// shows less of them, and the rest can be read.
const TEXT_BYTES: u64 = 128 << 10;

/// How many bytes of text a guest may give for the result, the traceback and each output.
pub(crate) fn text_bytes(limits: &Limits) -> u64 {
    limits.get(Resource::OutputBytes).max(TEXT_BYTES)
}

/// A request to a guest, in the form that its ABI wants. What says no more than
/// its absence does is left out: each member is one percent of a small run.
#[derive(Serialize)]
pub(crate) struct GuestRequest<'a> {
    pub(crate) code: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) args: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) env: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) fresh: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) last: bool,
    /// Whether somebody sees what is displayed while the run goes on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) shown: bool,
    pub(crate) result_bytes: u64,
    #[serde(skip_serializing_if = "is::<RICH_OUTPUT_BYTES>")]
    pub(crate) output_bytes: u64,
    /// Languages and the packages that each has and this guest lacks.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) elsewhere: &'a str,
    /// What the workspace may hold, for a guest that can see it in no other way.
    #[serde(skip_serializing_if = "is::<DISK_BYTES>")]
    pub(crate) disk_bytes: u64,
    #[serde(skip_serializing_if = "is::<DISK_FILES>")]
    pub(crate) disk_files: u64,
}

impl<'a> GuestRequest<'a> {
    /// The only run of a program whose workspace shows what it may hold.
    pub(crate) fn new(program: &'a Program, limits: &Limits) -> Self {
        let Program { code, args, env, stdin: _ } = program;
        Self {
            code,
            args,
            env,
            fresh: false,
            last: true,
            shown: false,
            result_bytes: text_bytes(limits),
            output_bytes: RICH_OUTPUT_BYTES,
            elsewhere: "",
            disk_bytes: DISK_BYTES,
            disk_files: DISK_FILES,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is<const VALUE: u64>(value: &u64) -> bool {
    *value == VALUE
}

/// A guest's reply, as its ABI gives it. Untrusted.
#[derive(Deserialize)]
pub(crate) struct GuestReply {
    pub(crate) exit_code: i32,
    pub(crate) result: Option<String>,
    pub(crate) error: Option<GuestReplyError>,
    #[serde(default, deserialize_with = "first_of::<MAX_RICH_OUTPUTS, _, _>")]
    pub(crate) outputs: Vec<FirstTexts<MAX_RICH_OUTPUTS>>,
}

#[derive(Deserialize)]
pub(crate) struct GuestReplyError {
    name: String,
    value: String,
    traceback: String,
    pub(crate) cause: Option<Cause>,
}

impl GuestReplyError {
    /// The part of this error that the host takes.
    pub(crate) fn bounded(self, bounds: Bounds) -> GuestError {
        let text = |text| cut(text, bounds.text);
        GuestError { name: text(self.name), value: text(self.value), traceback: text(self.traceback) }
    }
}

/// Which kind of limit a guest's error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cause {
    Memory,
    Storage,
    Descriptors,
    Processes,
    Interrupt,
    #[serde(other)]
    Unknown,
}

/// What the host takes of a reply, whatever the guest did with the bounds in
/// its request: a program may have replaced the part of the guest that obeys.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) text: usize,
    pub(crate) outputs: usize,
}

/// Room for the marks that a guest puts where it cut something.
pub(crate) const MARK_BYTES: u64 = 512;

impl Bounds {
    pub(crate) fn of(request: &GuestRequest<'_>) -> Self {
        let size = |bytes: u64| usize::try_from(bytes.saturating_add(MARK_BYTES)).unwrap_or(usize::MAX);
        Self { text: size(request.result_bytes), outputs: size(request.output_bytes) }
    }
}

pub(crate) fn cut(mut text: String, bound: usize) -> String {
    if text.len() > bound {
        text.truncate(text.floor_char_boundary(bound));
    }
    text
}

pub(crate) fn take_outputs(outputs: Vec<FirstTexts<MAX_RICH_OUTPUTS>>, mut room: usize) -> Vec<RichOutput> {
    let mut fits = |(mime, data): &(String, String)| {
        let size = mime.len() + data.len();
        let fits = size <= room;
        room -= if fits { size } else { 0 };
        fits
    };
    outputs.into_iter().map(|FirstTexts(bundle)| RichOutput(bundle.into_iter().filter(&mut fits).collect())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_with_more_outputs_than_are_taken_is_decoded_without_them() {
        let many_names: Vec<_> = (0..5000).map(|number| format!("\"t/{number}\":\"x\"")).collect();
        let bundles = format!("{{{}}},", many_names.join(",")) + &"{\"a/b\":\"x\"},".repeat(5000);
        let text = format!("{{\"exit_code\":0,\"outputs\":[{}{{}}]}}", bundles);
        let reply: GuestReply = serde_json::from_str(&text).unwrap();
        assert_eq!(reply.outputs.len(), MAX_RICH_OUTPUTS);
        assert_eq!(reply.outputs[0].0.len(), MAX_RICH_OUTPUTS);
        // Few are all there, and what is no text is no reply.
        let few: GuestReply = serde_json::from_str("{\"exit_code\":0,\"outputs\":[{\"a/b\":\"x\"},{}]}").unwrap();
        assert_eq!((few.outputs.len(), few.outputs[0].0["a/b"].as_str()), (2, "x"));
        assert!(serde_json::from_str::<GuestReply>("{\"exit_code\":0,\"outputs\":[{\"a/b\":1}]}").is_err());
    }
}
