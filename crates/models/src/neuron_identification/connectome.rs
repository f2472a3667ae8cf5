//! Which neurons there are, where, and which are connected.

use unbiased_kernels::{NoiseLaw, substream, uniforms};

/// Neurons by name, from 0 to N − 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Connectome {
    /// Place along the body, 0 at the head and 1 at the tail.
    pub positions: Vec<f64>,
    /// The neurons that each is connected with, ascending; both ways, and none with itself.
    pub neighbours: Vec<Vec<usize>>,
}

/// Deciles of the places of the 279 somatic neurons of *C. elegans*.
const POSITIONS: [f64; 11] = [
    0.07, 0.10, 0.13, 0.14, 0.15, 0.19, 0.25, 0.45, 0.64, 0.81, 0.83,
];
/// Their connections, in pairs per neuron.
const PAIRS: f64 = 2290.0 / 279.0;
/// The share of connections that favour the neighbourhood, and how far that reaches.
const LOCAL: (f64, f64) = (0.55, 0.05);
/// Standard deviation of the logarithm of how ready a neuron is to be connected.
const READINESS: f64 = 0.6;

impl Connectome {
    /// Neurons at `positions`, connected where `pairs` say so, in whichever direction; pairs of a neuron with itself count for nothing.
    ///
    /// # Panics
    /// If a pair names a neuron without position.
    #[must_use]
    pub fn new(positions: Vec<f64>, pairs: impl IntoIterator<Item = [usize; 2]>) -> Self {
        let mut neighbours = vec![Vec::new(); positions.len()];
        for [i, j] in pairs {
            if i != j {
                neighbours[i].push(j);
                neighbours[j].push(i);
            }
        }
        for list in &mut neighbours {
            list.sort_unstable();
            list.dedup();
        }
        Self {
            positions,
            neighbours,
        }
    }

    /// A drawn one with the statistics of the real one: places by its deciles, rounded to hundredths, and its number of connections per neuron.
    /// Two neurons are connected unless both of two draws fail, one with probability `min(1, c w_i w_j e^(−|p_i − p_j|/.05))`, one with
    /// `min(1, c' w_i w_j)`; w is log-normal.
    #[must_use]
    pub fn surrogate(neurons: usize, seed: u64) -> Self {
        let place = |i: usize| {
            let decile = (i as f64 + 0.5) / neurons as f64 * 10.0;
            let below = (decile as usize).min(9);
            let [low, high] = [POSITIONS[below], POSITIONS[below + 1]];
            let place = low + (high - low) * (decile - below as f64);
            (place * 100.0).round() / 100.0
        };
        let positions: Vec<f64> = (0..neurons).map(place).collect();
        let mut u = vec![0.0; neurons];
        uniforms(substream(seed, 0), &mut u);
        let readiness: Vec<f64> = u
            .iter()
            .map(|&u| libm::exp(READINESS * NoiseLaw::Normal.quantile(u)))
            .collect();
        let pairs: Vec<[usize; 2]> = (0..neurons)
            .flat_map(|i| (0..i).map(move |j| [i, j]))
            .collect();
        let anywhere: Vec<f64> = pairs
            .iter()
            .map(|&[i, j]| readiness[i] * readiness[j])
            .collect();
        let nearby: Vec<f64> = pairs
            .iter()
            .zip(&anywhere)
            .map(|(&[i, j], w)| w * libm::exp(-(positions[i] - positions[j]).abs() / LOCAL.1))
            .collect();
        let count = PAIRS * neurons as f64;
        let [c, c_everywhere] = [
            scale_to(&nearby, LOCAL.0 * count),
            scale_to(&anywhere, (1.0 - LOCAL.0) * count),
        ];
        let mut u = vec![0.0; 2 * pairs.len()];
        uniforms(substream(seed, 1), &mut u);
        let drawn = pairs.iter().enumerate().filter(|&(k, _)| {
            u[2 * k] < c * nearby[k] || u[2 * k + 1] < c_everywhere * anywhere[k]
        });
        let drawn: Vec<[usize; 2]> = drawn.map(|(_, &pair)| pair).collect();
        Self::new(positions, drawn)
    }

    /// How many neurons there are.
    #[must_use]
    pub fn neurons(&self) -> usize {
        self.positions.len()
    }

    /// Every connection in both directions, `[to, from]`, in order.
    pub fn connections(&self) -> impl Iterator<Item = [usize; 2]> {
        let lists = self.neighbours.iter().enumerate();
        lists.flat_map(|(i, list)| list.iter().map(move |&j| [i, j]))
    }
}

/// c with `Σ min(1, c x) = total`, or the largest sum there is.
fn scale_to(x: &[f64], total: f64) -> f64 {
    let sum = |c: f64| x.iter().map(|x| (c * x).min(1.0)).sum::<f64>();
    let [mut low, mut high] = [0.0, 1e6];
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if sum(middle) < total {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The degree of the real one is 16.4, and half of its connections are no longer than .05 (median).
    #[test]
    fn the_surrogate_has_the_statistics_of_the_real_one() {
        let drawn = Connectome::surrogate(279, 0);
        let degrees: Vec<usize> = drawn.neighbours.iter().map(Vec::len).collect();
        let mean = degrees.iter().sum::<usize>() as f64 / 279.0;
        assert!((mean - 16.0).abs() < 1.0, "{mean}");
        let most = degrees.iter().max().copied().unwrap_or_default();
        assert!((50..140).contains(&most), "{most}");
        let mut lengths: Vec<f64> = drawn
            .connections()
            .map(|[i, j]| (drawn.positions[i] - drawn.positions[j]).abs())
            .collect();
        lengths.sort_by(f64::total_cmp);
        let median = lengths[lengths.len() / 2];
        assert!((0.03..0.09).contains(&median), "{median}");
        assert_ne!(drawn, Connectome::surrogate(279, 1));
    }

    #[test]
    fn pairs_count_once_both_ways_and_never_alone() {
        let small = Connectome::new(vec![0.0; 3], [[0, 1], [1, 0], [2, 2], [1, 2]]);
        assert_eq!(small.neighbours, [vec![1], vec![0, 2], vec![1]]);
        let all: Vec<_> = small.connections().collect();
        assert_eq!(all, [[0, 1], [1, 0], [1, 2], [2, 1]]);
    }
}
