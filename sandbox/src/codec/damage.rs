//! What decoders do with damaged bytes. For tests.

use crate::sys::allocations;

/// How often each decoder is tried.
const ROUNDS: usize = 30_000;
/// What a decoder may take whatever its input is, since small lists are made with some room.
const SLACK_BYTES: usize = 32 << 10;
/// How many times its encoding a value may take: a number of one byte becomes eight
/// bytes, and an empty list three words.
const GROWTH: usize = 64;

/// Numbers that an encoder would not write, as postcard writes lengths.
const LENGTHS: [&[u8]; 5] = [
    &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0x7f],
    &[0],
];

/// A small generator: what a test makes of a seed is the same everywhere.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % bound
    }

    /// Damages `bytes`, and may put parts of `other` into them.
    fn damage(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len() + 1);
            match self.below(6) {
                0 => bytes.truncate(at),
                1 => {
                    let length = LENGTHS[self.below(LENGTHS.len())];
                    let end = bytes.len().min(at + self.below(length.len() + 1));
                    drop(bytes.splice(at..end, length.iter().copied()));
                }
                2 => {
                    let start = self.below(other.len() + 1);
                    let end = other.len().min(start + self.below(64));
                    drop(bytes.splice(at..at, other[start..end].iter().copied()));
                }
                3 if at < bytes.len() => bytes[at] = self.below(256) as u8,
                _ if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                _ => {}
            }
        }
    }
}

/// Damages encodings, each of which `decode` can read, and has it read them:
/// it must not panic, and must not take memory out of proportion to them.
#[track_caller]
pub(crate) fn try_damaged<T, E: std::fmt::Debug>(valid: &[Vec<u8>], decode: impl Fn(&[u8]) -> Result<T, E>) {
    for bytes in valid {
        decode(bytes).unwrap();
    }
    let mut numbers = Numbers(0x6265_6c6c_6a61_7221);
    let mut refused = 0;
    for _ in 0..ROUNDS {
        let mut bytes = valid[numbers.below(valid.len())].clone();
        let other = &valid[numbers.below(valid.len())];
        numbers.damage(&mut bytes, other);
        let (decoded, peak) = allocations::peak_of(|| decode(&bytes));
        assert!(peak <= SLACK_BYTES + GROWTH * bytes.len(), "{peak} bytes of memory for {} of input", bytes.len());
        refused += usize::from(decoded.is_err());
    }
    assert!(refused > ROUNDS / 4, "the damage must be more than what is allowed: {refused}");
}
