//! The rule of a metric spec, derived from the share of ordinary records that a threshold lets through.
//!
//! A window of the last `W` checks alerts when more than `m` of them breach. While nothing has changed, each check breaches
//! by chance with probability `p`. Then the window steps from `m` to `m + 1` breaches, which is where an incident can
//! begin, with the probability
//!
//! ```text
//! p · (1 - p) · P(X = m),   X ~ Binomial(W - 1, p)
//! ```
//!
//! at each request: the new check breaches, the one that leaves did not, and `m` of those in between did. `m` is the least
//! for which that is at most one in a million requests. `W` is the shortest window of those below in which a shift to five
//! times `p` is found at once: with 90 % probability, a window that lies wholly behind the shift has more than `m`
//! breaches. Where no window is long enough for that, it is the longest one, and the rule says which shift it finds.

/// The windows there are to choose from. The longest has as many checks as a metric spec may have.
const WINDOWS: [u32; 15] = [20, 30, 40, 50, 75, 100, 150, 200, 250, 300, 400, 500, 600, 800, 1000];
/// False alarms per request, at most.
const FALSE_ALARMS: f64 = 1e-6;
/// How many times the share a shift is that has to be found within one window.
const SHIFT: f64 = 5.0;
/// How surely.
const POWER: f64 = 0.9;
/// A larger share is no share of anomalies, and there is no rule for it.
const MOST: f64 = 0.5;

/// A window of the last checks, and how many breaches it may hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rule {
    /// The share of ordinary records that breach.
    pub(crate) share: f64,
    /// The last so many checks.
    pub(crate) window: u32,
    /// More breaches alert.
    pub(crate) n_allowed: u32,
    /// False alarms in a million requests, at most.
    pub(crate) false_alarms: f64,
    /// The share of breaches that is found within one window with 90 % probability.
    pub(crate) found: f64,
}

impl Rule {
    /// Derives the rule; none for what is no share above 0 and up to one half.
    pub(crate) fn of(share: f64) -> Option<Self> {
        let is_share = 0.0 < share && share <= MOST;
        if !is_share {
            return None;
        }
        let shifted = (SHIFT * share).min(f64::midpoint(share, 1.0));
        let [.., longest] = WINDOWS;
        let finds = |window: u32| POWER <= tail(window, shifted, allowed(window, share));
        let window = WINDOWS.into_iter().find(|it| finds(*it)).unwrap_or(longest);
        let n_allowed = allowed(window, share);
        let found = if finds(window) { shifted } else { least_found(window, n_allowed) };
        let false_alarms = 1e6 * up_crossings(window, share, n_allowed);
        Some(Self { share, window, n_allowed, false_alarms, found })
    }

    /// The `exceeds` of a metric spec: half way between the shares of `n_allowed` breaches and of one more, so that no
    /// rounding of either decides.
    pub(crate) fn exceeds(&self) -> f64 {
        let exact = (f64::from(self.n_allowed) + 0.5) / f64::from(self.window);
        (exact * 1e4).round() / 1e4
    }
}

/// The least number of breaches that the window steps over at most once in a million requests.
fn allowed(window: u32, share: f64) -> u32 {
    // Below the mean, few breaches are rare as well.
    let mean = (f64::from(window) * share).ceil();
    let rare = |n: &u32| mean <= f64::from(*n) && up_crossings(window, share, *n) <= FALSE_ALARMS;
    (0..window).find(rare).unwrap_or(window - 1)
}

/// How often, per request, a window steps from `n_breach` breaches to one more.
fn up_crossings(window: u32, share: f64, n_breach: u32) -> f64 {
    share * (1.0 - share) * probability(window - 1, share, n_breach)
}

/// P(X > n), X ~ Binomial(window, share).
fn tail(window: u32, share: f64, n: u32) -> f64 {
    (n + 1..=window).map(|it| probability(window, share, it)).sum()
}

