//! Pictures that a native program saved, shown with its result.

use base64::Engine as _;

use crate::run::abi::RICH_OUTPUT_BYTES;
use crate::run::outcome::RichOutput;
use crate::run::report::RunReport;
use crate::workspace::entry::FileEntry;
use crate::workspace::{Workspace, WorkspacePath};

/// How many saved pictures are shown.
const MAX_PICTURES: usize = 16;

/// Pictures by the ends of their names.
const PICTURES: [(&str, &str); 6] = [
    (".png", "image/png"),
    (".jpg", "image/jpeg"),
    (".jpeg", "image/jpeg"),
    (".gif", "image/gif"),
    (".webp", "image/webp"),
    (".svg", "image/svg+xml"),
];

/// Pictures among the changed files of a run, as far as there is room beside what it
/// displayed itself.
pub(super) fn pictures(workspace: &Workspace, report: &RunReport) -> Vec<RichOutput> {
    let mut room = RICH_OUTPUT_BYTES.saturating_sub(report.outputs.iter().map(size_of_output).sum());
    let pictures: Vec<_> = report.files.iter().filter_map(|file| Some((file, picture_type(&file.path)?))).collect();
    let mut shown = Vec::new();
    for (file, mime) in pictures.into_iter().take(MAX_PICTURES) {
        // A picture is a third longer in base64.
        if file.size_bytes == 0 || file.size_bytes.saturating_mul(4) / 3 > room {
            continue;
        }
        if let Some(data) = read_picture(workspace, file, mime) {
            room = room.saturating_sub(data.len() as u64);
            shown.push(RichOutput(vec![(mime.to_owned(), data), ("text/plain".to_owned(), file.path.clone())]));
        }
    }
    shown
}

fn size_of_output(output: &RichOutput) -> u64 {
    output.0.iter().map(|(mime, data)| (mime.len() + data.len()) as u64).sum()
}

fn picture_type(path: &str) -> Option<&'static str> {
    let path = path.to_ascii_lowercase();
    PICTURES.iter().find(|(end, _)| path.ends_with(end)).map(|(_, mime)| *mime)
}

/// A picture as a reply carries it; `None` when it is not a regular file any
/// more.
fn read_picture(workspace: &Workspace, file: &FileEntry, mime: &str) -> Option<String> {
    let place = WorkspacePath::new("path", &file.path).ok()?;
    let (mut opened, stamp) = workspace.open_file(place.as_path()).ok()??;
    if stamp.size != file.size_bytes {
        return None;
    }
    let bytes = crate::workspace::read_range(&mut opened, 0, file.size_bytes).ok()?;
    if mime == "image/svg+xml" {
        return String::from_utf8(bytes).ok();
    }
    Some(base64::engine::general_purpose::STANDARD.encode(bytes))
}
