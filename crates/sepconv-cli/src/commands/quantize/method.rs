use sepconv::quantize::{Granularity, Quantizer, Range};

use crate::args::number;

/// How the network is quantized.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct MethodArgs {
    /// How activation ranges are derived from calibration data: mse (least error), percentile:99.99 or minmax
    #[arg(long, value_name = "HOW", default_value = "mse", value_parser = parse_range)]
    range: Range,

    /// Quantize weights per tensor, not per channel
    #[arg(long)]
    per_tensor: bool,

    /// Cross-layer equalization: helps mostly with --per-tensor
    #[arg(long)]
    equalize: bool,

    /// Disable bias correction
    #[arg(long)]
    no_bias_correction: bool,

    /// Optimize the rounding of weights (GPTQ); takes longer
    #[arg(long)]
    optimize: bool,

    /// Name of a layer that stays f32; may be repeated
    #[arg(long, value_name = "NAME")]
    keep_float: Vec<String>,

    /// Keep the most sensitive layers in f32 until the SQNR at the output reaches this many decibels
    #[arg(long, value_name = "DB", value_parser = |text: &str| number(text, 0.0..=200.0))]
    min_sqnr: Option<f64>,
}

impl MethodArgs {
    pub(super) fn quantizer(&self) -> Quantizer {
        let quantizer = Quantizer::default()
            .range(self.range)
            .weights(if self.per_tensor { Granularity::PerTensor } else { Granularity::PerChannel })
            .equalize(self.equalize)
            .correct_biases(!self.no_bias_correction)
            .optimize(self.optimize);
        let quantizer = self.keep_float.iter().fold(quantizer, |quantizer, name| quantizer.keep_float(name));
        match self.min_sqnr {
            Some(decibels) => quantizer.min_sqnr(decibels),
            None => quantizer,
        }
    }
}

fn parse_range(text: &str) -> Result<Range, String> {
    match text.split_once(':') {
        None if text == "mse" => Ok(Range::Mse),
        None if text == "minmax" => Ok(Range::MinMax),
        Some(("percentile", percent)) => number(percent, 50.0..=100.0).map(Range::Percentile),
        _ => Err("expected mse, minmax or percentile:99.99".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_named_and_percentiles_bounded() {
        assert_eq!(parse_range("mse"), Ok(Range::Mse));
        assert_eq!(parse_range("minmax"), Ok(Range::MinMax));
        assert_eq!(parse_range("percentile:99.9"), Ok(Range::Percentile(99.9)));
        for bad in
            ["", "max", "mse:1", "percentile", "percentile:", "percentile:49", "percentile:101", "percentile:nan"]
        {
            assert!(parse_range(bad).is_err(), "{bad:?}");
        }
    }
}
