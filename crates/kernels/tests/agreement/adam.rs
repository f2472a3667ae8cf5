//! The optimizer: against the equations, against its own composed form, in place, and through save and load.

use crate::support::{Numbers, relative_error};
use burn::module::{Module, Param};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer, Optimizer};
use burn::tensor::{DType, Device, Tensor, TensorData};
use unbiased_kernels::FusedAdamConfig;

const PAPER: FusedAdamConfig = FusedAdamConfig {
    beta_1: 0.9,
    beta_2: 0.999_99,
    epsilon: 1e-4,
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
fn the_first_steps_are_those_of_the_paper() {
    // By hand, g = 2 then −1, lr = 0.1, β = (0.9, 0.99), ε = 1, θ = 0:
    // m̂ = 2, v̂ = 4: θ = −0.1·2/(2 + 1) = −0.0666667 (ε before the bias correction would give −0.1·2/(2 + 10) = −0.0166667);
    // m = 0.9·0.2 − 0.1 = 0.08, m̂ = 0.08/0.19 = 0.4210526; v = 0.99·0.04 + 0.01 = 0.0496, v̂ = 0.0496/0.0199 = 2.4924623, √v̂ = 1.5787534;
    // θ = −0.0666667 − 0.1·0.4210526/2.5787534 = −0.0829944.
    let adam = FusedAdamConfig {
        beta_1: 0.9,
        beta_2: 0.99,
        epsilon: 1.0,
    }
    .build();
    for dtype in [DType::F32, DType::F64] {
        let scalar = |x: f32| Tensor::<1>::from_data([x], &Device::flex()).cast(dtype);
        let (parameter, state) = adam.step(0.1, scalar(0.0), scalar(2.0), None);
        let first = parameter.clone().into_scalar::<f64>();
        let (parameter, _) = adam.step(0.1, parameter, scalar(-1.0), state);
        let second = parameter.into_scalar::<f64>();
        assert!(
            (first + 0.066_666_7).abs() < 1e-7 && (second + 0.082_994_4).abs() < 1e-7,
            "{dtype:?}: {first} {second}"
        );
    }
}

#[test]
fn it_is_the_librarys_adam() {
    let mut numbers = Numbers(8);
    let (fused, library) = (
        FusedAdamConfig::default().build(),
        AdamConfig::new().with_epsilon(1e-8).build(),
    );
    let start = numbers.matrix([9, 11], 1.0, &Device::flex());
    let (mut a, mut b) = ((start.clone(), None), (start, None));
    for _ in 0..30 {
        let gradient = numbers.matrix([9, 11], 1.0, &Device::flex());
        a = fused.step(1e-2, a.0, gradient.clone(), a.1);
        b = library.step(1e-2, b.0, gradient, b.1);
    }
    // The library computes 1 − β in single precision: 5e-5 of the step.
    assert!(relative_error(&a.0, &b.0) < 2e-5);
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
