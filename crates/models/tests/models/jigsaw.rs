//! Jigsaw puzzles: networks do not see in which order the pieces come, and the loss is 0 for the right matrix.

use burn::tensor::Tensor;
use unbiased_models::jigsaw::{Grid, Jigsaw, JigsawConfig, Network};

use crate::support::{device, largest_difference, numbers, stirred, tensor};

fn network(network: Network, grid: Grid) -> Jigsaw {
    let config = JigsawConfig {
        side: grid.side,
        network,
        filters: 3,
        width: 8,
        heads: 2,
        layers: 2,
        ..JigsawConfig::default()
    };
    stirred(Jigsaw::new(&config, grid, 1, &device()), 1.0, 0.1)
}

fn scores(net: &Jigsaw, pieces: Tensor<3>) -> Vec<f64> {
    numbers(net.scores(pieces))
}

#[test]
fn rows_of_scores_follow_their_pieces() {
    let grid = Grid { side: 2, piece: 4 };
    let values: Vec<f64> = (0..64).map(|i| (1.3 * f64::from(i)).sin()).collect();
    let order = [2, 0, 3, 1];
    let shuffled: Vec<f64> = order
        .iter()
        .flat_map(|k| &values[k * 16..][..16])
        .copied()
        .collect();
    for kind in [Network::Paper, Network::Comparing] {
        let net = network(kind, grid);
        let straight = scores(&net, tensor(&values, [1, 4, 16]));
        let expected: Vec<f64> = order
            .iter()
            .flat_map(|k| &straight[k * 4..][..4])
            .copied()
            .collect();
        let got = scores(&net, tensor(&shuffled, [1, 4, 16]));
        assert!(largest_difference(&got, &expected) < 1e-10, "{kind:?}");
        assert!(
            largest_difference(&got, &straight) > 1e-3,
            "{kind:?} sees nothing"
        );
    }
}

#[test]
fn only_the_comparing_network_sees_the_others() {
    let grid = Grid { side: 2, piece: 4 };
    let values: Vec<f64> = (0..64).map(|i| (1.3 * f64::from(i)).sin()).collect();
    let mut other = values.clone();
    other[60] += 1.0;
    for (kind, sees) in [(Network::Paper, false), (Network::Comparing, true)] {
        let net = network(kind, grid);
        let first = |values: &[f64]| scores(&net, tensor(values, [1, 4, 16]))[..4].to_vec();
        let moved = largest_difference(&first(&values), &first(&other)) > 1e-6;
        assert_eq!(moved, sees, "{kind:?}");
    }
}
