//! Control variates that the library does not know.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use unbiased_estimators::{
    ControlVariate, Estimator, Latent, Sited, Watch,
    rules::{Rule, relax::Relax},
};

use super::{owned_gradients, relative, run, shifted};
use crate::{
    estimate::{EXPECTED, device, numbers, schema},
    programs::Model,
    small::{OneOfThree, TwoBits},
};

/// A module from outside: parameters of three ranks and no forward mode.
#[derive(Module, Debug)]
struct Quadratic {
    square: Param<Tensor<3>>,
    linear: Param<Tensor<2>>,
    context: Param<Tensor<1>>,
    #[module(skip)]
    smooth: bool,
}

impl Quadratic {
    fn new(width: usize) -> Self {
        let values = |n: usize, phase: f64| -> Vec<f64> {
            (0..n).map(|i| 0.5 * (i as f64 + phase).sin()).collect()
        };
        let tensor = |n: usize, phase: f64| {
            Tensor::<1>::from_data(values(n, phase).as_slice(), &device().without_autodiff())
                .autodiff()
        };
        Self {
            square: Param::from_tensor(tensor(width * width, 0.3).reshape([1, width, width])),
            linear: Param::from_tensor(tensor(width, 1.1).reshape([width, 1])),
            context: Param::from_tensor(tensor(1, 0.7)),
            smooth: true,
        }
    }
}

impl ControlVariate for Quadratic {
    fn value(&self, at: &Latent<'_>) -> Tensor<1> {
        let x = at.z.clone().tanh();
        let square = self.square.val().squeeze_dim::<2>(0);
        let form = (x.clone().matmul(square) * x.clone()).sum_dim(1);
        let context = at.context.clone().expect("a context").sum_dim(1);
        let sum =
            form + x.matmul(self.linear.val()) + context * self.context.val().unsqueeze::<2>();
        sum.squeeze_dim::<1>(1)
    }

    fn is_smooth(&self) -> bool {
        self.smooth
    }
}

#[test]
fn a_module_from_outside_is_tuned_by_differences() {
    for (model, width) in [(&TwoBits as &dyn Model, 2), (&OneOfThree, 3)] {
        for coupled in [true, false] {
            let schema = schema(model);
            let site = &schema.sites[0];
            let rule = || {
                let watch = Watch::new(&device());
                Relax::with(Quadratic::new(width), coupled, watch)
            };
            rule().check(site, &schema, &EXPECTED).unwrap();
            let fresh = |shift: Option<(usize, f64)>| {
                let rules = vec![(site.key.name.clone(), Box::new(rule()) as Box<dyn Rule>)];
                let mut estimator = Sited::new(rules, &schema, EXPECTED);
                if let Some((index, by)) = shift {
                    let owned = shifted(estimator.owned(), index, by);
                    estimator.set_owned(owned);
                }
                estimator
            };
            let value = |shift| numbers(run(&mut fresh(shift), model).tuning.unwrap())[0];
            let mut estimator = fresh(None);
            let owned = estimator.owned();
            let tuning = run(&mut estimator, model).tuning.unwrap();
            let tape = owned_gradients(&owned, &tuning.backward());
            assert_eq!(tape.len(), width * width + width + 1);
            let slopes: Vec<f64> = (0..tape.len())
                .map(|i| (value(Some((i, 1e-4))) - value(Some((i, -1e-4)))) / 2e-4)
                .collect();
            let error = relative(&tape, &slopes);
            println!("{} coupled {coupled}: {error:.1e}", model.name());
            assert!(error < 1e-5, "{}: {error:.1e}", model.name());
        }
    }
}

#[test]
fn a_control_variate_with_kinks_is_refused() {
    let schema = schema(&TwoBits);
    let net = Quadratic {
        smooth: false,
        ..Quadratic::new(2)
    };
    let rule = Relax::with(net, true, Watch::new(&device()));
    let reason = rule
        .check(&schema.sites[0], &schema, &EXPECTED)
        .unwrap_err();
    assert!(
        reason.contains("biased") && reason.contains("use `tanh`"),
        "{reason}"
    );
}
