//! The machine on a batch of sequences as a stochastic program.

use std::borrow::Cow;

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use unbiased_estimators::{Program, Run, Site};
use unbiased_kernels::bernoulli_log_lik;

use super::{
    Ntm,
    config::{Address, MOST_HEADS},
    model::State,
};

/// Names of the sites of read heads.
const READ: [&str; MOST_HEADS] = [
    "read0", "read1", "read2", "read3", "read4", "read5", "read6", "read7",
];
/// Names of the sites of write heads.
const WRITE: [&str; MOST_HEADS] = [
    "write0", "write1", "write2", "write3", "write4", "write5", "write6", "write7",
];

/// Sequences of one length, step by step; they need no gradient.
#[derive(Debug, Clone)]
pub struct Sequences {
    /// Inputs of every step, `[batch, inputs]` each.
    pub inputs: Vec<Tensor<2>>,
    /// What the machine should put out in every step, `[batch, outputs]` of bits, where it counts.
    pub targets: Vec<Option<Tensor<2>>>,
}

/// An [`Ntm`] on sequences.
#[derive(Debug, Clone)]
pub struct NtmProgram<'a> {
    model: Cow<'a, Ntm>,
    sequences: &'a Sequences,
}

impl<'a> NtmProgram<'a> {
    /// `model` on `sequences`.
    ///
    /// # Panics
    /// If there are not as many targets as inputs, or none that counts.
    #[must_use]
    pub fn new(model: &'a Ntm, sequences: &'a Sequences) -> Self {
        let (steps, targets) = (sequences.inputs.len(), sequences.targets.len());
        assert_eq!(steps, targets, "one target, or its absence, per step");
        assert!(
            sequences.targets.iter().any(Option::is_some),
            "no step has a target"
        );
        Self {
            model: Cow::Borrowed(model),
            sequences,
        }
    }

    /// Runs the machine; `see` gets the state after every step, and the logits put out where there is a target.
    pub fn watch(&self, run: &mut Run<'_>, mut see: impl FnMut(&State, Option<&Tensor<2>>)) {
        let model = &*self.model;
        let Sequences { inputs, targets } = self.sequences;
        let steps = inputs.len();
        let mut left = targets.iter().flatten().count();
        let mut state = model.start(run.copies() * self.batch());
        for (t, (x, target)) in inputs.iter().zip(targets).enumerate() {
            // What a baseline should know besides the controller: how far the sequence is, and how much is to come.
            let clock = [t as f64 / steps as f64, (1.0 + left as f64).ln()];
            state = model.step(run.rows(x.clone()), state, &mut |head, logits, hidden| {
                choose(model, run, head, logits, hidden, clock)
            });
            let Some(target) = target else {
                see(&state, None);
                continue;
            };
            left -= 1;
            let logits = model.outputs(&state);
            see(&state, Some(&logits));
            run.log_lik(
                "targets",
                bernoulli_log_lik(logits, run.rows(target.clone())),
            );
        }
    }
}

fn choose(
    model: &Ntm,
    run: &mut Run<'_>,
    head: usize,
    logits: Tensor<2>,
    hidden: &Tensor<2>,
    clock: [f64; 2],
) -> unbiased_estimators::Choice {
    let config = model.config();
    let hidden = hidden.clone().inner();
    let rows = hidden.dims()[0];
    let clock = clock.map(|x| Tensor::full([rows, 1], x, &hidden.device()));
    let context = Tensor::cat([vec![hidden], clock.to_vec()].concat(), 1);
    let classes = match config.address {
        Address::Shift => 3,
        Address::Soft | Address::Slot => config.slots,
    };
    let name = match head.checked_sub(config.read_heads) {
        None => READ[head],
        Some(head) => WRITE[head],
    };
    run.categorical(name, classes, Site::new(logits).context(context))
}

impl Program for NtmProgram<'_> {
    fn batch(&self) -> usize {
        self.sequences.inputs[0].dims()[0]
    }

    fn device(&self) -> Device {
        self.sequences.inputs[0].device()
    }

    fn run(&self, run: &mut Run<'_>) {
        self.watch(run, |_, _| {});
    }

    fn frozen(&self) -> Box<dyn Program + '_> {
        Box::new(NtmProgram {
            model: Cow::Owned(self.model.valid()),
            sequences: self.sequences,
        })
    }
}
