//! Which instructions a forest is walked with.

#[cfg(target_arch = "x86_64")]
use super::simd::Avx512;
use super::{LANES, complete::Complete};

/// The instructions that score; the scores are the same bits with all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Those that every processor has.
    Portable,
    /// AVX-512 F, BW and VL: 16 trees at a time.
    Avx512,
}

impl Engine {
    /// The fastest that this processor has. It is asked as the program runs.
    pub fn fastest() -> Self {
        if Self::Avx512.is_available() { Self::Avx512 } else { Self::Portable }
    }

    /// Whether this processor has it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Avx512::detect().is_some(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 => false,
        }
    }

    /// As [`Complete::add_paths`], by these instructions if the processor has them.
    pub(super) fn add_paths(
        self,
        complete: &Complete,
        block: &[f32],
        width: usize,
        may_be_missing: bool,
        sums: &mut [[f64; LANES]],
    ) {
        #[cfg(target_arch = "x86_64")]
        if self == Self::Avx512
            && let Some(avx512) = Avx512::detect()
        {
            return if may_be_missing {
                avx512.add_paths::<true>(complete, block, width, sums)
            } else {
                avx512.add_paths::<false>(complete, block, width, sums)
            };
        }
        if may_be_missing {
            complete.add_paths::<true>(block, width, sums);
        } else {
            complete.add_paths::<false>(block, width, sums);
        }
    }
}
