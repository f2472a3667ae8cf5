//! Returns of the last episodes, and when they were good enough.

use std::collections::VecDeque;
use std::path::Path;

use burn::tensor::TensorData;
use unbiased_models::policy::Episode;

use crate::bundle::Bundle;
use crate::system::{Metrics, StepError};

/// Episodes that the mean is taken over.
const WINDOW: usize = 100;

/// What the agent has been through.
#[derive(Debug)]
pub(super) struct Returns {
    window: VecDeque<f64>,
    episodes: u64,
    frames: u64,
    threshold: f64,
    /// Episodes and frames at which the mean of the last 100 returns exceeded the threshold for the first time.
    solved: Option<[u64; 2]>,
}

impl Returns {
    pub(super) fn new(threshold: f64) -> Self {
        Self {
            window: VecDeque::with_capacity(WINDOW),
            episodes: 0,
            frames: 0,
            threshold,
            solved: None,
        }
    }

    /// Takes in what has ended, and the steps that were made meanwhile.
    pub(super) fn take(&mut self, finished: &[Episode], frames: usize) {
        self.frames += frames as u64;
        for episode in finished {
            if self.window.len() == WINDOW {
                self.window.pop_front();
            }
            self.window.push_back(episode.total);
            self.episodes += 1;
            let full = self.window.len() == WINDOW;
            if full && self.solved.is_none() && self.mean() > self.threshold {
                self.solved = Some([self.episodes, self.frames]);
            }
        }
    }

    fn mean(&self) -> f64 {
        self.window.iter().sum::<f64>() / self.window.len() as f64
    }

    pub(super) fn is_solved(&self) -> bool {
        self.solved.is_some()
    }

    pub(super) fn metrics(&self) -> Metrics {
        let mut metrics = Metrics::new()
            .figure("episodes", self.episodes as f64)
            .figure("frames", self.frames as f64);
        if !self.window.is_empty() {
            metrics = metrics.figure("return_mean_100", self.mean());
        }
        if let Some([episodes, frames]) = self.solved {
            metrics = metrics
                .figure("episodes_to_solve", episodes as f64)
                .figure("frames_to_solve", frames as f64);
        }
        metrics
    }

    pub(super) fn save(&self, path: &Path) -> Result<(), StepError> {
        let mut bundle = Bundle::new();
        let window: Vec<f64> = self.window.iter().copied().collect();
        bundle.put_number("window", window.len() as u64);
        // A tensor without entries has no place in the file.
        if !window.is_empty() {
            bundle.put_tensor("returns", TensorData::new(window, [self.window.len()]));
        }
        let [episodes, frames] = self.solved.unwrap_or([0, 0]);
        for (name, number) in [
            ("episodes", self.episodes),
            ("frames", self.frames),
            ("solved_episodes", episodes),
            ("solved_frames", frames),
        ] {
            bundle.put_number(name, number);
        }
        bundle.write(path)
    }

    pub(super) fn load(&mut self, path: &Path) -> anyhow::Result<()> {
        let bundle = Bundle::read(path)?;
        self.episodes = bundle.number("episodes")?;
        self.frames = bundle.number("frames")?;
        let solved = [
            bundle.number("solved_episodes")?,
            bundle.number("solved_frames")?,
        ];
        self.solved = (solved[0] > 0).then_some(solved);
        let count: u64 = bundle.number("window")?;
        self.window = match count {
            0 => VecDeque::new(),
            _ => take_numbers(bundle, "returns")?.into(),
        };
        Ok(())
    }
}

/// The tensor `name` in f64.
pub(super) fn take_numbers(bundle: Bundle, name: &str) -> anyhow::Result<Vec<f64>> {
    let (mut tensors, _) = bundle.into_parts();
    let data = tensors
        .remove(name)
        .ok_or_else(|| anyhow::anyhow!("it holds no tensor `{name}`"))?;
    data.try_to_vec::<f64>()
        .map_err(|error| anyhow::anyhow!("`{name}`: {error:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn episode(total: f64) -> Episode {
        Episode { total, steps: 1 }
    }

    #[test]
    fn it_is_solved_when_the_mean_of_the_last_hundred_exceeds_the_threshold() {
        let mut returns = Returns::new(9.0);
        returns.take(&[episode(10.0); 99], 99);
        assert!(!returns.is_solved(), "too few");
        returns.take(&[episode(-90.0)], 1);
        // 990 - 90 is exactly the threshold.
        assert!(!returns.is_solved());
        returns.take(&[episode(10.0); 100], 100);
        assert_eq!(returns.metrics().get("episodes_to_solve"), Some(200.0));
        returns.take(&[episode(0.0); 100], 100);
        assert_eq!(returns.metrics().get("episodes_to_solve"), Some(200.0));
        assert_eq!(returns.metrics().get("return_mean_100"), Some(0.0));
    }

    #[test]
    fn what_was_saved_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("returns.bpk");
        for n in [0, 3, 150] {
            let mut old = Returns::new(50.0);
            let episodes: Vec<_> = (0..n).map(|i| episode(f64::from(i))).collect();
            old.take(&episodes, 7);
            old.save(&path).unwrap();
            let mut new = Returns::new(50.0);
            new.load(&path).unwrap();
            for returns in [&mut old, &mut new] {
                returns.take(&[episode(1.5)], 2);
            }
            assert_eq!(old.metrics(), new.metrics());
        }
    }
}
