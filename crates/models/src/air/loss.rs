//! Scenes as stochastic programs.

use std::borrow::Cow;

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use unbiased_estimators::{
    Key, Noise, Program, Role, Run, Site,
    law::{Bernoulli, Gaussian, Law},
};
use unbiased_kernels::softplus;

use super::{
    Air,
    config::{CountPrior, Input},
    transform::constant,
};

/// What becomes of the number of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// Presence bits are drawn: sites `presence`, `where` and `what`, one occurrence per step.
    Sampled,
    /// The count is summed over exactly: sites `where` and `what`.
    Summed,
}

/// An [`Air`] on a batch of images.
#[derive(Debug, Clone)]
pub struct AirProgram<'a> {
    model: Cow<'a, Air>,
    images: Tensor<2>,
    counting: Counting,
    ln_odds: f64,
}

impl<'a> AirProgram<'a> {
    /// `model` on `images` `[batch, pixels]`, which need no gradient. `ln_odds` is `ln k` of the prior of the count
    /// ([`CountPrior::ln_odds`]).
    #[must_use]
    pub fn new(model: &'a Air, images: Tensor<2>, counting: Counting, ln_odds: f64) -> Self {
        Self {
            model: Cow::Borrowed(model),
            images,
            counting,
            ln_odds,
        }
    }

    /// What the model makes of the images, without gradient: continuous latents at their means, or drawn from `noise`.
    #[must_use]
    pub fn explain(&self, noise: Option<&Noise>) -> Explanation {
        let model = self.model.valid();
        let images = self.images.clone().inner();
        let mut step = 0;
        let choose = |name: &str, site: Choosing| {
            let params = site.params;
            let Some(noise) = noise else {
                return Gaussian.mean(params);
            };
            let [rows, width] = params.dims();
            // `where` and `what` take turns.
            let key = Key::new(name, step / 2);
            step += 1;
            let draw = noise.draw(
                Gaussian.noise(),
                &key,
                Role::Choice,
                1,
                1,
                rows,
                width / 2,
                &params.device(),
            );
            Gaussian.sample(params, draw)
        };
        let mut guide = Summed::new(&model, choose, &images.device());
        unroll(&model, images.clone(), &mut guide);
        guide.finish(&model, images, self.ln_odds)
    }
}

impl Program for AirProgram<'_> {
    fn batch(&self) -> usize {
        self.images.dims()[0]
    }

    fn device(&self) -> Device {
        self.images.device()
    }

    fn run(&self, run: &mut Run<'_>) {
        let model = &*self.model;
        let images = run.rows(self.images.clone());
        match self.counting {
            Counting::Sampled => {
                let canvas = {
                    let mut guide = Sampled::new(model, run, self.ln_odds, &images);
                    unroll(model, images.clone(), &mut guide)
                };
                run.log_lik("image", log_lik(canvas, images, model.config().sigma));
            }
            Counting::Summed => {
                let choose = |name: &str, site: Choosing| {
                    run.gaussian(name, Site::new(site.params).context(site.context))
                        .value
                };
                let mut guide = Summed::new(model, choose, &images.device());
                unroll(model, images.clone(), &mut guide);
                let scene = guide.finish(model, images, self.ln_odds);
                for (key, cost) in scene.costs() {
                    run.cost(key, cost, run.mark());
                }
            }
        }
    }

    fn frozen(&self) -> Box<dyn Program + '_> {
        Box::new(AirProgram {
            model: Cow::Owned(self.model.valid()),
            images: self.images.clone(),
            counting: self.counting,
            ln_odds: self.ln_odds,
        })
    }
}

/// A request for a choice: the parameters of its law, and what a baseline may see.
struct Choosing {
    params: Tensor<2>,
    context: Tensor<2>,
}

/// Who makes the choices of each step, in the order of the methods.
trait Guide {
    /// Whether there is one more object, `[rows, 1]`; 0 once there was none. Parameters are the logit.
    fn presence(&mut self, site: Choosing) -> Tensor<2>;
    /// Its place, `[rows, 3]`.
    fn place(&mut self, site: Choosing) -> Tensor<2>;
    /// Its appearance, `[rows, what]`.
    fn what(&mut self, site: Choosing) -> Tensor<2>;
    /// The canvas with the object on it, `[rows, pixels]`.
    fn drawn(&mut self, _canvas: &Tensor<2>) {}
}

