//! Training of networks that make digits from the pieces of others; the model and its paper are in [`unbiased_models::digits_from_digits`].

mod reader;
mod settings;

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use unbiased_estimators::Noise;
use unbiased_kernels::{substream, uniforms};
use unbiased_models::digits_from_digits::{CLASSES, DigitMaker, DigitsProgram};
use unbiased_models::jigsaw::{Grid, shuffle};
use unbiased_permutations::assign_batch;

use self::reader::Reader;
pub(super) use self::settings::DigitsSettings;
use crate::data::{ImageSet, Order, Split, png};
use crate::learner::Learner;
use crate::system::{Metrics, StepError, System};
use crate::transfer::host;

struct DigitsTraining {
    learner: Learner<DigitMaker>,
    settings: DigitsSettings,
    grid: Grid,
    images: ImageSet,
    order: Order,
    /// Taught when it is first asked.
    reader: Option<Reader>,
    device: Device,
    seed: u64,
}

/// Digits in pieces and what shall become of them.
struct Tasks {
    /// X̃, shuffled, `[tasks, N, pixels]`.
    pieces: Tensor<3>,
    /// The classes of the digits that the pieces are from.
    given: Vec<u8>,
    /// The classes that are asked for, and a digit Y of each.
    asked: Vec<u8>,
    wanted: Tensor<3>,
}

/// How the tasks of evaluation are numbered: the same in every run.
const EVALUATION: u64 = 0x6469_6769_7473;

impl DigitsTraining {
    fn label(&self, split: Split, i: usize) -> u8 {
        let label = self.images.split(split).label(i);
        label.expect("a set without labels is refused when the system is built")
    }

    /// Of each image of `indices` a task, the k-th drawn from the stream `stream(k)`: any image of another class is what is wanted.
    fn tasks(&self, split: Split, indices: &[usize], stream: impl Fn(usize) -> u64) -> Tasks {
        let len = self.images.split(split).len();
        let mut others = Vec::with_capacity(indices.len());
        let mut pieces = Vec::new();
        for (k, &i) in indices.iter().enumerate() {
            let draw = |t| (uniform(substream(stream(k), t)) * len as f64) as usize;
            // The first draw of another class; there is one, as there are two classes at least.
            let mut tries = (1..u64::MAX).map(draw);
            let other = tries.find(|&j| self.label(split, j) != self.label(split, i));
            others.extend(other);
            let digit = self.cut(split, &[i]);
            let pixels = self.grid.pixels();
            let order = shuffle(self.grid.count(), substream(stream(k), 0));
            pieces.extend(
                order
                    .iter()
                    .flat_map(|&n| &digit[n * pixels..][..pixels])
                    .copied(),
            );
        }
        let labels = |indices: &[usize]| indices.iter().map(|&i| self.label(split, i)).collect();
        Tasks {
            pieces: self.upload(pieces),
            given: labels(indices),
            asked: labels(&others),
            wanted: self.upload(self.cut(split, &others)),
        }
    }

    /// The pieces of images in their places.
    fn cut(&self, split: Split, indices: &[usize]) -> Vec<f32> {
        let images = self.images.split(split);
        let pixels = self.images.pixels(split, indices, 0);
        pixels
            .chunks_exact(images.size())
            .flat_map(|image| self.grid.cut(image, [images.height(), images.width()]))
            .collect()
    }

    fn upload(&self, pieces: Vec<f32>) -> Tensor<3> {
        let [n, pixels] = [self.grid.count(), self.grid.pixels()];
        let digits = pieces.len() / (n * pixels);
        Tensor::from_data(TensorData::new(pieces, [digits, n, pixels]), &self.device)
    }

    /// Scores of the pieces for digits of `classes`, `[tasks, N, N]`.
    fn scores(&self, pieces: &Tensor<3>, classes: &[u8]) -> Tensor<3> {
        let model = self.learner.model().valid();
        let [digits, n, _] = pieces.dims();
        let scores = model.scores(pieces.clone(), numbers(classes, &self.device));
        scores.reshape([digits, n, n])
    }

    /// The pieces put together softly, as in training but for the noise.
    fn softly(&self, scores: Tensor<3>, pieces: &Tensor<3>) -> anyhow::Result<Tensor<3>> {
        let law = self.settings.model.matching.law();
        let plan = law.law.sinkhorn.balance(scores)?.plan;
        Ok(plan.transpose().matmul(pieces.clone()))
    }

    /// Whole pictures of pieces in their places: `[digits, N, pixels]` to `[digits, height, width]`.
    fn pictures(&self, pieces: Tensor<3>) -> Tensor<3> {
        let Grid { side, piece } = self.grid;
        let digits = pieces.dims()[0];
        pieces
            .reshape([digits, side, side, piece, piece])
            .swap_dims(2, 3)
            .reshape([digits, side * piece, side * piece])
    }

    fn reader(&mut self) -> Reader {
        if let Some(reader) = &self.reader {
            return reader.clone();
        }
        let settings = self.settings.reader.clone();
        let reader = Reader::taught(&settings, self.grid, &self.images, &self.device);
        self.reader.insert(reader).clone()
    }
}

