//! The order in which training examples are seen.

use super::stream::Stream;

/// Shuffled minibatches: every epoch is a fresh permutation of the examples, cut into batches.
/// Which examples step `s` sees is a function of (seed, s) alone, so a run that goes on from a
/// step number sees what it would have seen.
///
/// The last batch of an epoch holds what is left and may be shorter: 50,000 examples in batches
/// of 24 are 2,084 steps, of which the last has 8.
pub struct Order {
    stream: Stream,
    n: usize,
    batch: usize,
    /// The epoch `permutation` belongs to.
    epoch: Option<u64>,
    permutation: Vec<usize>,
}

impl Order {
    /// The order of `n` examples in batches of `batch`.
    ///
    /// # Panics
    /// If `n` or `batch` is 0, or `n` does not fit 32 bits.
    #[must_use]
    pub fn new(seed: u64, n: usize, batch: usize) -> Self {
        assert!(
            n > 0 && batch > 0,
            "{n} examples in batches of {batch}: both must be positive"
        );
        assert!(
            u32::try_from(n).is_ok(),
            "{n} examples, at most 2^32 - 1 can be shuffled"
        );
        Self {
            stream: Stream::new("order/1", seed),
            n,
            batch,
            epoch: None,
            permutation: (0..n).collect(),
        }
    }

    /// Number of batches in an epoch.
    #[must_use]
    pub fn steps_per_epoch(&self) -> u64 {
        self.n.div_ceil(self.batch) as u64
    }

    /// The examples of step `step`, counted from 0 through all epochs.
    pub fn batch(&mut self, step: u64) -> Vec<usize> {
        let epoch = step / self.steps_per_epoch();
        if self.epoch != Some(epoch) {
            self.shuffle(epoch);
        }
        let start = (step % self.steps_per_epoch()) as usize * self.batch;
        self.permutation[start..self.n.min(start + self.batch)].to_vec()
    }

    /// Fisher-Yates downwards from the identity.
    fn shuffle(&mut self, epoch: u64) {
        let mut draws = self.stream.draws(0, epoch);
        for (i, place) in self.permutation.iter_mut().enumerate() {
            *place = i;
        }
        for i in (1..self.n).rev() {
            let j = draws.below(i as u32 + 1) as usize;
            self.permutation.swap(i, j);
        }
        self.epoch = Some(epoch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_sees_every_example_once() {
        let mut order = Order::new(0, 50_000, 24);
        assert_eq!(order.steps_per_epoch(), 2084);
        let mut seen: Vec<usize> = (2084..4168).flat_map(|step| order.batch(step)).collect();
        assert_eq!(order.batch(4167).len(), 8);
        assert_ne!(seen, (0..50_000).collect::<Vec<_>>());
        seen.sort_unstable();
        assert_eq!(seen, (0..50_000).collect::<Vec<_>>());
    }

    #[test]
    fn a_batch_depends_on_seed_and_step_alone() {
        let mut straight = Order::new(5, 103, 10);
        let all: Vec<_> = (0..60).map(|step| straight.batch(step)).collect();
        for step in [59, 0, 33, 11, 10] {
            assert_eq!(Order::new(5, 103, 10).batch(step), all[step as usize]);
            assert_eq!(straight.batch(step), all[step as usize]);
        }
        assert_ne!(all[0], all[11], "two epochs in one order");
        assert_ne!(
            all[0],
            Order::new(6, 103, 10).batch(0),
            "two seeds in one order"
        );
    }

    #[test]
    fn batches_may_be_larger_than_the_set() {
        let mut order = Order::new(0, 3, 10);
        assert_eq!(order.steps_per_epoch(), 1);
        assert_eq!(order.batch(7).len(), 3);
    }

    /// Each of the 6 orders of 3 examples in 6,000 epochs: binomial(6000, 1/6) has a standard
    /// deviation of 28.9; five are allowed.
    #[test]
    fn permutations_are_uniform() {
        let mut order = Order::new(1, 3, 3);
        let mut counts = std::collections::BTreeMap::new();
        for epoch in 0..6000 {
            *counts.entry(order.batch(epoch)).or_insert(0_i32) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(
            counts.values().all(|count| (count - 1000).abs() < 145),
            "{counts:?}"
        );
    }
}
