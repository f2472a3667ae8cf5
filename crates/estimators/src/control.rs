//! Learned control variates: any differentiable function of a choice's latent and of what its site lets it see.
//!
//! [`ControlNet`] is the built-in one. A module of one's own joins by implementing [`ControlVariate`]; see
//! [`Relax::with`](crate::rules::relax::Relax::with).

use std::{any::Any, fmt::Debug};

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    nn::Linear,
    tensor::{Device, Tensor},
};
use unbiased_kernels::tanh;

use crate::{
    law::{Relaxation, row_sum},
    noise::{Noise, NoiseLaw, Role},
    owned::scalar_parameter,
    program::Key,
    trace::column,
};

/// Where a control variate is evaluated.
#[derive(Clone)]
pub struct Latent<'a> {
    /// The latent `z` of a discrete choice, the choice itself where it is continuous, `[rows, width]`.
    pub z: Tensor<2>,
    /// What the site lets a control variate see, `[rows, features]`, without gradient.
    pub context: Option<Tensor<2>>,
    pub(crate) relaxation: Option<&'a dyn Relaxation>,
}

impl Latent<'_> {
    /// The relaxed value at `temperature` `[1]`; `z` itself where the choice is continuous. `[rows, width]`.
    #[must_use]
    pub fn relaxed(&self, temperature: Tensor<1>) -> Tensor<2> {
        match self.relaxation {
            Some(relaxation) => relaxation.relax(self.z.clone(), temperature),
            None => self.z.clone(),
        }
    }

    /// The same, and its derivative along `direction` `[rows, width]`, both differentiable in the temperature.
    #[must_use]
    pub fn relaxed_tangent(
        &self,
        temperature: Tensor<1>,
        direction: Tensor<2>,
    ) -> (Tensor<2>, Tensor<2>) {
        match self.relaxation {
            Some(relaxation) => relaxation.relax_tangent(self.z.clone(), direction, temperature),
            None => (self.z.clone(), direction),
        }
    }

    pub(crate) fn at(&self, z: Tensor<2>, blocks: usize) -> Self {
        Self {
            z,
            context: self.context.clone().map(|context| match blocks {
                1 => context,
                _ => context.repeat_dim(0, blocks),
            }),
            relaxation: self.relaxation,
        }
    }
}

/// A control variate `c(z, context)`, one number in nats per row.
///
/// It must be twice differentiable almost everywhere *and* have a continuous first derivative: where `dc/dz` jumps (`ReLU`,
/// leaky `ReLU`, `abs`), the place of the jump moves with the parameters, the tape does not see that, and the gradient that
/// trains the control variate is biased by up to its own size. The estimate itself stays unbiased. Such a module has to
/// say so with [`is_smooth`](ControlVariate::is_smooth) and is refused.
pub trait ControlVariate: Module {
    /// `c`, `[rows]`.
    fn value(&self, at: &Latent<'_>) -> Tensor<1>;

    /// `c` and its derivative in `z` along `direction` `[rows, width]`, both on the tape of the parameters. Without it,
    /// central differences are taken, with an error of the order of 1e-4 in f32.
    fn tangent(&self, _at: &Latent<'_>, _direction: &Tensor<2>) -> Option<(Tensor<1>, Tensor<1>)> {
        None
    }

    /// Whether `dc/dz` is continuous. False for `ReLU` networks.
    fn is_smooth(&self) -> bool {
        true
    }

    /// Numbers worth logging.
    fn scalars(&self) -> Vec<(&'static str, Tensor<1>)> {
        Vec::new()
    }
}

/// `scale * net([2 relax(z / t) - 1, context])` with `tanh` layers: the control variate of Grathwohl et al., "Backpropagation
/// through the Void", 2018, whose networks are `ReLU`s of the same shape (see [`ControlVariate`]). The scale starts at zero, so
/// that the estimate starts as that without control variate.
#[derive(Module, Debug)]
pub struct ControlNet {
    from_latent: Linear,
    from_context: Option<Linear>,
    hidden: Vec<Linear>,
    output: Linear,
    scale: Param<Tensor<1>>,
    log_temperature: Param<Tensor<1>>,
}

impl ControlNet {
    /// A network over latents of `width` columns and `context` ones, with `layers` layers of `units`; its temperature is
    /// trained with it.
    #[must_use]
    pub fn new(
        [width, context]: [usize; 2],
        [layers, units]: [usize; 2],
        temperature: f64,
        device: &Device,
    ) -> Self {
        let fan_in = width + context;
        let layer = |index: u32, d_in: usize, d_out: usize, bias: bool, fan_in: usize| {
            uniform_linear(index, [d_in, d_out], bias, fan_in, device)
        };
        Self {
            from_latent: layer(0, width, units, true, fan_in),
            from_context: (context > 0).then(|| layer(1, context, units, false, fan_in)),
            hidden: (1..layers as u32)
                .map(|index| layer(1 + index, units, units, true, units))
                .collect(),
            output: layer(1 + layers as u32, units, 1, true, units),
            scale: scalar_parameter(0.0, device),
            log_temperature: scalar_parameter(temperature.ln() as f32, device),
        }
    }

