//! Milliseconds, and what they say together.

use std::time::Instant;

use sepconv::{Result, Runner, Tensor};

/// The milliseconds of runs, in order; at least one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times(pub(crate) Vec<f64>);

impl Times {
    /// Runs a network once more.
    pub(crate) fn add(&mut self, runner: &mut Runner, inputs: &[&Tensor]) -> Result<()> {
        let start = Instant::now();
        runner.run_all(inputs)?;
        self.0.push(milliseconds(start));
        Ok(())
    }

    pub(crate) fn min(&self) -> f64 {
        self.quantile(0.0)
    }

    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The smallest time that a share `q` of all times does not pass; the middle of two for the median of an even number.
    pub(crate) fn quantile(&self, q: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = q * (sorted.len() - 1) as f64;
        let (below, above) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
        below + (above - below) * rank.fract()
    }
}

pub(crate) fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_few_times() {
        let times = Times(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!([0.0, 0.5, 1.0].map(|q| times.quantile(q)), [1.0, 2.5, 4.0]);
        assert_eq!(Times(vec![7.0]).quantile(0.95), 7.0);
    }
}
