//! Rows of parallel environments.

use std::rc::Rc;

use burn::tensor::Device;
use unbiased_estimators::{Key, Noise, NoiseLaw, Role};

use super::environment::Environment;

/// How far a row is in its episode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It goes on.
    Running,
    /// Its state has no future.
    Terminated,
    /// The time limit cut it.
    Truncated,
}

/// An episode that is over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Episode {
    /// Sum of its rewards, not discounted.
    pub total: f64,
    /// Steps it took.
    pub steps: usize,
}

/// Parallel environments of one kind, their states in f64.
#[derive(Debug, Clone)]
pub struct Episodes {
    environment: Rc<dyn Environment>,
    /// `[rows, state]`.
    states: Vec<f64>,
    status: Vec<Status>,
    time: Vec<usize>,
    totals: Vec<f64>,
    finished: Vec<Episode>,
    frames: usize,
}

impl Episodes {
    /// `rows` environments, all waiting for a start.
    #[must_use]
    pub fn new(environment: Rc<dyn Environment>, rows: usize) -> Self {
        Self {
            states: vec![0.0; rows * environment.state()],
            status: vec![Status::Terminated; rows],
            time: vec![0; rows],
            totals: vec![0.0; rows],
            finished: Vec::new(),
            frames: 0,
            environment,
        }
    }

    /// The dynamics.
    #[must_use]
    pub fn environment(&self) -> &Rc<dyn Environment> {
        &self.environment
    }

    /// Parallel environments.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.status.len()
    }

    /// How far each row is.
    #[must_use]
    pub fn status(&self) -> &[Status] {
        &self.status
    }

    /// Whether any row goes on.
    #[must_use]
    pub fn any_running(&self) -> bool {
        self.status.contains(&Status::Running)
    }

    /// Takes out what has come to an end since the last time, and the steps that were made in all rows.
    pub fn take_finished(&mut self) -> (Vec<Episode>, usize) {
        (
            std::mem::take(&mut self.finished),
            std::mem::take(&mut self.frames),
        )
    }

    /// Puts every row that is not running (`fresh`: every row) at a start drawn from `noise`. `occurrence` tells starts
    /// under the same noise apart.
    pub fn start(&mut self, noise: &Noise, occurrence: usize, fresh: bool, device: &Device) {
        if !fresh && !self.status.iter().any(|&s| s != Status::Running) {
            return;
        }
        let (rows, width) = (self.rows(), self.environment.state());
        let device = device.clone().without_autodiff();
        let key = Key::new("start", occurrence);
        let uniforms = noise.draw(
            NoiseLaw::Uniform,
            &key,
            Role::Other(0),
            1,
            1,
            rows,
            width,
            &device,
        );
        let uniforms = uniforms.into_data_as::<f64>().try_to_vec::<f64>();
        let uniforms = uniforms.expect("converted to f64");
        for row in 0..rows {
            if fresh || self.status[row] != Status::Running {
                let range = row * width..(row + 1) * width;
                let state = &mut self.states[range.clone()];
                state.copy_from_slice(&uniforms[range]);
                self.environment.reset(state);
                self.status[row] = Status::Running;
                self.time[row] = 0;
                self.totals[row] = 0.0;
            }
        }
    }

    /// One step of every running row. `actions` is `[rows, n]`; returns the rewards `[rows]`, 0 where a row waits.
    pub fn step(&mut self, actions: &[f64]) -> Vec<f64> {
        let (rows, width) = (self.rows(), self.environment.state());
        assert_eq!(
            actions.len(),
            rows * self.environment.actions().width(),
            "one action per row"
        );
        let n = actions.len() / rows;
        let mut rewards = vec![0.0; rows];
        for row in 0..rows {
            if self.status[row] != Status::Running {
                continue;
            }
            let state = &mut self.states[row * width..(row + 1) * width];
            let outcome = self
                .environment
                .step(state, &actions[row * n..(row + 1) * n]);
            rewards[row] = outcome.reward;
            self.time[row] += 1;
            self.totals[row] += outcome.reward;
            self.frames += 1;
            if outcome.terminated {
                self.status[row] = Status::Terminated;
            } else if self.time[row] >= self.environment.cap() {
                self.status[row] = Status::Truncated;
            } else {
                continue;
            }
            self.finished.push(Episode {
                total: self.totals[row],
                steps: self.time[row],
            });
        }
        rewards
    }

    /// What the agents see, `[rows, features]`.
    #[must_use]
    pub fn observations(&self) -> Vec<f64> {
        let (width, features) = (self.environment.state(), self.environment.features());
        let mut seen = vec![0.0; self.rows() * features];
        for (state, seen) in self
            .states
            .chunks_exact(width)
            .zip(seen.chunks_exact_mut(features))
        {
            self.environment.observe(state, seen);
        }
        seen
    }

    /// Everything that a later step depends on, `[rows, state + 3]`.
    #[must_use]
    pub fn to_numbers(&self) -> Vec<f64> {
        let width = self.environment.state();
        let mut numbers = Vec::with_capacity(self.rows() * (width + 3));
        for row in 0..self.rows() {
            numbers.extend_from_slice(&self.states[row * width..(row + 1) * width]);
            let status = match self.status[row] {
                Status::Running => 0.0,
                Status::Terminated => 1.0,
                Status::Truncated => 2.0,
            };
            numbers.extend([status, self.time[row] as f64, self.totals[row]]);
        }
        numbers
    }

    /// Takes up what [`to_numbers`](Self::to_numbers) gave; false if it does not fit.
    pub fn restore(&mut self, numbers: &[f64]) -> bool {
        let width = self.environment.state();
        if numbers.len() != self.rows() * (width + 3) {
            return false;
        }
        for (row, numbers) in numbers.chunks_exact(width + 3).enumerate() {
            self.states[row * width..(row + 1) * width].copy_from_slice(&numbers[..width]);
            self.status[row] = match numbers[width] {
                0.0 => Status::Running,
                1.0 => Status::Terminated,
                _ => Status::Truncated,
            };
            self.time[row] = numbers[width + 1] as usize;
            self.totals[row] = numbers[width + 2];
        }
        self.finished.clear();
        self.frames = 0;
        true
    }
}
