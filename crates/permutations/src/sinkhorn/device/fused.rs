//! The iterations by kernels of the device: one launch for all of them where a matrix fits a cube, else two for each; the gradient alike, and
//! one launch more.
//!
//! Arrays: scores, z and the gradient `[batch, rows, columns]`; `first` `[batch, columns]`; the potentials of all iterates and their slopes
//! `[iterations, batch, rows]` or `[iterations, batch, columns]`.

use super::kernels::{
    Cubes, Lines, gradient, half_sweep, line_sums, reverse_half_sweep, reverse_sweeps, sweeps,
};
use super::{Iterates, Problem};
use burn::backend::Cube;
use burn::tensor::{DType, Shape, Tensor};
use burn_cubecl::cubecl::prelude::{CubeCount, CubeDim};
use burn_cubecl::cubecl::{calculate_cube_count_elemwise, client::Client};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use core::any::Any;

/// Units in a cube of small matrices, at least.
const UNITS: usize = 64;

/// The potentials of all iterates of a batch.
pub(super) struct Sweeps {
    scores: CubeTensor,
    first: CubeTensor,
    f: CubeTensor,
    g: CubeTensor,
    size: Size,
}

#[derive(Clone, Copy)]
struct Size {
    batch: usize,
    rows: usize,
    columns: usize,
    iterations: usize,
    last_row_sum: f32,
    last_column_sum: f32,
}

/// The primitive of a tensor; none on other devices, and where Burn fuses operations, whose primitives are promises.
fn primitive(x: &Tensor<3>) -> Option<CubeTensor> {
    let primitive = x.clone().try_into_primitive::<Cube>().ok()?;
    let primitive: Box<dyn Any> = Box::new(primitive);
    Some(into_contiguous(*primitive.downcast().ok()?))
}

fn tensor(x: CubeTensor) -> Tensor<3> {
    let x: Box<dyn Any> = Box::new(x);
    Tensor::from_primitive::<Cube>(*x.downcast().expect("the primitives that came"))
}

impl Sweeps {
    /// The problem comes back if it has to be solved otherwise.
    pub(super) fn new(problem: Problem) -> Result<Self, Problem> {
        let [batch, rows, columns] = problem.scores.dims();
        let [last_row_sum, last_column_sum] = problem.last_sums.map(|sum| sum as f32);
        let size = Size {
            batch,
            rows,
            columns,
            iterations: problem.iterations,
            last_row_sum,
            last_column_sum,
        };
        if problem.scores.dtype() != DType::F32 || !size.is_addressable() {
            return Err(problem);
        }
        let (Some(scores), Some(first)) = (primitive(&problem.scores), primitive(&problem.first))
        else {
            return Err(problem);
        };
        let sweeps = Self {
            f: size.all(&scores, rows),
            g: size.all(&scores, columns),
            scores,
            first,
            size,
        };
        match size.cubes(&sweeps.scores.client) {
            Some(cubes) => sweeps.at_once(cubes),
            None => sweeps.by_halves(),
        }
        Ok(sweeps)
    }

    fn at_once(&self, cubes: Cubes) {
        let (count, dim) = self.size.grid(cubes, &self.scores.client);
        sweeps::launch(
            &self.scores.client,
            count,
            dim,
            self.scores.clone().into_buffer_arg(),
            self.first.clone().into_buffer_arg(),
            self.f.clone().into_buffer_arg(),
            self.g.clone().into_buffer_arg(),
            self.size.batch as u32,
            self.size.iterations as u32,
            self.size.last_row_sum,
            self.size.last_column_sum,
            cubes,
        );
    }

    fn by_halves(&self) {
        let Size {
            last_row_sum,
            last_column_sum,
            ..
        } = self.size;
        for t in 0..self.size.iterations {
            let (before, before_at) = self.before(t);
            let (row_at, column_at) = self.size.iterate(t);
            for (lines, others, others_at, potentials, potentials_at, last_sum) in [
                (
                    self.size.row_lines(),
                    before,
                    before_at,
                    &self.f,
                    row_at,
                    last_row_sum,
                ),
                (
                    self.size.column_lines(),
                    &self.f,
                    row_at,
                    &self.g,
                    column_at,
                    last_column_sum,
                ),
            ] {
                let (count, dim) = self.grid(lines.count);
                half_sweep::launch(
                    &self.scores.client,
                    count,
                    dim,
                    self.scores.clone().into_buffer_arg(),
                    others.clone().into_buffer_arg(),
                    potentials.clone().into_buffer_arg(),
                    others_at,
                    potentials_at,
                    self.size.batch as u32,
                    last_sum,
                    lines,
                );
            }
        }
    }

