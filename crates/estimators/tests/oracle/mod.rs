//! A second reading of the problem format, in plain f64: values summed over states, gradients by central differences.

/// A problem as its file has it.
pub(crate) struct Oracle {
    sites: Vec<OracleSite>,
    terms: Vec<(f64, Vec<i32>)>,
    table: Option<Vec<f64>>,
    /// Samples of the bound; none for an expected cost.
    k: Option<u32>,
}

struct OracleSite {
    /// Coordinates of each choice, and whether it is one-hot.
    choices: Vec<usize>,
    one_hot: bool,
    logits: Vec<f64>,
    prior: Option<Vec<f64>>,
    parents: Vec<usize>,
    weights: Vec<Vec<f64>>,
}

fn number(value: &toml::Value) -> f64 {
    value
        .as_float()
        .unwrap_or_else(|| value.as_integer().expect("a number") as f64)
}

fn numbers(value: &toml::Value) -> Vec<f64> {
    match value {
        toml::Value::Array(items) => items.iter().flat_map(numbers).collect(),
        other => vec![number(other)],
    }
}

impl Oracle {
    pub(crate) fn read(table: &toml::Table) -> Self {
        let rows = |value: &toml::Value| value.as_array().expect("a list").clone();
        let site = |site: &toml::Value| OracleSite {
            choices: rows(&site["logits"])
                .iter()
                .map(|entry| numbers(entry).len())
                .collect(),
            one_hot: site["kind"].as_str() == Some("categorical"),
            logits: numbers(&site["logits"]),
            prior: site.get("prior").map(numbers),
            parents: site
                .get("parents")
                .map_or(vec![], |p| numbers(p).iter().map(|&p| p as usize).collect()),
            weights: site
                .get("weights")
                .map_or(vec![], |w| rows(w).iter().map(numbers).collect()),
        };
        let term = |term: &toml::Value| {
            let powers = numbers(&term["powers"])
                .iter()
                .map(|&power| power as i32)
                .collect();
            (number(&term["coefficient"]), powers)
        };
        Self {
            sites: rows(&table["site"]).iter().map(site).collect(),
            terms: table
                .get("term")
                .map_or(vec![], |terms| rows(terms).iter().map(term).collect()),
            table: table.get("table").map(|table| numbers(&table["values"])),
            k: table
                .get("objective")
                .and_then(|o| o.get("k"))
                .map(|k| number(k) as u32),
        }
    }

    pub(crate) fn logits(&self) -> Vec<f64> {
        self.sites
            .iter()
            .flat_map(|site| site.logits.clone())
            .collect()
    }

    /// All joint states in the order of a table: one block of coordinates per choice, the first one slowest.
    fn states(&self) -> Vec<Vec<f64>> {
        let mut states = vec![vec![]];
        for site in &self.sites {
            for &size in &site.choices {
                let options: Vec<Vec<f64>> = if site.one_hot {
                    (0..size)
                        .map(|c| (0..size).map(|i| f64::from(u8::from(i == c))).collect())
                        .collect()
                } else {
                    vec![vec![0.0], vec![1.0]]
                };
                states = states
                    .iter()
                    .flat_map(|state| {
                        options
                            .iter()
                            .map(move |option| [state.as_slice(), option].concat())
                    })
                    .collect();
            }
        }
        states
    }

    /// ln of the probability of the values `v` of one site under `logits`.
    fn log_prob(site: &OracleSite, logits: &[f64], v: &[f64]) -> f64 {
        let mut total = 0.0;
        let mut start = 0;
        for &size in &site.choices {
            let (a, v) = (&logits[start..start + size], &v[start..start + size]);
            total += if site.one_hot {
                let norm = a.iter().map(|a| a.exp()).sum::<f64>().ln();
                a.iter().zip(v).map(|(a, v)| v * (a - norm)).sum::<f64>()
            } else {
                v[0] * a[0] - a[0].exp().ln_1p()
            };
            start += size;
        }
        total
    }

    /// Probability and cost of state `index` at the logits `a`.
    fn state(&self, index: usize, v: &[f64], a: &[f64]) -> (f64, f64) {
        let starts: Vec<usize> = self
            .sites
            .iter()
            .scan(0, |end, site| {
                *end += site.logits.len();
                Some(*end - site.logits.len())
            })
            .collect();
        let part =
            |x: &[f64], i: usize| x[starts[i]..starts[i] + self.sites[i].logits.len()].to_vec();
        let (mut log_q, mut cost) = (0.0, 0.0);
        for (i, site) in self.sites.iter().enumerate() {
            let inputs: Vec<f64> = site
                .parents
                .iter()
                .flat_map(|&parent| part(v, parent))
                .collect();
            let mut logits = part(a, i);
            for (logit, row) in logits.iter_mut().zip(&site.weights) {
                *logit += row.iter().zip(&inputs).map(|(w, x)| w * x).sum::<f64>();
            }
            let log_prob = Self::log_prob(site, &logits, &part(v, i));
            log_q += log_prob;
            if let Some(prior) = &site.prior {
                cost += log_prob - Self::log_prob(site, prior, &part(v, i));
            }
        }
        cost += self
            .terms
            .iter()
            .map(|(c, powers)| c * monomial(v, powers))
            .sum::<f64>();
        cost += self.table.as_ref().map_or(0.0, |table| table[index]);
        (log_q.exp(), cost)
    }

