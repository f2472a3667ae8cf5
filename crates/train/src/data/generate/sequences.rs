//! Sequences for neural Turing machines, in the sizes of Graves, Wayne, Danihelka, "Neural Turing machines", 2014.

use serde_json::{Value, json};
use unbiased_models::ntm::{Curriculum, CurriculumName, Stream, TaskConfig, TaskName};

use super::{Drawn, Generator, Request};
use crate::data::DataError;

fn task(name: &str) -> TaskConfig {
    let task = TaskConfig::default();
    match name {
        "ntm-repeat-copy" => TaskConfig {
            name: TaskName::RepeatCopy,
            lengths: [1, 10],
            ..task
        },
        "ntm-associative-recall" => TaskConfig {
            name: TaskName::AssociativeRecall,
            bits: 6,
            lengths: [2, 6],
            ..task
        },
        "ntm-ngrams" => TaskConfig {
            name: TaskName::Ngrams,
            lengths: [200, 200],
            ..task
        },
        "ntm-priority-sort" => TaskConfig {
            name: TaskName::PrioritySort,
            lengths: [20, 20],
            ..task
        },
        _ => task,
    }
}

/// One sequence a line: the inputs of its steps, and the targets, `null` where the output does not count.
pub(super) fn draw(generator: &Generator, request: &Request<'_>) -> Result<Drawn, DataError> {
    let task = task(generator.name);
    let key = generator.stream(request).key();
    let sizes = Curriculum::new(CurriculumName::Uniform, &task);
    let mut lines = String::new();
    let (mut bits, mut best) = (0, 0.0);
    for i in 0..request.n as u64 {
        let stream = Stream {
            seed: key,
            batch: i,
        };
        let episode = task.generate(sizes.size(&task, key, i), 1, stream);
        let steps = 0..episode.steps();
        let inputs: Vec<&[f32]> = steps.clone().map(|t| episode.input(t, 0)).collect();
        let targets: Vec<Value> = steps.map(|t| json!(episode.target(t, 0))).collect();
        lines.push_str(&json!({ "inputs": inputs, "targets": targets }).to_string());
        lines.push('\n');
        bits += episode.counted_bits();
        best += task.yardstick_bits(&episode)[0];
    }
    let n = request.n as f64;
    Ok(Drawn {
        files: vec![request.write("sequences.jsonl", lines.as_bytes())?],
        yardstick: format!(
            "{:.3} bits per sequence for the best predictor that knows the task, {:.1} for coins",
            best / n,
            bits as f64 / n
        ),
    })
}
