//! The optimizer: against the equations, against its own composed form, in place, and through save and load.

use crate::support::{Numbers, relative_error};
use burn::module::{Module, Param};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer, Optimizer};
use burn::tensor::{DType, Device, Tensor, TensorData};
use unbiased_kernels::{Epsilon, FusedAdamConfig};

const PAPER: FusedAdamConfig = FusedAdamConfig {
    beta_1: 0.9,
    beta_2: 0.999_99,
    epsilon: Epsilon::AfterCorrection(1e-4),
};

/// Twelve steps on one matrix whose gradient changes, in the precision of `dtype`: single runs the kernel, double the composed form.
fn twelve_steps(
    config: FusedAdamConfig,
    shape: [usize; 2],
    transposed_gradient: bool,
    dtype: DType,
) -> Tensor<2> {
    let adam = config.build();
    let mut numbers = Numbers(3);
    let mut parameter = numbers.matrix(shape, 1.0, &Device::flex()).cast(dtype);
    let mut state = None;
    for _ in 0..12 {
        let gradient = if transposed_gradient {
            numbers
                .matrix([shape[1], shape[0]], 1.0, &Device::flex())
                .transpose()
        } else {
            numbers.matrix(shape, 1.0, &Device::flex())
        };
        (parameter, state) = adam.step(1e-2, parameter, gradient.cast(dtype), state);
    }
    assert_eq!(state.expect("Adam has a state").momentum.time, 12);
    parameter
}

#[test]
fn kernel_and_composed_form_agree() {
    for shape in [[1, 1], [1, 13], [5, 7], [784, 200], [513, 700]] {
        for transposed in [false, true] {
            let fused = twelve_steps(PAPER, shape, transposed, DType::F32);
            let composed = twelve_steps(PAPER, shape, transposed, DType::F64);
            assert_eq!((fused.dtype(), composed.dtype()), (DType::F32, DType::F64));
            let error = relative_error(&fused, &composed);
            assert!(error < 1e-6, "{shape:?}, transposed {transposed}: {error}");
            // The check sees a decay that is off by one part in a thousand.
            let other = twelve_steps(
                FusedAdamConfig {
                    beta_1: 0.9009,
                    ..PAPER
                },
                shape,
                transposed,
                DType::F64,
            );
            assert!(relative_error(&fused, &other) > 1e-6);
        }
    }
}

#[test]
fn the_first_steps_are_those_of_the_equations() {
    // By hand, g = 2 then −1, lr = 0.1, β = (0.9, 0.99), θ = 0: m = 0.2, v = 0.04, then m = 0.9·0.2 − 0.1 = 0.08, v = 0.99·0.04 + 0.01 = 0.0496.
    // ε = 1 after the correction: m̂ = 2, v̂ = 4: θ = −0.1·2/(2 + 1) = −0.0666667;
    // m̂ = 0.08/0.19 = 0.4210526, √v̂ = √(0.0496/0.0199) = 1.5787534: θ = −0.0666667 − 0.1·0.4210526/2.5787534 = −0.0829944.
    // ε̂ = 1 before it: lr·√0.01/0.1 = 0.1: θ = −0.1·0.2/(0.2 + 1) = −0.0166667;
    // lr·√0.0199/0.19 = 0.0742460, √0.0496 = 0.2227106: θ = −0.0166667 − 0.0742460·0.08/1.2227106 = −0.0215245.
    for (epsilon, by_hand) in [
        (Epsilon::AfterCorrection(1.0), [-0.066_666_7, -0.082_994_4]),
        (Epsilon::BeforeCorrection(1.0), [-0.016_666_7, -0.021_524_5]),
    ] {
        let adam = FusedAdamConfig {
            beta_1: 0.9,
            beta_2: 0.99,
            epsilon,
        }
        .build();
        for dtype in [DType::F32, DType::F64] {
            let scalar = |x: f32| Tensor::<1>::from_data([x], &Device::flex()).cast(dtype);
            let (first, state) = adam.step(0.1, scalar(0.0), scalar(2.0), None);
            let (second, _) = adam.step(0.1, first.clone(), scalar(-1.0), state);
            let got = [first, second].map(Tensor::into_scalar::<f64>);
            let error = (got[0] - by_hand[0]).abs() + (got[1] - by_hand[1]).abs();
            assert!(error < 2e-7, "{epsilon:?}, {dtype:?}: {got:?}");
        }
    }
}

