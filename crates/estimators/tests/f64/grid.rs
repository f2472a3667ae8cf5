//! Noise laid out so that a weighted sum over rows is an expectation: every cell of uniforms that leads to one outcome,
//! or the nodes of a quadrature rule within each cell.
//!
//! Cells of a later choice depend on the earlier ones, so the grid grows choice by choice: a run at the rows so far shows
//! the parameters of the next choice.

use std::{collections::HashMap, f64::consts::PI, ops::Range, rc::Rc};

use unbiased_estimators::{
    Address, Coupling, Draw, Key, Noise, Opposite, Role, Schema, SiteRecord, SiteSchema, Source,
    Weighing, execute,
    rules::{Rule, disarm_tree::DisarmTree},
};

use crate::{
    estimate::{example, numbers, schema},
    programs::Model,
};

type Slot = (Key, Role, usize);
/// Uniforms of one choice, and their weight.
pub type Node = (Vec<f64>, f64);

/// Rows of uniforms with weights that sum to one.
#[derive(Clone)]
pub struct Grid {
    pub weights: Vec<f64>,
    columns: HashMap<Slot, Vec<f64>>,
}

impl Source for Grid {
    fn fill(&self, at: Address<'_>, out: &mut [f64]) {
        match self.columns.get(&(at.key.clone(), at.role, at.copy)) {
            Some(column) => out.copy_from_slice(&column[at.row * out.len()..][..out.len()]),
            None => out.fill(0.5),
        }
    }
}

/// How a cell is covered.
#[derive(Clone, Copy, PartialEq)]
pub enum Cover {
    /// One point: for estimators that depend on outcomes only.
    Outcome,
    /// One point for every order of the classes of a choice by their latents, too.
    Order,
    /// A quadrature rule of this step: for those that depend on the noise itself.
    Quadrature(f64),
}

/// What the estimator draws.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    pub samples: usize,
    /// Names of the sites that are drawn in opposite pairs: bits from opposite noise, classes by opposite paths.
    pub mirrored: &'a [&'a str],
    pub cover: Cover,
    /// Conditional samples that there is noise for, too.
    pub conditional: usize,
}

impl Plan<'_> {
    /// Outcomes of `samples` independent samples.
    pub fn outcomes(samples: usize) -> Self {
        Self {
            samples,
            mirrored: &[],
            cover: Cover::Outcome,
            conditional: 0,
        }
    }

    /// Outcomes of one sample, and the order of what was not chosen.
    pub fn orders() -> Self {
        Self {
            cover: Cover::Order,
            ..Self::outcomes(1)
        }
    }

    pub fn quadrature(step: f64, conditional: bool) -> Self {
        Self {
            cover: Cover::Quadrature(step),
            conditional: usize::from(conditional),
            ..Self::outcomes(1)
        }
    }

    /// The grid of `model` at `theta`.
    pub fn grid(&self, model: &dyn Model, theta: &[f64]) -> Grid {
        let schema = schema(model);
        let mirrored: Vec<usize> = (0..schema.sites.len())
            .filter(|&site| self.mirrored.contains(&&*schema.sites[site].key.name))
            .collect();
        let blocks = 1 + mirrored.len();
        let mut grid = Grid {
            weights: vec![1.0],
            columns: HashMap::new(),
        };
        for site in 0..schema.sites.len() {
            let trace = {
                let program = example(model, theta, grid.weights.len());
                let noise = Noise::from_source(grid.clone());
                let draw = |index: usize, _: &Key| match mirrored.iter().position(|&m| m == index) {
                    Some(block) => Draw::Coupled {
                        copies: self.samples,
                        block: block + 1,
                        coupling: coupling(&schema.sites[index]),
                    },
                    None => Draw::Hard,
                };
                let copies = self.samples * blocks;
                execute(
                    &program,
                    copies,
                    self.samples,
                    Weighing::Analytic,
                    &draw,
                    &noise,
                )
            };
            let record = &trace.sites[site];
            let seen = Seen::of(record);
            let own = mirrored
                .iter()
                .position(|&m| m == site)
                .map(|block| block + 1);
            let rows = grid.weights.len();
            let nodes = |row: usize| {
                let copies = (0..self.samples).map(|copy| {
                    let views: Vec<View<'_>> = (0..blocks)
                        .map(|block| (block * self.samples + copy) * rows + row)
                        .enumerate()
                        .filter(|&(_, at)| seen.active[at])
                        .map(|(block, at)| View {
                            params: seen.params(at),
                            opposite: own == Some(block),
                        })
                        .collect();
                    nodes(record, seen.width, &views, self.cover)
                });
                product(copies)
            };
            let children: Vec<Vec<Node>> = (0..rows).map(nodes).collect();
            grid.grow(&children, &record.key, Role::Choice, self.samples);
            if own.is_some() && record.law.name() == "categorical" {
                assert_eq!(self.samples, 1, "paths of one sample only");
                let paths = children.iter().enumerate().flat_map(|(row, nodes)| {
                    let params = seen.params(row);
                    nodes
                        .iter()
                        .map(move |node| opposite_paths(params, &node.0))
                });
                let paths: Vec<_> = paths.collect();
                grid.grow(&paths, &record.key, Role::Partner, 1);
            }
            if self.conditional > 0 {
                let n = seen.width * self.conditional;
                let v = product((0..n).map(|_| interval(0.0, 1.0, self.cover)));
                grid.grow(
                    &vec![v; grid.weights.len()],
                    &record.key,
                    Role::Conditional,
                    1,
                );
            }
        }
        let total: f64 = grid.weights.iter().sum();
        assert!((total - 1.0).abs() < 1e-11, "weights sum to {total}");
        grid
    }
}

