//! Training of networks that solve jigsaw puzzles; models and their paper are in [`unbiased_models::jigsaw`].

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use unbiased_estimators::{EstimatorConfig, Noise, Objective, Schema};
use unbiased_kernels::substream;
use unbiased_models::jigsaw::{Grid, Jigsaw, JigsawConfig, JigsawProgram, Network, shuffle};
use unbiased_permutations::{assign, metrics::kendall_tau};

use super::matching::{self, Training};
use crate::config::ConfigError;
use crate::data::{DataConfig, ImageSet, Order, Split, png};
use crate::error::Failure;
use crate::learner::Learner;
use crate::optimizer::OptimizerConfig;
use crate::system::{BuildContext, Metrics, Settings, StepError, System};
use crate::transfer::host;

/// The sections of a `jigsaw` configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct JigsawSettings {
    data: DataConfig,
    model: JigsawConfig,
    estimator: EstimatorConfig,
    optimizer: OptimizerConfig,
    training: Training,
}

impl Settings for JigsawSettings {
    fn check(&self) -> Result<(), ConfigError> {
        let model = &self.model;
        for (key, value, good, expected) in [
            (
                "model.side",
                model.side as f64,
                (2..=10).contains(&model.side)
                    || (model.side <= 28 && model.network == Network::Comparing && model.side > 1),
                "2 to 10, or up to 28 for the comparing network",
            ),
            (
                "model.filters",
                model.filters as f64,
                model.filters > 0,
                "at least 1",
            ),
            (
                "model.width",
                model.width as f64,
                model.width > 0 && model.heads > 0 && model.width.is_multiple_of(model.heads),
                "a multiple of model.heads",
            ),
            (
                "model.layers",
                model.layers as f64,
                model.layers > 0,
                "at least 1",
            ),
        ] {
            if !good {
                return Err(ConfigError::value(key, value, expected));
            }
        }
        matching::check(&self.model.matching, &self.training)?;
        self.estimator.validate().map_err(ConfigError::other)?;
        self.optimizer.check()
    }

    fn build(self, context: &BuildContext) -> Result<Box<dyn System>, Failure> {
        let images = ImageSet::load(&self.data, context.data_dir.as_deref())?;
        let device = context.device.clone().autodiff();
        let grid = Grid::new(self.model.side, images.train.height());
        let model = Jigsaw::new(&self.model, grid, context.seed, &device);
        let schema = {
            let pieces = Tensor::zeros([1, grid.count(), grid.pixels()], &context.device);
            let law = self.model.matching.law();
            Schema::of(&JigsawProgram::new(&model, law, 1, pieces.clone(), pieces))
        };
        let estimator = self
            .estimator
            .build(&schema, Objective::default(), &device)
            .map_err(|e| Failure::usage(e.to_string()))?;
        Ok(Box::new(JigsawTraining {
            order: Order::new(context.seed, images.train.len(), self.training.batch),
            learner: Learner::new(model, estimator, &self.optimizer, false, device),
            grid,
            images,
            settings: self,
            device: context.device.clone(),
            seed: context.seed,
        }))
    }
}

struct JigsawTraining {
    learner: Learner<Jigsaw>,
    settings: JigsawSettings,
    grid: Grid,
    images: ImageSet,
    order: Order,
    device: Device,
    seed: u64,
}

/// Puzzles on the host: pieces in their places, and which piece each shuffled one is.
struct Puzzles {
    /// `[puzzles, N, pixels]`
    whole: Vec<f32>,
    /// `[puzzles, N]`
    place: Vec<usize>,
}

/// How the shuffles of evaluation are numbered: the same in every run.
const EVALUATION: u64 = 0x6a69_6773_6177;
/// Pieces whose pixels differ by no more are the same.
const ALIKE: f32 = 1e-6;

