//! Finding the names of neurons; models, methods and their papers are in [`unbiased_models::neuron_identification`].

mod search;
mod settings;

pub(super) use settings::NeuronSettings;

use std::path::{Path, PathBuf};

use unbiased_models::neuron_identification::{Population, Worm, log_evidence};

use crate::data::Split;
use crate::system::{Metrics, StepError, System};
use search::Search;

struct NeuronTraining {
    search: Box<dyn Search>,
    population: Population,
    data: String,
}

impl NeuronTraining {
    /// How many names are right, and how probable they are.
    fn figures(&self, names: &[Vec<usize>]) -> Metrics {
        let worms = &self.population.worms;
        let mean = |figure: &dyn Fn(&Worm, &[usize]) -> f64| {
            let figures = worms.iter().zip(names);
            figures
                .map(|(worm, names)| figure(worm, names))
                .sum::<f64>()
                / worms.len() as f64
        };
        let known = |worm: &Worm| worm.given as f64 / worm.truth.len() as f64;
        let truth: Vec<Vec<usize>> = worms.iter().map(|worm| worm.truth.clone()).collect();
        let evidence = log_evidence(&self.population, names);
        Metrics::new()
            .figure("accuracy", mean(&|worm, names| worm.accuracy(names)))
            .figure(
                "accuracy_not_given",
                mean(&|worm, names| (worm.accuracy(names) - known(worm)) / (1.0 - known(worm))),
            )
            .figure("given", mean(&|worm, _| known(worm)))
            .figure(
                "evidence_over_truth_nats",
                evidence - log_evidence(&self.population, &truth),
            )
    }
}

impl System for NeuronTraining {
    fn step(&mut self, step: u64, wanted: bool) -> Result<Option<Metrics>, StepError> {
        self.search.step(&self.population, step, wanted)
    }

    /// Names are compared with the truth on the test split; there is nothing to choose by.
    fn evaluate(&mut self, split: Split, _full: bool) -> anyhow::Result<Metrics> {
        match split {
            Split::Test => Ok(self.figures(&self.search.names(&self.population)?)),
            Split::Train | Split::Valid => Ok(Metrics::new()),
        }
    }

    fn samples(&mut self, _dir: &Path, _step: u64, _n: usize) -> anyhow::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }

    fn save(&self, dir: &Path) -> Result<(), StepError> {
        self.search.save(dir)
    }

    fn load(&mut self, dir: &Path) -> anyhow::Result<()> {
        self.search.load(dir)
    }

    fn warnings(&self) -> Vec<String> {
        self.search.warnings()
    }

    fn data(&self) -> String {
        self.data.clone()
    }
}
