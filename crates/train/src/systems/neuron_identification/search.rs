//! The ways to names: a variational bound, turns, a chain.

use std::path::Path;

use burn::tensor::TensorData;
use unbiased_estimators::Noise;
use unbiased_kernels::substream;
use unbiased_models::neuron_identification::{
    Chain, NeuronConfig, NeuronProgram, Population, Posterior, Recordings, Swaps, map,
};

use crate::bundle::Bundle;
use crate::learner::Learner;
use crate::system::{Metrics, StepError};
use crate::transfer::host;

/// What a run does step by step.
pub(super) trait Search {
    /// One step, counted from 1.
    fn step(
        &mut self,
        population: &Population,
        step: u64,
        wanted: bool,
    ) -> Result<Option<Metrics>, StepError>;
    /// The names it would give now, of every worm.
    fn names(&self, population: &Population) -> anyhow::Result<Vec<Vec<usize>>>;
    fn save(&self, dir: &Path) -> Result<(), StepError>;
    fn load(&mut self, dir: &Path) -> anyhow::Result<()>;
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Gradients of an evidence lower bound.
pub(super) struct Variational {
    pub(super) learner: Learner<Posterior>,
    pub(super) config: NeuronConfig,
    pub(super) recordings: Recordings,
    pub(super) samples: usize,
    pub(super) seed: u64,
}

impl Search for Variational {
    fn step(
        &mut self,
        _population: &Population,
        step: u64,
        wanted: bool,
    ) -> Result<Option<Metrics>, StepError> {
        let (model, estimator) = self.learner.parts();
        let program = NeuronProgram::new(model, &self.config, &self.recordings, self.samples);
        let estimate = estimator.estimate(&program, &Noise::new(self.seed, step));
        drop(program);
        self.learner.follow(&estimate);
        let numbers = self.recordings.numbers() as f64;
        Ok(wanted.then(|| {
            let bound = estimate.cost.clone().mean().into_scalar::<f64>() / numbers;
            Metrics::new()
                .loss("bound_nats_per_number", bound)
                .with(self.learner.figures(&estimate))
        }))
    }

    /// The best matchings of the scores, without noise.
    fn names(&self, population: &Population) -> anyhow::Result<Vec<Vec<usize>>> {
        let scores = host(self.learner.model().all_scores())?;
        let pairs = scores.len() / population.worms.len();
        let worms = population.worms.iter().zip(scores.chunks_exact(pairs));
        worms
            .map(|(worm, scores)| Ok(worm.best_names(|k| f64::from(scores[k]))?))
            .collect()
    }

    fn save(&self, dir: &Path) -> Result<(), StepError> {
        self.learner.save(dir)
    }

    fn load(&mut self, dir: &Path) -> anyhow::Result<()> {
        self.learner.load(dir)
    }

    fn warnings(&self) -> Vec<String> {
        self.learner.warnings()
    }
}

/// Regression and quadratic assignment.
pub(super) struct Turns {
    pub(super) names: Vec<Vec<usize>>,
}

impl Search for Turns {
    fn step(
        &mut self,
        population: &Population,
        _step: u64,
        wanted: bool,
    ) -> Result<Option<Metrics>, StepError> {
        let names = map::turn(population, &self.names).map_err(anyhow::Error::from)?;
        let before = std::mem::replace(&mut self.names, names);
        let pairs = before.iter().flatten().zip(self.names.iter().flatten());
        let changed = pairs.filter(|(a, b)| a != b).count();
        Ok(wanted.then(|| Metrics::new().figure("changed", changed as f64)))
    }

    fn names(&self, _population: &Population) -> anyhow::Result<Vec<Vec<usize>>> {
        Ok(self.names.clone())
    }

    fn save(&self, dir: &Path) -> Result<(), StepError> {
        let mut bundle = Bundle::new();
        put_names(&mut bundle, &self.names);
        bundle.write(&dir.join(FILE))
    }

    fn load(&mut self, dir: &Path) -> anyhow::Result<()> {
        self.names = take(Bundle::read(&dir.join(FILE))?, NAMES, self.names.len())?
            .into_iter()
            .map(as_names)
            .collect();
        Ok(())
    }
}

/// Draws from the posterior.
pub(super) struct Sampling {
    pub(super) chain: Chain,
    pub(super) swaps: Swaps,
    pub(super) proposals: usize,
    pub(super) seed: u64,
}

impl Search for Sampling {
    fn step(
        &mut self,
        population: &Population,
        step: u64,
        wanted: bool,
    ) -> Result<Option<Metrics>, StepError> {
        let stream = substream(self.seed, step);
        let made = self
            .chain
            .sweep(population, &self.swaps, self.proposals, step, stream);
        Ok(wanted.then(|| Metrics::new().figure("swaps_made", made)))
    }

    /// The matchings of the largest sum of posterior marginals: those with the most right names, as far as the chain knows.
    fn names(&self, population: &Population) -> anyhow::Result<Vec<Vec<usize>>> {
        let worms = population.worms.iter().zip(&self.chain.counts);
        worms
            .map(|(worm, counts)| Ok(worm.best_names(|k| counts[k])?))
            .collect()
    }

    fn save(&self, dir: &Path) -> Result<(), StepError> {
        let mut bundle = Bundle::new();
        put_names(&mut bundle, &self.chain.names);
        put(&mut bundle, COUNTS, &self.chain.counts);
        bundle.write(&dir.join(FILE))
    }

    fn load(&mut self, dir: &Path) -> anyhow::Result<()> {
        let worms = self.chain.names.len();
        let read = || Bundle::read(&dir.join(FILE));
        let names = take(read()?, NAMES, worms)?;
        self.chain = Chain {
            names: names.into_iter().map(as_names).collect(),
            counts: take(read()?, COUNTS, worms)?,
        };
        Ok(())
    }
}

const FILE: &str = "names.bpk";
const NAMES: &str = "names";
const COUNTS: &str = "counts";

/// One row for each worm.
fn put(bundle: &mut Bundle, name: &str, rows: &[Vec<f64>]) {
    let shape = [rows.len(), rows[0].len()];
    bundle.put_tensor(name, TensorData::new(rows.concat(), shape));
}

fn put_names(bundle: &mut Bundle, names: &[Vec<usize>]) {
    let rows = names.iter();
    let rows: Vec<Vec<f64>> = rows
        .map(|names| names.iter().map(|&name| name as f64).collect())
        .collect();
    put(bundle, NAMES, &rows);
}

fn as_names(row: Vec<f64>) -> Vec<usize> {
    row.into_iter().map(|name| name as usize).collect()
}

/// The rows of a tensor, one for each worm.
fn take(bundle: Bundle, name: &str, worms: usize) -> anyhow::Result<Vec<Vec<f64>>> {
    let (mut tensors, _) = bundle.into_parts();
    let data = tensors
        .remove(name)
        .ok_or_else(|| anyhow::anyhow!("{FILE} has no {name}"))?;
    let values = data.try_to_vec::<f64>()?;
    Ok(values
        .chunks_exact(values.len() / worms)
        .map(<[f64]>::to_vec)
        .collect())
}
