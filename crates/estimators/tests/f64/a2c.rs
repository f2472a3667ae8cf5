//! Generalised advantages: the recursion against the sum that defines it, and where the estimate is unbiased.

use burn::tensor::Tensor;
use unbiased_estimators::{
    Abilities, EstimatorConfig, Noise, Objective,
    rules::a2c::{Step, lambda_returns},
};

use crate::{
    estimate::{
        EXPECTED, build_as, check, compare, estimate, example, expectation, must_fail, numbers,
    },
    expectations::{exact_gradient, stir},
    grid::Plan,
    hand,
    programs::{Air, Alignment, Decision, Model, Window, constant},
};

/// One row: costs and values of its steps, how many it made, and whether it went on where it was cut.
struct Row {
    costs: [f64; 5],
    values: [f64; 6],
    made: usize,
    goes_on: bool,
}

const ROWS: [Row; 3] = [
    Row {
        costs: [0.3, -1.2, 0.7, 2.0, -0.4],
        values: [0.5, 0.1, -0.9, 1.3, 0.2, 0.8],
        made: 5,
        goes_on: true,
    },
    Row {
        costs: [-1.0, 0.6, 1.1, 0.0, 0.0],
        values: [-0.3, 0.9, 0.4, 7.0, -5.0, 3.0],
        made: 3,
        goes_on: false,
    },
    Row {
        costs: [0.8, 0.1, -0.5, 0.9, 1.7],
        values: [1.1, -0.7, 0.6, 0.2, -1.4, 4.0],
        made: 5,
        goes_on: false,
    },
];

/// `sum_l (gamma lambda)^l delta_{t+l}`, straight from the definition.
fn by_sum(row: &Row, t: usize, gamma: f64, lambda: f64) -> f64 {
    let value = |s: usize| {
        let there = s < row.made || (s == row.made && row.goes_on);
        if there { row.values[s] } else { 0.0 }
    };
    (t..row.made)
        .map(|s| {
            let delta = row.costs[s] + gamma * value(s + 1) - row.values[s];
            (gamma * lambda).powi((s - t) as i32) * delta
        })
        .sum()
}

fn steps(gamma: f64, wrong: Option<&str>) -> Vec<Step> {
    let device = crate::estimate::device().without_autodiff();
    let column = |f: &dyn Fn(&Row) -> f64| -> Tensor<1> {
        constant(&ROWS.iter().map(f).collect::<Vec<_>>(), &device)
    };
    (0..6)
        .map(|t| Step {
            cost: (t < 5).then(|| column(&|row| row.costs[t])),
            value: column(&|row| row.values[t]),
            active: (wrong != Some("ends are forgotten")).then(|| {
                column(&|row| f64::from(t < row.made || (t == 5 && row.made == 5 && row.goes_on)))
            }),
            discount: if wrong == Some("no discount") {
                1.0
            } else {
                gamma
            },
        })
        .collect()
}

fn judge(gamma: f64, lambda: f64, wrong: Option<&str>) -> Result<f64, String> {
    let trusted = if wrong == Some("lambda is ignored") {
        1.0
    } else {
        lambda
    };
    let targets = lambda_returns(&steps(gamma, wrong), trusted);
    let (mut got, mut want) = (Vec::new(), Vec::new());
    for (t, target) in targets.into_iter().take(5).enumerate() {
        for (row, target) in ROWS.iter().zip(numbers(target)) {
            if t < row.made {
                got.push(target - row.values[t]);
                want.push(by_sum(row, t, gamma, lambda));
            }
        }
    }
    compare("advantages", &got, &want, 1e-12)
}

#[test]
fn the_recursion_gives_the_sum_that_defines_it() {
    for gamma in [1.0, 0.9] {
        for lambda in [0.0, 0.6, 1.0] {
            check(judge(gamma, lambda, None));
        }
    }
    for wrong in ["ends are forgotten", "no discount", "lambda is ignored"] {
        must_fail(wrong, judge(0.9, 0.6, Some(wrong)));
    }
}

fn with_lambda(lambda: f64) -> EstimatorConfig {
    EstimatorConfig {
        lambda,
        ..EstimatorConfig::named("a2c")
    }
}

fn expected(config: &EstimatorConfig, model: &dyn Model, objective: Objective) -> Vec<f64> {
    let theta = model.parameters();
    let mut estimator = build_as(config, model, objective);
    assert_eq!(estimator.is_biased(), config.lambda < 1.0);
    stir(&mut *estimator);
    let grid = Plan::outcomes(1).grid(model, &theta);
    expectation(&mut *estimator, model, &theta, &grid)
}

#[test]
fn at_lambda_1_the_expectation_is_the_exact_gradient_and_below_it_is_not() {
    let window = Window { bonus: 0.1 };
    // Each visits one site several times; AIR with masks.
    for model in [&Alignment as &dyn Model, &window, &Air] {
        let want = exact_gradient(model);
        let of = |lambda| {
            let got = expected(&with_lambda(lambda), model, EXPECTED);
            compare(&format!("a2c on {}", model.name()), &got, &want, 1e-9)
        };
        check(of(1.0));
        must_fail("lambda of 0.9 as if it were unbiased", of(0.9));
    }
    let decision = Decision::new(Abilities::BLACK_BOX);
    for discount in [1.0, 0.9] {
        let want = hand::discounted_policy_gradient(&decision.parameters(), discount);
        let got = expected(
            &with_lambda(1.0),
            &decision,
            Objective::Expected { discount },
        );
        check(compare("a2c on decision", &got, &want, 1e-12));
    }
}

/// What comes after the last choice is no matter of trust.
#[test]
fn lambda_changes_every_advantage_but_the_last() {
    let model = Window { bonus: 0.0 };
    let theta = model.parameters();
    let noise = Noise::new(3, 0);
    let program = example(&model, &theta, 4);
    let run = |lambda| {
        let mut estimator = build_as(&with_lambda(lambda), &model, EXPECTED);
        stir(&mut *estimator);
        estimate(&mut *estimator, &program, &noise).estimate
    };
    let (a, b) = (run(0.0), run(1.0));
    let last = a.logit_gradients.len() - 1;
    for (t, ((key, a), (_, b))) in a.logit_gradients.iter().zip(&b.logit_gradients).enumerate() {
        let same = compare(
            &key.to_string(),
            &numbers(a.clone()),
            &numbers(b.clone()),
            1e-12,
        );
        if t == last {
            check(same);
        } else {
            must_fail("lambda that does nothing", same);
        }
    }
}
