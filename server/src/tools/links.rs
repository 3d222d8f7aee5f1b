//! Where what a result leaves out is read as a resource. For programs: models are told
//! in the text which call of `read` gives it.

use rmcp::model::{ContentBlock, Resource};
use sandbox::{Outcome, SPOOL_BYTES};

use super::displayed::Shown;
use crate::resources::Address;

/// How many outputs that are left out are linked.
const OUTPUTS: usize = 16;

/// Links to streams that were cut and to images that were not `sent`.
pub(super) fn links(outcome: &Outcome, shown: &[Shown], sent: &[bool]) -> Vec<ContentBlock> {
    let mut links = Vec::new();
    for (name, output) in [("stdout", &outcome.report.stdout), ("stderr", &outcome.report.stderr)] {
        if output.is_truncated() {
            let resource = Resource::new(Address::of_run(&outcome.run, name), name);
            let size = output.bytes_seen.min(SPOOL_BYTES);
            links.push(ContentBlock::resource_link(resource.with_mime_type("text/plain").with_size(size)));
        }
    }
    let left_out = shown.iter().zip(sent).enumerate().filter_map(|(index, (shown, sent))| match shown {
        Shown::Image { image, .. } if !sent => Some((index + 1, image)),
        _ => None,
    });
    links.extend(left_out.take(OUTPUTS).map(|(number, image)| {
        let address = Address::of_run(&outcome.run, &format!("output/{number}"));
        let resource = Resource::new(address, format!("output {number}")).with_mime_type(image.mime);
        ContentBlock::resource_link(resource.with_size(image.bytes as u64))
    }));
    links
}
