//! What the exact gradient of many iterations takes. A binary of its own: the heap is counted for the whole process.

use burn::tensor::{Device, Tensor, TensorData};
use peak_alloc::PeakAlloc;
use rayon::ThreadPoolBuilder;
use unbiased_kernels::uniforms;
use unbiased_permutations::Sinkhorn;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const SHAPE: [usize; 3] = [64, 100, 100];
const ITERATIONS: usize = 1000;
/// Bytes of a batch of matrices, and of the potentials of all iterates.
const MATRICES: usize = SHAPE[0] * SHAPE[1] * SHAPE[2] * size_of::<f32>();
const POTENTIALS: usize = ITERATIONS * SHAPE[0] * (SHAPE[1] + SHAPE[2]) * size_of::<f32>();

fn tensor(stream: u64) -> Tensor<3> {
    let mut values = vec![0.0; SHAPE.iter().product()];
    uniforms(stream, &mut values);
    let values: Vec<f32> = values.into_iter().map(|x| x as f32).collect();
    Tensor::from_data(TensorData::new(values, SHAPE), &Device::flex())
}

/// The most that balancing, a loss and its gradient hold at once beyond scores, weights and potentials, in batches of matrices.
fn copies(temperature: f64) -> f64 {
    let (x, weights) = (tensor(1), tensor(2));
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let tracked = x.clone().autodiff().require_grad();
    let balanced = Sinkhorn::after(ITERATIONS)
        .at(temperature)
        .balance(tracked.clone())
        .unwrap();
    let gradients = (balanced.plan * weights.clone()).sum().backward();
    assert!(tracked.grad(&gradients).is_some());
    (HEAP.peak_usage() - before - POTENTIALS) as f64 / MATRICES as f64
}

#[test]
fn the_exact_gradient_takes_two_batches_of_matrices_besides_the_potentials() {
    // Every thread has a few matrices of its own.
    let threads = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let [one, other] = threads.install(|| [1.0, 0.5].map(copies));
    // The plan and the gradient, which begins as that of the loss.
    assert!((2.0..2.3).contains(&one), "{one}");
    // Scores over the temperature besides.
    assert!((3.0..3.3).contains(&other), "{other}");
}
