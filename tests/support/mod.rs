//! Runs the real binary in a fresh folder, away from the data and settings of whoever runs the tests.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "shared by several test binaries, each of which uses its part"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A folder to run the program in.
pub struct Bench {
    dir: TempDir,
}

/// What a call left behind.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// Asserts the exit code and that every piece of text was said on stderr.
    #[track_caller]
    pub fn fails(&self, code: i32, said: &[&str]) -> &Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for text in said {
            assert!(
                self.stderr.contains(text),
                "{text:?} is missing in\n{}",
                self.stderr
            );
        }
        self
    }

    #[track_caller]
    pub fn succeeds(&self) -> &Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }
}

impl Bench {
    pub fn new() -> Self {
        Self {
            dir: TempDir::new().unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// The program with this command line, words separated by spaces.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_unbiased"));
        self.prepare(&mut command);
        command.args(line.split_whitespace());
        command
    }

    /// The program started by a shell, after `setup`.
    #[cfg(unix)]
    pub fn in_shell(&self, setup: &str, line: &str) -> Outcome {
        let mut command = Command::new("sh");
        self.prepare(&mut command);
        let program = env!("CARGO_BIN_EXE_unbiased");
        command.args(["-c", &format!("{setup}; exec {program} {line}")]);
        finish(&mut command)
    }

    fn prepare(&self, command: &mut Command) {
        command
            .current_dir(self.dir.path())
            .env("HOME", self.dir.path())
            .env_remove("XDG_CACHE_HOME")
            .env_remove("UNBIASED_DATA")
            .env_remove("CARGO_MANIFEST_DIR")
            .stdin(Stdio::null());
    }

    /// Runs the program to its end.
    pub fn run(&self, line: &str) -> Outcome {
        finish(&mut self.command(line))
    }

    /// Starts the program and comes back at once.
    pub fn start(&self, line: &str) -> Running {
        let child = self
            .command(line)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Running { child }
    }

    /// Every line of `metrics.jsonl`, without the clock.
    pub fn metrics(&self, run: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(run).join("metrics.jsonl")).unwrap();
        text.lines()
            .map(|line| {
                let mut value: Value = serde_json::from_str(line).unwrap();
                value.as_object_mut().unwrap().remove("wall_s").unwrap();
                value
            })
            .collect()
    }

    pub fn summary(&self, run: &str) -> Value {
        let text = fs::read_to_string(self.path(run).join("summary.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// The steps of all checkpoints, ascending.
    pub fn checkpoints(&self, run: &str) -> Vec<u64> {
        let mut steps: Vec<u64> = fs::read_dir(self.path(run).join("checkpoint"))
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
            .collect();
        steps.sort_unstable();
        steps
    }

    /// Every file of the checkpoint at `step`, by name.
    pub fn checkpoint(&self, run: &str, step: u64) -> BTreeMap<String, Vec<u8>> {
        let folder = self.path(run).join("checkpoint").join(step.to_string());
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                (name, fs::read(path).unwrap())
            })
            .collect()
    }

    /// Asserts that two runs came to the same end: equal bytes in the last checkpoint, equal figures.
    #[track_caller]
    pub fn assert_same_end(&self, one: &str, two: &str) {
        let step = *self.checkpoints(one).last().unwrap();
        assert_eq!(Some(&step), self.checkpoints(two).last());
        let (a, b) = (self.checkpoint(one, step), self.checkpoint(two, step));
        assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
        for (name, bytes) in &a {
            assert!(bytes == &b[name], "{name} differs at step {step}");
        }
        assert_eq!(self.metrics(one), self.metrics(two));
    }
}

fn finish(command: &mut Command) -> Outcome {
    let output = command.output().unwrap();
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A program that is running.
pub struct Running {
    child: Child,
}

impl Running {
    /// Waits until the file at `path` has at least `bytes` bytes, or the program has ended.
    pub fn wait_for_bytes(&mut self, path: &Path, bytes: u64) {
        let deadline = Instant::now() + Duration::from_mins(1);
        while fs::metadata(path).map_or(0, |file| file.len()) < bytes {
            if self.child.try_wait().unwrap().is_some() {
                return;
            }
            assert!(Instant::now() < deadline, "{} never grew", path.display());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Sends a signal by name.
    #[cfg(unix)]
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        // The program may have ended by itself; then there is nobody to signal.
        let _ = Command::new("kill")
            .args(["-s", name, &pid])
            .stderr(Stdio::null())
            .status()
            .unwrap();
    }

    /// Waits for the end.
    pub fn wait(self) -> Outcome {
        let output = self.child.wait_with_output().unwrap();
        Outcome {
            code: output.status.code(),
            stdout: String::new(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
