//! Pictures and their pieces, on the host.

use unbiased_kernels::uniforms;

/// How pictures are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Pieces along each side.
    pub side: usize,
    /// Pixels along each side of a piece.
    pub piece: usize,
}

impl Grid {
    /// `side × side` square pieces for pictures of about `pixels × pixels`: 28 become 28, 27, 28, 30 and 30 for 2 to 6 pieces along a side.
    #[must_use]
    pub fn new(side: usize, pixels: usize) -> Self {
        let piece = (pixels as f64 / side as f64).round().max(1.0) as usize;
        Self { side, piece }
    }

    /// Number of pieces, N.
    #[must_use]
    pub fn count(self) -> usize {
        self.side * self.side
    }

    /// Pixels of a piece.
    #[must_use]
    pub fn pixels(self) -> usize {
        self.piece * self.piece
    }

    /// The pieces of a picture of `height × width` pixels, resized by linear interpolation to what the grid divides: `N · pixels` numbers, piece
    /// after piece.
    ///
    /// # Panics
    /// If the picture has another number of pixels.
    #[must_use]
    pub fn cut(self, picture: &[f32], [height, width]: [usize; 2]) -> Vec<f32> {
        assert_eq!(picture.len(), height * width, "cut: pixels of the picture");
        let Self { side, piece } = self;
        let total = side * piece;
        // Where a pixel's centre lies in the old picture, with the weight of the next pixel.
        let place = |i: usize, old: usize| {
            let x = (i as f32 + 0.5) * old as f32 / total as f32 - 0.5;
            let x = x.clamp(0.0, old as f32 - 1.0);
            let first = (x as usize).min(old.saturating_sub(2));
            (first, (first + 1).min(old - 1), x - first as f32)
        };
        let pixel = |row, column| {
            let ((top, bottom, down), (left, right, along)) =
                (place(row, height), place(column, width));
            let line = |y: usize| {
                let (a, b) = (picture[y * width + left], picture[y * width + right]);
                a + (b - a) * along
            };
            let (a, b) = (line(top), line(bottom));
            a + (b - a) * down
        };
        let mut pieces = Vec::with_capacity(total * total);
        for n in 0..side * side {
            for p in 0..piece * piece {
                let row = n / side * piece + p / piece;
                pieces.push(pixel(row, n % side * piece + p % piece));
            }
        }
        pieces
    }

    /// The picture of pieces in their places, row by row.
    ///
    /// # Panics
    /// If there are other than N pieces.
    #[must_use]
    pub fn picture(self, pieces: &[f32]) -> Vec<f32> {
        let Self { side, piece } = self;
        let total = side * piece;
        assert_eq!(pieces.len(), total * total, "picture: pixels of the pieces");
        let pixel = |i: usize| {
            let (row, column) = (i / total, i % total);
            let n = row / piece * side + column / piece;
            pieces[n * piece * piece + row % piece * piece + column % piece]
        };
        (0..total * total).map(pixel).collect()
    }
}

/// A uniform permutation of `n` things, a function of `stream`.
#[must_use]
pub fn shuffle(n: usize, stream: u64) -> Vec<usize> {
    let mut keys = vec![0.0; n];
    uniforms(stream, &mut keys);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| keys[i].total_cmp(&keys[j]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_paper() {
        let sizes: Vec<usize> = (2..=6)
            .map(|side| side * Grid::new(side, 28).piece)
            .collect();
        assert_eq!(sizes, [28, 27, 28, 30, 30]);
    }

    #[test]
    fn a_picture_of_the_right_size_is_cut_and_put_together_exactly() {
        let picture: Vec<f32> = (0..36).map(|i| (i * i) as f32).collect();
        let grid = Grid { side: 3, piece: 2 };
        let pieces = grid.cut(&picture, [6, 6]);
        assert_eq!(pieces[4..8], [4.0, 9.0, 64.0, 81.0]);
        assert_eq!(grid.picture(&pieces), picture);
    }

    #[test]
    fn other_sizes_are_interpolated() {
        // A plane stays a plane, but for the border, where there is nothing beyond.
        let picture: Vec<f32> = (0..16).map(|i| (i / 4 * 3 + i % 4) as f32).collect();
        let grid = Grid { side: 2, piece: 3 };
        let resized = grid.picture(&grid.cut(&picture, [4, 4]));
        for row in 1..5 {
            for column in 1..5 {
                let [y, x] = [row, column].map(|i| (i as f32 + 0.5) * 4.0 / 6.0 - 0.5);
                assert!((resized[row * 6 + column] - (3.0 * y + x)).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn orders_are_uniform() {
        let mut counts = std::collections::BTreeMap::new();
        for stream in 0..6000 {
            *counts
                .entry(shuffle(3, stream * 0x9e37_79b9))
                .or_insert(0_i32) += 1;
        }
        // Binomial(6000, 1/6), five standard deviations.
        assert_eq!(counts.len(), 6);
        assert!(
            counts.values().all(|count| (count - 1000).abs() < 145),
            "{counts:?}"
        );
    }
}
