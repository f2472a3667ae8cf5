//! What the step benchmarks share: the loop over steps, and the line they print.

mod clock;
mod start;

use std::time::Instant;

use burn::tensor::Device;

pub(crate) use start::{device, run};

/// Times `step(n)` for so many steps after a warm-up and prints `ours <name> <median ms> <minimum ms> <processor ms>`, the last per
/// step, of all threads.
pub(crate) fn time(
    name: &str,
    [warm_up, steps]: [usize; 2],
    device: &Device,
    mut step: impl FnMut(u64),
) {
    let mut times = Vec::with_capacity(steps);
    let mut before = 0.0;
    for n in 0..warm_up + steps {
        if n == warm_up {
            before = clock::cpu_seconds();
        }
        let start = Instant::now();
        step(n as u64);
        device.sync().expect("the device answers");
        if n >= warm_up {
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    let worked = (clock::cpu_seconds() - before) / steps as f64 * 1e3;
    times.sort_by(f64::total_cmp);
    println!(
        "ours {name} {:.4} {:.4} {worked:.4}",
        times[steps / 2],
        times[0]
    );
}
