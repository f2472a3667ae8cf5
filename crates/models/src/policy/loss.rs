//! Acting in an environment as a stochastic program.

use std::{borrow::Cow, cell::RefCell};

use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};
use unbiased_estimators::{Abilities, Choice, Mark, Noise, Program, Run, Site};

use super::{Actions, Episodes, Policy, Status};

/// The name of the site of all actions.
pub const SITE: &str = "action";

/// How long one run of the program is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Every row starts anew and acts until its episode is over.
    Episode,
    /// Every row goes on from where it was, for so many steps; one whose episode is over starts anew at the beginning
    /// and waits when it ends before the others.
    Steps(usize),
}

/// A [`Policy`] in parallel [`Episodes`]; running it moves them on.
#[derive(Clone)]
pub struct PolicyProgram<'a> {
    policy: Cow<'a, Policy>,
    episodes: &'a RefCell<Episodes>,
    /// Of the starts.
    noise: Noise,
    extent: Extent,
    /// Whether a row that was cut, and did not end, shows where: one more occurrence without any cost after it, active
    /// in these rows.
    bootstrap: bool,
    entropy: f64,
    device: Device,
}

impl<'a> PolicyProgram<'a> {
    /// `policy` in `episodes`, which start from `noise`, with a bonus of `entropy` per nat and step.
    #[must_use]
    pub fn new(
        policy: &'a Policy,
        episodes: &'a RefCell<Episodes>,
        noise: Noise,
        extent: Extent,
        bootstrap: bool,
        entropy: f64,
        device: &Device,
    ) -> Self {
        Self {
            policy: Cow::Borrowed(policy),
            episodes,
            noise,
            extent,
            bootstrap,
            entropy,
            device: device.clone().without_autodiff(),
        }
    }

    fn tensor(&self, numbers: Vec<f64>, width: usize) -> Tensor<2> {
        tensor(numbers, width, &self.device)
    }

    /// One choice of every row for which `active` is 1.
    fn choose(&self, run: &mut Run<'_>, episodes: &Episodes, active: &[f64]) -> (Choice, Step) {
        let seen = self.tensor(episodes.observations(), episodes.environment().features());
        let params = self.policy.forward(seen.clone());
        let mut site = Site::new(params.clone()).context(seen);
        let mask = active
            .contains(&0.0)
            .then(|| self.tensor(active.to_vec(), 1));
        if let Some(mask) = &mask {
            site = site.mask(mask.clone());
        }
        let choice = match self.policy.actions() {
            Actions::Discrete(classes) => run.categorical(SITE, classes, site),
            Actions::Continuous(_) => run.gaussian(SITE, site),
        };
        (choice, Step { params, mask })
    }

    /// `w sum_t -H(pi(. | s_t))`, `[rows]`, over the steps that were made.
    fn neg_entropy(&self, steps: Vec<Step>, rows: usize) -> Tensor<1> {
        let count = steps.len();
        let masked = steps.iter().any(|step| step.mask.is_some());
        let active: Vec<Tensor<2>> = if masked {
            let one = || Tensor::ones([rows, 1], &self.device);
            let masks = steps.iter();
            masks
                .map(|step| step.mask.clone().unwrap_or_else(one))
                .collect()
        } else {
            Vec::new()
        };
        let params = Tensor::cat(steps.into_iter().map(|step| step.params).collect(), 0);
        let neg_entropy = self
            .policy
            .law()
            .negative_entropy(params)
            .expect("laws of actions have an entropy");
        let neg_entropy = if masked {
            neg_entropy * Tensor::cat(active, 0).squeeze_dim::<1>(1)
        } else {
            neg_entropy
        };
        neg_entropy
            .reshape([count, rows])
            .sum_dim(0)
            .squeeze_dim::<1>(0)
            * self.entropy
    }
}

/// What the entropy of a step needs.
struct Step {
    params: Tensor<2>,
    mask: Option<Tensor<2>>,
}

/// `[rows, width]` on `device`.
pub(super) fn tensor(numbers: Vec<f64>, width: usize, device: &Device) -> Tensor<2> {
    let rows = numbers.len() / width;
    Tensor::from_data(TensorData::new(numbers, [rows, width]), device)
}

fn flags(episodes: &Episodes, set: impl Fn(Status) -> bool) -> Vec<f64> {
    let status = episodes.status().iter();
    status.map(|&s| f64::from(u8::from(set(s)))).collect()
}

impl Program for PolicyProgram<'_> {
    fn batch(&self) -> usize {
        self.episodes.borrow().rows()
    }

    fn device(&self) -> Device {
        self.device.clone()
    }

    fn run(&self, run: &mut Run<'_>) {
        assert_eq!(run.copies(), 1, "an environment runs once");
        let episodes = &mut *self.episodes.borrow_mut();
        let rows = episodes.rows();
        let fresh = self.extent == Extent::Episode;
        episodes.start(&self.noise, 0, fresh, &self.device);
        let most = match self.extent {
            Extent::Episode => episodes.environment().cap(),
            Extent::Steps(n) => n,
        };

        let mut steps = Vec::new();
        let mut costs: Vec<f64> = Vec::new();
        let mut marks: Vec<Mark> = Vec::new();
        while steps.len() < most && episodes.any_running() {
            let active = flags(episodes, |s| s == Status::Running);
            let (choice, step) = self.choose(run, episodes, &active);
            steps.push(step);
            let actions = choice.hard.into_data_as::<f64>().try_to_vec::<f64>();
            let rewards = episodes.step(&actions.expect("converted to f64"));
            costs.extend(rewards.iter().map(|r| -r));
            marks.push(run.mark());
        }
        let costs = self.tensor(costs, rows);
        for (t, mark) in marks.into_iter().enumerate() {
            let cost = costs.clone().narrow(0, t, 1).squeeze_dim::<1>(0);
            run.cost("reward", cost, mark);
        }
        if self.entropy > 0.0 {
            run.outside("entropy", self.neg_entropy(steps, rows));
        }
        if self.bootstrap {
            let cut = flags(episodes, |s| s != Status::Terminated);
            if cut.contains(&1.0) {
                self.choose(run, episodes, &cut);
            }
        }
    }

    fn frozen(&self) -> Box<dyn Program + '_> {
        Box::new(PolicyProgram {
            policy: Cow::Owned(self.policy.valid()),
            ..self.clone()
        })
    }

    fn abilities(&self) -> Abilities {
        Abilities::BLACK_BOX
    }
}