/// The best matching of `scores`, `[tasks, N, N]`, in pieces `[tasks, N, pixels]`.
fn matched(scores: Tensor<3>, pieces: &Tensor<3>) -> anyhow::Result<Tensor<3>> {
    let plan = assign_batch(scores)?.plan;
    Ok(plan.transpose().matmul(pieces.clone()))
}

/// The permutation of `pieces` that is nearest to `wanted`: `|Pᵀ X̃ − Y|²` is `−2 ⟨P, X̃ Yᵀ⟩` and what does not depend on P.
fn nearest(pieces: &Tensor<3>, wanted: &Tensor<3>) -> anyhow::Result<Tensor<3>> {
    matched(pieces.clone().matmul(wanted.clone().transpose()), pieces)
}

fn uniform(stream: u64) -> f64 {
    let mut number = [0.0];
    uniforms(stream, &mut number);
    number[0]
}

fn numbers(classes: &[u8], device: &Device) -> Tensor<1, Int> {
    let classes: Vec<i32> = classes.iter().copied().map(i32::from).collect();
    Tensor::from_data(TensorData::from(classes.as_slice()), device)
}

/// Mean squared difference of pixels, of each digit, summed.
fn squared(a: Tensor<3>, b: Tensor<3>) -> f64 {
    let pixels = a.dims()[1] * a.dims()[2];
    (a - b).square().sum().into_scalar::<f64>() / pixels as f64
}

impl System for DigitsTraining {
    fn step(&mut self, step: u64, wanted: bool) -> Result<Option<Metrics>, StepError> {
        let indices = self.order.batch(step - 1);
        let of_step = substream(substream(self.seed, EVALUATION ^ 1), step);
        let tasks = self.tasks(Split::Train, &indices, |k| substream(of_step, k as u64));
        let law = self.settings.model.matching.law();
        let classes = numbers(&tasks.asked, &self.device);
        let samples = self.settings.training.samples;
        let (model, estimator) = self.learner.parts();
        let program = DigitsProgram::new(model, law, samples, tasks.pieces, classes, tasks.wanted);
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
        let reader = self.reader();
        let all: Vec<usize> = (0..count).collect();
        let mut sums = [
            ("accuracy", 0.0),
            ("accuracy_soft", 0.0),
            ("accuracy_nearest", 0.0),
            ("accuracy_shuffled", 0.0),
            ("accuracy_whole", 0.0),
            ("distance", 0.0),
            ("distance_soft", 0.0),
            ("distance_nearest", 0.0),
        ];
        for indices in all.chunks(250) {
            let stream = |k: usize| substream(EVALUATION, indices[k] as u64);
            let tasks = self.tasks(split, indices, stream);
            let scores = self.scores(&tasks.pieces, &tasks.asked);
            let hard = matched(scores.clone(), &tasks.pieces)?;
            let soft = self.softly(scores, &tasks.pieces)?;
            let nearest = nearest(&tasks.pieces, &tasks.wanted)?;
            let whole = self.upload(self.cut(split, indices));
            let read = |pieces: &Tensor<3>, classes: &[u8]| {
                reader.right(self.pictures(pieces.clone()), classes)
            };
            let distance = |pieces: &Tensor<3>| squared(pieces.clone(), tasks.wanted.clone());
            let found = [
                read(&hard, &tasks.asked)?,
                read(&soft, &tasks.asked)?,
                read(&nearest, &tasks.asked)?,
                read(&tasks.pieces, &tasks.asked)?,
                read(&whole, &tasks.given)?,
                distance(&hard),
                distance(&soft),
                distance(&nearest),
            ];
            for ((_, sum), found) in sums.iter_mut().zip(found) {
                *sum += found;
            }
        }
        Ok(sums
            .into_iter()
            .fold(Metrics::new(), |metrics, (name, sum)| {
                metrics.figure(name, sum / count as f64)
            }))
    }

    /// A digit, its pieces as they come, and what becomes of them for each class: put together by the best matching, and softly.
    fn samples(&mut self, dir: &Path, step: u64, n: usize) -> anyhow::Result<Vec<PathBuf>> {
        let count = n.min(self.images.valid.len());
        let (mut hard, mut soft) = (Vec::new(), Vec::new());
        for i in 0..count {
            let tasks = self.tasks(Split::Valid, &[i], |_| substream(EVALUATION, i as u64));
            let whole = self.upload(self.cut(Split::Valid, &[i]));
            let pieces = tasks.pieces.clone().repeat_dim(0, CLASSES);
            let classes: Vec<u8> = (0..CLASSES as u8).collect();
            let scores = self.scores(&pieces, &classes);
            for (pictures, made) in [
                (&mut hard, matched(scores.clone(), &pieces)?),
                (&mut soft, self.softly(scores, &pieces)?),
            ] {
                let row = Tensor::cat(vec![whole.clone(), tasks.pieces.clone(), made], 0);
                pictures.extend(host(self.pictures(row))?);
            }
        }
        let total = self.grid.side * self.grid.piece;
        let write = |name: &str, pictures: &[f32]| -> anyhow::Result<PathBuf> {
            let path = dir.join(format!("{step:08}-{name}.png"));
            png::write_grid(&path, pictures, total, total, CLASSES + 2)?;
            Ok(path)
        };
        Ok(vec![write("digits", &hard)?, write("soft", &soft)?])
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
