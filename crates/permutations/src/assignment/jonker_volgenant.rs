//! The algorithm for one matrix of costs.
//!
//! Source: Jonker and Volgenant, "A Shortest Augmenting Path Algorithm for Dense and Sparse Linear Assignment Problems", 1987. Column reduction,
//! reduction transfer and augmenting row reduction give a partial assignment with feasible duals; every row that is left is assigned along a
//! shortest path of alternating pairs. Throughout `u[i] + v[j] ≤ cost[i, j]`, with equality on assigned pairs.
//!
//! With more columns than rows the first two steps, which give every column a dual, are left out: the duals of columns that stay free must be
//! 0. The caller transposes what has more rows than columns.

/// No partner.
pub(super) const FREE: usize = usize::MAX;
/// Rounds of augmenting row reduction, as in the paper.
const ROUNDS: usize = 2;

/// Costs `[n, m]`, n ≤ m, row after row, none NaN or −∞; +∞ forbids a pair.
pub(super) struct Problem<'a> {
    pub(super) cost: &'a [f64],
    pub(super) m: usize,
}

/// Partners of the rows, partners of the columns and the columns' duals.
pub(super) struct Matching {
    pub(super) column_of: Vec<usize>,
    pub(super) row_of: Vec<usize>,
    pub(super) v: Vec<f64>,
}

/// The smallest reduced cost of a row, where, and the second smallest.
struct TwoBest {
    best: f64,
    column: usize,
    second: f64,
    other: usize,
}

impl Problem<'_> {
    fn row(&self, i: usize) -> &[f64] {
        &self.cost[i * self.m..][..self.m]
    }

    fn rows(&self) -> usize {
        self.cost.len() / self.m
    }

    /// The cheapest complete assignment; `Err` is a row that cannot be assigned.
    pub(super) fn solve(&self) -> Result<Matching, usize> {
        let n = self.rows();
        let mut matching = Matching {
            column_of: vec![FREE; n],
            row_of: vec![FREE; self.m],
            v: vec![0.0; self.m],
        };
        if n == self.m {
            self.reduce_columns(&mut matching);
        }
        let mut free: Vec<usize> = (0..n).filter(|&i| matching.column_of[i] == FREE).collect();
        for _ in 0..ROUNDS {
            free = self.reduce_rows(&mut matching, free);
        }
        self.augment_all(matching, &free)
    }

    /// The same from duals of the columns, of any origin; the better they are, the fewer rows need a path.
    pub(super) fn solve_from(&self, mut v: Vec<f64>) -> Result<Matching, usize> {
        let n = self.rows();
        if n < self.m {
            // Columns that stay free must have the dual 0: only a square problem can start anywhere.
            v.fill(0.0);
        }
        let mut matching = Matching {
            column_of: vec![FREE; n],
            row_of: vec![FREE; self.m],
            v,
        };
        let free = self.reduce_rows(&mut matching, (0..n).collect());
        self.augment_all(matching, &free)
    }

    fn augment_all(&self, mut matching: Matching, free: &[usize]) -> Result<Matching, usize> {
        let mut search = Search::new(self.m);
        for &row in free {
            search.augment(self, &mut matching, row)?;
        }
        Ok(matching)
    }

    /// Every column takes the smallest cost in it as its dual, and that row as its partner if the row has none; then the duals of partners
    /// of a single column are lowered as far as the row's second best allows.
    fn reduce_columns(&self, matching: &mut Matching) {
        let n = self.rows();
        let Matching {
            column_of,
            row_of,
            v,
        } = matching;
        v.copy_from_slice(self.row(0));
        let mut cheapest = vec![0; self.m];
        for i in 1..n {
            for ((v, cheapest), &cost) in v.iter_mut().zip(&mut cheapest).zip(self.row(i)) {
                if cost < *v {
                    (*v, *cheapest) = (cost, i);
                }
            }
        }
        let mut wanted = vec![0_u32; n];
        for j in (0..self.m).rev() {
            if v[j] == f64::INFINITY {
                // No row may have it; found out later.
                v[j] = 0.0;
                continue;
            }
            let i = cheapest[j];
            wanted[i] += 1;
            if column_of[i] == FREE {
                (column_of[i], row_of[j]) = (j, i);
            }
        }
        for i in (0..n).filter(|&i| wanted[i] == 1) {
            let own = column_of[i];
            let others = self.row(i).iter().zip(&*v).enumerate();
            let slack = others
                .filter(|&(j, _)| j != own)
                .map(|(_, (cost, v))| cost - v)
                .fold(f64::INFINITY, f64::min);
            if slack.is_finite() {
                v[own] -= slack;
            }
        }
    }

    /// Each free row takes its best column and lowers that column's dual until the second best is as good; the row that had the column is
    /// free again and goes on, at once if the dual fell.
    fn reduce_rows(&self, matching: &mut Matching, free: Vec<usize>) -> Vec<usize> {
        let Matching {
            column_of,
            row_of,
            v,
        } = matching;
        let mut left = Vec::new();
        // Rounding could make two rows undercut each other for ever; the paths assign whatever is left.
        let mut patience = 4 * self.rows() + free.len();
        for row in free {
            let mut i = row;
            loop {
                let TwoBest {
                    best,
                    mut column,
                    second,
                    other,
                } = two_best(self.row(i), v);
                if best == f64::INFINITY || second == f64::INFINITY {
                    // No other column bounds the dual: left to the paths, which also find out whether there is an assignment.
                    left.push(i);
                    break;
                }
                let lowered = v[column] - (second - best);
                let falls = lowered < v[column];
                if falls {
                    v[column] = lowered;
                } else if row_of[column] != FREE {
                    column = other;
                }
                let displaced = row_of[column];
                (column_of[i], row_of[column]) = (column, i);
                if displaced == FREE {
                    break;
                }
                column_of[displaced] = FREE;
                patience = patience.saturating_sub(1);
                if !falls || patience == 0 {
                    left.push(displaced);
                    break;
                }
                i = displaced;
            }
        }
        left
    }
}

