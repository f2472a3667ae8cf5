//! Line charts as SVG, drawn with nothing but strings. Colours come from the style sheet of the page.

use std::fmt::Write;

use super::html::escape;
use crate::progress::number;

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 230.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 24.0;

/// Colours in the style sheet.
const COLOURS: usize = 7;
/// Points of a curve at most; of more, neighbours are averaged.
const MOST_POINTS: usize = 400;

/// The class of the group with this place in the report.
#[must_use]
pub(super) fn colour(group: usize) -> String {
    format!("c{}", group % COLOURS)
}

/// A figure at a step: mean and standard deviation over seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) step: f64,
    pub(super) mean: f64,
    pub(super) sd: f64,
}

/// One figure of one group.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Curve {
    /// Place of the group in the report; decides the colour.
    pub(super) group: usize,
    /// What it is, shown when the pointer rests on it.
    pub(super) title: String,
    /// Pattern of the line: `train`, `valid` or `test`.
    pub(super) split: String,
    /// All finite, in the order of the steps.
    pub(super) points: Vec<Point>,
}

/// A published value or a bound, drawn across the chart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Level {
    pub(super) title: String,
    pub(super) value: f64,
}

/// A chart of `curves` over the step, titled with the name of the figure.
#[must_use]
pub(super) fn chart(title: &str, curves: &[Curve], levels: &[Level]) -> String {
    let curves: Vec<Curve> = curves.iter().map(thinned).collect();
    let steps = curves
        .iter()
        .flat_map(|curve| &curve.points)
        .map(|point| point.step);
    let (x0, x1) = range(steps);
    let (y0, y1, cut) = height(&curves, levels, x0, x1);
    let x = |step: f64| LEFT + (step - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT);
    // Cut at a distance: coordinates of any size would burden the viewer.
    let y = |value: f64| {
        let at = TOP + (y1 - value) / (y1 - y0) * (HEIGHT - TOP - BOTTOM);
        at.clamp(-HEIGHT, 2.0 * HEIGHT)
    };

    let note = if cut {
        " <small>(its start is cut off)</small>"
    } else {
        ""
    };
    let mut svg = format!(
        "<figure class=\"chart\"><figcaption>{}{note}</figcaption>\
         <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escape(title),
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
            label(tick)
        );
    }
    for tick in ticks(x0, x1) {
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            x(tick),
            HEIGHT - 6.0,
            label(tick)
        );
    }
    // A view of its own cuts curves at the edges of the plot.
    let (w, h) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    let _ = write!(
        svg,
        "<svg x=\"{LEFT}\" y=\"{TOP}\" width=\"{w}\" height=\"{h}\" viewBox=\"{LEFT} {TOP} {w} {h}\">"
    );
    for level in levels {
        let at = y(level.value);
        let _ = write!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" class=\"level\"><title>{}</title></line>",
            WIDTH - RIGHT,
            escape(&level.title)
        );
    }
    for curve in &curves {
        draw(&mut svg, curve, &x, &y);
    }
    svg.push_str("</svg></svg></figure>\n");
    svg
}

fn draw(svg: &mut String, curve: &Curve, x: &impl Fn(f64) -> f64, y: &impl Fn(f64) -> f64) {
    let class = colour(curve.group);
    let title = escape(&curve.title);
    if curve.points.iter().any(|point| point.sd > 0.0) {
        let upper = curve.points.iter().map(|p| (p.step, p.mean + p.sd));
        let lower = curve.points.iter().rev().map(|p| (p.step, p.mean - p.sd));
        let mut edge = String::new();
        for (step, value) in upper.chain(lower) {
            let _ = write!(edge, "{:.1},{:.1} ", x(step), y(value));
        }
        let _ = write!(
            svg,
            "<polygon points=\"{}\" class=\"band {class}\"/>",
            edge.trim_end()
        );
    }
    if let [point] = curve.points[..] {
        let _ = write!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" class=\"dot {class}\"><title>{title}</title></circle>",
            x(point.step),
            y(point.mean)
        );
        return;
    }
    let mut path = String::new();
    for point in &curve.points {
        let _ = write!(path, "{:.1},{:.1} ", x(point.step), y(point.mean));
    }
    let _ = write!(
        svg,
        "<polyline points=\"{}\" class=\"line {class} {}\"><title>{title}</title></polyline>",
        path.trim_end(),
        curve.split
    );
}

/// The curve with neighbours averaged until it is short enough to draw.
fn thinned(curve: &Curve) -> Curve {
    let share = curve.points.len().div_ceil(MOST_POINTS).max(1);
    let mean = |points: &[Point], of: fn(&Point) -> f64| {
        points.iter().map(of).sum::<f64>() / points.len() as f64
    };
    let points = curve.points.chunks(share).map(|points| Point {
        step: mean(points, |p| p.step),
        mean: mean(points, |p| p.mean),
        sd: mean(points, |p| p.sd),
    });
    Curve {
        points: points.collect(),
        ..curve.clone()
    }
}

