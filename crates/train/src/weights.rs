//! Weights as other programs read them: one safetensors file.
//!
//! Every parameter stands under its path in the model, as in a checkpoint, in the layout of the model: a map
//! from `m` to `n` numbers has its weight as `[m, n]` and computes `x W + b` (`PyTorch` holds `[n, m]`), kernels of
//! convolutions are `[out, in, height, width]` in both. Where the file comes from stands in its metadata, under
//! the key `unbiased`.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use burn::tensor::{Bytes, DType, Shape, TensorData};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors, serialize};

use crate::bundle::Bundle;
use crate::files;
use crate::system::System;

/// The parameters of the model within a checkpoint.
pub const MODEL: &str = "model.bpk";

/// How much was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Tensors.
    pub tensors: usize,
    /// Numbers in them.
    pub numbers: usize,
}

/// Writes the model of the checkpoint in the folder `checkpoint`, whose `origin` is any JSON.
///
/// # Errors
/// A file that cannot be read or written.
pub fn export(checkpoint: &Path, origin: &str, path: &Path) -> anyhow::Result<Written> {
    let (tensors, _) = Bundle::read(&checkpoint.join(MODEL))?.into_parts();
    let views: Vec<(&str, TensorView<'_>)> = tensors
        .iter()
        .map(|(name, data)| {
            let shape = data.shape().iter().copied().collect();
            let view = TensorView::new(kind(data.dtype())?, shape, data.as_bytes())
                .map_err(|error| anyhow!("`{name}`: {error}"))?;
            Ok((name.as_str(), view))
        })
        .collect::<anyhow::Result<_>>()?;
    let metadata = HashMap::from([("unbiased".to_owned(), origin.to_owned())]);
    let bytes = serialize(views, Some(metadata)).map_err(|error| anyhow!("{error}"))?;
    files::replace(path, &bytes)?;
    Ok(Written {
        tensors: tensors.len(),
        numbers: tensors.values().map(TensorData::num_elements).sum(),
    })
}

/// Puts the weights in the file `path` into the model of `system`, and leaves all else as it is.
///
/// # Errors
/// A file that is not safetensors, or a tensor that the model lacks, misses or has in another shape.
pub fn import(path: &Path, system: &mut dyn System) -> anyhow::Result<()> {
    let weights = read(path)?;
    // A checkpoint of the fresh system with other weights in it: what every system can load.
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    system.save(folder.path())?;
    weights.write(&folder.path().join(MODEL))?;
    system
        .load(folder.path())
        .with_context(|| format!("{} does not fit this model", path.display()))
}

fn read(path: &Path) -> anyhow::Result<Bundle> {
    let read = || -> anyhow::Result<Bundle> {
        let bytes = std::fs::read(path)?;
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|error| anyhow!("not a safetensors file: {error}"))?;
        let views: BTreeMap<&str, TensorView<'_>> = file.iter().collect();
        let mut bundle = Bundle::new();
        for (name, view) in views {
            let dtype = match view.dtype() {
                Dtype::F32 => DType::F32,
                Dtype::F64 => DType::F64,
                Dtype::I32 => DType::I32,
                Dtype::I64 => DType::I64,
                other => bail!("`{name}` has numbers of type {other:?}; write it as F32"),
            };
            let bytes = Bytes::from_bytes_vec(view.data().to_vec());
            let data = TensorData::from_bytes(bytes, Shape::from(view.shape().to_vec()), dtype);
            let data = match dtype {
                DType::F64 => data.convert::<f32>(),
                _ => data,
            };
            bundle.put_tensor(name, data);
        }
        Ok(bundle)
    };
    read().with_context(|| format!("cannot read {}", path.display()))
}

fn kind(dtype: DType) -> anyhow::Result<Dtype> {
    Ok(match dtype {
        DType::F32 => Dtype::F32,
        DType::F64 => Dtype::F64,
        DType::I32 => Dtype::I32,
        DType::I64 => Dtype::I64,
        other => bail!("numbers of type {other:?} have no counterpart in a safetensors file"),
    })
}