/// Infers `N` objects and draws them; gives the canvas, `[rows, pixels]`.
fn unroll(model: &Air, images: Tensor<2>, guide: &mut dyn Guide) -> Tensor<2> {
    let config = model.config();
    let (rows, device) = (images.dims()[0], images.device());
    let window = model.window();
    let expected_place = model.place_prior(&device).narrow(1, 0, 3);
    let mut canvas = Tensor::zeros([rows, config.pixels()], &device);
    let mut object = Tensor::zeros([rows, config.object()], &device);
    let mut state = model.start(rows, &device);
    let mut seen = images.clone();
    let mut features = model.features(seen.clone());
    let mut gates = model.gates(features.clone());
    for step in 0..config.steps {
        if step > 0 && config.input == Input::Residual {
            seen = images.clone() - canvas.clone();
            features = model.features(seen.clone());
            gates = model.gates(features.clone());
        }
        state = model.advance(gates.clone(), object.clone(), state);
        let (logit, place) = model.heads(state.hidden.clone());

        let clock = (0..config.steps).map(|i| f64::from(u8::from(i == step)));
        let clock = constant(clock.collect(), [1, config.steps], &device);
        let context = Tensor::cat(
            vec![
                features.clone().inner(),
                state.hidden.clone().inner(),
                object.inner(),
                clock.expand([rows, config.steps]),
            ],
            1,
        );
        let choosing = |params: Tensor<2>| Choosing {
            params,
            context: context.clone(),
        };
        let present = guide.presence(choosing(logit));
        let place = guide.place(choosing(place));
        let glimpse = window.crop(seen.clone(), place.clone());
        let what = guide.what(Choosing {
            params: model.describe(glimpse),
            context: Tensor::cat(vec![context.clone(), place.clone().inner()], 1),
        });
        let shown = window.paste(model.draw(what.clone()), place.clone());
        canvas = canvas + present.clone() * shown;
        guide.drawn(&canvas);
        object = Tensor::cat(vec![place - expected_place.clone(), what, present], 1);
    }
    canvas
}

/// Presence bits are choices of the run; what follows an absent one is inactive.
struct Sampled<'r, 'a> {
    run: &'r mut Run<'a>,
    going: Tensor<2>,
    presence_logits: std::vec::IntoIter<f64>,
    place_prior: Tensor<2>,
    what_prior: Tensor<2>,
}

impl<'r, 'a> Sampled<'r, 'a> {
    fn new(model: &Air, run: &'r mut Run<'a>, ln_odds: f64, images: &Tensor<2>) -> Self {
        let device = images.device();
        let config = model.config();
        Self {
            run,
            going: Tensor::ones([images.dims()[0], 1], &device),
            presence_logits: CountPrior::presence_logits(ln_odds, config.steps).into_iter(),
            place_prior: model.place_prior(&device),
            what_prior: Tensor::zeros([1, 2 * config.what], &device),
        }
    }
}

impl Guide for Sampled<'_, '_> {
    fn presence(&mut self, site: Choosing) -> Tensor<2> {
        let prior = self.presence_logits.next().expect("one logit per step");
        let prior = constant(vec![prior], [1, 1], &site.params.device());
        let site = Site::new(site.params)
            .prior(prior)
            .mask(self.going.clone())
            .context(site.context);
        self.going = self.run.bernoulli("presence", site).value;
        self.going.clone()
    }

    fn place(&mut self, site: Choosing) -> Tensor<2> {
        let rows = site.params.dims()[0];
        // An object that is not there lies where the prior expects it: its scale stays away from 0.
        let nowhere = self.place_prior.clone().narrow(1, 0, 3).expand([rows, 3]);
        let site = Site::new(site.params)
            .prior(self.place_prior.clone())
            .mask(self.going.clone())
            .forced(nowhere)
            .context(site.context);
        self.run.gaussian("where", site).value
    }

    fn what(&mut self, site: Choosing) -> Tensor<2> {
        let site = Site::new(site.params)
            .prior(self.what_prior.clone())
            .mask(self.going.clone())
            .context(site.context);
        self.run.gaussian("what", site).value
    }
}

/// All objects are there; logits, divergences and canvases are kept for the sum over the count.
struct Summed<F> {
    choose: F,
    place_prior: Tensor<2>,
    what_prior: Tensor<2>,
    logits: Vec<Tensor<2>>,
    kl_where: Vec<Tensor<2>>,
    kl_what: Vec<Tensor<2>>,
    places: Vec<Tensor<2>>,
    canvases: Vec<Tensor<2>>,
}

impl<F: FnMut(&str, Choosing) -> Tensor<2>> Summed<F> {
    fn new(model: &Air, choose: F, device: &Device) -> Self {
        Self {
            choose,
            place_prior: model.place_prior(device),
            what_prior: Tensor::zeros([1, 2 * model.config().what], device),
            logits: Vec::new(),
            kl_where: Vec::new(),
            kl_what: Vec::new(),
            places: Vec::new(),
            canvases: Vec::new(),
        }
    }

