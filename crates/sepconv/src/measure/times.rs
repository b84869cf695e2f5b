use web_time::Instant;

/// The milliseconds of runs, in the order in which they were timed.
///
/// ```
/// let mut times = sepconv::Times::default();
/// for _ in 0..3 {
///     assert_eq!(times.add(|| 6 * 7), 42);
/// }
/// assert!(times.all().len() == 3 && times.min() <= times.median());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Times(Vec<f64>);

impl Times {
    /// Does `work` once more and keeps how long it took.
    pub fn add<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let result = work();
        self.0.push(start.elapsed().as_secs_f64() * 1e3);
        result
    }

    /// Every time.
    pub fn all(&self) -> &[f64] {
        &self.0
    }

    /// The minimum; NaN without times.
    pub fn min(&self) -> f64 {
        self.quantile(0.0)
    }

    /// The median; NaN if there are no times.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The time that a share `q` of all, from 0 to 1, does not pass, between two where it falls between them; not a
    /// number where there is none.
    pub fn quantile(&self, q: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = q.clamp(0.0, 1.0) * sorted.len().saturating_sub(1) as f64;
        let at = |rank: f64| sorted.get(rank as usize).copied().unwrap_or(f64::NAN);
        at(rank.floor()) + (at(rank.ceil()) - at(rank.floor())) * rank.fract()
    }
}

impl FromIterator<f64> for Times {
    /// Milliseconds that were measured elsewhere.
    fn from_iter<I: IntoIterator<Item = f64>>(milliseconds: I) -> Self {
        Self(milliseconds.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_few_times() {
        let times = Times(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!([0.0, 0.5, 1.0].map(|q| times.quantile(q)), [1.0, 2.5, 4.0]);
        assert_eq!(Times(vec![7.0]).quantile(0.95), 7.0);
        assert!(Times::default().median().is_nan());
    }
}
