//! Small scenes in f64: the transformer against a naive sampler, the sum over the count against enumeration, gradients
//! against finite differences, and every estimator of presence against the gradient of the sum over the count.

use std::sync::OnceLock;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Device, FloatDType, IntDType, Tensor, TensorData};
use unbiased_estimators::{
    Draw, Estimate, Estimator, EstimatorConfig, Key, Noise, Objective, Schema, SiteSchema, Sited,
    Weighing, execute,
    rules::{At, Gradient, Rule, pathwise::Pathwise, rloo::Rloo},
};
use unbiased_models::air::{Air, AirConfig, AirProgram, CountPrior, Counting, Input, Window};

/// Flex in f64; the first use in this process sets it.
fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    DEVICE
        .get_or_init(|| {
            let mut device = Device::flex();
            device
                .configure((FloatDType::F64, IntDType::I64))
                .expect("first use of the device");
            device
        })
        .clone()
}

/// `ln k` of the prior in all tests: neither end of the chain is negligible.
const LN_ODDS: f64 = -0.7;

/// Scenes of 6x6 with windows of 4x4; pixels so uncertain that every count keeps some probability.
fn config(input: Input) -> AirConfig {
    AirConfig {
        canvas: 6,
        window: 4,
        steps: 3,
        embed: vec![4],
        lstm: 3,
        predict: 4,
        what: 2,
        glimpse: vec![4],
        input,
        sigma: 0.8,
        scale: 0.6,
        scale_std: 0.3,
        presence_bias: 0.4,
        decoder_bias: -0.5,
        place_std: 0.3,
        exploration: 0.01,
        ..AirConfig::default()
    }
}

/// A network whose weights are large enough that nothing in the objective is nearly linear.
fn network(config: &AirConfig) -> Air {
    let net = Air::new(config, 3, &device().autodiff());
    Shift {
        index: None,
        by: 0.1,
        scale: 1.3,
        next: 0,
    }
    .apply(net)
}

fn upload(values: Vec<f64>, shape: [usize; 2]) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), (&device(), DType::F64))
}

/// `copies` of an image with two blots.
fn images(copies: usize) -> Tensor<2> {
    let pixel = |i: usize| match (i / 6, i % 6) {
        (0..3, 1..4) => 0.9 - 0.1 * (i % 5) as f64,
        (3..6, 4..6) => 0.7,
        _ => 0.05 * (i % 3) as f64,
    };
    upload((0..36).map(pixel).collect(), [1, 36]).repeat_dim(0, copies)
}

fn host<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().try_to_vec::<f64>().expect("f64")
}

/// Cost of every image, and the gradient of their mean in the order of the parameters.
fn estimate(
    net: &Air,
    estimator: &mut dyn Estimator,
    counting: Counting,
    batch: usize,
    step: u64,
) -> (Vec<f64>, Vec<f64>) {
    let program = AirProgram::new(net, images(batch), counting, LN_ODDS);
    let estimate = estimator.estimate(&program, &Noise::new(5, step));
    let gradients = estimate.surrogate.backward();
    let mut collect = Collect {
        gradients: &gradients,
        values: Vec::new(),
    };
    net.visit(&mut collect);
    (host(estimate.cost), collect.values)
}

fn build(net: &Air, name: &str, counting: Counting, objective: Objective) -> Box<dyn Estimator> {
    let program = AirProgram::new(net, images(1), counting, LN_ODDS);
    let config = EstimatorConfig {
        hidden: 4,
        ..EstimatorConfig::named(name)
    };
    config
        .build(&Schema::of(&program), objective, &device().autodiff())
        .expect("the estimator is defined")
}

fn summed(net: &Air, batch: usize, step: u64) -> (Vec<f64>, Vec<f64>) {
    let mut estimator = build(net, "pathwise", Counting::Summed, Objective::default());
    estimate(net, &mut *estimator, Counting::Summed, batch, step)
}

struct Collect<'a> {
    gradients: &'a burn::tensor::Gradients,
    values: Vec<f64>,
}

impl ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let size = param.val().shape().num_elements();
        match param.val().grad(self.gradients) {
            Some(g) => self.values.extend(host(g)),
            None => self.values.extend(std::iter::repeat_n(0.0, size)),
        }
    }
}

