//! Sets of small numbers as words of 64 bits.

/// Words that hold `bits` bits.
#[must_use]
pub const fn words(bits: usize) -> usize {
    bits.div_ceil(64)
}

/// Whether bit `i` is set.
#[must_use]
pub fn contains(set: &[u64], i: usize) -> bool {
    set[i / 64] >> (i % 64) & 1 == 1
}

/// Sets bit `i`; says whether it was clear.
pub fn insert(set: &mut [u64], i: usize) -> bool {
    let (word, bit) = (&mut set[i / 64], 1 << (i % 64));
    let new = *word & bit == 0;
    *word |= bit;
    new
}

/// Clears bit `i`.
pub fn remove(set: &mut [u64], i: usize) {
    set[i / 64] &= !(1 << (i % 64));
}

/// How many bits are set.
#[must_use]
pub fn count(set: &[u64]) -> usize {
    set.iter().map(|word| word.count_ones() as usize).sum()
}

/// The bits that are set, in order.
pub fn ones(set: &[u64]) -> impl Iterator<Item = usize> + '_ {
    set.iter().enumerate().flat_map(|(at, &word)| {
        std::iter::successors((word != 0).then_some(word), |&rest| {
            let rest = rest & (rest - 1);
            (rest != 0).then_some(rest)
        })
        .map(move |rest| at * 64 + rest.trailing_zeros() as usize)
    })
}

/// Adds all of `other`; says whether `set` grew.
pub fn union(set: &mut [u64], other: &[u64]) -> bool {
    let mut grew = false;
    for (a, &b) in set.iter_mut().zip(other) {
        grew |= b & !*a != 0;
        *a |= b;
    }
    grew
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        let mut set = vec![0; words(130)];
        for i in [0, 63, 64, 129] {
            assert!(insert(&mut set, i));
            assert!(!insert(&mut set, i));
        }
        assert_eq!(ones(&set).collect::<Vec<_>>(), [0, 63, 64, 129]);
        remove(&mut set, 63);
        assert!(!contains(&set, 63) && contains(&set, 64));
        assert_eq!(count(&set), 3);
        let mut other = vec![0; 3];
        assert!(union(&mut other, &set) && !union(&mut other, &set));
        assert_eq!(other, set);
    }
}
