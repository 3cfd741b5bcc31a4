use serde::{Deserialize, Serialize};

use crate::FitError;

/// How far apart two records are: `(Σ |a - b|^p)^(1/p)` over their features.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// p = 1: the sum of the differences.
    Manhattan,
    /// p = 2: the length of a straight line.
    Euclidean,
    /// p = infinity: the largest difference.
    Chebyshev,
    /// Any other p above 1.
    Minkowski(f64),
}

impl Metric {
    /// The metric of a power.
    ///
    /// # Errors
    /// [`FitError::P`] unless `p` is at least 1; infinity is [`Metric::Chebyshev`].
    #[expect(clippy::float_cmp, reason = "the named metrics are of exactly these powers")]
    pub fn of_power(p: f64) -> Result<Self, FitError> {
        let usable = 1.0 <= p;
        if !usable {
            return Err(FitError::P(p));
        }
        Ok(if p == 1.0 {
            Self::Manhattan
        } else if p == 2.0 {
            Self::Euclidean
        } else if p.is_infinite() {
            Self::Chebyshev
        } else {
            Self::Minkowski(p)
        })
    }

    /// The distance whose reduced form this is.
    pub(super) fn finish(self, reduced: f64) -> f64 {
        match self {
            Self::Manhattan | Self::Chebyshev => reduced,
            Self::Euclidean => reduced.sqrt(),
            Self::Minkowski(p) => libm::pow(reduced, 1.0 / p),
        }
    }
}

/// A distance in the form that it is compared in, before the root: cheaper, and in the same order.
///
/// Rounding never makes [`Kernel::add`] smaller for a larger difference, so a bound that is computed feature
/// by feature in the same order as a distance holds exactly, not only nearly.
pub(super) trait Kernel: Copy + Sync {
    /// Takes in the difference in one more feature.
    fn add(self, reduced: f64, difference: f64) -> f64;
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Sum;
#[derive(Debug, Clone, Copy)]
pub(super) struct Largest;
/// A whole power, by multiplication.
#[derive(Debug, Clone, Copy)]
pub(super) struct WholePower<const P: u32>;
#[derive(Debug, Clone, Copy)]
pub(super) struct Power(f64);

impl Kernel for Sum {
    #[inline(always)]
    fn add(self, reduced: f64, difference: f64) -> f64 {
        reduced + difference.abs()
    }
}

impl Kernel for Largest {
    #[inline(always)]
    fn add(self, reduced: f64, difference: f64) -> f64 {
        let difference = difference.abs();
        if reduced < difference { difference } else { reduced }
    }
}

impl<const P: u32> Kernel for WholePower<P> {
    #[inline(always)]
    fn add(self, reduced: f64, difference: f64) -> f64 {
        let difference = difference.abs();
        let square = difference * difference;
        reduced
            + match P {
                2 => square,
                3 => square * difference,
                4 => square * square,
                5 => square * square * difference,
                6 => square * square * square,
                _ => libm::pow(difference, f64::from(P)),
            }
    }
}

impl Kernel for Power {
    #[inline(always)]
    fn add(self, reduced: f64, difference: f64) -> f64 {
        reduced + libm::pow(difference.abs(), self.0)
    }
}

/// Work that is compiled once for each kernel.
pub(super) trait WithKernel {
    type Output;
    fn run<K: Kernel>(self, kernel: K) -> Self::Output;
}

/// Runs work with the kernel of a metric.
pub(super) fn with_kernel<W: WithKernel>(metric: Metric, work: W) -> W::Output {
    match metric {
        Metric::Manhattan => work.run(Sum),
        Metric::Euclidean => work.run(WholePower::<2>),
        Metric::Chebyshev => work.run(Largest),
        Metric::Minkowski(3.0) => work.run(WholePower::<3>),
        Metric::Minkowski(4.0) => work.run(WholePower::<4>),
        Metric::Minkowski(5.0) => work.run(WholePower::<5>),
        Metric::Minkowski(6.0) => work.run(WholePower::<6>),
        Metric::Minkowski(p) => work.run(Power(p)),
    }
}
