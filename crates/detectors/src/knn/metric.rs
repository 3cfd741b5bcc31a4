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

    /// The power p.
    pub fn power(self) -> f64 {
        match self {
            Self::Manhattan => 1.0,
            Self::Euclidean => 2.0,
            Self::Chebyshev => f64::INFINITY,
            Self::Minkowski(p) => p,
        }
    }

    /// What a feature adds to the distance, as a share of it, for a difference that is a share of it too. With
    /// Chebyshev's metric 1 for every feature with the largest difference.
    pub(super) fn part(self, difference: f64) -> f64 {
        match self {
            Self::Manhattan => difference,
            Self::Euclidean => difference * difference,
            // The distance is the largest difference itself, so the quotient is exact.
            Self::Chebyshev => f64::from(u8::from(1.0 <= difference)),
            Self::Minkowski(3.0) => whole_power::<3>(difference),
            Self::Minkowski(4.0) => whole_power::<4>(difference),
            Self::Minkowski(5.0) => whole_power::<5>(difference),
            Self::Minkowski(6.0) => whole_power::<6>(difference),
            Self::Minkowski(p) => libm::pow(difference, p),
        }
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
pub(super) trait Kernel: Copy + Sync {
    /// The power of the search's own distance, which is at most this one's: see [`Kernel::add_near`]. 0 is the
    /// largest difference.
    const SEARCH_POWER: u32;
    /// Whether the search's distance is the same one, but for rounding.
    const SAME: bool;

    /// Takes in the difference in one more feature.
    fn add(self, reduced: f64, difference: f64) -> f64;

    /// The distance of a reduced one, near enough for the search.
    fn root(self, reduced: f64) -> f64;

    /// Takes in the difference in one more feature for the search, in 32 bits and without a slow power.
    ///
    /// A distance of a higher power is never longer, so the search of any power goes by the next whole one, or
    /// by the largest difference. Rounding never makes this smaller for a larger difference.
    #[inline(always)]
    fn add_near(reduced: f32, difference: f32) -> f32 {
        let difference = difference.abs();
        let square = difference * difference;
        match Self::SEARCH_POWER {
            1 => reduced + difference,
            2 => reduced + square,
            3 => reduced + square * difference,
            4 => reduced + square * square,
            5 => reduced + square * square * difference,
            6 => reduced + square * square * square,
            _ => {
                if reduced < difference {
                    difference
                } else {
                    reduced
                }
            }
        }
    }

    /// A distance of the search's power, reduced.
    #[inline]
    fn reduce_near(distance: f64) -> f64 {
        match Self::SEARCH_POWER {
            0 | 1 => distance,
            2 => distance * distance,
            power => (1..power).fold(distance, |product, _| product * distance),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Sum;
#[derive(Debug, Clone, Copy)]
pub(super) struct Largest;
/// A whole power from 2 to 6, by multiplication.
#[derive(Debug, Clone, Copy)]
pub(super) struct WholePower<const P: u32>;
/// Any power; the search goes by the power `S`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Power<const S: u32>(f64);

impl Kernel for Sum {
    const SEARCH_POWER: u32 = 1;
    const SAME: bool = true;

    #[inline(always)]
    fn add(self, reduced: f64, difference: f64) -> f64 {
        reduced + difference.abs()
    }

    fn root(self, reduced: f64) -> f64 {
        reduced
    }
}

impl Kernel for Largest {
    const SEARCH_POWER: u32 = 0;
    const SAME: bool = true;

    #[inline(always)]
    fn add(self, reduced: f64, difference: f64) -> f64 {
        let difference = difference.abs();
        if reduced < difference { difference } else { reduced }
    }

    fn root(self, reduced: f64) -> f64 {
        reduced
    }
}

impl<const P: u32> Kernel for WholePower<P> {
    const SEARCH_POWER: u32 = P;
    const SAME: bool = true;

    #[inline(always)]
    fn add(self, reduced: f64, difference: f64) -> f64 {
        reduced + whole_power::<P>(difference.abs())
    }

    fn root(self, reduced: f64) -> f64 {
        match P {
            2 => reduced.sqrt(),
            3 => reduced.cbrt(),
            4 => reduced.sqrt().sqrt(),
            6 => reduced.sqrt().cbrt(),
            _ => reduced.powf(1.0 / f64::from(P)),
        }
    }
}

impl<const S: u32> Kernel for Power<S> {
    const SEARCH_POWER: u32 = S;
    const SAME: bool = false;

    #[inline(always)]
    fn add(self, reduced: f64, difference: f64) -> f64 {
        reduced + libm::pow(difference.abs(), self.0)
    }

    fn root(self, reduced: f64) -> f64 {
        reduced.powf(1.0 / self.0)
    }
}

/// A number that is not negative to a whole power from 2 to 6.
#[inline(always)]
fn whole_power<const P: u32>(value: f64) -> f64 {
    let square = value * value;
    match P {
        2 => square,
        3 => square * value,
        4 => square * square,
        5 => square * square * value,
        6 => square * square * square,
        _ => libm::pow(value, f64::from(P)),
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
        Metric::Minkowski(p) if p < 2.0 => work.run(Power::<2>(p)),
        Metric::Minkowski(p) if p < 3.0 => work.run(Power::<3>(p)),
        Metric::Minkowski(p) if p < 4.0 => work.run(Power::<4>(p)),
        Metric::Minkowski(p) => work.run(Power::<0>(p)),
    }
}
