//! Every estimator beside every other one on five programs: bias, variance, evaluations and time.
//!
//! `cargo bench --workspace --bench estimators_table -- [--only a|b|c|d|e] [--seed N]`
//!
//! Prints a table in markdown per program; what it says is in `docs/estimators.md`. One thread (`RAYON_NUM_THREADS=1`) makes processor time
//! mean something.
//!
//! * a: 200 bits, `(w b - c)^2`
//! * b: the encoder of `sbn/mnist_linear1` on 24 images of the validation set, at three stages of training
//! * c: 20 choices among 10, `exp(w b)`
//! * d: the presence bits of `air/scenes`
//! * e: a chain of 50 bits

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "../timing/clock.rs"]
mod clock;
mod known;
mod measure;
mod networks;
#[path = "../timing/start.rs"]
mod start;

use burn::tensor::{Device, Tensor};
use known::{Chain, Cost, Exponential, Known, Quadratic, spread};
use measure::{Bias, Task, Truth, average, measure};
use networks::{Trained, gradients_in, images};
use unbiased_estimators::{ESTIMATORS, EstimatorConfig, EstimatorError, Schema};
use unbiased_models::air::{Air, AirConfig, AirProgram, Counting};
use unbiased_models::sbn::{Sbn, SbnConfig, SbnProgram};
use unbiased_train::data::scenes::{SceneConfig, SceneSet};
use unbiased_train::data::{DataConfig, ImageSet, Order, Split};
use unbiased_train::optimizer::OptimizerConfig;

fn main() {
    start::run(|options| {
        let only = options.text("--only");
        let seed = options.number("--seed").unwrap_or(0) as u64;
        let device = start::device().autodiff();
        let chosen = |name: &str| only.as_deref().is_none_or(|only| only.contains(name));
        if chosen("a") {
            let cost = Quadratic {
                weights: spread(200, 1),
                offset: 3.0,
            };
            known(
                "a: 200 bits, (w b - c)^2",
                cost,
                spread(200, 2),
                [80, 128],
                seed,
                &device,
            );
        }
        if chosen("c") {
            let weights = spread(200, 3).into_iter().map(|w| 0.5 * w);
            let cost = Exponential {
                weights: weights.collect(),
                classes: 10,
            };
            known(
                "c: 20 choices among 10, exp(w b)",
                cost,
                spread(200, 4),
                [80, 128],
                seed,
                &device,
            );
        }
        if chosen("b") {
            autoencoder(seed, &device);
        }
        if chosen("e") {
            let targets = spread(50, 5).into_iter().map(|y| 0.5 + 0.5 * y);
            let cost = Chain {
                targets: targets.collect(),
            };
            known(
                "e: a chain of 50 bits",
                cost,
                spread(50, 6),
                [400, 32],
                seed,
                &device,
            );
        }
        if chosen("d") {
            presence(seed, &device);
        }
    });
}

/// Every estimator by its default settings, and some with four samples.
fn configurations() -> Vec<(String, EstimatorConfig)> {
    let mut all = Vec::new();
    for (name, _) in ESTIMATORS {
        let with = |samples| EstimatorConfig {
            samples,
            hidden: 32,
            ..EstimatorConfig::named(name)
        };
        all.push(((*name).to_owned(), with(2)));
        if [
            "rloo",
            "arms",
            "double-cv",
            "sum-and-sample",
            "unordered-set",
        ]
        .contains(name)
        {
            all.push((format!("{name}, 4 samples"), with(4)));
        }
    }
    all
}

/// One table: all estimators on one program.
fn table(title: &str, task: &Task<'_>, truth: &Truth) {
    let length = truth.gradient.iter().map(|g| g * g).sum::<f64>();
    println!(
        "\n{title}; ln of the squared gradient {:.2}\n",
        libm::log(length)
    );
    println!(
        "| estimator | evaluations | bias, % | ln variance | ln(variance × evaluations) | processor, µs |"
    );
    println!("|---|---|---|---|---|---|");
    let mut refused = Vec::new();
    let mut measured = Vec::new();
    for (name, config) in configurations() {
        match measure(task, &config, truth) {
            Ok(figures) => measured.push((name, figures)),
            Err(EstimatorError::Undefined { .. }) if name.contains("samples") => {}
            Err(EstimatorError::Undefined { .. }) => refused.push(format!("`{name}`")),
            Err(error) => panic!("{name}: {error}"),
        }
    }
    let at_equal_cost =
        |figures: &measure::Figures| figures.ln_variance[0] + libm::log(figures.evaluations);
    measured.sort_by(|(_, a), (_, b)| at_equal_cost(a).total_cmp(&at_equal_cost(b)));
    for (name, figures) in &measured {
        let bias = match figures.bias {
            Bias::Seen(bias) => format!("**{:.2}**", 100.0 * bias),
            Bias::Below(bound) => format!("< {:.2}", 100.0 * bound),
        };
        let [ln, error] = figures.ln_variance;
        println!(
            "| `{name}` | {:.0} | {bias} | {ln:.2} ± {error:.2} | {:.2} | {:.1} |",
            figures.evaluations,
            at_equal_cost(figures),
            1e6 * figures.seconds
        );
    }
    println!("\nnot defined here: {}", refused.join(", "));
}