impl JigsawTraining {
    /// The puzzles of some images, the k-th shuffled by the stream `shuffle_by(k)`.
    fn puzzles(
        &self,
        split: Split,
        indices: &[usize],
        shuffle_by: impl Fn(usize) -> u64,
    ) -> Puzzles {
        let images = self.images.split(split);
        let size = [images.height(), images.width()];
        let pixels = self.images.pixels(split, indices, 0);
        let pictures = pixels.chunks_exact(size[0] * size[1]);
        Puzzles {
            whole: pictures.flat_map(|p| self.grid.cut(p, size)).collect(),
            place: (0..indices.len())
                .flat_map(|k| shuffle(self.grid.count(), shuffle_by(k)))
                .collect(),
        }
    }

    fn upload(&self, pieces: Vec<f32>) -> Tensor<3> {
        let [n, pixels] = [self.grid.count(), self.grid.pixels()];
        let puzzles = pieces.len() / (n * pixels);
        Tensor::from_data(TensorData::new(pieces, [puzzles, n, pixels]), &self.device)
    }

    /// X̃: the i-th shuffled piece is that of place `place[i]`.
    fn shuffled(&self, puzzles: &Puzzles) -> Vec<f32> {
        let [n, pixels] = [self.grid.count(), self.grid.pixels()];
        let places = puzzles.place.iter().enumerate();
        places
            .flat_map(|(i, place)| {
                let at = (i / n * n + place) * pixels;
                &puzzles.whole[at..at + pixels]
            })
            .copied()
            .collect()
    }

    /// Scores of the shuffled pieces, `[puzzles · N²]`.
    fn scores(&self, puzzles: &Puzzles) -> anyhow::Result<Vec<f32>> {
        let model = self.learner.model().valid();
        host(model.scores(self.upload(self.shuffled(puzzles))))
    }

    /// The place that the best matching gives each shuffled piece.
    fn solve(&self, scores: &[f32]) -> anyhow::Result<Vec<usize>> {
        let n = self.grid.count();
        let mut places = Vec::with_capacity(scores.len() / n);
        for scores in scores.chunks_exact(n * n) {
            let scores: Vec<f64> = scores.iter().copied().map(f64::from).collect();
            places.extend(assign(&scores, [n, n])?.list());
        }
        Ok(places)
    }
}

fn differ(a: &[f32], b: &[f32]) -> bool {
    a.iter().zip(b).any(|(a, b)| (a - b).abs() > ALIKE)
}

#[derive(Default)]
struct Errors {
    wrong: f64,
    any_wrong: f64,
    wrong_index: f64,
    any_wrong_index: f64,
    floor_index: f64,
    kendall_tau: f64,
    l1: f64,
    l2: f64,
}

impl Errors {
    /// One puzzle: its pieces, where each shuffled one belongs, and where it was put.
    fn add(&mut self, whole: &[f32], place: &[usize], found: &[usize], pixels: usize) {
        let n = place.len();
        let piece = |k: usize| &whole[k * pixels..][..pixels];
        let pairs = || place.iter().copied().zip(found.iter().copied());
        let share = |count: usize| count as f64 / n as f64;
        let wrong = pairs()
            .filter(|&(p, f)| p != f && differ(piece(p), piece(f)))
            .count();
        let wrong_index = pairs().filter(|(p, f)| p != f).count();
        self.wrong += share(wrong);
        self.any_wrong += f64::from(u8::from(wrong > 0));
        self.wrong_index += share(wrong_index);
        self.any_wrong_index += f64::from(u8::from(wrong_index > 0));
        // Of k pieces that look alike, one is where it belongs in the mean, whoever solves.
        let first = |k: usize| (0..k).all(|j| differ(piece(j), piece(k)));
        self.floor_index += share(n - (0..n).filter(|&k| first(k)).count());
        self.kendall_tau += kendall_tau(place, found);
        for (p, f) in pairs() {
            for (a, b) in piece(p).iter().zip(piece(f)) {
                let off = f64::from((a - b).abs());
                self.l1 += off / (n * pixels) as f64;
                self.l2 += off * off / (n * pixels) as f64;
            }
        }
    }

    fn metrics(&self, puzzles: usize) -> Metrics {
        let figures = [
            ("wrong", self.wrong),
            ("any_wrong", self.any_wrong),
            ("wrong_index", self.wrong_index),
            ("any_wrong_index", self.any_wrong_index),
            ("floor_index", self.floor_index),
            ("kendall_tau", self.kendall_tau),
            ("l1", self.l1),
            ("l2", self.l2),
        ];
        figures
            .into_iter()
            .fold(Metrics::new(), |metrics, (name, sum)| {
                metrics.figure(name, sum / puzzles as f64)
            })
    }
}

