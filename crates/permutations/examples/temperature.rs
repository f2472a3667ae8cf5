//! What the temperature does, as a picture: the same scores balanced at five temperatures and matched exactly, without noise and with.
//!
//! `cargo run --release -p unbiased-permutations --example temperature FILE.svg`

use std::fmt::{Error as Unwritable, Write};

use burn::tensor::{Device, Tensor};
use unbiased_kernels::{NoiseLaw, noise};
use unbiased_permutations::{Sinkhorn, assign_batch};

/// Rows and columns of the scores.
const N: usize = 8;
const TEMPERATURES: [f64; 5] = [4.0, 1.0, 0.5, 0.25, 0.1];
/// Length of an entry's side, and space around matrices, in pixels.
const CELL: usize = 12;
const GAP: usize = 16;
const LEFT: usize = 96;
const LINE: usize = 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args()
        .nth(1)
        .ok_or("say where to write the picture: FILE.svg")?;
    let device = Device::flex();
    let matrix = |law, seed| noise(law, &[seed], N * N, &device).reshape([N, N]);
    let scores: Tensor<2> = matrix(NoiseLaw::Normal, 5);
    let noisy = scores.clone() + matrix(NoiseLaw::Gumbel, 6);

    let columns = TEMPERATURES.len() + 1;
    let pitch = N * CELL + GAP;
    let (width, height) = (LEFT + columns * pitch, LINE + 2 * (pitch + LINE));
    let mut svg = String::new();
    writeln!(
        svg,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">
<rect width="{width}" height="{height}" fill="#fff"/>"##
    )?;
    let centre = |column: usize| LEFT + column * pitch + N * CELL / 2;
    for (column, t) in TEMPERATURES.iter().enumerate() {
        text(&mut svg, centre(column), 14, &format!("τ = {t}"))?;
    }
    text(&mut svg, centre(columns - 1), 14, "best matching")?;
    for (row, (name, scores)) in [("S(X/τ)", scores), ("S((X + ε)/τ)", noisy)]
        .into_iter()
        .enumerate()
    {
        let top = LINE + row * (pitch + LINE);
        text(&mut svg, LEFT / 2 - 4, top + N * CELL / 2, name)?;
        for (column, &t) in TEMPERATURES.iter().enumerate() {
            let balanced = Sinkhorn::within(1e-3).at(t).balance(scores.clone())?;
            draw(&mut svg, [LEFT + column * pitch, top], balanced.plan)?;
            let iterations = format!("L = {}", balanced.iterations[0]);
            text(&mut svg, centre(column), top + N * CELL + 15, &iterations)?;
        }
        let best = assign_batch(scores)?.plan;
        draw(&mut svg, [LEFT + (columns - 1) * pitch, top], best)?;
    }
    svg.push_str("</svg>\n");
    std::fs::write(file, svg)?;
    Ok(())
}

fn text(svg: &mut String, x: usize, y: usize, text: &str) -> Result<(), Unwritable> {
    writeln!(
        svg,
        r#"<text x="{x}" y="{y}" text-anchor="middle">{text}</text>"#
    )
}

/// The entries of a matrix as squares, from white for 0 to dark for 1.
fn draw(svg: &mut String, [x, y]: [usize; 2], plan: Tensor<2>) -> Result<(), Unwritable> {
    let side = N * CELL;
    writeln!(
        svg,
        r##"<g transform="translate({x} {y})" fill="#124"><rect width="{side}" height="{side}" fill="none" stroke="#999"/>"##
    )?;
    for (k, p) in plan.into_data().iter::<f64>().enumerate() {
        let (x, y) = (k % N * CELL, k / N * CELL);
        // What would not be seen is not written.
        if p >= 0.005 {
            writeln!(
                svg,
                r#"<rect x="{x}" y="{y}" width="{CELL}" height="{CELL}" opacity="{p:.2}"/>"#
            )?;
        }
    }
    writeln!(svg, "</g>")
}
