//! The `unbiased` program.

use std::process::ExitCode;

/// The system's allocator gives large blocks back to the kernel at once, and every step faults its
/// activations in again: up to twice the time per step on small models.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    unbiased_train::cli::main()
}
