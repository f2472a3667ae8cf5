//! Temporary.
use burn::tensor::Tensor;
use unbiased_estimators::{law::Law, NoiseLaw};
use crate::Sinkhorn;
/// Gumbel-Sinkhorn.
#[derive(Debug, Clone, Copy)]
pub struct GumbelSinkhorn { /// s
 pub sinkhorn: Sinkhorn, /// n
 pub noise: f64 }
impl Law for GumbelSinkhorn {
    fn name(&self) -> &'static str { "Gumbel-Sinkhorn" }
    fn noise(&self) -> NoiseLaw { NoiseLaw::Gumbel }
    fn sample(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        let [rows, width] = params.dims();
        let n = (width as f64).sqrt() as usize;
        let x = (params + noise * self.noise).reshape([rows, n, n]);
        self.sinkhorn.balance(x).expect("valid").plan.reshape([rows, width])
    }
    fn mean(&self, params: Tensor<2>) -> Tensor<2> { let n = params.zeros_like(); self.sample(params, n) }
    fn log_prob(&self, _: Tensor<2>, _: Tensor<2>) -> Tensor<1> { unimplemented!() }
    fn score(&self, _: Tensor<2>, _: Tensor<2>) -> Tensor<2> { unimplemented!() }
    fn negative_entropy(&self, _: Tensor<2>) -> Option<Tensor<1>> { None }
    fn kl(&self, _: Tensor<2>, _: Tensor<2>) -> Option<Tensor<1>> { None }
    fn is_pathwise(&self) -> bool { true }
}
