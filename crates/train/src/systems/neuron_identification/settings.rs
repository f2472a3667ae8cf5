//! The sections of a `neuron_identification` configuration.

use serde::{Deserialize, Serialize};
use unbiased_estimators::{EstimatorConfig, Objective, Schema};
use unbiased_kernels::substream;
use unbiased_models::neuron_identification::{
    Chain, Connectome, Method, NeuronConfig, NeuronProgram, Population, Posterior, RecordingConfig,
    Recordings, Swaps, random_names,
};

use super::super::matching;
use super::NeuronTraining;
use super::search::{Sampling, Search, Turns, Variational};
use crate::config::ConfigError;
use crate::data::Celegans;
use crate::error::Failure;
use crate::learner::Learner;
use crate::optimizer::OptimizerConfig;
use crate::system::{BuildContext, Settings, System};

/// The sections of a configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::systems) struct NeuronSettings {
    data: DataSettings,
    recording: RecordingConfig,
    model: NeuronConfig,
    estimator: EstimatorConfig,
    optimizer: OptimizerConfig,
    training: Training,
}

/// The `[data]` section.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DataSettings {
    /// Whose neurons and connections.
    name: ConnectomeName,
    /// `surrogate`: how many neurons.
    neurons: usize,
    /// `surrogate`: seed of the connections; has nothing to do with the run's seed, which draws weights and recordings.
    seed: u64,
}

impl Default for DataSettings {
    fn default() -> Self {
        Self {
            name: ConnectomeName::Surrogate,
            neurons: 279,
            seed: 0,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ConnectomeName {
    /// Drawn, with the statistics of the real one.
    Surrogate,
    /// The real one, from files.
    Celegans,
}

/// The `[training]` section.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Training {
    /// Draws of weights and names per step of a variational method.
    samples: usize,
}

impl Default for Training {
    fn default() -> Self {
        Self { samples: 1 }
    }
}

/// What is drawn from which stream below the seed of a run; the steps of a chain have those below themselves.
const RECORDINGS: u64 = 0x7265_636f_7264;
const START: u64 = 0x73_7461_7274;

impl Settings for NeuronSettings {
    fn check(&self) -> Result<(), ConfigError> {
        let Self {
            data,
            recording,
            model,
            training,
            ..
        } = self;
        let neurons = match data.name {
            ConnectomeName::Surrogate => data.neurons,
            ConnectomeName::Celegans => 279,
        };
        for (key, value, most) in [
            ("data.neurons", data.neurons, 2000),
            ("recording.times", recording.times, 1_000_000),
        ] {
            if !(2..=most).contains(&value) {
                return Err(ConfigError::value(key, value, format!("2 to {most}")));
            }
        }
        if recording.given >= neurons {
            let expected = format!("less than the number of neurons, {neurons}");
            return Err(ConfigError::value(
                "recording.given",
                recording.given,
                expected,
            ));
        }
        matching::at_least_1([
            ("recording.worms", recording.worms),
            ("model.proposals", model.proposals),
            ("training.samples", training.samples),
        ])?;
        matching::above_0([
            ("recording.eta", recording.eta),
            ("model.prior_temperature", model.prior_temperature),
            ("model.deviation", model.deviation),
        ])?;
        matching::check_law(&model.matching)?;
        if matches!(
            model.method,
            Method::GumbelSinkhorn | Method::GumbelSinkhornTightened
        ) {
            matching::check_divergence(&model.matching)?;
        }
        let temperature = model.matching.temperature;
        if model.method == Method::Rounding && temperature > 1.0 {
            let (key, expected) = ("model.matching.temperature", "at most 1 for rounding");
            return Err(ConfigError::value(key, temperature, expected));
        }
        self.estimator.validate().map_err(ConfigError::other)?;
        self.optimizer.check()
    }

    fn build(self, context: &BuildContext) -> Result<Box<dyn System>, Failure> {
        let connectome = match self.data.name {
            ConnectomeName::Surrogate => Connectome::surrogate(self.data.neurons, self.data.seed),
            ConnectomeName::Celegans => {
                let Celegans { positions, pairs } = Celegans::load(context.data_dir.as_deref())?;
                Connectome::new(positions, pairs)
            }
        };
        let seed = substream(context.seed, RECORDINGS);
        let population = Population::simulate(connectome, &self.recording, seed);
        let data = format!(
            "{}, {} neurons, {} worms, {} times, {:.1} candidates, {} given, drawn with the seed of the run",
            match self.data.name {
                ConnectomeName::Surrogate => format!("surrogate (seed {})", self.data.seed),
                ConnectomeName::Celegans => "celegans".to_owned(),
            },
            population.connectome.neurons(),
            self.recording.worms,
            self.recording.times,
            population.mean_candidates(),
            self.recording.given,
        );
        let search = self.search(&population, context)?;
        Ok(Box::new(NeuronTraining {
            search,
            population,
            data,
        }))
    }
}

impl NeuronSettings {
    fn search(
        self,
        population: &Population,
        context: &BuildContext,
    ) -> Result<Box<dyn Search>, Failure> {
        let start = || {
            let names = random_names(population, substream(context.seed, START));
            names.map_err(|error| Failure::Failed(error.into()))
        };
        Ok(match self.model.method {
            Method::Map => Box::new(Turns { names: start()? }),
            Method::Mcmc => Box::new(Sampling {
                chain: Chain::new(start()?),
                swaps: Swaps::new(population),
                proposals: self.model.proposals,
                seed: context.seed,
            }),
            _ => {
                let device = context.device.clone().autodiff();
                let recordings = Recordings::new(population, &context.device);
                let model = Posterior::new(&self.model, &recordings, &device);
                let samples = self.training.samples;
                let estimator = {
                    let program = NeuronProgram::new(&model, &self.model, &recordings, 1);
                    let schema = Schema::of(&program);
                    self.estimator
                        .build(&schema, Objective::default(), &device)
                        .map_err(|e| Failure::usage(e.to_string()))?
                };
                Box::new(Variational {
                    learner: Learner::new(model, estimator, &self.optimizer, false, device),
                    config: self.model,
                    recordings,
                    samples,
                    seed: context.seed,
                })
            }
        })
    }
}
