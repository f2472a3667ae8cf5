//! What the step benchmarks share: options, the loop over steps, and the line they print.

use std::time::Instant;

use burn::tensor::Device;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Options of the form `--name value`.
pub(crate) struct Options(Vec<String>);

impl Options {
    /// `--name`, if given.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let place = self.0.iter().position(|a| a == name)?;
        self.0.get(place + 1).cloned()
    }

    /// `--name`, if given.
    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        let text = self.text(name)?;
        let number = text.parse();
        Some(number.unwrap_or_else(|_| panic!("{name} takes a number, not `{text}`")))
    }
}

/// The first device that is built in, without autodiff.
pub(crate) fn device() -> Device {
    let opened = unbiased_train::device::open("auto");
    opened.expect("a device is built in").device
}

/// Runs a benchmark where training runs: on a thread of the pool, see the `main` of the program.
pub(crate) fn run(benchmark: impl FnOnce(&Options) + Send) {
    let options = Options(std::env::args().collect());
    rayon::scope(|_| benchmark(&options));
}

/// Times `step(n)` for so many steps after a warm-up and prints `ours <name> <median ms> <minimum ms>`.
pub(crate) fn time(
    name: &str,
    [warm_up, steps]: [usize; 2],
    device: &Device,
    mut step: impl FnMut(u64),
) {
    let mut times = Vec::with_capacity(steps);
    for n in 0..warm_up + steps {
        let start = Instant::now();
        step(n as u64);
        device.sync().expect("the device answers");
        if n >= warm_up {
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    times.sort_by(f64::total_cmp);
    println!("ours {name} {:.4} {:.4}", times[steps / 2], times[0]);
}
