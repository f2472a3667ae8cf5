//! The algorithm for one matrix of scores.
//!
//! Source: Jonker and Volgenant, "A Shortest Augmenting Path Algorithm for Dense and Sparse Linear Assignment Problems", 1987. Column reduction,
//! reduction transfer and augmenting row reduction give a partial assignment with feasible duals; every row that is left is assigned along a
//! shortest path of alternating pairs. Scores are maximised here: throughout `u[i] + v[j] ≥ x[i, j]`, with equality on assigned pairs, and the
//! reduced cost of a pair is `v[j] − x[i, j]`, up to its row's u.
//!
//! With more columns than rows the first two steps, which give every column a dual, are left out: the duals of columns that stay free must be
//! 0. The caller transposes what has more rows than columns.

/// No partner.
pub(super) const FREE: usize = usize::MAX;
/// Rounds of augmenting row reduction, as in the paper.
const ROUNDS: usize = 2;

/// Scores `[n, m]`, n ≤ m, row after row, none NaN or +∞; −∞ forbids a pair.
pub(super) struct Problem<'a> {
    pub(super) scores: &'a [f64],
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
        &self.scores[i * self.m..][..self.m]
    }

    fn rows(&self) -> usize {
        self.scores.len() / self.m
    }

    /// The best complete assignment; `Err` is a row that cannot be assigned.
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

    /// Every column takes the largest score in it as its dual, and that row as its partner if the row has none; then the duals of partners
    /// of a single column are raised as far as the row's second best allows.
    fn reduce_columns(&self, matching: &mut Matching) {
        let n = self.rows();
        let Matching {
            column_of,
            row_of,
            v,
        } = matching;
        v.copy_from_slice(self.row(0));
        let mut best = vec![0; self.m];
        for i in 1..n {
            for ((v, best), &x) in v.iter_mut().zip(&mut best).zip(self.row(i)) {
                (*v, *best) = if x > *v { (x, i) } else { (*v, *best) };
            }
        }
        let mut wanted = vec![0_u32; n];
        for j in (0..self.m).rev() {
            if v[j] == f64::NEG_INFINITY {
                // No row may have it; found out later.
                v[j] = 0.0;
                continue;
            }
            let i = best[j];
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
                .map(|(_, (x, v))| v - x)
                .fold(f64::INFINITY, f64::min);
            if slack.is_finite() {
                v[own] += slack;
            }
        }
    }

    /// Each free row takes its best column and raises that column's dual until the second best is as good; the row that had the column is
    /// free again and goes on, at once if the dual rose.
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
                let raised = v[column] + (second - best);
                let rises = raised > v[column];
                if rises {
                    v[column] = raised;
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
                if !rises || patience == 0 {
                    left.push(displaced);
                    break;
                }
                i = displaced;
            }
        }
        left
    }
}

fn two_best(scores: &[f64], v: &[f64]) -> TwoBest {
    let mut two = TwoBest {
        best: f64::INFINITY,
        column: 0,
        second: f64::INFINITY,
        other: 0,
    };
    for (j, (x, v)) in scores.iter().zip(v).enumerate() {
        let reduced = v - x;
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
    /// The row before each column on the shortest path.
    before: Vec<usize>,
    /// Columns: scanned ones, then the others.
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
        self.distance.fill(f64::INFINITY);
        let (mut i, mut offset) = (row, 0.0);
        let mut scanned = 0;
        let (end, nearest) = loop {
            let (nearest, place) = self.relax(problem.row(i), matching, offset, i, scanned);
            if nearest == f64::INFINITY {
                return Err(row);
            }
            let j = self.columns[place];
            if matching.row_of[j] == FREE {
                break (j, nearest);
            }
            self.columns.swap(scanned, place);
            scanned += 1;
            i = matching.row_of[j];
            offset = matching.v[j] - problem.row(i)[j] - nearest;
        };
        for &j in &self.columns[..scanned] {
            matching.v[j] += nearest - self.distance[j];
        }
        let mut j = end;
        loop {
            let i = self.before[j];
            matching.row_of[j] = i;
            core::mem::swap(&mut j, &mut matching.column_of[i]);
            if i == row {
                return Ok(());
            }
        }
    }

    /// Takes the paths through row i; returns the distance and the place of the nearest column that is not scanned, a free one if there is
    /// a choice.
    fn relax(
        &mut self,
        scores: &[f64],
        matching: &Matching,
        offset: f64,
        i: usize,
        scanned: usize,
    ) -> (f64, usize) {
        let (mut nearest, mut place) = (f64::INFINITY, scanned);
        for (at, &j) in self.columns.iter().enumerate().skip(scanned) {
            let through = matching.v[j] - scores[j] - offset;
            let distance = &mut self.distance[j];
            if through < *distance {
                *distance = through;
                self.before[j] = i;
            }
            if *distance < nearest || (*distance == nearest && matching.row_of[j] == FREE) {
                (nearest, place) = (*distance, at);
            }
        }
        (nearest, place)
    }
}