/// P(X = n), X ~ Binomial(of, share); by logarithms, as the smallest of them are too small for their product.
fn probability(of: u32, share: f64, n: u32) -> f64 {
    if of < n {
        return 0.0;
    }
    let ways: f64 = (0..n).map(|it| (f64::from(of - it) / f64::from(n - it)).ln()).sum();
    let (n, of) = (f64::from(n), f64::from(of));
    (ways + n * share.ln() + (of - n) * (1.0 - share).ln()).exp()
}

/// The least share of breaches that such a window finds, to a thousandth of it.
fn least_found(window: u32, n_allowed: u32) -> f64 {
    let (mut low, mut high) = (f64::from(n_allowed) / f64::from(window), 1.0 - f64::EPSILON);
    while 1e-3 * high < high - low {
        let middle = f64::midpoint(low, high);
        if tail(window, middle, n_allowed) < POWER { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A stream of numbers from 0 to below 1: xorshift64*, with a fixed seed.
    struct Chance(u64);

    impl Chance {
        fn next(&mut self) -> f64 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    /// How often the window begins to breach, and after how many requests it did so first.
    fn run(
        rule: &Rule,
        share: f64,
        n_requests: usize,
        chance: &mut Chance,
    ) -> (usize, Option<usize>) {
        let (mut window, mut n_breach) = (VecDeque::new(), 0_u32);
        let (mut n_alarms, mut first, mut is_firing) = (0, None, false);
        for request in 1..=n_requests {
            let breach = chance.next() < share;
            window.push_back(breach);
            n_breach += u32::from(breach);
            let size = rule.window as usize;
            if size < window.len() && window.pop_front() == Some(true) {
                n_breach -= 1;
            }
            let is_full = window.len() == size;
            let holds = is_full && rule.exceeds() < f64::from(n_breach) / f64::from(rule.window);
            if holds && !is_firing {
                n_alarms += 1;
                first.get_or_insert(request);
            }
            is_firing = holds;
        }
        (n_alarms, first)
    }

    #[test]
    fn a_rule_is_quiet_without_a_shift_and_finds_one_of_five_times_the_budget() {
        let mut chance = Chance(0x5eed);
        for share in [0.005, 0.01, 0.04, 0.1, 0.3] {
            let rule = Rule::of(share).unwrap();
            assert!(rule.false_alarms <= 1.0, "{rule:?}");
            // At most 3 are expected; more than 9 by chance less often than once in a thousand.
            let (n_alarms, _) = run(&rule, share, 3_000_000, &mut chance);
            assert!(n_alarms <= 9, "{rule:?}: {n_alarms}");
            let n_found = (0..400)
                .filter(|_| run(&rule, rule.found, rule.window as usize, &mut chance).1.is_some())
                .count();
            // Of 400, 360 are expected; below 340 it is three standard deviations.
            assert!(340 <= n_found, "{rule:?}: {n_found}");
        }
    }

    #[test]
    fn a_rule_is_what_its_formula_says() {
        let rule = Rule::of(0.005).unwrap();
        let Rule { window, n_allowed, .. } = rule;
        assert!(up_crossings(window, 0.005, n_allowed) <= 1e-6);
        assert!(1e-6 < up_crossings(window, 0.005, n_allowed - 1));
        assert!((tail(3, 0.5, 1) - 0.5).abs() < 1e-12);
        assert!((probability(4, 0.5, 2) - 0.375).abs() < 1e-12);
        let (fewer, more) = (f64::from(n_allowed), f64::from(n_allowed + 1));
        let window = f64::from(window);
        assert!(fewer / window < rule.exceeds() && rule.exceeds() < more / window, "{rule:?}");
    }

    #[test]
    fn a_budget_too_small_for_any_window_says_what_it_finds() {
        let rule = Rule::of(0.0005).unwrap();
        assert_eq!(rule.window, 1000);
        assert!(5.0 * 0.0005 < rule.found && rule.found < 0.02, "{rule:?}");
        assert!((tail(1000, rule.found, rule.n_allowed) - POWER).abs() < 0.01, "{rule:?}");
    }

    #[test]
    fn what_is_no_share_of_anomalies_has_no_rule() {
        for share in [0.0, -1.0, 0.51, f64::NAN] {
            assert_eq!(Rule::of(share), None);
        }
        assert!(Rule::of(0.5).is_some());
    }
}