/// Scales every number, and adds `by` to number `index`, or a pattern of that size to all.
struct Shift {
    index: Option<usize>,
    by: f64,
    scale: f64,
    next: usize,
}

impl Shift {
    fn apply(mut self, net: Air) -> Air {
        net.map(&mut self)
    }
}

impl ModuleMapper for Shift {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| {
            let device = tensor.device();
            let data = tensor.into_data();
            let shape = data.shape().clone();
            let mut values = data.try_to_vec::<f64>().expect("f64");
            for value in &mut values {
                let own = match self.index {
                    None => self.by * (1.0 + self.next as f64).sin(),
                    Some(index) if index == self.next => self.by,
                    Some(_) => 0.0,
                };
                *value = *value * self.scale + own;
                self.next += 1;
            }
            Tensor::from_data(TensorData::new(values, shape), (&device, DType::F64)).require_grad()
        })
    }
}

/// Bilinear interpolation of a square picture at a point in pixels, 0 outside.
fn bilinear(picture: &[f64], side: usize, row: f64, column: f64) -> f64 {
    let at = |r: f64, c: f64| {
        let inside = |x: f64| x >= 0.0 && x < side as f64;
        if inside(r) && inside(c) {
            picture[r as usize * side + c as usize]
        } else {
            0.0
        }
    };
    let (r, c) = (row.floor(), column.floor());
    let (fr, fc) = (row - r, column - c);
    (1.0 - fr) * ((1.0 - fc) * at(r, c) + fc * at(r, c + 1.0))
        + fr * ((1.0 - fc) * at(r + 1.0, c) + fc * at(r + 1.0, c + 1.0))
}

/// Samples `picture` at every pixel of a square of `to` pixels: its point `X` is point `slope X + shift` of the picture.
fn naive(picture: &[f64], from: usize, to: usize, slope: f64, shift: [f64; 2]) -> Vec<f64> {
    let source = |pixel: usize, shift: f64| {
        let point = (2 * pixel + 1) as f64 / to as f64 - 1.0;
        ((slope * point + shift + 1.0) * from as f64 - 1.0) / 2.0
    };
    (0..to * to)
        .map(|i| {
            let row = source(i / to, shift[1]);
            bilinear(picture, from, row, source(i % to, shift[0]))
        })
        .collect()
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max)
}

#[test]
fn the_transformer_samples_bilinearly() {
    let window = Window {
        canvas: 7,
        window: 4,
    };
    let picture = |n: usize| -> Vec<f64> { (0..n).map(|i| (i as f64 * 1.7).sin()).collect() };
    let (canvas, object) = (picture(49), picture(16));
    let places = [
        [-0.6, 0.3, -0.2],
        [-0.1, -0.7, 0.5],
        [0.3, 0.1, 1.4],
        [-2.0, 0.0, 0.05],
    ];
    let rows = places.len();
    let place = upload(places.concat(), [rows, 3]);
    let crops = window.crop(
        upload(canvas.clone(), [1, 49]).repeat_dim(0, rows),
        place.clone(),
    );
    let pastes = window.paste(upload(object.clone(), [1, 16]).repeat_dim(0, rows), place);
    let (crops, pastes) = (host(crops), host(pastes));
    for (row, [log_scale, x, y]) in places.into_iter().enumerate() {
        let s = log_scale.exp();
        let crop = naive(&canvas, 7, 4, s, [x, y]);
        let paste = naive(&object, 4, 7, 1.0 / s, [-x / s, -y / s]);
        assert!(largest_difference(&crops[row * 16..][..16], &crop) < 1e-12);
        assert!(largest_difference(&pastes[row * 49..][..49], &paste) < 1e-12);
        // The check can fail: the axes exchanged.
        let mutant = naive(&canvas, 7, 4, s, [y, x]);
        assert!(largest_difference(&crops[row * 16..][..16], &mutant) > 1e-2);
    }
}

