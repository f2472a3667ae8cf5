//! Line charts as SVG, drawn with nothing but strings.

use std::fmt::Write;

use super::html::escape;
use crate::progress::number;

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 28.0;

/// Colours that remain apart for the colour-blind (Okabe & Ito, "Color Universal Design", 2008).
const COLOURS: [&str; 7] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000",
];

/// The colour of the run with this place in the report.
#[must_use]
pub(super) fn colour(run: usize) -> &'static str {
    COLOURS[run % COLOURS.len()]
}

/// Steps and values, all finite.
pub(super) type Points = Vec<(f64, f64)>;

/// One figure of one run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Curve {
    /// Place of the run in the report; decides the colour.
    pub(super) run: usize,
    /// The figure over the steps.
    pub(super) points: Points,
}

/// A chart of `curves` over the step, titled with the name of the figure.
#[must_use]
pub(super) fn chart(title: &str, curves: &[Curve]) -> String {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let (x0, x1) = range(points().map(|point| point.0));
    let (y0, y1) = range(points().map(|point| point.1));
    let x = |step: f64| LEFT + (step - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| TOP + (y1 - value) / (y1 - y0) * (HEIGHT - TOP - BOTTOM);

    let mut svg = format!(
        "<figure><figcaption>{}</figcaption>\
         <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\">",
        escape(title)
    );
    for tick in ticks(y0, y1) {
        let at = y(tick);
        let _ = write!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" class=\"grid\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0,
            number(tick)
        );
    }
    for tick in ticks(x0, x1) {
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{tick}</text>",
            x(tick),
            HEIGHT - 8.0
        );
    }
    for curve in curves {
        let mut path = String::new();
        for &(step, value) in &curve.points {
            let _ = write!(path, "{:.1},{:.1} ", x(step), y(value));
        }
        let stroke = colour(curve.run);
        if let [(step, value)] = curve.points[..] {
            let _ = write!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{stroke}\"/>",
                x(step),
                y(value)
            );
        } else {
            let _ = write!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{stroke}\" stroke-width=\"1.5\"/>",
                path.trim_end()
            );
        }
    }
    svg.push_str("</svg></figure>\n");
    svg
}

/// The ends of the values; widened where there is only one.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    if low > high {
        return (0.0, 1.0);
    }
    let width = high - low;
    if width > 1e-9 * low.abs().max(high.abs()) && width > 0.0 {
        (low, high)
    } else {
        let margin = (0.5 * low.abs()).max(0.5);
        (low - margin, high + margin)
    }
}

/// Round numbers between `low` and `high`, about five: 1, 2 or 5 times a power of ten apart.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 5.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= rough)
        .unwrap_or(10.0 * power);
    let first = (low / step).ceil();
    let count = ((high / step).floor() - first).max(0.0) as u32;
    (0..=count)
        .map(|index| (first + f64::from(index)) * step)
        // 0.1 + 0.2 is not 0.3, and nobody wants to read that.
        .map(|tick| format!("{tick:.12}").parse().unwrap_or(tick))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        assert_eq!(ticks(0.0, 1.0), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(ticks(-3.0, 11.0), [0.0, 5.0, 10.0]);
        assert_eq!(ticks(120.3, 121.0), [120.4, 120.6, 120.8, 121.0]);
    }

    #[test]
    fn a_chart_spans_its_values_and_survives_a_single_one() {
        let curve = |points: &[(f64, f64)]| Curve {
            run: 0,
            points: points.to_vec(),
        };
        let svg = chart("a < b", &[curve(&[(0.0, 1.0), (10.0, 3.0)])]);
        // The first point is at the lower left corner of the plot, the last at the upper right.
        assert!(svg.contains("points=\"64.0,192.0 448.0,12.0\""), "{svg}");
        assert!(svg.contains("a &lt; b"));
        let svg = chart("one", &[curve(&[(5.0, 2.0)])]);
        assert!(svg.contains("<circle") && !svg.contains("NaN"), "{svg}");
        assert!(!chart("none", &[]).contains("NaN"));
    }
}