/// `calls` times `rows` estimates.
fn known<C: Cost>(
    title: &str,
    cost: C,
    at: Vec<f64>,
    [calls, rows]: [usize; 2],
    seed: u64,
    device: &Device,
) {
    let program = Known::new(cost, at, rows, device);
    let task = Task {
        program: &program,
        gradients: &|surrogate| program.gradients(surrogate),
        device,
        calls,
        seconds: 2.0,
        seed,
    };
    table(title, &task, &program.truth());
}

/// `sbn/mnist_linear1`, trained with leave-one-out.
fn autoencoder(seed: u64, device: &Device) {
    const BATCH: usize = 24;
    let data = DataConfig {
        name: "mnist".into(),
        ..DataConfig::default()
    };
    let set = match ImageSet::load(&data, None) {
        Ok(set) => set,
        Err(error) => return println!("\nb: left out, {error}"),
    };
    let plain = device.clone().inner();
    let upload =
        |split, indices: &[usize]| images(set.pixels(split, indices, 0), indices.len(), &plain);
    let shown = upload(Split::Valid, &(0..BATCH).collect::<Vec<_>>());
    let model = Sbn::new(&SbnConfig::default(), &set.train.mean(), 0, device);
    let schema = Schema::of(&SbnProgram::new(&model, shown.clone()));
    let optimizer = OptimizerConfig {
        beta_2: 0.99999,
        ..OptimizerConfig::default()
    };
    let mut trained = Trained::new(model, &schema, "rloo", &optimizer, device);
    let mut order = Order::new(0, set.train.len(), BATCH);
    for (stage, last) in [("untrained", 0), ("1 epoch", 2084), ("10 epochs", 20_840)] {
        trained.until(last, |model, step, run| {
            let batch = upload(Split::Train, &order.batch(step - 1));
            run(&SbnProgram::new(model, batch));
        });
        let model = trained.model();
        let program = SbnProgram::new(model, shown.clone());
        let gradients = |surrogate: &Tensor<1>| gradients_in(model, "upwards", surrogate);
        let task = Task {
            program: &program,
            gradients: &gradients,
            device,
            calls: 200,
            seconds: 10.0,
            seed: !seed,
        };
        let truth = average(&task, "measure-valued", 784 * 200 + 200);
        let task = Task {
            seconds: 1.5,
            seed,
            ..task
        };
        let title = format!("b: encoder of mnist_linear1, {stage}");
        table(&title, &task, &truth);
    }
}

/// The bits of `air/scenes`, after a while with the count summed over.
fn presence(seed: u64, device: &Device) {
    const BATCH: usize = 32;
    let plain = device.clone().inner();
    let scenes = SceneConfig {
        train: 6400,
        eval: 64,
        ..SceneConfig::default()
    };
    let set = match SceneSet::load(&scenes, None) {
        Ok(set) => set,
        Err(error) => return println!("\nd: left out, {error}"),
    };
    let config = AirConfig::default();
    let model = Air::new(&config, 0, device);
    let upload = |indices: &[usize]| images(set.train.show(indices), indices.len(), &plain);
    let shown = upload(&(0..BATCH).collect::<Vec<_>>());
    let odds = |step| config.count_prior.ln_odds(step);
    let schema = Schema::of(&AirProgram::new(
        &model,
        shown.clone(),
        Counting::Summed,
        0.0,
    ));
    let optimizer = OptimizerConfig::default();
    let mut trained = Trained::new(model, &schema, "pathwise", &optimizer, device);
    let mut order = Order::new(0, set.train.len(), BATCH);
    let last = 600;
    trained.until(last, |model, step, run| {
        let batch = upload(&order.batch(step - 1));
        run(&AirProgram::new(model, batch, Counting::Summed, odds(step)));
    });
    let model = trained.model();
    let program = AirProgram::new(model, shown.clone(), Counting::Sampled, odds(last));
    let summed = AirProgram::new(model, shown, Counting::Summed, odds(last));
    let gradients = |surrogate: &Tensor<1>| gradients_in(model, "presence", surrogate);
    let task = Task {
        program: &summed,
        gradients: &gradients,
        device,
        calls: 1000,
        seconds: 10.0,
        seed: !seed,
    };
    let truth = average(&task, "pathwise", config.predict + 1);
    let task = Task {
        program: &program,
        calls: 200,
        seconds: 1.5,
        seed,
        ..task
    };
    table("d: presence in air/scenes, 600 steps", &task, &truth);
}
