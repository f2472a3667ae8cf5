//! All occurrences of a site as rows of one choice, for rules that treat every occurrence alike: one pass instead of
//! one per step of a loop.

use std::{cell::OnceCell, collections::BTreeMap};

use burn::tensor::Tensor;

use crate::trace::{SiteRecord, Trace};

/// Choices of one site, one below the other.
pub(crate) struct Stack {
    /// Where they stand in the run, in order.
    pub(crate) indices: Vec<usize>,
    /// A trace with one choice, `[occurrences * rows, ..]`.
    pub(crate) trace: Trace,
    /// All that is known of its costs.
    pub(crate) costs_to_go: OnceCell<Vec<Tensor<1>>>,
}

impl Stack {
    /// Whether choice `index` of the run is in it.
    pub(crate) fn holds(&self, index: usize) -> bool {
        self.indices.binary_search(&index).is_ok()
    }

    /// The choices `indices` of `trace`, whose choices have these costs to go; nothing if they differ in law or widths.
    /// Rows are laid out as `[copies, choices, batch]`, so that a copy holds all choices.
    pub(crate) fn new(
        trace: &Trace,
        indices: Vec<usize>,
        costs_to_go: &[Tensor<1>],
    ) -> Option<Self> {
        let site = stacked_site(trace, &indices)?;
        let to_go = indices.iter().map(|&index| costs_to_go[index].clone());
        let to_go = to_go.map(|cost| cost.unsqueeze_dim(1)).collect();
        let to_go = below(to_go, trace.copies).squeeze_dim(1);
        Some(Self {
            trace: Trace {
                copies: trace.copies,
                batch: trace.batch * indices.len(),
                sites: vec![site],
                terms: Vec::new(),
                signals: BTreeMap::new(),
            },
            indices,
            costs_to_go: OnceCell::from(vec![to_go]),
        })
    }

    /// The rows of every choice, in order.
    pub(crate) fn split(&self, x: Tensor<2>) -> Vec<Tensor<2>> {
        let [rows, width] = x.dims();
        let (choices, copies) = (self.indices.len(), self.trace.copies);
        let per_choice = x.reshape([copies, choices, rows / (copies * choices), width]);
        let choice = |i| {
            per_choice
                .clone()
                .narrow(1, i, 1)
                .reshape([-1, width as i32])
        };
        (0..choices).map(choice).collect()
    }
}

/// Choices of so many copies each, one below the other within every copy.
fn below(choices: Vec<Tensor<2>>, copies: usize) -> Tensor<2> {
    if copies == 1 {
        return Tensor::cat(choices, 0);
    }
    let [rows, width] = choices[0].dims();
    let by_copy = |x: Tensor<2>| x.reshape([copies, rows / copies, width]);
    let all: Tensor<3> = Tensor::cat(choices.into_iter().map(by_copy).collect(), 1);
    all.flatten(0, 1)
}

fn stacked_site(trace: &Trace, indices: &[usize]) -> Option<SiteRecord> {
    let sites = || indices.iter().map(|&index| &trace.sites[index]);
    let first = sites().next()?;
    let kind = |site: &SiteRecord| {
        (
            format!("{:?}", site.law),
            site.params.dims(),
            site.noise.as_ref().map(Tensor::dims),
            site.context.as_ref().map(Tensor::dims),
            site.features.as_ref().map(Tensor::dims),
        )
    };
    let kind_of_first = kind(first);
    if sites().any(|site| kind(site) != kind_of_first || site.relaxed.is_some()) {
        return None;
    }
    let all =
        |of: &dyn Fn(&SiteRecord) -> Tensor<2>| below(sites().map(of).collect(), trace.copies);
    let some = |of: &dyn Fn(&SiteRecord) -> Option<Tensor<2>>| {
        let parts: Option<Vec<_>> = sites().map(of).collect();
        Some(below(parts?, trace.copies))
    };
    let masked = sites().any(|site| site.active.is_some());
    let active = masked.then(|| {
        all(&|site| match &site.active {
            Some(active) => active.clone(),
            None => site.hard.clone().narrow(1, 0, 1).ones_like(),
        })
    });
    Some(SiteRecord {
        key: first.key.clone(),
        law: first.law.clone(),
        params: all(&|site| site.params.clone()),
        value: all(&|site| site.value.clone()),
        hard: all(&|site| site.hard.clone()),
        noise: some(&|site| site.noise.clone()),
        relaxed: None,
        active,
        context: some(&|site| site.context.clone()),
        features: some(&|site| site.features.clone()),
    })
}
