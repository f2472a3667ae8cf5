//! The `unbiased` program.

use std::process::ExitCode;

/// The system's allocator gives large blocks back to the kernel at once, and every step faults its
/// activations in again: up to twice the time per step on small models.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bytes of stack per thread of the pool; the system reserves them and gives what is used.
const STACK: usize = 64 << 20;

/// Everything runs on a thread of the pool. From outside it, each matrix product that is split over threads would put the caller to
/// sleep and wake it again, which cost a sixth of the step of `air/multi_mnist` on two cores.
fn main() -> ExitCode {
    match rayon::ThreadPoolBuilder::new()
        .stack_size(STACK)
        .build_global()
    {
        Ok(()) => rayon::scope(|_| unbiased_train::cli::main()),
        // No threads to be had: it works without, too.
        Err(_) => unbiased_train::cli::main(),
    }
}
