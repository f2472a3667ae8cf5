//! DisARM on trees: antithetic pairs of one-hot choices, each a path of bits through a binary tree of its classes.
//!
//! Source: Dong, Mnih & Tucker, "Coupled Gradient Estimators for Discrete Latent Variables", 2021 (the tree, Rao-Blackwellised).
//!
//! Node `i` splits its classes in two halves, `p_i` the probability of the left one; the bit `b_i` of a choice is 1 if it goes left.
//! The other choice `z~` has the opposite bits (those of the opposite noise) wherever `z` passes, and bits of its own elsewhere.
//!
//! `g_i = 1/2 (f(z) - f(z~)) t_i` at the logit of node `i`, with `t_i`
//! `(b_i - b~_i) max(p_i, 1 - p_i)` if both pass it, `b_i - p_i` if `z` alone does, `-(b~_i - p_i)` if `z~` alone, else 0;
//! at the logit of class `c`: `sum_i g_i pi_c (1[c left of i] / P(left of i) - 1[c right of i] / P(right of i))`
//!
//! | unbiased | f differentiable | calls of f              | extra parameters |
//! |----------|------------------|-------------------------|------------------|
//! | yes      | not needed       | 1 + choices (2 for one) | none             |
//!
//! With two classes it is [DisARM](super::disarm). Shapes: one-hot choices side by side `[rows, choices * classes]`; at the nodes
//! `[rows * choices, classes - 1]`. Numerics: probabilities of halves are sums of positive terms, held 1e-30 away from 0.
//! Differences from the paper: `z` is the choice that every estimator draws from this noise, and `z~` is drawn given it, node
//! by node, so that no noise of the first choice is asked for; a node halves its classes in the order they have, which need not be a
//! power of two.

use std::{ops::Range, rc::Rc};

use burn::tensor::{Tensor, TensorData, activation::softmax};

use super::{At, Gradient, Rule, expected_only, needs_classes, needs_replay};
use crate::{
    coupling::{Coupling, First},
    estimator::Objective,
    law::Law,
    noise::NoiseLaw,
    trace::{Schema, SiteSchema, column},
};

/// The least probability of half a node.
const LEAST: f64 = 1e-30;

/// Antithetic paths.
#[derive(Debug, Clone, Copy, Default)]
pub struct DisarmTree;

/// The classes to the left and to the right of each node, `[classes - 1, classes]`, 1 where they are.
struct Tree {
    left: Tensor<2>,
    right: Tensor<2>,
}

/// The two halves of every node over `classes`, root first.
fn nodes(classes: Range<usize>) -> Vec<[Range<usize>; 2]> {
    if classes.len() < 2 {
        return Vec::new();
    }
    let middle = classes.start + classes.len() / 2;
    let halves = [classes.start..middle, middle..classes.end];
    let mut all = vec![halves.clone()];
    for half in halves {
        all.extend(nodes(half));
    }
    all
}

impl Tree {
    fn new(classes: usize, like: &Tensor<2>) -> Self {
        let nodes = nodes(0..classes);
        let side = |side: usize| {
            let holds = |node: &[Range<usize>; 2], c| f64::from(u8::from(node[side].contains(&c)));
            let entries: Vec<f64> = nodes
                .iter()
                .flat_map(|node| (0..classes).map(move |c| holds(node, c)))
                .collect();
            let data = TensorData::new(entries, [nodes.len(), classes]);
            Tensor::from_data(data, (&like.device(), like.dtype()))
        };
        Self {
            left: side(0),
            right: side(1),
        }
    }

    /// Sums over the classes left and right of each node, `[n, classes] -> [n, classes - 1]`.
    fn halves(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let left = x.clone().matmul(self.left.clone().transpose());
        (left, x.matmul(self.right.clone().transpose()))
    }
}

/// Probabilities at the nodes, `[n, classes - 1]`.
struct Odds {
    /// Of the halves among all classes.
    left: Tensor<2>,
    right: Tensor<2>,
    /// Of the left and of the right half at the node.
    p: Tensor<2>,
    q: Tensor<2>,
}