    /// The slopes of rows and columns in all iterations.
    fn reverse_at_once(&self, z: &CubeTensor, w: &CubeTensor, x: &CubeTensor, cubes: Cubes) {
        let (count, dim) = self.size.grid(cubes, &self.scores.client);
        reverse_sweeps::launch(
            &self.scores.client,
            count,
            dim,
            self.scores.clone().into_buffer_arg(),
            self.first.clone().into_buffer_arg(),
            self.f.clone().into_buffer_arg(),
            self.g.clone().into_buffer_arg(),
            z.clone().into_buffer_arg(),
            w.clone().into_buffer_arg(),
            x.clone().into_buffer_arg(),
            self.size.batch as u32,
            self.size.iterations as u32,
            self.size.last_row_sum,
            self.size.last_column_sum,
            cubes,
        );
    }

    fn reverse_by_halves(&self, z: &CubeTensor, w: &CubeTensor, x: &CubeTensor) {
        let Size {
            iterations,
            last_row_sum,
            last_column_sum,
            ..
        } = self.size;
        let (rows, columns) = (self.size.row_lines(), self.size.column_lines());
        let (row_at, column_at) = self.size.iterate(iterations - 1);
        self.begin(z, w, row_at, last_row_sum, rows);
        self.begin(z, x, column_at, last_column_sum, columns);
        for t in (0..iterations).rev() {
            let (row_at, column_at) = self.size.iterate(t);
            let last = t + 1 == iterations;
            self.reverse_half(
                [
                    (&self.f, row_at),
                    (&self.g, column_at),
                    (x, column_at),
                    (w, row_at),
                ],
                last_row_sum,
                rows,
                last,
            );
            if t > 0 {
                let (before, before_at) = self.before(t);
                self.reverse_half(
                    [
                        (before, before_at),
                        (&self.f, row_at),
                        (w, row_at),
                        (x, before_at),
                    ],
                    last_column_sum,
                    columns,
                    false,
                );
            }
        }
    }

    fn begin(&self, z: &CubeTensor, slopes: &CubeTensor, at: u32, last_sum: f32, lines: Lines) {
        let (count, dim) = self.grid(lines.count);
        line_sums::launch(
            &self.scores.client,
            count,
            dim,
            z.clone().into_buffer_arg(),
            slopes.clone().into_buffer_arg(),
            at,
            self.size.batch as u32,
            last_sum,
            lines,
        );
    }

    /// From the lines' own potentials, the others', and the others' slopes to their own.
    fn reverse_half(
        &self,
        arrays: [(&CubeTensor, u32); 4],
        last_sum: f32,
        lines: Lines,
        added: bool,
    ) {
        let (count, dim) = self.grid(lines.count);
        let [own, others, weights, slopes] = arrays.map(|(x, _)| x.clone().into_buffer_arg());
        let [own_at, others_at, weights_at, slopes_at] = arrays.map(|(_, at)| at);
        reverse_half_sweep::launch(
            &self.scores.client,
            count,
            dim,
            self.scores.clone().into_buffer_arg(),
            own,
            others,
            weights,
            slopes,
            own_at,
            others_at,
            weights_at,
            slopes_at,
            self.size.batch as u32,
            last_sum,
            lines,
            added,
        );
    }

    /// The columns' potentials from which an iteration begins, and where they are.
    fn before(&self, t: usize) -> (&CubeTensor, u32) {
        match t.checked_sub(1) {
            None => (&self.first, 0),
            Some(t) => (&self.g, self.size.iterate(t).1),
        }
    }

    /// A unit for each of so many things per matrix.
    fn grid(&self, per_matrix: usize) -> (CubeCount, CubeDim) {
        let client = &self.scores.client;
        let units = self.size.batch * per_matrix;
        let dim = CubeDim::new(client, units);
        (calculate_cube_count_elemwise(client, units, dim), dim)
    }
}

