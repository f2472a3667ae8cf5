//! Adam in one pass.

#[cfg(feature = "flex")]
use crate::flex;
use burn::optim::{AdamState, AdaptiveMomentumState, LearningRate, ModuleOptimizer, Optimizer};
use burn::tensor::{Device, Tensor};

/// ε of Adam, by the place where it is added. The two agree as t grows; early, and with β₂ near 1 for long, they do not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Epsilon {
    /// ε after the bias correction: θ ← θ − lr · m̂ / (√v̂ + ε). Algorithm 1 of the paper, `PyTorch`, Burn.
    AfterCorrection(f64),
    /// ε̂ before the bias correction: θ ← θ − lr · √(1 − β₂ᵗ) / (1 − β₁ᵗ) · m / (√v + ε̂). The reordered form at the end of section 2 of the
    /// paper, `TensorFlow` 1. The same as ε = ε̂ / √(1 − β₂ᵗ): larger than it looks, 316 times at t = 1 if β₂ = 0.99999.
    BeforeCorrection(f64),
}

impl Epsilon {
    fn value(self) -> f64 {
        match self {
            Self::AfterCorrection(epsilon) | Self::BeforeCorrection(epsilon) => epsilon,
        }
    }
}

/// Settings of [`FusedAdam`]. The defaults are those of the paper.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FusedAdamConfig {
    /// Decay β₁ of the first moment, in [0, 1).
    pub beta_1: f64,
    /// Decay β₂ of the second moment, in [0, 1).
    pub beta_2: f64,
    /// ε, not negative; 1e-8 after the bias correction by default.
    pub epsilon: Epsilon,
}

impl Default for FusedAdamConfig {
    fn default() -> Self {
        Self {
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: Epsilon::AfterCorrection(1e-8),
        }
    }
}

impl FusedAdamConfig {
    /// The optimizer of a whole module.
    ///
    /// # Panics
    ///
    /// If a decay is outside [0, 1) or ε is negative.
    #[must_use]
    pub fn init(&self) -> ModuleOptimizer {
        self.build().into()
    }

    /// The optimizer of one parameter, for [`ModuleOptimizer::with_group`].
    ///
    /// # Panics
    ///
    /// If a decay is outside [0, 1) or ε is negative.
    #[must_use]
    pub fn build(&self) -> FusedAdam {
        for (name, beta) in [("beta_1", self.beta_1), ("beta_2", self.beta_2)] {
            assert!(
                (0.0..1.0).contains(&beta),
                "FusedAdamConfig: {name} must be in [0, 1), got {beta}"
            );
        }
        assert!(
            self.epsilon.value() >= 0.0,
            "FusedAdamConfig: epsilon must not be negative, got {}",
            self.epsilon.value()
        );
        FusedAdam { config: *self }
    }
}

/// Adam (Kingma and Ba, 2015, algorithm 1), without weight decay or maximum of the second moments:
///
/// m ← β₁m + (1 − β₁)g,  v ← β₂v + (1 − β₂)g²,
/// θ ← θ − lr · m̂ / (√v̂ + ε) with m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ).
///
/// or with ε̂ before the bias correction: see [`Epsilon`]. The factors 1 − β and the corrections are computed in double precision.
///
/// In single precision on Flex a step is one pass that reads and writes parameter and moments in place where nothing else holds them;
/// elsewhere it is made of ordinary operations. The state is that of [`burn::optim::Adam`], and is saved and loaded with the module optimizer.
#[derive(Clone, Debug)]
pub struct FusedAdam {
    config: FusedAdamConfig,
}

impl Optimizer for FusedAdam {
    type State<const D: usize> = AdamState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        parameter: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let (time, moments) = match state {
            Some(AdamState { momentum }) => {
                (momentum.time + 1, [momentum.moment_1, momentum.moment_2])
            }
            None => (1, [gradient.zeros_like(), gradient.zeros_like()]),
        };
        let (parameter, [m, v]) = self.update(lr, time, parameter, gradient, moments);
        (
            parameter,
            Some(AdamState::new(AdaptiveMomentumState::new(time, m, v))),
        )
    }

    fn to_device<const D: usize>(mut state: Self::State<D>, device: &Device) -> Self::State<D> {
        state.momentum = state.momentum.to_device(device);
        state
    }
}

impl FusedAdam {
    fn update<const D: usize>(
        &self,
        lr: LearningRate,
        time: usize,
        parameter: Tensor<D>,
        gradient: Tensor<D>,
        [m, v]: [Tensor<D>; 2],
    ) -> (Tensor<D>, [Tensor<D>; 2]) {
        for (name, got) in [
            ("gradient", gradient.dims()),
            ("moments", m.dims()),
            ("moments", v.dims()),
        ] {
            let expected = parameter.dims();
            assert_eq!(
                got, expected,
                "FusedAdam: {name} must have the shape of the parameter"
            );
        }
        let FusedAdamConfig {
            beta_1,
            beta_2,
            epsilon,
        } = self.config;
        let size = lr / (1.0 - beta_1.powf(time as f64));
        let root_correction = 1.0 / (1.0 - beta_2.powf(time as f64)).sqrt();
        let epsilon = match epsilon {
            Epsilon::AfterCorrection(epsilon) => epsilon,
            Epsilon::BeforeCorrection(epsilon) => epsilon * root_correction,
        };

        #[cfg(feature = "flex")]
        if [&parameter, &gradient, &m, &v]
            .iter()
            .all(|t| flex::takes(t) && !t.is_autodiff())
        {
            let step = flex::Step {
                beta_1: beta_1 as f32,
                one_minus_beta_1: (1.0 - beta_1) as f32,
                beta_2: beta_2 as f32,
                one_minus_beta_2: (1.0 - beta_2) as f32,
                size: size as f32,
                root_correction: root_correction as f32,
                epsilon: epsilon as f32,
            };
            return flex::adam(step, parameter, gradient, [m, v]);
        }

        let m = m * beta_1 + gradient.clone() * (1.0 - beta_1);
        let v = v * beta_2 + gradient.square() * (1.0 - beta_2);
        let parameter =
            parameter - m.clone() * size / (v.clone().sqrt() * root_correction + epsilon);
        (parameter, [m, v])
    }
}