fn two_best(costs: &[f64], v: &[f64]) -> TwoBest {
    let mut two = TwoBest {
        best: f64::INFINITY,
        column: 0,
        second: f64::INFINITY,
        other: 0,
    };
    for (j, (cost, v)) in costs.iter().zip(v).enumerate() {
        let reduced = cost - v;
        if reduced < two.second {
            if reduced < two.best {
                (two.second, two.other) = (two.best, two.column);
                (two.best, two.column) = (reduced, j);
            } else {
                (two.second, two.other) = (reduced, j);
            }
        }
    }
    two
}

/// Dijkstra's search from a free row to the nearest free column, in reduced costs.
struct Search {
    distance: Vec<f64>,
    before: Vec<usize>,
    /// Columns: scanned, then those at the smallest distance, then the others.
    columns: Vec<usize>,
}

impl Search {
    fn new(m: usize) -> Self {
        Self {
            distance: vec![0.0; m],
            before: vec![0; m],
            columns: (0..m).collect(),
        }
    }

    fn augment(
        &mut self,
        problem: &Problem<'_>,
        matching: &mut Matching,
        row: usize,
    ) -> Result<(), usize> {
        let m = problem.m;
        let (distance, before, columns) = (&mut self.distance, &mut self.before, &mut self.columns);
        for ((distance, cost), v) in distance.iter_mut().zip(problem.row(row)).zip(&matching.v) {
            *distance = cost - v;
        }
        before.fill(row);
        // columns[..low] are scanned, columns[low..high] are at the smallest distance.
        let (mut low, mut high, mut scanned_before) = (0, 0, 0);
        let mut nearest = 0.0;
        let end = 'search: loop {
            if low == high {
                scanned_before = low;
                nearest = f64::INFINITY;
                for &j in &columns[low..] {
                    nearest = if distance[j] < nearest {
                        distance[j]
                    } else {
                        nearest
                    };
                }
                if nearest == f64::INFINITY {
                    return Err(row);
                }
                for k in low..m {
                    let j = columns[k];
                    if distance[j] == nearest {
                        columns.swap(k, high);
                        high += 1;
                    }
                }
                for &j in &columns[low..high] {
                    if matching.row_of[j] == FREE {
                        break 'search j;
                    }
                }
            }
            let j = columns[low];
            low += 1;
            let i = matching.row_of[j];
            let costs = problem.row(i);
            let offset = costs[j] - matching.v[j] - nearest;
            for k in high..m {
                let j = columns[k];
                let through = costs[j] - matching.v[j] - offset;
                if through < distance[j] {
                    distance[j] = through;
                    before[j] = i;
                    // Rounding may bring it below.
                    if through <= nearest {
                        if matching.row_of[j] == FREE {
                            distance[j] = nearest;
                            break 'search j;
                        }
                        distance[j] = nearest;
                        columns.swap(k, high);
                        high += 1;
                    }
                }
            }
        };
        for &j in &columns[..scanned_before] {
            matching.v[j] += distance[j] - nearest;
        }
        let mut j = end;
        loop {
            let i = before[j];
            matching.row_of[j] = i;
            core::mem::swap(&mut j, &mut matching.column_of[i]);
            if i == row {
                return Ok(());
            }
        }
    }
}
