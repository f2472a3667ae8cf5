//! The plain iteration and what its gradient needs of it.

use super::Stop;
use super::matrix::{Factors, error_of};
use super::real::Real;

/// The potentials of all iterates of one matrix, in pieces: the factors around the same `f₀, g₀`, or a step that was done with logarithms.
pub(super) type Trace<T> = Vec<Segment<T>>;

#[derive(Clone, Debug)]
pub(super) enum Segment<T> {
    /// From v = 1 on, the factors u and v of each iteration, one after the other.
    Scaled {
        f0: Vec<T>,
        g0: Vec<T>,
        factors: Vec<T>,
    },
    /// `before` → `f` → `g`.
    Logarithmic {
        f: Vec<T>,
        before: Vec<T>,
        g: Vec<T>,
    },
}

/// How an iteration ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) iterations: usize,
    pub(super) error: f64,
}

/// `g → f → g → …` until the stop. The trace is extended if there is one; the columns' factors must be 1 then.
pub(super) fn iterate<T: Real>(
    factors: &mut Factors<'_, T>,
    stop: Stop,
    mut trace: Option<&mut Trace<T>>,
) -> End {
    let (tolerance, at_most) = match stop {
        Stop::After(iterations) => (None, iterations),
        Stop::Within { tolerance, at_most } => (Some(tolerance), at_most),
    };
    let mut fresh = true;
    // Where the number of iterations is known, so is the room that they take.
    let room = |iterations, each| {
        if tolerance.is_none() {
            (at_most - iterations) * each
        } else {
            0
        }
    };
    for iterations in 0..at_most {
        let in_range = factors.sweep();
        if in_range {
            if let Some(tolerance) = tolerance
                && iterations > 0
                && factors.change() <= tolerance
            {
                let error = factors.at_least_idle(factors.change());
                return End { iterations, error };
            }
            core::mem::swap(&mut factors.u, &mut factors.next_u);
            factors.next_v();
            if let Some(trace) = &mut trace {
                if fresh {
                    trace.push(Segment::Scaled {
                        f0: factors.f0.clone(),
                        g0: factors.g0.clone(),
                        factors: Vec::with_capacity(room(
                            iterations,
                            factors.u.len() + factors.v.len(),
                        )),
                    });
                }
                if let Some(Segment::Scaled { factors: kept, .. }) = trace.last_mut() {
                    kept.extend_from_slice(&factors.u);
                    kept.extend_from_slice(&factors.v);
                }
            }
            fresh = false;
        } else {
            let before = factors.g();
            let f = factors.matrix.row_potentials(&before);
            if let Some(tolerance) = tolerance
                && iterations > 0
            {
                let error = error_of(&factors.f(), &f, &factors.matrix.a);
                if error <= tolerance {
                    let error = factors.at_least_idle(error);
                    return End { iterations, error };
                }
            }
            let g = factors.matrix.column_potentials(&f);
            factors.absorb(f.clone(), g.clone());
            if let Some(trace) = &mut trace {
                trace.push(Segment::Logarithmic { f, before, g });
            }
            fresh = true;
        }
    }
    End {
        iterations: at_most,
        error: factors.error(),
    }
}