/// θ after so many steps of the equations in double precision; `gradients` are one per step.
fn by_the_equations(config: FusedAdamConfig, lr: f64, gradients: &[f64]) -> f64 {
    let FusedAdamConfig { beta_1, beta_2, .. } = config;
    let (mut theta, mut m, mut v) = (0.0, 0.0, 0.0);
    for (t, &g) in (1..).zip(gradients) {
        m = beta_1 * m + (1.0 - beta_1) * g;
        v = beta_2 * v + (1.0 - beta_2) * g * g;
        let corrections = [1.0 - beta_1.powi(t), 1.0 - beta_2.powi(t)];
        theta -= match config.epsilon {
            Epsilon::AfterCorrection(epsilon) => {
                lr * (m / corrections[0]) / ((v / corrections[1]).sqrt() + epsilon)
            }
            Epsilon::BeforeCorrection(epsilon_hat) => {
                lr * corrections[1].sqrt() / corrections[0] * m / (v.sqrt() + epsilon_hat)
            }
        };
    }
    theta
}

#[test]
fn both_places_of_epsilon_follow_their_equations() {
    const STEPS: usize = 40;
    let places = [Epsilon::AfterCorrection, Epsilon::BeforeCorrection];
    for (place, other) in [(0, 1), (1, 0)] {
        // From an ε that does not matter to one that is the whole denominator.
        for (epsilon, matters) in [(1e-8, false), (1e-4, true), (1.0, true)] {
            for (beta_2, dtype, tolerance) in [
                (0.999, DType::F64, 1e-12),
                (0.999_99, DType::F64, 1e-12),
                (0.999_99, DType::F32, 2e-6),
            ] {
                let config = |place: usize| FusedAdamConfig {
                    beta_1: 0.9,
                    beta_2,
                    epsilon: places[place](epsilon),
                };
                let adam = config(place).build();
                let mut numbers = Numbers(4);
                let gradients: Vec<Tensor<2>> = (0..STEPS)
                    .map(|_| numbers.matrix([1, 37], 0.03, &Device::flex()).cast(dtype))
                    .collect();
                let mut parameter = gradients[0].zeros_like();
                let mut state = None;
                for gradient in &gradients {
                    (parameter, state) = adam.step(1e-2, parameter, gradient.clone(), state);
                }
                let gradients = Tensor::cat(gradients, 0).cast(DType::F64).transpose();
                let gradients = gradients.into_data().try_to_vec::<f64>().unwrap();
                let expected = |place| {
                    let values = gradients
                        .chunks_exact(STEPS)
                        .map(|gradients| by_the_equations(config(place), 1e-2, gradients))
                        .collect::<Vec<_>>();
                    let data = TensorData::new(values, [1, 37]);
                    Tensor::<2>::from_data(data, (&Device::flex(), DType::F64))
                };
                let error = relative_error(&parameter, &expected(place));
                assert!(error < tolerance, "{:?} {dtype:?}: {error}", config(place));
                // The check tells the two places apart wherever ε matters.
                let apart = relative_error(&parameter, &expected(other));
                assert!(!matters || apart > 1e-3, "{:?}: {apart}", config(place));
            }
        }
    }
}

#[test]
fn it_is_the_librarys_adam_and_their_states_are_interchangeable() {
    let mut numbers = Numbers(8);
    let fused = FusedAdamConfig::default().build();
    let library = AdamConfig::new().with_epsilon(1e-8).build();
    let start = numbers.matrix([9, 11], 1.0, &Device::flex());
    let gradients = [0; 40].map(|_| numbers.matrix([9, 11], 1.0, &Device::flex()));
    // Which of the two takes each step.
    let run = |fused_takes: fn(usize) -> bool, forget: bool| {
        let (mut parameter, mut state) = (start.clone(), None);
        for (step, gradient) in gradients.iter().enumerate() {
            let gradient = gradient.clone();
            (parameter, state) = if fused_takes(step) {
                fused.step(1e-2, parameter, gradient, state)
            } else {
                library.step(1e-2, parameter, gradient, state)
            };
            if forget && step == 19 {
                state = None;
            }
        }
        parameter
    };
    let expected = run(|_| false, false);
    let takes: [fn(usize) -> bool; 3] = [|_| true, |step| step < 20, |step| step >= 20];
    for fused_takes in takes {
        // The library computes 1 − β in single precision: 5e-5 of the step.
        let error = relative_error(&run(fused_takes, false), &expected);
        assert!(error < 2e-5, "{error}");
        // A state that did not arrive would show.
        assert!(relative_error(&run(fused_takes, true), &expected) > 1e-3);
    }
}

