/// The definition, in double precision.
pub fn reference([outer, n, inner]: [usize; 3], log: bool, x: &[f32], out: &mut [f32]) {
    super::check([outer, n, inner], x, out);
    for o in 0..outer {
        for i in 0..inner {
            let at = |j: usize| (o * n + j) * inner + i;
            let greatest = (0..n).map(|j| f64::from(x[at(j)])).fold(f64::NEG_INFINITY, f64::max);
            // The greatest adds 1 to the sum. The rest is kept apart: beside 1 it may be too small to see.
            let powers = || (0..n).map(|j| libm::exp(f64::from(x[at(j)]) - greatest));
            let rest = powers().map(|power| if power == 1.0 { 0.0 } else { power }).sum::<f64>()
                + powers().filter(|power| *power == 1.0).count().saturating_sub(1) as f64;
            for j in 0..n {
                let shifted = f64::from(x[at(j)]) - greatest;
                let result = if log { shifted - libm::log1p(rest) } else { libm::exp(shifted) / (1.0 + rest) };
                out[at(j)] = result as f32;
            }
        }
    }
}
