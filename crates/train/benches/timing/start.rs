//! How a benchmark starts: its options, its device, its thread.

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