    pub(crate) fn value(&self, a: &[f64]) -> f64 {
        let states = self.states();
        let states: Vec<_> = states
            .iter()
            .enumerate()
            .map(|(i, v)| self.state(i, v, a))
            .collect();
        let k = self.k.unwrap_or(1);
        let tuples = states.len().pow(k);
        let tuple = |mut index: usize| {
            let (mut q, mut weight) = (1.0, 0.0);
            for _ in 0..k {
                let (probability, cost) = states[index % states.len()];
                q *= probability;
                weight += (-cost).exp() / f64::from(k);
                index /= states.len();
            }
            -q * weight.ln()
        };
        match self.k {
            None => states.iter().map(|(q, cost)| q * cost).sum(),
            Some(_) => (0..tuples).map(tuple).sum(),
        }
    }

    pub(crate) fn gradient(&self) -> Vec<f64> {
        let h = 1e-5;
        let shifted = |j: usize, h: f64| {
            let mut a = self.logits();
            a[j] += h;
            self.value(&a)
        };
        (0..self.logits().len())
            .map(|j| (shifted(j, h) - shifted(j, -h)) / (2.0 * h))
            .collect()
    }

    /// The expectation of the straight-through estimator, `E[(dE[b]/da)^T f'(b)]`, for one layer of relaxable choices.
    pub(crate) fn straight_through(&self) -> Option<Vec<f64>> {
        let one_layer = |site: &OracleSite| site.parents.is_empty() && site.prior.is_none();
        if self.table.is_some() || !self.sites.iter().all(one_layer) {
            return None;
        }
        let a = self.logits();
        let mut total = vec![0.0; a.len()];
        for (index, v) in self.states().iter().enumerate() {
            let (q, _) = self.state(index, v, &a);
            let slope: Vec<f64> = (0..v.len()).map(|j| self.slope(v, j)).collect();
            let mut start = 0;
            for (site, &size) in self
                .sites
                .iter()
                .flat_map(|s| s.choices.iter().map(move |c| (s, c)))
            {
                let block = start..start + size;
                if site.one_hot {
                    let norm: f64 = a[block.clone()].iter().map(|a| a.exp()).sum();
                    let p: Vec<f64> = a[block.clone()].iter().map(|a| a.exp() / norm).collect();
                    let mean: f64 = p
                        .iter()
                        .zip(&slope[block.clone()])
                        .map(|(p, s)| p * s)
                        .sum();
                    for (j, p) in block.clone().zip(&p) {
                        total[j] += q * p * (slope[j] - mean);
                    }
                } else {
                    let p = sigmoid(a[start]);
                    total[start] += q * p * (1.0 - p) * slope[start];
                }
                start = block.end;
            }
        }
        Some(total)
    }

    /// The expectation of the Concrete estimator at its default temperature 2/3, for bits that do not interact:
    /// `E_u[f'(x) dx/da]`, `x = sigma((a + logit u) / t)`, by the midpoint rule.
    pub(crate) fn concrete(&self) -> Option<Vec<f64>> {
        const POINTS: u32 = 1 << 18;
        let t = 2.0 / 3.0;
        let alone = self
            .terms
            .iter()
            .all(|(_, powers)| powers.iter().filter(|&&p| p > 0).count() <= 1);
        let plain =
            |site: &OracleSite| !site.one_hot && site.parents.is_empty() && site.prior.is_none();
        if self.table.is_some() || self.k.is_some() || !alone || !self.sites.iter().all(plain) {
            return None;
        }
        let a = self.logits();
        let expectation = |j: usize| {
            let at = |k: u32| {
                let u = (f64::from(k) + 0.5) / f64::from(POINTS);
                let x = sigmoid((a[j] + (u / (1.0 - u)).ln()) / t);
                let mut v = vec![0.0; a.len()];
                v[j] = x;
                self.slope(&v, j) * x * (1.0 - x) / t
            };
            (0..POINTS).map(at).sum::<f64>() / f64::from(POINTS)
        };
        Some((0..a.len()).map(expectation).collect())
    }

    /// The derivative of the cost by coordinate `j` at `v`.
    fn slope(&self, v: &[f64], j: usize) -> f64 {
        let term = |(c, powers): &(f64, Vec<i32>)| {
            let mut lower = powers.clone();
            lower[j] -= 1;
            if powers[j] == 0 {
                0.0
            } else {
                c * f64::from(powers[j]) * monomial(v, &lower)
            }
        };
        self.terms.iter().map(term).sum()
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn monomial(v: &[f64], powers: &[i32]) -> f64 {
    v.iter()
        .zip(powers)
        .map(|(v, &power)| v.powi(power))
        .product()
}
