//! Numbers from a seed that can be given again.

use std::time::{SystemTime, UNIX_EPOCH};

/// A xorshift generator.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// Begins with `SPA_SEED`, or with the time; the seed is printed.
    pub(crate) fn seeded(what: &str) -> Self {
        let seed = std::env::var("SPA_SEED").ok().and_then(|seed| seed.parse().ok());
        let nanos = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
        let seed = seed.unwrap_or_else(|| u64::from(nanos()) + 1);
        eprintln!("{what}: SPA_SEED={seed}");
        Self(seed)
    }

    pub(crate) fn below(&mut self, end: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 % u64::from(end)).unwrap()
    }

    pub(crate) fn pick(&mut self, length: usize) -> usize {
        usize::try_from(self.below(u32::try_from(length).unwrap())).unwrap()
    }
}
