//! Named tensors and numbers in one burnpack file: the parts of a checkpoint.
//!
//! The framework's own records would do, but for two things. An optimizer record is written in the order of
//! a hash map and keyed by random parameter ids, so that two equal runs leave different bytes; and it is read
//! back onto the default device, which need not exist on a machine that trains on another one. Here
//! everything is keyed by its path in the module, sorted, and read onto the device that is asked for. The
//! files stay readable as ordinary burnpack records.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::kind::Basic;
use burn::tensor::{Bool, Bytes, DType, Device, Int, Shape, Tensor, TensorData};
use burn_pack::{Reader, Scalar, Writer};

use crate::system::StepError;

/// Tensors and numbers by name.
#[derive(Debug, Default)]
pub struct Bundle {
    tensors: BTreeMap<String, TensorData>,
    scalars: BTreeMap<String, Scalar>,
}

impl Bundle {
    /// An empty bundle.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The parameters of a module, by their paths.
    pub fn of_module<M: Module>(module: &M) -> Self {
        let mut collector = Collector::default();
        module.visit(&mut collector);
        collector.bundle
    }

    /// Adds a tensor.
    pub fn put_tensor(&mut self, name: impl Into<String>, data: TensorData) {
        self.tensors.insert(name.into(), data);
    }

    /// Adds a number.
    pub fn put_number(&mut self, name: impl Into<String>, number: impl Into<Scalar>) {
        self.scalars.insert(name.into(), number.into());
    }

    /// A number that must be there.
    ///
    /// # Errors
    /// It is absent or of another type.
    pub fn number<T: TryFrom<Scalar>>(&self, name: &str) -> anyhow::Result<T> {
        self.scalars
            .get(name)
            .and_then(|&scalar| T::try_from(scalar).ok())
            .ok_or_else(|| anyhow!("it holds no number `{name}` of the right type"))
    }

    /// All tensors and all numbers.
    #[must_use]
    pub fn into_parts(self) -> (BTreeMap<String, TensorData>, BTreeMap<String, Scalar>) {
        (self.tensors, self.scalars)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// `Diverged` where a tensor holds a value that is not finite: such a state is not worth going back to.
    pub fn write(self, path: &Path) -> Result<(), StepError> {
        for (name, data) in &self.tensors {
            if let Some(value) = first_non_finite(data) {
                let term = format!("parameter {name}");
                return Err(StepError::Diverged { term, value });
            }
        }
        let tensors = self.tensors.into_iter().map(|(name, data)| {
            let (bytes, shape, dtype) = data.into_parts();
            burn_pack::Tensor::new(name, dtype, shape, None, bytes)
        });
        let mut writer = Writer::new(tensors.collect());
        for (name, scalar) in &self.scalars {
            writer = writer.with_scalar(name, *scalar);
        }
        let bytes = writer.into_bytes().map_err(|error| anyhow!("{error}"))?;
        std::fs::write(path, &*bytes)
            .with_context(|| format!("cannot write {}", path.display()))
            .map_err(StepError::from)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// It is missing or not a burnpack file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let read = || -> anyhow::Result<Self> {
            let bytes = Bytes::from_bytes_vec(std::fs::read(path)?);
            let reader = Reader::from_bytes(bytes).map_err(|error| anyhow!("{error}"))?;
            let scalars = reader.scalars().clone();
            let mut tensors = BTreeMap::new();
            for tensor in reader.into_tensors().map_err(|error| anyhow!("{error}"))? {
                let (name, dtype, shape, _, bytes) =
                    tensor.into_parts().map_err(|error| anyhow!("{error}"))?;
                tensors.insert(name, TensorData::from_bytes(bytes, shape, dtype));
            }
            Ok(Self { tensors, scalars })
        };
        read().with_context(|| format!("cannot read {}", path.display()))
    }

    /// Puts the recorded values into `module`.
    ///
    /// # Errors
    /// A parameter without a tensor, a tensor without a parameter, or a shape that differs.
    pub fn into_module<M: Module>(self, module: M) -> anyhow::Result<M> {
        let mut loader = Loader {
            path: Vec::new(),
            tensors: self.tensors,
            problem: None,
        };
        let module = module.map(&mut loader);
        if let Some(problem) = loader.problem {
            bail!(problem);
        }
        if let Some(name) = loader.tensors.keys().next() {
            bail!("it holds a tensor `{name}` that the model does not have");
        }
        Ok(module)
    }
}

