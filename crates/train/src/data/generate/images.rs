//! Images as idx files.

use serde_json::json;

use super::{Drawn, Generator, Request};
use crate::data::scenes::{SceneConfig, Scenes};
use crate::data::{DataError, glyphs};

/// An idx file of bytes.
fn idx(shape: &[usize], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, shape.len() as u8];
    let lengths = shape
        .iter()
        .map(|&n| u32::try_from(n).expect("below 2^32 items"));
    bytes.extend(lengths.flat_map(u32::to_be_bytes));
    bytes.extend(values);
    bytes
}

pub(super) fn glyphs(_: &Generator, request: &Request<'_>) -> Result<Drawn, DataError> {
    let (grey, labels) = glyphs::generate(request.seed, request.split, request.n);
    Ok(Drawn {
        files: vec![
            request.write("images-idx3-ubyte", &idx(&[request.n, 28, 28], &grey))?,
            request.write("labels-idx1-ubyte", &idx(&[request.n], &labels))?,
        ],
        yardstick:
            "one Bernoulli draw per pixel: entropy 41.6 nats, independent pixels 186.5 nats; \
                    softmax regression errs on 2.9 %"
                .into(),
    })
}

pub(super) fn scenes(_: &Generator, request: &Request<'_>) -> Result<Drawn, DataError> {
    let config = SceneConfig {
        seed: request.seed,
        ..SceneConfig::default()
    };
    let scenes = Scenes::draw(&config, request.split, request.n, None)?;
    let side = config.canvas;
    let lines = (0..request.n).map(|i| {
        let boxes: Vec<_> = scenes
            .boxes(i)
            .iter()
            .map(|b| json!({ "left": b.left, "top": b.top, "width": b.width, "height": b.height }))
            .collect();
        json!({ "count": scenes.count(i), "boxes": boxes }).to_string() + "\n"
    });
    let counts: Vec<u8> = (0..request.n).map(|i| scenes.count(i) as u8).collect();
    let lines: String = lines.collect();
    Ok(Drawn {
        files: vec![
            request.write(
                "images-idx3-ubyte",
                &idx(&[request.n, side, side], scenes.bytes()),
            )?,
            request.write("counts-idx1-ubyte", &idx(&[request.n], &counts))?,
            request.write("objects.jsonl", lines.as_bytes())?,
        ],
        yardstick: "counts 0, 1 and 2 are equally likely: guessing is right for one scene in three"
            .into(),
    })
}