#[test]
fn other_owners_of_parameter_gradient_and_state_see_no_change() {
    let adam = FusedAdamConfig::default().build();
    let mut numbers = Numbers(5);
    let [parameter, gradient] = [0; 2].map(|_| numbers.matrix([4, 6], 1.0, &Device::flex()));
    let (_, state) = adam.step(1e-2, parameter.clone(), gradient.clone(), None);
    let state = state.unwrap();
    let tensors = [
        &parameter,
        &gradient,
        &state.momentum.moment_1,
        &state.momentum.moment_2,
    ];
    let before = tensors.map(|t| t.to_data());
    let _ = adam.step(
        1e-2,
        parameter.clone(),
        gradient.clone(),
        Some(state.clone()),
    );
    assert_eq!(before, tensors.map(|t| t.to_data()));
    // A row of a larger parameter is a view into its buffer.
    let _ = adam.step(
        1e-2,
        parameter.clone().narrow(0, 1, 1),
        gradient.clone().narrow(0, 0, 1),
        None,
    );
    assert_eq!(before[0], parameter.to_data());
}

#[derive(Module, Debug)]
struct Net {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

impl Net {
    fn new() -> Self {
        let device = Device::flex().autodiff();
        let bias = TensorData::new(vec![0.1_f32, -0.2, 0.3], [3]);
        Self {
            weight: Param::from_tensor(Numbers(1).matrix([5, 3], 1.0, &device)),
            bias: Param::from_tensor(Tensor::from_data(bias, &device)),
        }
    }

    fn gradients(&self, step: u32) -> GradientsParams {
        let x = Numbers(100 + step).matrix([4, 5], 1.0, &Device::flex());
        let y = x.matmul(self.weight.val()) + self.bias.val().unsqueeze();
        GradientsParams::from_grads(y.square().mean().backward(), self)
    }

    fn train(mut self, optimizer: &mut ModuleOptimizer, steps: core::ops::Range<u32>) -> Self {
        for step in steps {
            let gradients = self.gradients(step);
            self = optimizer.step(3e-2, self, gradients);
        }
        self
    }

    fn values(&self) -> (TensorData, TensorData) {
        (self.weight.val().into_data(), self.bias.val().into_data())
    }
}

#[test]
fn a_loaded_optimizer_continues_bit_for_bit() {
    let mut optimizer = PAPER.init();
    let net = Net::new().train(&mut optimizer, 0..10);
    let bytes = optimizer
        .clone()
        .into_bytes()
        .expect("the state can be written");
    let straight = net.clone().train(&mut optimizer, 10..20);

    let mut loaded = PAPER
        .init()
        .from_bytes(bytes)
        .expect("the state can be read");
    let resumed = net.clone().train(&mut loaded, 10..20);
    assert_eq!(straight.values(), resumed.values());

    // Without the state the same steps lead elsewhere, so the comparison can fail.
    assert_ne!(
        straight.values(),
        net.train(&mut PAPER.init(), 10..20).values()
    );
}

#[test]
fn the_librarys_optimizer_reads_a_saved_state_and_the_other_way_round() {
    let library = || AdamConfig::new().with_epsilon(1e-8).init();
    let fused = || FusedAdamConfig::default().init();
    let pairs: [[ModuleOptimizer; 2]; 2] = [[fused(), library()], [library(), fused()]];
    for [mut first, second] in pairs {
        let net = Net::new().train(&mut first, 0..10);
        let bytes = first.clone().into_bytes().expect("the state is written");
        let mut second = second.from_bytes(bytes).expect("the state is read");
        let (a, b) = (
            net.clone().train(&mut first, 10..20),
            net.clone().train(&mut second, 10..20),
        );
        let error = relative_error(&b.weight.val(), &a.weight.val());
        assert!(error < 2e-5, "{error}");
        let fresh = net.train(&mut fused(), 10..20);
        assert!(relative_error(&fresh.weight.val(), &a.weight.val()) > 1e-3);
    }
}

#[test]
#[should_panic(expected = "beta_2 must be in [0, 1), got 1")]
fn a_decay_of_one_is_refused() {
    let _ = FusedAdamConfig {
        beta_2: 1.0,
        ..PAPER
    }
    .init();
}

#[test]
#[should_panic(expected = "moments must have the shape of the parameter")]
fn a_state_of_another_shape_is_refused() {
    let adam = PAPER.build();
    let zeros = |shape: [usize; 2]| Tensor::<2>::zeros(shape, &Device::flex());
    let (_, state) = adam.step(1e-2, zeros([2, 3]), zeros([2, 3]), None);
    let _ = adam.step(1e-2, zeros([3, 3]), zeros([3, 3]), state);
}
