//! Random bytes that can be repeated, for runs that must be.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand_core::TryRng;
use serde::{Deserialize, Serialize};

/// Asks for runs that can be repeated: the same code on the same files then
/// reads the same clocks and draws the same random bytes. Never for tenants:
/// whoever knows the seed knows their keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Determinism {
    /// Which of the random streams.
    pub(crate) seed: u64,
}

/// One endless stream of bytes that look random, and how far it was read.
/// Clones read on from each other.
#[derive(Clone, Debug)]
pub(in crate::wasm) struct Entropy {
    stream: blake3::OutputReader,
    position: Arc<AtomicU64>,
}

impl Entropy {
    pub(in crate::wasm) fn new(determinism: Determinism) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("belljar sandbox repeatable entropy");
        hasher.update(&determinism.seed.to_le_bytes());
        Self { stream: hasher.finalize_xof(), position: Arc::default() }
    }

    /// How many bytes were drawn.
    pub(in crate::wasm) fn position(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }

    /// Goes on after `position` bytes.
    pub(in crate::wasm) fn resume(&self, position: u64) {
        self.position.store(position, Ordering::Relaxed);
    }

    fn draw(&mut self, bytes: &mut [u8]) {
        let position = self.position.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.stream.set_position(position);
        self.stream.fill(bytes);
    }

    fn draw_array<const SIZE: usize>(&mut self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        self.draw(&mut bytes);
        bytes
    }
}

impl TryRng for Entropy {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.draw_array()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.draw_array()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.draw(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(entropy: &mut Entropy) -> [u8; 40] {
        entropy.draw_array()
    }

    #[test]
    fn a_seed_gives_one_stream_and_another_seed_another() {
        let [mut one, mut same, mut other] = [1, 1, 2].map(|seed| Entropy::new(Determinism { seed }));
        let bytes = drawn(&mut one);
        assert_eq!(bytes, drawn(&mut same));
        assert_ne!(bytes, drawn(&mut other));
        assert_ne!(bytes, drawn(&mut one), "a stream does not repeat itself");
    }

    #[test]
    fn a_stream_goes_on_from_any_position() {
        let mut entropy = Entropy::new(Determinism::default());
        drawn(&mut entropy);
        let position = entropy.position();
        assert_eq!(position, 40);
        let expected = drawn(&mut entropy);
        let mut later = Entropy::new(Determinism::default());
        later.clone().resume(position);
        assert_eq!(drawn(&mut later), expected);
        // Positions may come from a damaged store.
        later.resume(u64::MAX);
        drawn(&mut later);
    }
}
