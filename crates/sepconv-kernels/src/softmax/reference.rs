/// The definition, in double precision.
pub fn reference([outer, n, inner]: [usize; 3], log: bool, x: &[f32], out: &mut [f32]) {
    super::check([outer, n, inner], x, out);
    for o in 0..outer {
        for i in 0..inner {
            let at = |j: usize| (o * n + j) * inner + i;
            let greatest = (0..n).map(|j| f64::from(x[at(j)])).fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = (0..n).map(|j| libm::exp(f64::from(x[at(j)]) - greatest)).sum();
            for j in 0..n {
                let shifted = f64::from(x[at(j)]) - greatest;
                let result = if log { shifted - libm::log(sum) } else { libm::exp(shifted) / sum };
                out[at(j)] = result as f32;
            }
        }
    }
}