impl System for JigsawTraining {
    fn step(&mut self, step: u64, wanted: bool) -> Result<Option<Metrics>, StepError> {
        let indices = self.order.batch(step - 1);
        let shuffles = substream(substream(self.seed, EVALUATION ^ 1), step);
        let puzzles = self.puzzles(Split::Train, &indices, |k| substream(shuffles, k as u64));
        let samples = self.settings.training.samples;
        let shuffled = self.upload(self.shuffled(&puzzles));
        let whole = self.upload(puzzles.whole);
        let law = self.settings.model.matching.law();
        let (model, estimator) = self.learner.parts();
        let program = JigsawProgram::new(model, law, samples, shuffled, whole);
        let estimate = estimator.estimate(&program, &Noise::new(self.seed, step));
        drop(program);
        Ok(self.learner.learn(&estimate, "distance", wanted))
    }

    fn evaluate(&mut self, split: Split, full: bool) -> anyhow::Result<Metrics> {
        if split == Split::Train {
            return Ok(Metrics::new());
        }
        let len = self.images.split(split).len();
        let count = if full { len } else { len.min(1000) };
        let [n, pixels] = [self.grid.count(), self.grid.pixels()];
        let mut errors = Errors::default();
        let all: Vec<usize> = (0..count).collect();
        for indices in all.chunks(250) {
            let shuffle_by = |k: usize| substream(EVALUATION, indices[k] as u64);
            let puzzles = self.puzzles(split, indices, shuffle_by);
            let found = self.solve(&self.scores(&puzzles)?)?;
            let wholes = puzzles.whole.chunks_exact(n * pixels);
            let orders = puzzles.place.chunks_exact(n).zip(found.chunks_exact(n));
            for (whole, (place, found)) in wholes.zip(orders) {
                errors.add(whole, place, found, pixels);
            }
        }
        Ok(errors.metrics(count))
    }

    fn samples(&mut self, dir: &Path, step: u64, n: usize) -> anyhow::Result<Vec<PathBuf>> {
        let count = n.min(self.images.valid.len());
        let indices: Vec<usize> = (0..count).collect();
        let puzzles = self.puzzles(Split::Valid, &indices, |k| substream(EVALUATION, k as u64));
        let [pieces, pixels] = [self.grid.count(), self.grid.pixels()];
        let shuffled = self.shuffled(&puzzles);
        let scores = self.scores(&puzzles)?;
        let law = self.settings.model.matching.law();
        let soft = {
            let scores = Tensor::from_data(
                TensorData::new(scores.clone(), [count, pieces, pieces]),
                &self.device,
            );
            let plan = law.law.sinkhorn.balance(scores)?.plan;
            host(plan.transpose().matmul(self.upload(shuffled.clone())))?
        };
        let found = self.solve(&scores)?;
        let mut solved = vec![0.0; shuffled.len()];
        for (i, place) in found.into_iter().enumerate() {
            let to = (i / pieces * pieces + place) * pixels;
            solved[to..to + pixels].copy_from_slice(&shuffled[i * pixels..][..pixels]);
        }
        // Shuffled, soft, solved, whole, side by side.
        let size = pieces * pixels;
        let mut pictures = Vec::with_capacity(4 * count * size);
        for k in 0..count {
            for parts in [&shuffled, &soft, &solved, &puzzles.whole] {
                pictures.extend(self.grid.picture(&parts[k * size..][..size]));
            }
        }
        let path = dir.join(format!("{step:08}-puzzles.png"));
        let total = self.grid.side * self.grid.piece;
        png::write_grid(&path, &pictures, total, total, 8)?;
        Ok(vec![path])
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

    fn data(&self) -> String {
        let Grid { side, piece } = self.grid;
        format!(
            "{}, {side}x{side} pieces of {piece}x{piece} pixels",
            self.images.describe()
        )
    }
}