fn first_non_finite(data: &TensorData) -> Option<f64> {
    match data.dtype() {
        DType::F32 => {
            let values = data.as_slice::<f32>().ok()?;
            values.iter().find(|x| !x.is_finite()).map(|&x| x.into())
        }
        DType::F64 => {
            let values = data.as_slice::<f64>().ok()?;
            values.iter().find(|x| !x.is_finite()).copied()
        }
        _ => None,
    }
}

#[derive(Default)]
struct Collector {
    path: Vec<String>,
    bundle: Bundle,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let data = param.transform_for_save().val().into_data();
        self.bundle.put_tensor(self.path.join("."), data);
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        let data = param.transform_for_save().val().into_data();
        self.bundle.put_tensor(self.path.join("."), data);
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        let data = param.transform_for_save().val().into_data();
        self.bundle.put_tensor(self.path.join("."), data);
    }
}

struct Loader {
    path: Vec<String>,
    tensors: BTreeMap<String, TensorData>,
    problem: Option<String>,
}

impl Loader {
    fn take<const D: usize, K: Basic>(
        &mut self,
        device: &Device,
        shape: &Shape,
    ) -> Option<Tensor<D, K>> {
        let path = self.path.join(".");
        let problem = match self.tensors.remove(&path) {
            Some(data) if data.shape() == shape => {
                let dtype = data.dtype();
                return Some(Tensor::from_data(data, (device, dtype)));
            }
            Some(data) => format!(
                "`{path}` has shape {:?}, the model expects {shape:?}",
                data.shape()
            ),
            None => format!("it holds no tensor `{path}`"),
        };
        self.problem.get_or_insert(problem);
        None
    }
}

macro_rules! load {
    ($method:ident, $kind:ty) => {
        fn $method<const D: usize>(
            &mut self,
            param: Param<Tensor<D, $kind>>,
        ) -> Param<Tensor<D, $kind>> {
            let id: ParamId = param.id;
            match self.take(&param.lazy_device(), &param.lazy_shape()) {
                Some(tensor) => param.transform_for_load(tensor, id),
                None => param,
            }
        }
    };
}

impl ModuleMapper for Loader {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    load!(map_float, burn::tensor::Float);
    load!(map_int, Int);
    load!(map_bool, Bool);
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};

    fn linear(d_out: usize) -> Linear {
        let device = Device::flex();
        unbiased_models::initialise(LinearConfig::new(3, d_out).init(&device), 1)
    }

    #[test]
    fn a_module_survives_the_file_and_equal_modules_leave_equal_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("1.bpk"), dir.path().join("2.bpk"));
        Bundle::of_module(&linear(2)).write(&one).unwrap();
        Bundle::of_module(&linear(2)).write(&two).unwrap();
        assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());

        let fresh = LinearConfig::new(3, 2).init(&Device::flex());
        let loaded = Bundle::read(&one).unwrap().into_module(fresh).unwrap();
        let strict = true;
        let expected = linear(2).weight.val().into_data();
        loaded.weight.val().into_data().assert_eq(&expected, strict);
    }

    #[test]
    fn a_file_of_another_model_is_refused() {
        let problem = Bundle::of_module(&linear(2)).into_module(linear(4));
        assert!(problem.unwrap_err().to_string().contains("shape"));
        let mut extra = Bundle::of_module(&linear(2));
        extra.put_tensor("else", TensorData::from([1.0_f32]));
        assert!(extra.into_module(linear(2)).is_err());
        assert!(Bundle::new().into_module(linear(2)).is_err());
    }

    #[test]
    fn a_parameter_that_is_not_finite_is_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let mut bundle = Bundle::new();
        bundle.put_tensor("w", TensorData::from([1.0_f32, f32::NAN]));
        let path = dir.path().join("w.bpk");
        let error = bundle.write(&path).unwrap_err();
        assert!(matches!(error, StepError::Diverged { term, .. } if term == "parameter w"));
        assert!(!path.exists());
    }
}
