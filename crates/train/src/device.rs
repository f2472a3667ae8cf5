//! The devices a run can be on. No other module of this crate names a backend.

use std::panic::{self, AssertUnwindSafe};

use burn::tensor::{Device, Tensor};

use crate::error::Failure;
use crate::invocation;

/// Every backend the program can be built with, in the order `auto` prefers them.
const BACKENDS: [(&str, bool); 6] = [
    ("flex", cfg!(feature = "flex")),
    ("ndarray", cfg!(feature = "ndarray")),
    ("cuda", cfg!(feature = "cuda")),
    ("metal", cfg!(feature = "metal")),
    ("vulkan", cfg!(feature = "vulkan")),
    ("wgpu", cfg!(feature = "wgpu")),
];

/// The names `--device` accepts besides `auto`.
pub fn names() -> impl Iterator<Item = &'static str> {
    BACKENDS.iter().map(|(name, _)| *name)
}

/// The names of the backends in this binary.
pub fn built_in() -> impl Iterator<Item = &'static str> {
    BACKENDS
        .iter()
        .filter_map(|(name, present)| present.then_some(*name))
}

/// A device that has been opened and has computed something.
#[derive(Debug, Clone)]
pub struct OpenDevice {
    /// Name of its backend.
    pub name: &'static str,
    /// The device, without autodiff.
    pub device: Device,
}

/// Finds the backend that `--device name` asks for, without touching the hardware.
///
/// # Errors
/// A name that does not exist, or a backend that is not built in, with the command that adds it.
pub fn choose(name: &str) -> Result<&'static str, Failure> {
    if name == "auto" {
        return built_in().next().ok_or_else(|| {
            Failure::usage(
                "this binary was built without any device; build it with `cargo build --release`",
            )
        });
    }
    let Some((known, present)) = BACKENDS.iter().find(|(known, _)| *known == name) else {
        let all: Vec<_> = names().collect();
        return Err(Failure::usage(format!(
            "unknown device `{name}`; the devices are: auto, {}",
            all.join(", ")
        )));
    };
    if !present {
        let here: Vec<_> = built_in().collect();
        return Err(Failure::usage(format!(
            "device `{known}` is not built into this binary (it has: {}); run\n  \
             cargo run --release --no-default-features --features {known} -- {}",
            here.join(", "),
            invocation::arguments()
        )));
    }
    Ok(known)
}

/// Opens the device that `--device name` asks for.
///
/// # Errors
/// As [`choose`], and a device that this machine does not have.
pub fn open(name: &str) -> Result<OpenDevice, Failure> {
    let name = choose(name)?;
    let device = without_panics(|| {
        let device = construct(name)?;
        // Adapters and drivers are looked up at the first operation: better now than in the middle of a step.
        let one = Tensor::<1>::ones([1], &device).try_into_data();
        one.map_err(|error| error.to_string())?;
        Ok(device)
    });
    device
        .map(|device| OpenDevice { name, device })
        .map_err(|reason| {
            Failure::Failed(anyhow::anyhow!(
                "device `{name}` cannot be used on this machine: {reason}"
            ))
        })
}

#[cfg_attr(not(feature = "wgpu"), allow(clippy::unnecessary_wraps))]
fn construct(name: &str) -> Result<Device, String> {
    match name {
        #[cfg(feature = "flex")]
        "flex" => Ok(Device::flex()),
        #[cfg(feature = "ndarray")]
        "ndarray" => {
            // Deprecated upstream, kept as a second CPU backend to check against.
            #[allow(deprecated)]
            let device = Device::ndarray();
            Ok(device)
        }
        #[cfg(feature = "cuda")]
        "cuda" => Ok(Device::cuda(burn::tensor::DeviceIndex::Default)),
        #[cfg(feature = "metal")]
        "metal" => wgpu(burn::tensor::wgpu::WgpuBackend::Metal),
        #[cfg(feature = "vulkan")]
        "vulkan" => wgpu(burn::tensor::wgpu::WgpuBackend::Vulkan),
        #[cfg(feature = "wgpu")]
        "wgpu" => wgpu(burn::tensor::wgpu::WgpuBackend::Auto),
        other => Err(format!("`{other}` is not built in")),
    }
}

#[cfg(feature = "wgpu")]
fn wgpu(api: burn::tensor::wgpu::WgpuBackend) -> Result<Device, String> {
    Device::wgpu_options()
        .graphics_api(api)
        .init()
        .map_err(|error| error.to_string())
}

/// Runs `open` and turns a panic inside it into its message: some backends panic where hardware is missing.
fn without_panics<T>(open: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let outcome = panic::catch_unwind(AssertUnwindSafe(open));
    panic::set_hook(hook);
    outcome.unwrap_or_else(|payload| {
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied());
        Err(text.unwrap_or("it panicked while starting").to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_message() {
        let outcome: Result<(), String> = without_panics(|| panic!("no adapter {}", 3));
        assert_eq!(outcome, Err("no adapter 3".to_owned()));
    }

    #[test]
    fn unknown_devices_are_refused_with_the_list() {
        let message = choose("gpu").unwrap_err().to_string();
        assert!(message.contains("auto, flex, ndarray"), "{message}");
    }
}