/// The ends of the values to show, and whether the first tenth of the steps is left out of them because it would flatten the
/// rest to less than a third of the chart.
fn height(curves: &[Curve], levels: &[Level], x0: f64, x1: f64) -> (f64, f64, bool) {
    let ends = |from: f64| {
        let shown = curves.iter().flat_map(|curve| &curve.points);
        let shown = shown.filter(move |point| point.step >= from);
        let values = shown.flat_map(|p| [p.mean - p.sd, p.mean + p.sd]);
        range(values.chain(levels.iter().map(|level| level.value)))
    };
    let (low, high) = ends(x0);
    let (late_low, late_high) = ends(x0 + 0.1 * (x1 - x0));
    if 3.0 * (late_high - late_low) < high - low {
        (late_low, late_high, true)
    } else {
        (low, high, false)
    }
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

/// A round number as short as it can be: `0.25`, `40k`, `1.5M`.
fn label(tick: f64) -> String {
    let magnitude = tick.abs();
    match magnitude {
        1e6..1e9 => format!("{}M", tick / 1e6),
        1e4..1e6 => format!("{}k", tick / 1e3),
        1e-3..1e4 => tick.to_string(),
        0.0 => "0".to_owned(),
        _ => number(tick),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: &[(f64, f64)]) -> Curve {
        let point = |&(step, mean)| Point {
            step,
            mean,
            sd: 0.0,
        };
        Curve {
            group: 0,
            title: "a".to_owned(),
            split: "train".to_owned(),
            points: points.iter().map(point).collect(),
        }
    }

    #[test]
    fn ticks_are_round_and_within() {
        assert_eq!(ticks(0.0, 1.0), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(ticks(-3.0, 11.0), [0.0, 5.0, 10.0]);
        assert_eq!(ticks(120.3, 121.0), [120.4, 120.6, 120.8, 121.0]);
        let labels: Vec<_> = [0.0, 0.25, 1500.0, 40_000.0, -1_500_000.0]
            .map(label)
            .into();
        assert_eq!(labels, ["0", "0.25", "1500", "40k", "-1.5M"]);
    }

    #[test]
    fn a_chart_spans_its_values_and_survives_a_single_one() {
        let svg = chart("a < b", &[curve(&[(0.0, 1.0), (10.0, 3.0)])], &[]);
        // The first point is at the lower left corner of the plot, the last at the upper right.
        assert!(svg.contains("points=\"62.0,206.0 442.0,10.0\""), "{svg}");
        assert!(svg.contains("a &lt; b"));
        let svg = chart("one", &[curve(&[(5.0, 2.0)])], &[]);
        assert!(svg.contains("<circle") && !svg.contains("NaN"), "{svg}");
        assert!(!chart("none", &[], &[]).contains("NaN"));
    }

    #[test]
    fn a_spread_has_a_band_and_a_level_is_within_the_chart() {
        let mut wide = curve(&[(0.0, 1.0), (10.0, 3.0)]);
        wide.points[1].sd = 1.0;
        let level = Level {
            title: "paper".to_owned(),
            value: 0.0,
        };
        let svg = chart("x", &[wide], &[level]);
        assert!(
            svg.contains("<polygon") && svg.contains("class=\"level\""),
            "{svg}"
        );
        // Values from 0, the level, to 4, the upper edge of the band.
        assert!(
            svg.contains("y1=\"206.0\" y2=\"206.0\" class=\"level\""),
            "{svg}"
        );
    }

    #[test]
    fn a_steep_start_is_cut_off_and_said_to_be() {
        let steep: Vec<(f64, f64)> = (0..100)
            .map(|t| (f64::from(t), if t < 5 { 1e4 } else { 1.0 + f64::from(t) }))
            .collect();
        assert!(chart("x", &[curve(&steep)], &[]).contains("cut off"));
        let even: Vec<(f64, f64)> = (0..100).map(|t| (f64::from(t), f64::from(t))).collect();
        assert!(!chart("x", &[curve(&even)], &[]).contains("cut off"));
    }

    #[test]
    fn long_curves_are_thinned_by_means() {
        let long: Vec<(f64, f64)> = (0..801).map(|t| (f64::from(t), f64::from(t % 3))).collect();
        let thin = thinned(&curve(&long));
        assert!(thin.points.len() <= MOST_POINTS);
        assert_eq!(thin.points[0].mean, 1.0);
    }
}