    fn temperature(&self) -> Tensor<1> {
        self.log_temperature.val().clamp(-4.0, 4.0).exp()
    }

    fn first(&self, x: Tensor<2>, context: Option<Tensor<2>>) -> Tensor<2> {
        let latent = self.from_latent.forward(x * 2.0 - 1.0);
        tanh(match (&self.from_context, context) {
            (Some(layer), Some(context)) => latent + layer.forward(context),
            _ => latent,
        })
    }

    fn scaled(&self, y: Tensor<2>) -> Tensor<1> {
        y.squeeze_dim::<1>(1) * self.scale.val()
    }
}

impl ControlVariate for ControlNet {
    fn value(&self, at: &Latent<'_>) -> Tensor<1> {
        let mut y = self.first(at.relaxed(self.temperature()), at.context.clone());
        for layer in &self.hidden {
            y = tanh(layer.forward(y));
        }
        self.scaled(self.output.forward(y))
    }

    fn tangent(&self, at: &Latent<'_>, direction: &Tensor<2>) -> Option<(Tensor<1>, Tensor<1>)> {
        let (x, dx) = at.relaxed_tangent(self.temperature(), direction.clone());
        // d tanh = (1 - y^2) d; the context does not move.
        let slope = |y: &Tensor<2>| y.clone().square().neg() + 1.0;
        let mut y = self.first(x, at.context.clone());
        let mut dy = (dx * 2.0).matmul(self.from_latent.weight.val()) * slope(&y);
        for layer in &self.hidden {
            y = tanh(layer.forward(y));
            dy = dy.matmul(layer.weight.val()) * slope(&y);
        }
        let c = self.scaled(self.output.forward(y));
        let dc = self.scaled(dy.matmul(self.output.weight.val()));
        Some((c, dc))
    }

