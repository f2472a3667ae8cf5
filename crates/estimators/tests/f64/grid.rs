//! Noise laid out so that a weighted sum over rows is an expectation: every cell of uniforms that leads to one outcome,
//! or the nodes of a quadrature rule within each cell.
//!
//! Cells of a later choice depend on the earlier ones, so the grid grows choice by choice: a run at the rows so far shows
//! the parameters of the next choice.

use std::{collections::HashMap, rc::Rc};

use unbiased_estimators::{
    Address, Coupling, Draw, Key, Noise, Opposite, Role, Schema, SiteRecord, SiteSchema, Source,
    Weighing, execute,
    rules::{Rule, disarm_tree::DisarmTree},
};

pub use crate::nodes::{interval, sigma, trapezoid};
use crate::{
    estimate::{example, numbers, schema},
    nodes::{View, nodes, normal_nodes, opposite_paths, product},
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

fn coupling(site: &SiteSchema) -> Rc<dyn Coupling> {
    match site.law.name() {
        "categorical" => DisarmTree.coupling().expect("a partner"),
        _ => Rc::new(Opposite),
    }
}
