//! What `tests/fuzz` gives to what a client sends and to what a reply shows of a
//! program.

pub use crate::identity::oauth::fuzzing::{seeds as token_seeds, token};
pub use crate::resources::fuzzing::{address, address_seeds};
pub use crate::tools::fuzzing::{
    arguments, arguments_seeds, displayed, displayed_seeds, encoding, encoding_seeds, page, page_seeds,
};
pub use crate::transport::fuzzing::{lines, lines_seeds};

/// An input whose first byte chooses what is done with it.
pub(crate) fn chosen(choice: u8, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    [&[choice], bytes.as_ref()].concat()
}
