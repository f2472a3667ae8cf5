//! What an estimator with a control variate subtracts from the cost first.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{At, Rule, by_sample, expected_only, needs_replay, nvil::Nvil, rloo};
use crate::{
    estimator::Objective,
    trace::{Schema, SiteSchema},
};

/// A baseline by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BaselineName {
    /// Nothing is subtracted.
    #[default]
    None,
    /// A network over the context of the site, as in [`nvil`](super::nvil).
    Learned,
    /// The mean cost of the other samples, as in [`rloo`].
    LeaveOneOut,
}

/// A baseline: whatever it is, it is known without the choice that it is subtracted for.
#[derive(Debug, Clone)]
pub enum Baseline {
    /// Nothing.
    None,
    /// A network.
    Learned(Box<Nvil>),
    /// The mean of the other samples, of so many in all.
    LeaveOneOut(usize),
}

impl Baseline {
    pub(super) fn check(
        &self,
        site: &SiteSchema,
        schema: &Schema,
        objective: &Objective,
    ) -> Result<(), String> {
        match self {
            Self::Learned(_) if site.context.is_none() => {
                Err("the site gives no context to its baseline; set `baseline = \"none\"`".into())
            }
            Self::None | Self::Learned(_) => Ok(()),
            Self::LeaveOneOut(_) => {
                needs_replay(schema)?;
                expected_only(objective)
            }
        }
    }

    pub(super) fn samples(&self) -> usize {
        match self {
            Self::LeaveOneOut(k) => *k,
            Self::None | Self::Learned(_) => 1,
        }
    }

    /// `f`, the cost or what a control variate leaves of it, minus its baseline, and what trains the baseline.
    pub(super) fn signal(&self, at: &At<'_>, f: Tensor<1>) -> (Tensor<1>, Option<Tensor<1>>) {
        match self {
            Self::Learned(nvil) => nvil.signal(at, f),
            Self::None | Self::LeaveOneOut(_) => (self.unlearned(at, f), None),
        }
    }

    /// `f` minus a baseline that needs no learning: a linear and symmetric function of `f`.
    pub(super) fn unlearned(&self, at: &At<'_>, f: Tensor<1>) -> Tensor<1> {
        match self {
            Self::None | Self::Learned(_) => f,
            Self::LeaveOneOut(_) => rloo::advantage(by_sample(f, at.samples())).flatten(0, 1),
        }
    }

    /// The network of a learned baseline, `[rows]`, on its tape.
    pub(super) fn network(&self, at: &At<'_>) -> Option<Tensor<1>> {
        match self {
            Self::Learned(nvil) => {
                let context = at.context().expect("checked: the site has a context");
                Some(nvil.forward(context))
            }
            Self::None | Self::LeaveOneOut(_) => None,
        }
    }

    /// Takes in what [`signal`](Baseline::signal) was asked about.
    pub(super) fn observe(&mut self, f: Tensor<1>) {
        if let Self::Learned(nvil) = self {
            nvil.average.update(f);
        }
    }

    pub(super) fn freeze(&mut self) {
        if let Self::Learned(nvil) = self {
            nvil.freeze();
        }
    }

    /// The network.
    pub(super) fn owned(&self) -> Option<Nvil> {
        match self {
            Self::Learned(nvil) => Some((**nvil).clone()),
            Self::None | Self::LeaveOneOut(_) => None,
        }
    }

    pub(super) fn set_owned(&mut self, owned: Option<Nvil>) {
        if let (Self::Learned(nvil), Some(owned)) = (self, owned) {
            **nvil = owned;
        }
    }
}