/// Where the pixels of window and canvas coincide, pasting copies and cropping gets the copy back.
#[test]
fn pasting_and_cropping_is_the_identity_on_coinciding_pixels() {
    let window = Window {
        canvas: 8,
        window: 4,
    };
    let object: Vec<f64> = (0..16).map(|i| 1.0 + f64::from(i)).collect();
    // s = 4/8; shifted by one pixel to the right and two up from the middle: 1/4 and -2/4 of the half canvas.
    let place = upload(vec![0.5_f64.ln(), 0.25, -0.5], [1, 3]);
    let canvas = window.paste(upload(object.clone(), [1, 16]), place.clone());
    let back = host(window.crop(canvas.clone(), place));
    assert!(largest_difference(&back, &object) < 1e-12);
    let canvas = host(canvas);
    for (i, value) in canvas.iter().enumerate() {
        let (row, column) = (i / 8, i % 8);
        // The middle window has its corner at (2, 2).
        let inside = row < 4 && (3..7).contains(&column);
        let expected = if inside {
            object[row * 4 + column - 3]
        } else {
            0.0
        };
        assert!((value - expected).abs() < 1e-12);
    }
}

/// `q(n)` from the logits by its definition, and the divergence from the table of the prior.
#[test]
fn counts_are_a_law_and_their_divergence_is_that_of_the_table() {
    let net = network(&config(Input::Image));
    let explanation = AirProgram::new(&net, images(1), Counting::Summed, LN_ODDS)
        .explain(Some(&Noise::new(1, 0)));
    let q: Vec<f64> = host(explanation.log_counts)
        .into_iter()
        .map(f64::exp)
        .collect();
    assert!((q.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    assert!(q.iter().all(|&q| q > 0.01), "a count is negligible: {q:?}");
    let weights =
        |ln_odds: f64| -> Vec<f64> { (0..4).map(|n| (f64::from(n) * ln_odds).exp()).collect() };
    let divergence = |ln_odds: f64| -> f64 {
        let weights = weights(ln_odds);
        let total: f64 = weights.iter().sum();
        q.iter()
            .zip(weights)
            .map(|(q, w)| q * (q / (w / total)).ln())
            .sum()
    };
    let ours = host(explanation.kl_count)[0];
    assert!((ours - divergence(LN_ODDS)).abs() < 1e-10);
    assert!((ours - divergence(LN_ODDS + 0.05)).abs() > 1e-4);
    // A prior without a conditional part, the same logit at every step, has another divergence.
    let logits = CountPrior::presence_logits(LN_ODDS, 3);
    assert!(logits[0] > logits[1] && logits[1] > logits[2]);
    assert!((logits[2] - LN_ODDS).abs() < 1e-12);
}

#[test]
fn the_prior_moves_from_its_first_to_its_last_value() {
    let prior = CountPrior {
        start: 1e4,
        end: 1e-2,
        hold: 10,
        anneal: 100,
    };
    let log10 = |step| prior.ln_odds(step) / 10.0_f64.ln();
    for (step, expected) in [(1, 4.0), (10, 4.0), (60, 1.0), (110, -2.0), (1000, -2.0)] {
        assert!((log10(step) - expected).abs() < 1e-12, "{step}");
    }
    let ends = CountPrior::presence_logits(prior.ln_odds(1), 3);
    assert!(ends.iter().all(|logit| logit.is_finite() && *logit > 9.0));
}

/// The same noise on all eight paths: the sum over the count is what enumeration gives.
#[test]
fn the_sum_over_the_count_is_enumeration_of_the_presence_bits() {
    for input in [Input::Image, Input::Residual] {
        let net = network(&config(input));
        let mut exact = build(&net, "exact", Counting::Sampled, Objective::default());
        let (costs, gradient) = estimate(&net, &mut *exact, Counting::Sampled, 2, 1);
        let (ours, our_gradient) = summed(&net, 2, 1);
        assert!(largest_difference(&costs, &ours) < 1e-10, "{input:?}");
        let difference = largest_difference(&gradient, &our_gradient);
        assert!(difference < 1e-9, "{input:?}: {difference:e}");
        assert!(gradient.iter().any(|g| g.abs() > 1.0));
        // The check can fail: other noise.
        let (other, other_gradient) = summed(&net, 2, 2);
        assert!(largest_difference(&costs, &other) > 1e-3);
        assert!(largest_difference(&gradient, &other_gradient) > 1e-3);
    }
}

/// Largest difference between the gradient and central differences, over the largest entry.
fn worst(net: &Air, gradient: &[f64]) -> f64 {
    const H: f64 = 1e-5;
    let at = |index, by| {
        let net = Shift {
            index: Some(index),
            by,
            scale: 1.0,
            next: 0,
        }
        .apply(net.clone());
        summed(&net, 1, 1).0[0]
    };
    let largest = gradient.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
    (0..gradient.len())
        .map(|i| ((at(i, H) - at(i, -H)) / (2.0 * H) - gradient[i]).abs() / largest)
        .fold(0.0, f64::max)
}

#[test]
fn gradients_equal_finite_differences() {
    for input in [Input::Image, Input::Residual] {
        let net = network(&config(input));
        let (_, mut gradient) = summed(&net, 1, 1);
        let error = worst(&net, &gradient);
        assert!(error < 1e-7, "{input:?}: {error:e}");
        // The check can fail: one entry wrong by 5 %.
        let largest = gradient
            .iter_mut()
            .max_by(|a, b| a.abs().total_cmp(&b.abs()))
            .expect("parameters");
        *largest *= 1.05;
        assert!(worst(&net, &gradient) > 1e-3);
    }
}

/// With presence certain, masks change nothing: both programs have the same bound, drawn bits or not.
#[test]
fn masks_change_nothing_where_every_object_is_present() {
    let certain = |bias| {
        network(&AirConfig {
            presence_bias: bias,
            exploration: 0.0,
            ..config(Input::Image)
        })
    };
    let costs = |net: &Air| {
        let pathwise = |_: usize, key: &Key| match &*key.name {
            "presence" => Draw::Hard,
            _ => Draw::Pathwise,
        };
        let program = AirProgram::new(net, images(3), Counting::Sampled, LN_ODDS);
        let noise = Noise::new(5, 1);
        let trace = execute(&program, 1, 1, Weighing::Analytic, &pathwise, &noise);
        let present = trace
            .sites
            .iter()
            .filter(|site| &*site.key.name == "presence");
        let bits = present.map(|site| host(site.hard.clone()).iter().sum::<f64>());
        (host(trace.cost()), bits.sum::<f64>())
    };
    let net = certain(45.0);
    let (drawn, bits) = costs(&net);
    assert_eq!(bits, 9.0);
    let (ours, _) = summed(&net, 3, 1);
    assert!(largest_difference(&drawn, &ours) < 1e-10);
    // With presence uncertain they differ.
    let net = certain(0.0);
    assert!(largest_difference(&costs(&net).0, &summed(&net, 3, 1).0) > 1e-2);
}

/// Copies of one image in a batch, which gives one estimate of the gradient.
const BATCH: usize = 32;

/// The largest |z| over parameters of the mean difference of two estimates of one gradient, over `batches` batches.
/// Both see the same noise in the continuous choices, which takes most of their variance out of the difference.
fn largest_z(
    batches: u64,
    mut estimate: impl FnMut(u64) -> Vec<f64>,
    mut reference: impl FnMut(u64) -> Vec<f64>,
) -> f64 {
    let (mut sums, mut squares): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    for step in 0..batches {
        let (a, b) = (estimate(step), reference(step));
        sums.resize(a.len(), 0.0);
        squares.resize(a.len(), 0.0);
        for (i, (a, b)) in a.iter().zip(b).enumerate() {
            sums[i] += a - b;
            squares[i] += (a - b).powi(2);
        }
    }
    let n = batches as f64;
    let z = |sum: f64, square: f64| {
        let mean = sum / n;
        let variance = (square / n - mean * mean) * n / (n - 1.0);
        // Parameters that presence does not reach differ by rounding only.
        if variance < 1e-20 {
            0.0
        } else {
            mean / (variance / n).sqrt()
        }
    };
    sums.iter()
        .zip(&squares)
        .map(|(&sum, &square)| z(sum, square).abs())
        .fold(0.0, f64::max)
}

/// About 600 parameters and twelve assertions: Student's law with 149 degrees of freedom exceeds 7 with probability 8e-11,
/// so that unbiased estimators fail one time in a million. A bias of 10.1 standard errors is missed one time in a
/// thousand; what that is can be seen from the mutants.
const CRITICAL: f64 = 7.0;
const BATCHES: u64 = 150;

fn z_of(name: &str) -> f64 {
    let net = network(&config(Input::Image));
    let mut estimator = build(&net, name, Counting::Sampled, Objective::default());
    if name.starts_with("rebar") || name.starts_with("relax") {
        // Tuning changes no expectation and costs three times as much as the estimate.
        disturb(&mut *estimator);
        estimator.freeze();
    }
    z_against_sum(&net, &mut *estimator)
}

/// Moves what the estimator owns away from its start, where the output of a network is 0.
fn disturb(estimator: &mut dyn Estimator) {
    let owned = estimator.owned().map(&mut Shift {
        index: None,
        by: 0.2,
        scale: 1.0,
        next: 0,
    });
    estimator.set_owned(owned);
}

fn z_against_sum(net: &Air, estimator: &mut dyn Estimator) -> f64 {
    largest_z(
        BATCHES,
        |step| estimate(net, estimator, Counting::Sampled, BATCH, step).1,
        |step| summed(net, BATCH, step).1,
    )
}

fn check(names: &[&str]) {
    for name in names {
        let z = z_of(name);
        println!("{name}: largest |z| {z:.2}");
        assert!(z < CRITICAL, "{name}: {z:.2}");
    }
}

#[test]
fn score_functions_have_the_gradient_of_the_sum() {
    check(&["reinforce", "moving-average", "nvil"]);
}

#[test]
fn pairs_of_samples_have_the_gradient_of_the_sum() {
    check(&["rloo", "disarm", "measure-valued"]);
}

#[test]
fn relaxed_control_variates_have_the_gradient_of_the_sum() {
    check(&["rebar", "rebar-two-branch"]);
}

#[test]
fn learned_control_variates_have_the_gradient_of_the_sum() {
    check(&["relax", "relax-two-branch", "rebar-relax"]);
}

/// A rule with its gradient scaled.
struct Scaled(Rloo, f64);

impl Rule for Scaled {
    fn check(&self, site: &SiteSchema, schema: &Schema, at: &Objective) -> Result<(), String> {
        self.0.check(site, schema, at)
    }

    fn samples(&self) -> usize {
        self.0.samples()
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let gradient = self.0.gradient(at)?;
        Some(Gradient {
            logits: gradient.logits * self.1,
            ..gradient
        })
    }
}

#[test]
fn the_comparison_catches_biased_estimators() {
    let net = network(&config(Input::Image));
    let program = AirProgram::new(&net, images(1), Counting::Sampled, LN_ODDS);
    let schema = Schema::of(&program);
    let scaled = |factor| {
        let rules: Vec<(_, Box<dyn Rule>)> = vec![
            ("presence".into(), Box::new(Scaled(Rloo { k: 2 }, factor))),
            ("where".into(), Box::new(Pathwise)),
            ("what".into(), Box::new(Pathwise)),
        ];
        Sited::new(rules, &schema, Objective::default())
    };
    let z = z_against_sum(&net, &mut scaled(0.8));
    println!("rloo times 0.8: largest |z| {z:.2}");
    assert!(z > CRITICAL, "{z:.2}");
    let z = z_of("concrete");
    println!("concrete: largest |z| {z:.2}");
    assert!(z > CRITICAL, "{z:.2}");
}

/// The bound of three samples has no sum to compare with; REINFORCE is another unbiased estimator of its gradient.
#[test]
fn vimco_agrees_with_reinforce_under_a_bound() {
    let objective = Objective::LogMeanWeight { k: 3 };
    let net = network(&config(Input::Image));
    let z = |ours: &str, theirs: Objective| {
        let mut ours = build(&net, ours, Counting::Sampled, objective);
        let mut reinforce = build(&net, "reinforce", Counting::Sampled, theirs);
        largest_z(
            BATCHES,
            |step| estimate(&net, &mut *ours, Counting::Sampled, BATCH, step).1,
            |step| estimate(&net, &mut *reinforce, Counting::Sampled, BATCH, step).1,
        )
    };
    let agreement = z("vimco", objective);
    println!("vimco: largest |z| {agreement:.2}");
    assert!(agreement < CRITICAL, "{agreement:.2}");
    // The check can fail: the bound of two samples has another gradient.
    let other = z("vimco", Objective::LogMeanWeight { k: 2 });
    println!("vimco against the bound of two: largest |z| {other:.2}");
    assert!(other > CRITICAL, "{other:.2}");
}

/// Reweighted wake-sleep follows no gradient of the bound; its rule does, at every bit: `-2 k w~ d ln q(b)`, where the tape of the bound holds the
/// rest, and what presence does not reach has the gradient of the bound.
#[test]
fn wake_updates_are_weighted_scores_and_leave_the_rest_to_the_bound() {
    const K: usize = 3;
    let objective = Objective::LogMeanWeight { k: K };
    let net = network(&config(Input::Image));
    let program = AirProgram::new(&net, images(2), Counting::Sampled, LN_ODDS);
    let noise = Noise::new(5, 1);
    let given =
        |name: &str| build(&net, name, Counting::Sampled, objective).estimate(&program, &noise);
    let (rws, vimco) = (given("rws"), given("vimco"));
    let draw = |_: usize, key: &Key| match &*key.name {
        "presence" => Draw::Hard,
        _ => Draw::Pathwise,
    };
    let trace = execute(&program, K, K, Weighing::Sampled, &draw, &noise);
    let costs = host(trace.cost());
    let mut largest = 0.0_f64;
    for (key, logits) in &rws.logit_gradients {
        let site = trace
            .sites
            .iter()
            .find(|site| site.key == *key)
            .expect("the same run");
        let (a, b) = (host(site.params.clone()), host(site.hard.clone()));
        let active = site.active.clone().map_or(vec![1.0; a.len()], host);
        let ours = host(logits.clone());
        for row in 0..2 * K {
            let total: f64 = (0..K).map(|k| (-costs[k * 2 + row % 2]).exp()).sum();
            let weight = (-costs[row]).exp() / total;
            let score = b[row] - 1.0 / (1.0 + (-a[row]).exp());
            let by_hand = -2.0 * K as f64 * weight * score * active[row];
            largest = largest.max(by_hand.abs());
            assert!(
                (ours[row] - by_hand).abs() < 1e-9,
                "{key}: {} for {by_hand}",
                ours[row]
            );
        }
    }
    assert!(largest > 0.1, "nothing to see: {largest}");

    let gradient = |estimate: &Estimate| {
        let gradients = estimate.surrogate.backward();
        let mut collect = Collect {
            gradients: &gradients,
            values: Vec::new(),
        };
        net.visit(&mut collect);
        collect.values
    };
    let (rws, vimco) = (gradient(&rws), gradient(&vimco));
    // The decoder stands last, 2 -> 4 -> 16; presence reaches all that comes before through the LSTM.
    let decoder = rws.len() - (2 * 4 + 4 + 4 * 16 + 16);
    assert!(largest_difference(&rws[decoder..], &vimco[decoder..]) < 1e-12);
    assert!(rws[decoder..].iter().any(|g| g.abs() > 1e-2));
    assert!(largest_difference(&rws[..decoder], &vimco[..decoder]) > 1e-2);
}

#[test]
fn scenes_of_the_model_have_their_objects_and_follow_the_noise() {
    let net = network(&config(Input::Image));
    let sample = |seed| host(net.sample(&[0, 1, 3], &Noise::new(seed, 0)));
    assert_eq!(sample(1), sample(1));
    assert_ne!(sample(1), sample(2));
    let pixels = sample(1);
    assert_eq!(pixels.len(), 3 * 36);
    assert!(pixels[..36].iter().all(|&p| p == 0.0));
    assert!(pixels[36..72].iter().all(|p| (0.0..=1.0).contains(p)));
    assert!(pixels.iter().all(|p| (0.0..=3.0).contains(p)));
}

#[test]
fn settings_out_of_range_are_named() {
    let ok = AirConfig::default;
    for (bad, key) in [
        (AirConfig { window: 0, ..ok() }, "window"),
        (AirConfig { steps: 0, ..ok() }, "steps"),
        (
            AirConfig {
                glimpse: vec![0],
                ..ok()
            },
            "glimpse",
        ),
        (AirConfig { sigma: 0.0, ..ok() }, "sigma"),
        (
            AirConfig {
                exploration: 1.0,
                ..ok()
            },
            "exploration",
        ),
        (
            AirConfig {
                presence_bias: f64::NAN,
                ..ok()
            },
            "presence_bias",
        ),
        (
            AirConfig {
                objective: Objective::LogMeanWeight { k: 0 },
                ..ok()
            },
            "objective.k",
        ),
    ] {
        assert_eq!(bad.check().expect_err("out of range").key, key);
    }
}