impl Iterates for Sweeps {
    fn potentials(&self) -> [Tensor<3>; 2] {
        let Size {
            batch,
            rows,
            columns,
            iterations,
            ..
        } = self.size;
        let last = |x: &CubeTensor| tensor(x.clone()).narrow(0, iterations - 1, 1);
        [
            last(&self.f).reshape([batch, rows, 1]),
            last(&self.g).reshape([batch, 1, columns]),
        ]
    }

    fn pull_back(&self, z: Tensor<3>) -> Tensor<3> {
        let Size { rows, columns, .. } = self.size;
        let z = primitive(&z).expect("the gradient must be on the device of the scores");
        let [w, x] = [rows, columns].map(|lines| self.size.all(&self.scores, lines));
        match self.size.cubes(&self.scores.client) {
            Some(cubes) => self.reverse_at_once(&z, &w, &x, cubes),
            None => self.reverse_by_halves(&z, &w, &x),
        }
        let out = empty(&self.scores, [self.size.batch, rows, columns]);
        let (count, dim) = self.grid(rows * columns);
        gradient::launch(
            &self.scores.client,
            count,
            dim,
            self.scores.clone().into_buffer_arg(),
            self.first.clone().into_buffer_arg(),
            self.f.clone().into_buffer_arg(),
            self.g.clone().into_buffer_arg(),
            w.into_buffer_arg(),
            x.into_buffer_arg(),
            z.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            self.size.batch as u32,
            self.size.iterations as u32,
            rows,
            columns,
        );
        tensor(out)
    }
}

fn empty(like: &CubeTensor, shape: [usize; 3]) -> CubeTensor {
    let (client, device) = (like.client.clone(), like.device.clone());
    empty_device_contiguous_dtype(client, device, Shape::new(shape), DType::F32)
}

impl Size {
    /// Places in the kernels are 32 bits wide.
    fn is_addressable(self) -> bool {
        let lines = self.rows.max(self.columns);
        let largest = self.batch * lines * self.iterations.max(lines);
        u32::try_from(largest).is_ok()
    }

    /// One number for each of so many lines, in all iterations.
    fn all(self, like: &CubeTensor, lines: usize) -> CubeTensor {
        empty(like, [self.iterations, self.batch, lines])
    }

    /// Where the numbers of an iteration begin, those of rows and those of columns.
    fn iterate(self, t: usize) -> (u32, u32) {
        let at = |lines| (t * self.batch * lines) as u32;
        (at(self.rows), at(self.columns))
    }

    fn row_lines(self) -> Lines {
        Lines {
            count: self.rows,
            terms: self.columns,
            stride: self.columns,
            step: 1,
        }
    }

    fn column_lines(self) -> Lines {
        Lines {
            count: self.columns,
            terms: self.rows,
            stride: 1,
            step: self.columns,
        }
    }

    /// How matrices are put into cubes, with a unit for each line; none if they do not fit.
    fn cubes(self, client: &Client) -> Option<Cubes> {
        let hardware = &client.properties().hardware;
        let lines = self.rows.max(self.columns);
        let units = (hardware.max_units_per_cube.min(hardware.max_cube_dim.0)) as usize;
        if lines > units {
            return None;
        }
        let deep = hardware.max_cube_dim.1 as usize;
        let matrices = (UNITS.min(units) / lines).clamp(1, deep).min(self.batch);
        let mut cubes = Cubes {
            rows: self.rows,
            columns: self.columns,
            matrices,
            kept: true,
        };
        let vectors = 2 * matrices * (self.rows + self.columns);
        let bytes = (cubes.kept_scores() + vectors) * size_of::<f32>();
        cubes.kept = bytes <= hardware.max_shared_memory_size;
        Some(cubes)
    }

    fn grid(self, cubes: Cubes, client: &Client) -> (CubeCount, CubeDim) {
        let dim = CubeDim::new_2d(self.rows.max(self.columns) as u32, cubes.matrices as u32);
        let units = self.batch.div_ceil(cubes.matrices) * dim.num_elems() as usize;
        (calculate_cube_count_elemwise(client, units, dim), dim)
    }
}
