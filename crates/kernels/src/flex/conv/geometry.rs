//! The sizes of a convolution, and where in the long rows its images, features and taps are.

/// The sizes of a convolution from images to features, and the taps of its kernel.
#[derive(Debug)]
pub(crate) struct Geometry {
    pub(super) image: Side,
    pub(super) feature: Side,
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    /// Lines and columns of an image in its long row.
    pub(super) plane: [usize; 2],
    /// Those that have taps.
    pub(super) phases: Vec<Phase>,
    pub(super) taps: Vec<Tap>,
}

/// Channels and size, `[n, channels, height, width]` for n images.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side {
    pub(crate) channels: usize,
    pub(crate) size: [usize; 2],
}

/// Every stride-th line and column of an image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Phase {
    /// Where the padded image's phase begins, [0, stride).
    pub(super) offset: [usize; 2],
    /// Lines and columns of padding before the first pixel.
    pub(super) lead: [usize; 2],
    /// The first line and column of the image.
    pub(super) first: [usize; 2],
    /// Lines and columns that the kernel reaches.
    pub(super) pixels: [usize; 2],
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Tap {
    /// Its place in the kernel, row by row.
    pub(super) index: usize,
    /// The number of its phase.
    pub(super) phase: usize,
    /// By how many positions it shifts that phase.
    pub(super) shift: isize,
}

impl Geometry {
    /// `padding` counts lines and columns before the first pixel; what is behind follows from the sizes. `used` says which places of the
    /// kernel, row by row, have weights; the others' are taken as 0 and have no gradient.
    pub(crate) fn new(
        image: Side,
        feature: Side,
        padding: [usize; 2],
        kernel: [usize; 2],
        stride: [usize; 2],
        used: impl Fn(usize) -> bool,
    ) -> Self {
        let reach = [0, 1].map(|axis| (kernel[axis] - 1) / stride[axis]);
        let mut plane = feature.size;
        let mut phases: Vec<Phase> = Vec::new();
        let mut taps = Vec::new();
        for index in (0..kernel[0] * kernel[1]).filter(|&index| used(index)) {
            let place = [index / kernel[1], index % kernel[1]];
            let offset = [0, 1].map(|axis| place[axis] % stride[axis]);
            let known = phases.iter().position(|phase| phase.offset == offset);
            let phase = known.unwrap_or_else(|| {
                let lead = [0, 1].map(|axis| {
                    padding[axis]
                        .saturating_sub(offset[axis])
                        .div_ceil(stride[axis])
                });
                let first =
                    [0, 1].map(|axis| lead[axis] * stride[axis] + offset[axis] - padding[axis]);
                let pixels = [0, 1].map(|axis| {
                    let all = image.size[axis].saturating_sub(first[axis]);
                    let reached = (feature.size[axis] + reach[axis]).saturating_sub(lead[axis]);
                    all.div_ceil(stride[axis]).min(reached)
                });
                for axis in [0, 1] {
                    // Zeros for what the kernel reaches before the first pixel, then for what it reaches behind the last.
                    plane[axis] = plane[axis]
                        .max(pixels[axis] + lead[axis])
                        .max((feature.size[axis] + reach[axis]).saturating_sub(lead[axis]));
                }
                phases.push(Phase {
                    offset,
                    lead,
                    first,
                    pixels,
                });
                phases.len() - 1
            });
            taps.push((index, place, phase));
        }
        let taps = taps.into_iter().map(|(index, place, phase)| {
            let by = |axis: usize| {
                (place[axis] / stride[axis]) as isize - phases[phase].lead[axis] as isize
            };
            Tap {
                index,
                phase,
                shift: by(0) * plane[1] as isize + by(1),
            }
        });
        Self {
            image,
            feature,
            kernel,
            stride,
            plane,
            taps: taps.collect(),
            phases,
        }
    }

    pub(crate) fn images(&self, count: usize) -> [usize; 4] {
        let [height, width] = self.image.size;
        [count, self.image.channels, height, width]
    }

    pub(crate) fn features(&self, count: usize) -> [usize; 4] {
        let [height, width] = self.feature.size;
        [count, self.feature.channels, height, width]
    }

    /// `[features, images, kernel height, kernel width]`.
    pub(crate) fn weights(&self) -> [usize; 4] {
        let [height, width] = self.kernel;
        [self.feature.channels, self.image.channels, height, width]
    }

    /// Where the weight of a feature channel, an image channel and a tap is.
    pub(super) fn weight(&self, feature: usize, image: usize, tap: Tap) -> usize {
        let taps = self.kernel[0] * self.kernel[1];
        (feature * self.image.channels + image) * taps + tap.index
    }

    /// Positions of one image.
    pub(super) fn positions(&self) -> usize {
        self.plane[0] * self.plane[1]
    }

    pub(super) fn multiplications(&self, count: usize) -> usize {
        count * self.positions() * self.feature.channels * self.image.channels * self.taps.len()
    }
}

impl Side {
    /// Numbers per image.
    pub(super) fn len(self) -> usize {
        self.channels * self.size[0] * self.size[1]
    }

    pub(super) fn plane(self, all: &[f32], image: usize, channel: usize) -> &[f32] {
        let pixels = self.size[0] * self.size[1];
        &all[(image * self.channels + channel) * pixels..][..pixels]
    }
}