impl Odds {
    fn new(tree: &Tree, probabilities: Tensor<2>) -> Self {
        let (left, right) = tree.halves(probabilities);
        let (left, right) = (left + LEAST, right + LEAST);
        let both = left.clone() + right.clone();
        Self {
            p: left.clone() / both.clone(),
            q: right.clone() / both,
            left,
            right,
        }
    }
}

/// `[rows, choices * classes] -> [rows * choices, classes]`.
fn split(x: Tensor<2>, classes: usize) -> Tensor<2> {
    let [rows, width] = x.dims();
    x.reshape([rows * width / classes, classes])
}

#[derive(Debug, Clone, Copy)]
struct OppositePath;

fn classes_of(law: &dyn Law) -> usize {
    law.classes().expect("checked: one-hot choices")
}

impl Coupling for OppositePath {
    fn further_noise(&self, law: &dyn Law, width: usize) -> Option<(NoiseLaw, usize)> {
        let classes = classes_of(law);
        Some((NoiseLaw::Uniform, width / classes * (classes - 1)))
    }

    fn partners(&self, first: &First<'_>) -> Vec<Tensor<2>> {
        let (shape, classes) = (first.value.dims(), classes_of(first.law));
        let tree = Tree::new(classes, &first.value);
        let Odds { p, q, .. } = Odds::new(&tree, softmax(split(first.params.clone(), classes), 1));
        let (left, right) = tree.halves(split(first.value.clone(), classes));
        // P(b~ = 1 | b): what is left of p where b = 1, and as much of p as there is of 1 - p where b = 0.
        let after_left = (p.clone() - q.clone()).clamp_min(0.0) / p.clone();
        let after_right = (p.clone() / q).clamp_max(1.0);
        let elsewhere = (left.clone() + right.clone()).neg() + 1.0;
        let chance = left * after_left + right * after_right + elsewhere * p;
        let further = first.further.clone().expect("asked for");
        let bits = split(further, classes - 1).lower(chance).float();
        // The class whose every node sends the path its way.
        let agreeing =
            bits.clone().matmul(tree.left.clone()) + (bits.neg() + 1.0).matmul(tree.right.clone());
        let depth = (tree.left + tree.right).sum_dim(0);
        let chosen = (agreeing - depth).greater_scalar(-0.5).float();
        vec![chosen.reshape(shape)]
    }
}

/// What `1/2 (f(z) - f(z~))` is multiplied by at the logits of the classes.
fn factor(params: Tensor<2>, z: Tensor<2>, other: Tensor<2>, classes: usize) -> Tensor<2> {
    let shape = params.dims();
    let tree = Tree::new(classes, &params);
    let probabilities = softmax(split(params, classes), 1);
    let Odds { left, right, p, q } = Odds::new(&tree, probabilities.clone());
    let ((b, b_right), (c, c_right)) = (
        tree.halves(split(z, classes)),
        tree.halves(split(other, classes)),
    );
    let (z_passes, other_passes) = (b.clone() + b_right.clone(), c.clone() + c_right.clone());
    let larger = p.clone().max_pair(q.clone());
    let both = (b.clone() * other_passes.clone() - c.clone() * z_passes.clone()) * larger;
    // b - p is q where the bit is 1 and -p where it is 0.
    let z_alone = (b * q.clone() - b_right * p.clone()) * (other_passes.neg() + 1.0);
    let other_alone = (c * q - c_right * p) * (z_passes.neg() + 1.0);
    let t = both + z_alone - other_alone;
    let at_classes = (t.clone() / left).matmul(tree.left) - (t / right).matmul(tree.right);
    (probabilities * at_classes).reshape(shape)
}

impl Rule for DisarmTree {
    fn check(
        &self,
        site: &SiteSchema,
        schema: &Schema,
        objective: &Objective,
    ) -> Result<(), String> {
        needs_replay(schema)?;
        expected_only(objective)?;
        needs_classes(site, "disarm")
    }

    fn coupling(&self) -> Option<Rc<dyn Coupling>> {
        Some(Rc::new(OppositePath))
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let classes = classes_of(&*at.site().law);
        let factor = factor(at.params(), at.hard(), at.partner(0), classes);
        let difference = (at.cost_to_go() - at.partner_cost_to_go(0)) * 0.5;
        Some(Gradient {
            logits: at.mask(column(difference) * factor),
            tuning: None,
            evaluations: 0.0,
        })
    }
}
