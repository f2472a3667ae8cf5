//! One binary for every CPU: a [`Task`] is compiled once per instruction set and the widest one the CPU has is entered at run time.
//!
//! The bodies are plain loops over slices that the compiler vectorises for the instruction set of the function it inlines them into. Hence
//! every helper they call is `#[inline(always)]`, and there is no intrinsic anywhere.

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