/// The continuous choices of `model` alone, for enumeration of the rest.
pub fn continuous_grid(schema: &Schema) -> Grid {
    normal_grid(schema, 1, &normal_nodes())
}

/// The continuous choices of `copies` copies, each covered by these nodes.
pub fn normal_grid(schema: &Schema, copies: usize, axis: &[Node]) -> Grid {
    let mut grid = Grid {
        weights: vec![1.0],
        columns: HashMap::new(),
    };
    for site in schema.sites.iter().filter(|site| site.law.is_pathwise()) {
        let width = site.law.width(site.params);
        let nodes = product((0..width * copies).map(|_| axis.to_vec()));
        grid.grow(
            &vec![nodes; grid.weights.len()],
            &site.key,
            Role::Choice,
            copies,
        );
    }
    grid
}

impl Grid {
    /// One row by itself, as a batch of one.
    pub fn row(&self, row: usize) -> Self {
        let pick = |column: &Vec<f64>| {
            let width = column.len() / self.weights.len();
            column[row * width..][..width].to_vec()
        };
        Self {
            weights: vec![self.weights[row]],
            columns: self
                .columns
                .iter()
                .map(|(slot, column)| (slot.clone(), pick(column)))
                .collect(),
        }
    }

    /// Replaces each row by its children, whose uniforms (`copies` side by side) are those of `key`.
    fn grow(&mut self, children: &[Vec<Node>], key: &Key, role: Role, copies: usize) {
        for column in self.columns.values_mut() {
            let width = column.len() / children.len();
            *column = children
                .iter()
                .enumerate()
                .flat_map(|(row, nodes)| vec![&column[row * width..][..width]; nodes.len()])
                .flatten()
                .copied()
                .collect();
        }
        let nodes = || children.iter().flatten();
        for copy in 0..copies {
            let part = |node: &Node| {
                let width = node.0.len() / copies;
                node.0[copy * width..][..width].to_vec()
            };
            let column = nodes().flat_map(part).collect();
            self.columns.insert((key.clone(), role, copy), column);
        }
        self.weights = self
            .weights
            .iter()
            .zip(children)
            .flat_map(|(parent, nodes)| nodes.iter().map(move |node| parent * node.1))
            .collect();
    }
}

/// Parameters of one choice in all rows.
struct Seen {
    params: Vec<f64>,
    columns: usize,
    width: usize,
    active: Vec<bool>,
}

impl Seen {
    fn of(record: &SiteRecord) -> Self {
        let [rows, columns] = record.params.dims();
        Self {
            params: numbers(record.params.clone()),
            columns,
            width: record.law.width(columns),
            active: match &record.active {
                Some(active) => numbers(active.clone()).iter().map(|&a| a > 0.5).collect(),
                None => vec![true; rows],
            },
        }
    }

    fn params(&self, row: usize) -> &[f64] {
        &self.params[row * self.columns..][..self.columns]
    }
}

/// A choice as one block of copies sees it.
struct View<'a> {
    params: &'a [f64],
    opposite: bool,
}

fn nodes(record: &SiteRecord, width: usize, views: &[View<'_>], cover: Cover) -> Vec<Node> {
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

fn coupling(site: &SiteSchema) -> Rc<dyn Coupling> {
    match site.law.name() {
        "categorical" => DisarmTree.coupling().expect("a partner"),
        _ => Rc::new(Opposite),
    }
}

/// The uniform of this Gumbel.
fn of_gumbel(x: f64) -> f64 {
    (-(-x).exp()).exp()
}

/// Uniforms of Gumbels far enough apart to make each outcome certain, with its probability.
fn finite_nodes(record: &SiteRecord, params: &[f64]) -> Vec<Node> {
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
fn opposite_paths(params: &[f64], chosen: &[f64]) -> Vec<Node> {
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
fn normal_nodes() -> Vec<Node> {
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
fn product(axes: impl Iterator<Item = Vec<Node>>) -> Vec<Node> {
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
