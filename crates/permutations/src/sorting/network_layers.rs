//! Which places a sorting network compares, layer by layer.

/// Pairs of places that are compared at the same time; the larger value goes to the first of a pair.
pub(super) type Layer = Vec<[usize; 2]>;

/// Neighbours, from the first place and from the second in turn; n layers (Knuth, "The Art of Computer Programming" 3, 5.3.4).
pub(super) fn odd_even(n: usize) -> Vec<Layer> {
    let pairs = |layer: usize| (layer % 2..n.saturating_sub(1)).step_by(2);
    (0..n)
        .map(|layer| pairs(layer).map(|i| [i, i + 1]).collect())
        .collect()
}

/// Batcher's bitonic network, 1968: log₂n·(log₂n + 1)/2 layers for the next power of two.
///
/// In the form in which every pair has its larger value first: a merge begins by comparing the places of a block with their mirror images.
/// A place after the last one would hold −∞ and so never pass anything on: pairs with such a place are left out, and any n will do.
pub(super) fn bitonic(n: usize) -> Vec<Layer> {
    let places = n.next_power_of_two();
    let mut layers = Vec::new();
    let mut layer = |partner: &dyn Fn(usize) -> usize| {
        let pairs = (0..n).map(|i| [i, partner(i)]);
        layers.push(pairs.filter(|&[i, j]| i < j && j < n).collect());
    };
    let mut block = 2;
    while block <= places {
        layer(&|i| i ^ (block - 1));
        let mut distance = block / 4;
        while distance > 0 {
            layer(&|i| i ^ distance);
            distance /= 2;
        }
        block *= 2;
    }
    layers
}
