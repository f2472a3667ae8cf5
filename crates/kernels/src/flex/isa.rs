//! One binary for every CPU: a [`Task`] is compiled once per instruction set and the widest one the CPU has is entered at run time.
//!
//! The bodies are plain loops over slices that the compiler vectorises for the instruction set of the function it inlines them into. Hence
//! every helper they call is `#[inline(always)]`. The one exception is the matrix product of `panels`, whose accumulators must stay in
//! registers: it is a [`VectorTask`], written with the few operations of [`Vector`].

/// An instruction set that this CPU is known to have: values come from [`Isa::best`] and [`Isa::all`] only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Isa(Level);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// What the compilation target guarantees: SSE2 on x86-64, NEON on 64-bit ARM.
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// A computation that can be compiled for several instruction sets.
pub(crate) trait Task {
    /// What it returns.
    type Out;

    /// The computation; must be `#[inline(always)]`. `FMA` says that `mul_add` is one instruction: without it it is a slow library call.
    fn run<const FMA: bool>(self) -> Self::Out;
}

/// A computation written with the registers of an instruction set.
pub(crate) trait VectorTask {
    /// The computation; must be `#[inline(always)]`. `ROWS` rows of two accumulators each fit the registers.
    fn run<V: Vector, const ROWS: usize>(self);
}

/// A register of numbers. The methods must be `#[inline(always)]`; they are only called inside [`Isa::run_vectors`], which knows that the
/// CPU has the instructions.
pub(crate) trait Vector: Copy {
    /// Numbers per register.
    const LANES: usize;
    /// x in every lane.
    fn splat(x: f32) -> Self;
    /// The first numbers of a slice.
    fn load(x: &[f32]) -> Self;
    /// Into the first numbers of a slice.
    fn store(self, x: &mut [f32]);
    /// a·b + c, fused where that is one instruction.
    fn mul_add(a: Self, b: Self, c: Self) -> Self;
    /// The sum of the lanes.
    fn sum(self) -> f32;
}

/// Four lanes for the compiler to put into a register.
impl Vector for [f32; 4] {
    const LANES: usize = 4;
    #[inline(always)]
    fn splat(x: f32) -> Self {
        [x; 4]
    }
    #[inline(always)]
    fn load(x: &[f32]) -> Self {
        [x[0], x[1], x[2], x[3]]
    }
    #[inline(always)]
    fn store(self, x: &mut [f32]) {
        x[..4].copy_from_slice(&self);
    }
    #[inline(always)]
    fn mul_add(a: Self, b: Self, c: Self) -> Self {
        let lane = |i: usize| {
            if cfg!(target_arch = "aarch64") {
                a[i].mul_add(b[i], c[i])
            } else {
                a[i] * b[i] + c[i]
            }
        };
        [lane(0), lane(1), lane(2), lane(3)]
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        (self[0] + self[1]) + (self[2] + self[3])
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "register intrinsics")]
mod x86 {
    use super::Vector;
    use core::arch::x86_64::{
        __m256, __m512, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_movehdup_ps, _mm_movehl_ps,
        _mm256_castps256_ps128, _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_loadu_ps,
        _mm256_set1_ps, _mm256_storeu_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_reduce_add_ps,
        _mm512_set1_ps, _mm512_storeu_ps,
    };

    macro_rules! vector {
        ($register:ty, $lanes:literal, $splat:ident, $load:ident, $store:ident, $mul_add:ident, $sum:ident) => {
            impl Vector for $register {
                const LANES: usize = $lanes;
                #[inline(always)]
                fn splat(x: f32) -> Self {
                    // SAFETY: `Isa::run_vectors` is the only caller and has checked the CPU for this register's instructions.
                    unsafe { $splat(x) }
                }
                #[inline(always)]
                fn load(x: &[f32]) -> Self {
                    let x = &x[..$lanes];
                    // SAFETY: as above; the slice has as many numbers as are read, and the instruction needs no alignment.
                    unsafe { $load(x.as_ptr()) }
                }
                #[inline(always)]
                fn store(self, x: &mut [f32]) {
                    let x = &mut x[..$lanes];
                    // SAFETY: as above; the slice has as many numbers as are written, and the instruction needs no alignment.
                    unsafe { $store(x.as_mut_ptr(), self) }
                }
                #[inline(always)]
                fn mul_add(a: Self, b: Self, c: Self) -> Self {
                    // SAFETY: as above.
                    unsafe { $mul_add(a, b, c) }
                }
                #[inline(always)]
                fn sum(self) -> f32 {
                    // SAFETY: as above.
                    unsafe { $sum(self) }
                }
            }
        };
    }

    /// Halves added until one lane is left.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn sum_256(x: __m256) -> f32 {
        let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
        let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
        _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)))
    }

    vector!(
        __m256,
        8,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_fmadd_ps,
        sum_256
    );
    vector!(
        __m512,
        16,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_fmadd_ps,
        _mm512_reduce_add_ps
    );
}

impl Isa {
    /// The widest instruction set of this CPU (detected once per process by the standard library).
    pub(crate) fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if has_avx512() {
                return Self(Level::Avx512);
            }
            if has_avx2() {
                return Self(Level::Avx2);
            }
        }
        Self(Level::Plain)
    }

    /// Every instruction set of this CPU that has its own path.
    #[cfg(test)]
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![Self(Level::Plain)];
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(has_avx2().then_some(Self(Level::Avx2)));
            all.extend(has_avx512().then_some(Self(Level::Avx512)));
        }
        all
    }

    /// Runs `task` with this instruction set.
    #[inline]
    #[allow(
        unsafe_code,
        reason = "entering a function compiled for more than the target guarantees"
    )]
    pub(crate) fn run<T: Task>(self, task: T) -> T::Out {
        match self.0 {
            Level::Plain => task.run::<{ cfg!(target_arch = "aarch64") }>(),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Avx2` is only constructed in `best` and `all`, after `has_avx2` found both features.
            Level::Avx2 => unsafe { run_avx2(task) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Avx512` is only constructed in `best` and `all`, after `has_avx512` found all five features.
            Level::Avx512 => unsafe { run_avx512(task) },
        }
    }
}

impl Isa {
    /// Runs `task` with the registers of this instruction set.
    #[inline]
    #[allow(
        unsafe_code,
        reason = "entering a function compiled for more than the target guarantees"
    )]
    pub(crate) fn run_vectors<T: VectorTask>(self, task: T) {
        match self.0 {
            Level::Plain => task.run::<[f32; 4], 4>(),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Avx2` is only constructed in `best` and `all`, after `has_avx2` found both features.
            Level::Avx2 => unsafe { run_vectors_avx2(task) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Avx512` is only constructed in `best` and `all`, after `has_avx512` found all five features.
            Level::Avx512 => unsafe { run_vectors_avx512(task) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_vectors_avx2<T: VectorTask>(task: T) {
    task.run::<core::arch::x86_64::__m256, 4>();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma")]
fn run_vectors_avx512<T: VectorTask>(task: T) {
    task.run::<core::arch::x86_64::__m512, 8>();
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    has_avx2()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<T: Task>(task: T) -> T::Out {
    task.run::<true>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma")]
fn run_avx512<T: Task>(task: T) -> T::Out {
    task.run::<true>()
}