    fn finish(self, model: &Air, images: Tensor<2>, ln_odds: f64) -> Explanation {
        let [rows, pixels] = images.dims();
        let sigma = model.config().sigma;
        let steps = self.logits.len();
        let device = images.device();
        let prior = CountPrior::presence_logits(ln_odds, steps);
        let kl_presence = self.logits.iter().zip(prior).map(|(logit, prior)| {
            let prior = constant(vec![prior], [1, 1], &device);
            divergence(&Bernoulli, logit.clone(), prior)
        });
        let kl_presence = Tensor::cat(kl_presence.collect(), 1);
        let logits = Tensor::cat(self.logits, 1);
        let none = Tensor::zeros([rows, 1], &device);
        // ln q(n >= i), i = 0..=N; ln q(n) = ln q(n >= n) + ln (1 - p_{n+1}).
        let present = softplus(logits.clone().neg()).neg().cumsum(1);
        let reached = Tensor::cat(vec![none.clone(), present], 1);
        let ends = Tensor::cat(vec![softplus(logits).neg(), none], 1);
        let log_counts = reached.clone() + ends;
        let reached = reached.exp();

        let empty = Tensor::zeros([rows, pixels], &device);
        let canvases: Vec<_> = std::iter::once(empty).chain(self.canvases).collect();
        // One by one: in one batch they and as many copies of the images would have to be copied together first.
        let log_liks = canvases
            .iter()
            .map(|canvas| log_lik(canvas.clone(), images.clone(), sigma).unsqueeze_dim::<2>(1));
        let log_liks = Tensor::cat(log_liks.collect(), 1);
        let before = reached.clone().narrow(1, 0, steps);
        let after = reached.narrow(1, 1, steps);
        let total = |x: Tensor<2>| x.sum_dim(1).squeeze_dim::<1>(1);
        Explanation {
            neg_log_lik: total(log_counts.clone().exp() * log_liks).neg(),
            kl_count: total(before * kl_presence),
            kl_where: total(after.clone() * Tensor::cat(self.kl_where, 1)),
            kl_what: total(after * Tensor::cat(self.kl_what, 1)),
            log_counts,
            canvases,
            places: Tensor::stack(self.places, 0),
        }
    }
}

impl<F: FnMut(&str, Choosing) -> Tensor<2>> Guide for Summed<F> {
    fn presence(&mut self, site: Choosing) -> Tensor<2> {
        self.logits.push(site.params.clone());
        site.params.inner().ones_like()
    }

    fn place(&mut self, site: Choosing) -> Tensor<2> {
        let kl = divergence(&Gaussian, site.params.clone(), self.place_prior.clone());
        self.kl_where.push(kl);
        let place = (self.choose)("where", site);
        self.places.push(place.clone());
        place
    }

    fn what(&mut self, site: Choosing) -> Tensor<2> {
        let kl = divergence(&Gaussian, site.params.clone(), self.what_prior.clone());
        self.kl_what.push(kl);
        (self.choose)("what", site)
    }

    fn drawn(&mut self, canvas: &Tensor<2>) {
        self.canvases.push(canvas.clone());
    }
}

/// What a model makes of images when the count is summed over. Costs are `[rows]`, in nats.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// `-sum_n q(n) ln p(x | C_n)`.
    pub neg_log_lik: Tensor<1>,
    /// `KL(q(n) || p(n))`.
    pub kl_count: Tensor<1>,
    /// `sum_i q(n >= i) KL(where_i)`.
    pub kl_where: Tensor<1>,
    /// `sum_i q(n >= i) KL(what_i)`.
    pub kl_what: Tensor<1>,
    /// `ln q(n)`, `[rows, N + 1]`.
    pub log_counts: Tensor<2>,
    /// `C_n` for `n` in `0..=N`, `[rows, pixels]` each.
    pub canvases: Vec<Tensor<2>>,
    /// Place of object `i` if there is one, `[N, rows, 3]`.
    pub places: Tensor<3>,
}

impl Explanation {
    /// The parts of the cost, whose sum is `-ELBO`.
    #[must_use]
    pub fn costs(&self) -> [(&'static str, Tensor<1>); 4] {
        [
            ("neg_log_lik", self.neg_log_lik.clone()),
            ("kl_count", self.kl_count.clone()),
            ("kl_where", self.kl_where.clone()),
            ("kl_what", self.kl_what.clone()),
        ]
    }
}

/// `KL(params || prior)` as a column, `[rows, 1]`.
fn divergence(law: &dyn Law, params: Tensor<2>, prior: Tensor<2>) -> Tensor<2> {
    law.kl(params, prior)
        .expect("the law has a divergence in closed form")
        .unsqueeze_dim::<2>(1)
}

/// `ln N(images; canvas, sigma^2 I)`, `[rows, pixels] -> [rows]`.
fn log_lik(canvas: Tensor<2>, images: Tensor<2>, sigma: f64) -> Tensor<1> {
    let pixels = images.dims()[1] as f64;
    let constant = -pixels * (sigma * (2.0 * std::f64::consts::PI).sqrt()).ln();
    let squares = (images - canvas).square().sum_dim(1).squeeze_dim::<1>(1);
    squares * (-0.5 / (sigma * sigma)) + constant
}
