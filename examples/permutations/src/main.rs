//! Three uses of `unbiased-permutations`: two noisy point sets are matched, a score is learnt by which lists are sorted, and a permutation is
//! found inside a model that is trained with it.

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use unbiased_kernels::{NoiseLaw, noise};
use unbiased_permutations::{
    GumbelSinkhorn, PlackettLuce, Sinkhorn, assign_batch, metrics::kendall_tau, permutation,
};

/// Numbers `[rows, columns]` of their own for every `seed`.
fn normal(seed: u64, [rows, columns]: [usize; 2], device: &Device) -> Tensor<2> {
    let streams: Vec<u64> = (0..rows as u64).map(|row| 1000 * seed + row).collect();
    noise(NoiseLaw::Normal, &streams, columns, device)
}

/// Which point of the second set is which of the first: the best matching, and how sure a soft one is.
fn match_points(device: &Device) -> Result<(), unbiased_permutations::Error> {
    let n = 30;
    let points = normal(1, [n, 2], device);
    let order: Vec<usize> = (0..n).map(|i| (7 * i + 3) % n).collect();
    // Row i of the second set is point order[i], seen with noise.
    let p = permutation::to_matrix(&order, device)?;
    let seen = p.matmul(points.clone()) + normal(2, [n, 2], device) * 0.03;
    let difference = seen.unsqueeze_dim::<3>(1) - points.unsqueeze_dim::<3>(0);
    let scores = difference.square().sum_dim(2).squeeze_dim::<2>(2).neg();

    let best = assign_batch(scores.clone())?.matrices.remove(0).list();
    let soft = Sinkhorn::within(1e-3).at(0.01).balance(scores)?;
    let sure = soft.plan.max_dim(1).mean().into_scalar::<f32>();
    let right = best.iter().zip(&order).filter(|(a, b)| a == b).count();
    println!("points: {right} of {n} matched rightly, mean certainty {sure:.2}");
    assert!(right >= n - 4);
    Ok(())
}

/// A linear score of items with four features, from rankings that were seen: the likelihood of Plackett and Luce.
fn learn_to_rank(plain: &Device) {
    let device = plain.clone().autodiff();
    let (lists, n) = (64, 8);
    let features = normal(3, [lists * n, 4], plain);
    let taste = Tensor::<2>::from_floats([[1.0], [-2.0], [0.5], [0.0]], plain);
    let scores = features.clone().matmul(taste).reshape([lists, n]);
    let streams: Vec<u64> = (0..lists as u64).map(|list| 7000 + list).collect();
    let seen = PlackettLuce.sample(scores.clone(), noise(NoiseLaw::Gumbel, &streams, n, plain));

    let mut model: Linear = LinearConfig::new(4, 1).init(&device);
    let mut optimizer = AdamConfig::new().init();
    let features = features.autodiff();
    for _ in 0..200 {
        let scores = model.forward(features.clone()).reshape([lists, n]);
        let loss = PlackettLuce.log_prob(scores, seen.clone()).mean().neg();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(0.05, model, gradients);
    }
    let learnt = model.forward(features).reshape([lists, n]).inner();
    let list = |x: Tensor<2>| -> Vec<usize> {
        let ranks = PlackettLuce.mode(x.slice([0..1]));
        ranks
            .into_data()
            .iter::<f64>()
            .map(|r| r as usize)
            .collect()
    };
    let tau = kendall_tau(&list(learnt), &list(scores));
    println!("ranking: Kendall's tau of the learnt and the true order {tau:.2}");
    assert!(tau > 0.7);
}

/// A model that sees its inputs shuffled in one unknown way: `y = x P w`.
#[derive(Module, Debug)]
struct Shuffled {
    /// Scores of the permutation, `[n, n]`.
    scores: Param<Tensor<2>>,
}

/// P is found from inputs and outputs; the weights w are known.
fn latent_permutation(plain: &Device) -> Result<(), unbiased_permutations::Error> {
    let n = 5;
    let order = [3, 0, 4, 2, 1];
    let w = Tensor::<2>::from_floats([[-2.0], [-1.0], [0.0], [1.0], [2.0]], plain);
    let truth = permutation::to_matrix(&order, plain)?.matmul(w.clone());

    let mut model = Shuffled {
        scores: Param::from_tensor(Tensor::zeros([n, n], &plain.clone().autodiff())),
    };
    let mut optimizer = AdamConfig::new().init();
    let law = GumbelSinkhorn {
        sinkhorn: Sinkhorn::after(20).at(0.5),
    };
    for step in 0..300 {
        let x = normal(100 + step, [16, n], plain);
        let y = x.clone().matmul(truth.clone()).autodiff();
        let gumbel = noise(NoiseLaw::Gumbel, &[step], n * n, plain).reshape([n, n]);
        let p = law.sample(model.scores.val(), gumbel.autodiff())?.plan;
        let off = x.autodiff().matmul(p).matmul(w.clone().autodiff()) - y;
        let gradients = GradientsParams::from_grads(off.square().mean().backward(), &model);
        model = optimizer.step(0.05, model, gradients);
    }
    let found = assign_batch(model.scores.val().inner())?.matrices[0].list();
    println!("latent permutation: {found:?}, true {order:?}");
    assert_eq!(found, order);
    Ok(())
}

fn main() -> Result<(), unbiased_permutations::Error> {
    let device = Device::flex();
    match_points(&device)?;
    learn_to_rank(&device);
    latent_permutation(&device)
}