    fn scalars(&self) -> Vec<(&'static str, Tensor<1>)> {
        vec![
            ("control_scale", self.scale.val().inner()),
            ("control_temperature", self.temperature().inner()),
        ]
    }
}

/// A layer uniform on `+-1/sqrt(fan_in)`, from keyed noise and not from the generator that the whole process shares.
fn uniform_linear(
    index: u32,
    [d_in, d_out]: [usize; 2],
    bias: bool,
    fan_in: usize,
    device: &Device,
) -> Linear {
    let plain = device.clone().without_autodiff();
    let key = Key::new("control", index as usize);
    let scale = 1.0 / (fan_in.max(1) as f64).sqrt();
    let draw = |role: u32, rows: usize| {
        let role = Role::Other(role);
        let uniform =
            Noise::new(0, 0).draw(NoiseLaw::Uniform, &key, role, 1, 1, rows, d_out, &plain);
        let values = (uniform * 2.0 - 1.0) * scale;
        if device.is_autodiff() {
            values.autodiff()
        } else {
            values
        }
    };
    Linear {
        weight: Param::from_tensor(draw(0, d_in)),
        bias: bias.then(|| Param::from_tensor(draw(1, 1).reshape([d_out]))),
    }
}

/// A [`ControlVariate`] whose type is forgotten.
pub(crate) trait Control: Debug {
    fn value_at(&self, at: &Latent<'_>) -> Tensor<1>;
    fn tangent_at(&self, at: &Latent<'_>, direction: &Tensor<2>) -> Option<(Tensor<1>, Tensor<1>)>;
    fn smooth(&self) -> bool;
    fn numbers(&self) -> Vec<(&'static str, Tensor<1>)>;
    /// The same without gradient.
    fn constant(&self) -> Box<dyn Control>;
    fn parameters(&self) -> Parameters;
    fn set_parameters(&mut self, parameters: Parameters);
    fn boxed(&self) -> Box<dyn Control>;
}

impl<C: ControlVariate + 'static> Control for C {
    fn value_at(&self, at: &Latent<'_>) -> Tensor<1> {
        self.value(at)
    }

    fn tangent_at(&self, at: &Latent<'_>, direction: &Tensor<2>) -> Option<(Tensor<1>, Tensor<1>)> {
        self.tangent(at, direction)
    }

    fn smooth(&self) -> bool {
        self.is_smooth()
    }

    fn numbers(&self) -> Vec<(&'static str, Tensor<1>)> {
        self.scalars()
    }

    fn constant(&self) -> Box<dyn Control> {
        Box::new(self.valid())
    }

    fn parameters(&self) -> Parameters {
        let mut parameters = Parameters::default();
        self.visit(&mut parameters);
        parameters
    }

    fn set_parameters(&mut self, parameters: Parameters) {
        *self = self.clone().map(&mut PutBack {
            rank1: parameters.rank1.into_iter(),
            rank2: parameters.rank2.into_iter(),
            rank3: parameters.rank3.into_iter(),
            rank4: parameters.rank4.into_iter(),
        });
    }

    fn boxed(&self) -> Box<dyn Control> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Control> {
    fn clone(&self) -> Self {
        self.boxed()
    }
}

/// All float parameters of a module whose type is forgotten, by rank, each rank in the order of a visit.
#[derive(Module, Debug, Default)]
pub struct Parameters {
    rank1: Vec<Param<Tensor<1>>>,
    rank2: Vec<Param<Tensor<2>>>,
    rank3: Vec<Param<Tensor<3>>>,
    rank4: Vec<Param<Tensor<4>>>,
}

impl ModuleVisitor for Parameters {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        // Parameters may be initialised at first use: that must happen before they are shared.
        let _ = param.val();
        let param: &dyn Any = param;
        if let Some(param) = param.downcast_ref::<Param<Tensor<1>>>() {
            self.rank1.push(param.clone());
        } else if let Some(param) = param.downcast_ref::<Param<Tensor<2>>>() {
            self.rank2.push(param.clone());
        } else if let Some(param) = param.downcast_ref::<Param<Tensor<3>>>() {
            self.rank3.push(param.clone());
        } else if let Some(param) = param.downcast_ref::<Param<Tensor<4>>>() {
            self.rank4.push(param.clone());
        } else {
            panic!("a control variate has parameters of rank 1 to 4, got rank {D}");
        }
    }
}

struct PutBack {
    rank1: std::vec::IntoIter<Param<Tensor<1>>>,
    rank2: std::vec::IntoIter<Param<Tensor<2>>>,
    rank3: std::vec::IntoIter<Param<Tensor<3>>>,
    rank4: std::vec::IntoIter<Param<Tensor<4>>>,
}

impl ModuleMapper for PutBack {
    fn map_float<const D: usize>(&mut self, _old: Param<Tensor<D>>) -> Param<Tensor<D>> {
        fn next<T: 'static>(params: &mut std::vec::IntoIter<T>) -> Box<dyn Any> {
            Box::new(
                params
                    .next()
                    .expect("one parameter for each that was taken"),
            )
        }
        let new = match D {
            1 => next(&mut self.rank1),
            2 => next(&mut self.rank2),
            3 => next(&mut self.rank3),
            _ => next(&mut self.rank4),
        };
        *new.downcast().expect("the rank was looked at")
    }
}

/// `c` and `dc/dz` at each of `points`, `[points * rows]` and `[points * rows, width]`, as numbers.
pub(crate) fn differentiate(
    control: &dyn Control,
    at: &Latent<'_>,
    points: Vec<Tensor<2>>,
) -> (Tensor<1>, Tensor<2>) {
    let blocks = points.len();
    let leaf = Tensor::cat(points, 0).autodiff().require_grad();
    let c = control.constant().value_at(&at.at(leaf.clone(), blocks));
    let slope = if c.is_tracked() {
        leaf.grad(&c.clone().sum().backward())
    } else {
        None
    };
    (
        c.inner(),
        slope.unwrap_or_else(|| leaf.inner().zeros_like()),
    )
}

/// `sum over rows of weight c(value)` and of `sign D_direction c(z)` for each of `slopes` (point, direction, sign), on the tape of
/// the control variate's parameters. The last slope is taken at `value`.
pub(crate) fn contract(
    control: &dyn Control,
    at: &Latent<'_>,
    weight: Tensor<1>,
    slopes: &[(Tensor<2>, Tensor<2>, f64)],
) -> Tensor<1> {
    let last = slopes.len() - 1;
    let mut sum: Option<Tensor<1>> = None;
    for (index, (z, direction, sign)) in slopes.iter().enumerate() {
        let Some((c, dc)) = control.tangent_at(&at.at(z.clone(), 1), direction) else {
            return by_differences(control, at, weight, slopes);
        };
        let mut part = dc * *sign;
        if index == last {
            part = part + c * weight.clone();
        }
        let part = part.sum();
        sum = Some(match sum {
            Some(sum) => sum + part,
            None => part,
        });
    }
    sum.expect("at least one slope")
}

fn by_differences(
    control: &dyn Control,
    at: &Latent<'_>,
    weight: Tensor<1>,
    slopes: &[(Tensor<2>, Tensor<2>, f64)],
) -> Tensor<1> {
    let (points, weights) = difference_points(weight, slopes);
    let blocks = points.len();
    let c = control.value_at(&at.at(Tensor::cat(points, 0), blocks));
    (c * Tensor::cat(weights, 0)).sum()
}

/// The points and weights at which a sum of `weight c` (at the last point) and central differences is taken.
pub(crate) fn difference_points(
    weight: Tensor<1>,
    slopes: &[(Tensor<2>, Tensor<2>, f64)],
) -> (Vec<Tensor<2>>, Vec<Tensor<1>>) {
    let (value, ..) = slopes.last().expect("at least one slope");
    let (mut points, mut weights) = (vec![value.clone()], vec![weight]);
    for (z, direction, sign) in slopes {
        let (step, inverse) = difference_step(direction);
        let shift = column(step) * direction.clone();
        points.extend([z.clone() + shift.clone(), z.clone() - shift]);
        weights.extend([inverse.clone() * *sign, inverse * -sign]);
    }
    (points, weights)
}

/// Per row: the step of a central difference along `direction`, and `1 / (2 step)`.
pub(crate) fn difference_step(direction: &Tensor<2>) -> (Tensor<1>, Tensor<1>) {
    let relative = if direction.dtype() == burn::tensor::DType::F64 {
        1e-4
    } else {
        1e-2
    };
    let scale = relative * (direction.dims()[1] as f64).sqrt();
    let norm = row_sum(direction.clone().square()).sqrt().clamp_min(1e-12);
    (norm.clone().recip() * scale, norm / (2.0 * scale))
}
