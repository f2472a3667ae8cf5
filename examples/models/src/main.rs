//! A belief network on its own: built from its configuration, and run from latents to pixels.

use burn::tensor::{Device, Tensor};
use unbiased_models::sbn::{Sbn, SbnConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::flex();
    let config = SbnConfig {
        layers: vec![4],
        ..SbnConfig::default()
    };
    config.check()?;
    let model = Sbn::new(&config, &[0.2; 9], 0, &device);
    let pixels = model.pixels(Tensor::zeros([2, 4], &device));
    println!(
        "2 images of {} pixels, mean {:.3}",
        pixels.dims()[1],
        pixels.clone().mean().into_scalar::<f32>()
    );
    if pixels.dims() == [2, 9] {
        Ok(())
    } else {
        Err("wrong shape".into())
    }
}
