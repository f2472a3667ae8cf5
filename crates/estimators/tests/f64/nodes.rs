//! The uniforms of one choice, law by law: cells that lead to one outcome, or a quadrature within them.

use std::{f64::consts::PI, ops::Range};

use unbiased_estimators::SiteRecord;

use crate::grid::{Cover, Node};

/// A choice as one block of copies sees it.
pub struct View<'a> {
    pub params: &'a [f64],
    pub opposite: bool,
}

pub fn nodes(record: &SiteRecord, width: usize, views: &[View<'_>], cover: Cover) -> Vec<Node> {
    let Some(first) = views.first() else {
        // An inactive choice has no outcome, but relaxed runs use its noise.
        return match (cover, record.law.name()) {
            (Cover::Outcome | Cover::Order, _) => vec![(vec![0.5; width], 1.0)],
            (_, "gaussian") => product((0..width).map(|_| normal_nodes())),
            _ => product((0..width).map(|_| interval(0.0, 1.0, cover))),
        };
    };
    match record.law.name() {
        "bernoulli" => product((0..width).map(|bit| {
            // b = 1[u > 1 - p]; with the opposite noise 1[1 - u > 1 - p].
            let mut ends = vec![0.0, 1.0];
            ends.extend(views.iter().map(|view| {
                let p = sigma(view.params[bit]);
                if view.opposite { p } else { 1.0 - p }
            }));
            ends.sort_by(f64::total_cmp);
            ends.windows(2)
                .flat_map(|cell| interval(cell[0], cell[1], cover))
                .collect()
        })),
        "gaussian" => match cover {
            Cover::Outcome | Cover::Order => product((0..width).map(|_| normal_nodes())),
            // Two halves: some estimators have a jump in the middle.
            Cover::Quadrature(_) => product((0..width).map(|_| {
                let low = interval(0.0, 0.5, cover);
                [low, interval(0.5, 1.0, cover)].concat()
            })),
        },
        "categorical" | "plackett-luce" => {
            assert!(
                views.iter().all(|view| view.params == first.params),
                "outcomes only"
            );
            match cover {
                Cover::Outcome => finite_nodes(record, first.params),
                Cover::Order => order_nodes(&orders(first.params.len()), first.params),
                Cover::Quadrature(step) => gumbel_nodes(first.params, step),
            }
        }
        "poisson" => product((0..width).map(|i| counts(first.params[i].exp()))),
        other => panic!("no nodes for a {other} choice"),
    }
}

/// The middle of the cell of every count, as far as they are above 1e-16.
fn counts(rate: f64) -> Vec<Node> {
    let (mut low, mut n) = (0.0, 0.0);
    let mut nodes = Vec::new();
    while n < rate || 1.0 - low > 1e-14 {
        let p = (n * rate.ln() - rate - libm::lgamma(n + 1.0)).exp();
        nodes.push((vec![low + p / 2.0], p));
        low += p;
        n += 1.0;
        if n > rate && p < 1e-16 {
            break;
        }
    }
    nodes
}

/// The uniform of this Gumbel.
fn of_gumbel(x: f64) -> f64 {
    (-(-x).exp()).exp()
}

/// Uniforms of Gumbels far enough apart to make each outcome certain, with its probability.
pub fn finite_nodes(record: &SiteRecord, params: &[f64]) -> Vec<Node> {
    let support = record
        .law
        .support(params.len(), 1 << 10)
        .expect("a finite law");
    if record.law.name() == "plackett-luce" {
        return order_nodes(&support, params);
    }
    let total: f64 = params.iter().map(|a| a.exp()).sum();
    support
        .into_iter()
        .map(|state| {
            // One choice per site is all that is needed here.
            let chosen = state.iter().position(|&b| b == 1.0).expect("one-hot");
            let uniforms = state.iter().map(|&x| of_gumbel(25.0 * x)).collect();
            (uniforms, params[chosen].exp() / total)
        })
        .collect()
}

/// The same for the ranks of all items.
fn order_nodes(ranks: &[Vec<f64>], params: &[f64]) -> Vec<Node> {
    let n = params.len();
    ranks
        .iter()
        .map(|rank| {
            let remaining = |i: usize| -> f64 {
                let left = (0..n).filter(|&j| rank[j] >= rank[i]);
                left.map(|j| params[j].exp()).sum()
            };
            let probability = (0..n).map(|i| params[i].exp() / remaining(i)).product();
            let gumbel = |&r: &f64| of_gumbel(10.0 * (n as f64 - 1.0 - r));
            (rank.iter().map(gumbel).collect(), probability)
        })
        .collect()
}

/// The ranks of `n` items in all orders.
fn orders(n: usize) -> Vec<Vec<f64>> {
    let Some(rest) = n.checked_sub(1) else {
        return vec![Vec::new()];
    };
    orders(rest)
        .into_iter()
        .flat_map(|ranks| {
            (0..n).map(move |last| {
                let last = last as f64;
                let moved = ranks.iter().map(|&r| if r < last { r } else { r + 1.0 });
                moved.chain([last]).collect()
            })
        })
        .collect()
}

/// Uniforms at the nodes of the tree of classes for every opposite path of the class with the largest of `chosen`.
pub fn opposite_paths(params: &[f64], chosen: &[f64]) -> Vec<Node> {
    let class = (0..params.len())
        .max_by(|&i, &j| chosen[i].total_cmp(&chosen[j]))
        .expect("classes");
    let mass = |classes: Range<usize>| -> f64 { classes.map(|c| params[c].exp()).sum() };
    let chances = halves(0..params.len()).into_iter().map(|[left, right]| {
        let p = mass(left.clone()) / mass(left.start..right.end);
        let chance = if left.contains(&class) {
            (2.0 * p - 1.0).max(0.0) / p
        } else if right.contains(&class) {
            (p / (1.0 - p)).min(1.0)
        } else {
            p
        };
        let low = interval(0.0, chance, Cover::Outcome);
        [low, interval(chance, 1.0, Cover::Outcome)].concat()
    });
    product(chances)
}

/// The halves of all classes, then those of each half.
fn halves(classes: Range<usize>) -> Vec<[Range<usize>; 2]> {
    let Range { start, end } = classes;
    if end - start < 2 {
        return Vec::new();
    }
    let middle = usize::midpoint(start, end);
    let mut all = vec![[start..middle, middle..end]];
    all.extend(halves(start..middle));
    all.extend(halves(middle..end));
    all
}

/// Nodes over three Gumbels, with breakpoints where the order of the logits plus Gumbels changes.
fn gumbel_nodes(params: &[f64], step: f64) -> Vec<Node> {
    let cover = Cover::Quadrature(step);
    let latent = |i: usize, u: f64| params[i] - (-u.ln()).ln();
    let uniform = |i: usize, z: f64| (-(params[i] - z).exp()).exp();
    let split = |end: f64| {
        let mut nodes = interval(0.0, end, cover);
        nodes.extend(interval(end, 1.0, cover));
        nodes
    };
    let mut all = Vec::new();
    for (first, weight) in interval(0.0, 1.0, cover) {
        let z = latent(0, first[0]);
        for (second, weight_2) in split(uniform(1, z)) {
            let max = z.max(latent(1, second[0]));
            for (third, weight_3) in split(uniform(2, max)) {
                let uniforms = vec![first[0], second[0], third[0]];
                all.push((uniforms, weight * weight_2 * weight_3));
            }
        }
    }
    all
}

/// Nodes on an interval: its middle, or the tanh-sinh rule (Takahasi & Mori, 1974), which does not mind singular ends.
pub fn interval(low: f64, high: f64, cover: Cover) -> Vec<Node> {
    let length = high - low;
    if length < 1e-13 {
        return Vec::new();
    }
    let Cover::Quadrature(step) = cover else {
        return vec![(vec![low + length / 2.0], length)];
    };
    let half = (3.0 / step).round() as i32;
    (-half..=half)
        .map(|i| {
            let t = f64::from(i) * step;
            let s = PI / 2.0 * t.sinh();
            let near = length / (1.0 + (2.0 * s.abs()).exp());
            let u = if s < 0.0 { low + near } else { high - near };
            // Near 1 the distance can fall below the spacing of f64, and no law is finite at 1.
            let u = u.clamp(f64::MIN_POSITIVE, 1.0 - f64::EPSILON / 2.0);
            let weight = length * step * PI / 4.0 * t.cosh() / s.cosh().powi(2);
            (vec![u], weight)
        })
        .collect()
}

/// The three-point rule for the standard normal, exact up to degree 5.
pub fn normal_nodes() -> Vec<Node> {
    [(-1.0, 1.0 / 6.0), (0.0, 2.0 / 3.0), (1.0, 1.0 / 6.0)]
        .map(|(sign, weight)| {
            let x = sign * 3_f64.sqrt();
            (vec![0.5 * libm::erfc(-x / 2_f64.sqrt())], weight)
        })
        .to_vec()
}

/// The trapezoidal rule for the standard normal on `[-7, 7]`, as uniforms: what is left out is 3e-12 of it.
pub fn trapezoid(step: f64) -> Vec<Node> {
    let n = (7.0 / step).round() as i32;
    (-n..=n)
        .map(|i| {
            let x = f64::from(i) * step;
            let weight = step * (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
            (vec![0.5 * libm::erfc(-x / 2_f64.sqrt())], weight)
        })
        .collect()
}

/// All combinations, uniforms side by side.
pub fn product(axes: impl Iterator<Item = Vec<Node>>) -> Vec<Node> {
    axes.fold(vec![(Vec::new(), 1.0)], |all, axis| {
        all.iter()
            .flat_map(|(uniforms, weight)| {
                axis.iter().map(move |(next, weight_2)| {
                    ([uniforms.as_slice(), next].concat(), weight * weight_2)
                })
            })
            .collect()
    })
}

pub fn sigma(a: f64) -> f64 {
    1.0 / (1.0 + (-a).exp())
}
