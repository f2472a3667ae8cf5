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
    pub(crate) fn new(
        trace: &Trace,
        indices: Vec<usize>,
        costs_to_go: &[Tensor<1>],
    ) -> Option<Self> {
        let site = stacked_site(trace, &indices)?;
        let to_go = indices.iter().map(|&index| costs_to_go[index].clone());
        let to_go = Tensor::cat(to_go.collect(), 0);
        Some(Self {
            trace: Trace {
                copies: 1,
                batch: trace.batch * indices.len(),
                sites: vec![site],
                terms: Vec::new(),
                signals: BTreeMap::new(),
            },
            indices,
            costs_to_go: OnceCell::from(vec![to_go]),
        })
    }
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
    let all = |of: &dyn Fn(&SiteRecord) -> Tensor<2>| Tensor::cat(sites().map(of).collect(), 0);
    let some = |of: &dyn Fn(&SiteRecord) -> Option<Tensor<2>>| {
        let parts: Option<Vec<_>> = sites().map(of).collect();
        Some(Tensor::cat(parts?, 0))
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
