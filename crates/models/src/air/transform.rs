//! The spatial transformer without rotation: bilinear sampling as two small matrix products.
//!
//! Source: Jaderberg, Simonyan, Zisserman & Kavukcuoglu, "Spatial Transformer Networks", 2015, with the transforms that
//! Eslami et al., 2016 use: scale and shift.
//!
//! The canvas and the window are [-1, 1]^2, pixel `c` of `n` has its centre at `(2c + 1) / n - 1` (what libraries call
//! `align_corners = false`), and what lies outside is 0. A place is `(ln s, t_x, t_y)`: point `X` of the window is point
//! `s X + t` of the canvas, so `s` is the share of the canvas that the window covers.
//!
//! `crop = A_y W A_x^T`, `A[p, j] = max(0, 1 - |u_p - j|)`, `u_p = ((s X_p + t + 1) S - 1) / 2`
//! `paste = B_y V B_x^T`, `B[j, p] = max(0, 1 - |v_j - p|)`, `v_j = (((X_j - t) / s + 1) w - 1) / 2`
//!
//! Numerics: `s = e^(ln s)` is never 0. Without scaling (`s = w / S`) and shifted by whole pixels both are copies, and
//! `crop(paste(v)) = v` exactly.

use burn::tensor::{Device, Tensor, TensorData, activation::relu};

/// Moves between a square canvas and a square window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// `S`, rows and columns of the canvas.
    pub canvas: usize,
    /// `w`, rows and columns of the window.
    pub window: usize,
}

impl Window {
    /// What the window shows of each image.
    ///
    /// # Shapes
    /// `images` `[rows, S * S]`, `places` `[rows, 3]` -> `[rows, w * w]`.
    #[must_use]
    pub fn crop(&self, images: Tensor<2>, places: Tensor<2>) -> Tensor<2> {
        let (s, w) = (self.canvas, self.window);
        let rows = places.dims()[0];
        let device = places.device();
        let scale = places.clone().narrow(1, 0, 1).exp();
        let half = s as f64 / 2.0;
        // u = (s X + t) S / 2 + (S - 1) / 2, X [1, w]
        let spread = scale * centres(w, half, &device);
        let at = |axis: usize| {
            let shift = places.clone().narrow(1, axis, 1) * half + (half - 0.5);
            spread.clone() + shift
        };
        let columns = across(at(1), s);
        let rows_of = along(at(2), s);
        rows_of
            .matmul(images.reshape([rows, s, s]))
            .matmul(columns)
            .reshape([rows, w * w])
    }

    /// Each window put in its place on an empty canvas.
    ///
    /// # Shapes
    /// `windows` `[rows, w * w]`, `places` `[rows, 3]` -> `[rows, S * S]`.
    #[must_use]
    pub fn paste(&self, windows: Tensor<2>, places: Tensor<2>) -> Tensor<2> {
        let (s, w) = (self.canvas, self.window);
        let rows = places.dims()[0];
        let device = places.device();
        let half = w as f64 / 2.0;
        // v = (X - t) / s * w / 2 + (w - 1) / 2, X [1, S]
        let inverse = places.clone().narrow(1, 0, 1).neg().exp() * half;
        let x = centres(s, 1.0, &device);
        let at = |axis: usize| {
            let from = x.clone() - places.clone().narrow(1, axis, 1);
            from * inverse.clone() + (half - 0.5)
        };
        let columns = across(at(1), w);
        let rows_of = along(at(2), w);
        rows_of
            .matmul(windows.reshape([rows, w, w]))
            .matmul(columns)
            .reshape([rows, s * s])
    }
}

/// The centres of `n` pixels of [-1, 1], times `factor`, `[1, n]`.
fn centres(n: usize, factor: f64, device: &Device) -> Tensor<2> {
    let values: Vec<f64> = (0..n)
        .map(|c| factor * ((2 * c + 1) as f64 / n as f64 - 1.0))
        .collect();
    constant(values, [1, n], device)
}

/// Bilinear weights of `m` source pixels, `[rows, n] -> [rows, n, m]`.
fn along(source: Tensor<2>, m: usize) -> Tensor<3> {
    let pixels = pixels(m, &source.device()).reshape([1, 1, m]);
    triangle(source.unsqueeze_dim::<3>(2) - pixels)
}

/// The same transposed, `[rows, n] -> [rows, m, n]`.
fn across(source: Tensor<2>, m: usize) -> Tensor<3> {
    let pixels = pixels(m, &source.device()).reshape([1, m, 1]);
    triangle(source.unsqueeze_dim::<3>(1) - pixels)
}

fn pixels(m: usize, device: &Device) -> Tensor<2> {
    constant((0..m).map(|j| j as f64).collect(), [1, m], device)
}

/// `max(0, 1 - |x|)`.
fn triangle(x: Tensor<3>) -> Tensor<3> {
    relu(x.abs().neg() + 1.0)
}

/// Numbers on the device without gradient, in its float type.
pub(super) fn constant(values: Vec<f64>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(
        TensorData::new(values, shape),
        &device.clone().without_autodiff(),
    )
}
