//! What the fuzzer must find, or what it does not find elsewhere says nothing:
//! decoders with a fault behind a word and a length.

const WORD: u32 = u32::from_be_bytes(*b"bell");
const LETTER: u8 = b'j';

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    vec![b"none".to_vec()]
}

/// Believes an index, after a word that no one would guess at once.
pub(crate) fn believes_an_index(data: &[u8]) {
    if let Some(rest) = after_word(data)
        && let [index, table @ ..] = rest
    {
        assert!(table.is_empty() || usize::from(table[usize::from(*index)]) < 256, "an index past the end panics");
    }
}

/// Believes a length that is claimed.
pub(crate) fn believes_a_length(data: &[u8]) {
    if let Some(rest) = after_word(data)
        && let Some((length, content)) = rest.split_first_chunk()
    {
        let mut room: Vec<u8> = Vec::with_capacity(u32::from_le_bytes(*length) as usize >> 6);
        room.extend_from_slice(content);
        std::hint::black_box(room);
    }
}

/// What follows a word that is compared at once and a letter behind it.
fn after_word(data: &[u8]) -> Option<&[u8]> {
    let (word, rest) = data.split_first_chunk()?;
    if u32::from_be_bytes(*word) != WORD {
        return None;
    }
    let (letter, rest) = rest.split_first()?;
    (*letter == LETTER).then_some(rest)
}
