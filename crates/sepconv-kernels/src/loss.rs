//! Losses of classifiers: cross-entropy with any distribution as target, and the distillation of a teacher.
//!
//! One image at a time, in double precision: classes are few beside the rest of a network.

/// The cross-entropy `-Σ targets · ln softmax(logits)`. Adds its gradient by the logits, times `weight`, to `gradient`.
///
/// `targets` is a distribution over classes: one class, smoothed or of two images that are mixed.
pub fn cross_entropy(logits: &[f32], targets: &[f32], weight: f64, gradient: &mut [f32]) -> f64 {
    check([logits.len(), targets.len(), gradient.len()]);
    let (greatest, total) = normalizer(logits, 1.0);
    let mass: f64 = targets.iter().map(|&target| f64::from(target)).sum();
    let mut loss = 0.0;
    for ((&logit, &target), gradient) in logits.iter().zip(targets).zip(gradient) {
        let distance = f64::from(logit) - greatest;
        loss += f64::from(target) * (libm::log(total) - distance);
        *gradient += (weight * (mass * libm::exp(distance) / total - f64::from(target))) as f32;
    }
    loss
}

/// Distillation (Hinton et al. 2015, arXiv:1503.02531): `T²` times the Kullback-Leibler divergence of the softmax of
/// `logits / T` from that of `teacher / T`. Adds its gradient by the logits, times `weight`, to `gradient`.
pub fn distillation(logits: &[f32], teacher: &[f32], temperature: f64, weight: f64, gradient: &mut [f32]) -> f64 {
    check([logits.len(), teacher.len(), gradient.len()]);
    let [student_of, teacher_of] = [logits, teacher].map(|logits| normalizer(logits, temperature));
    let log =
        |logit: f32, (greatest, total): (f64, f64)| (f64::from(logit) - greatest) / temperature - libm::log(total);
    let mut divergence = 0.0;
    for ((&logit, &taught), gradient) in logits.iter().zip(teacher).zip(gradient) {
        let (student, taught) = (log(logit, student_of), log(taught, teacher_of));
        divergence += libm::exp(taught) * (taught - student);
        *gradient += (weight * temperature * (libm::exp(student) - libm::exp(taught))) as f32;
    }
    temperature * temperature * divergence
}

/// The greatest logit, and the sum of `e^((logit - greatest) / temperature)`.
fn normalizer(logits: &[f32], temperature: f64) -> (f64, f64) {
    // A NaN must reach the loss.
    let greatest = logits.iter().fold(f64::NEG_INFINITY, |greatest, &logit| {
        let logit = f64::from(logit);
        if logit > greatest || logit.is_nan() { logit } else { greatest }
    });
    (greatest, logits.iter().map(|&logit| libm::exp((f64::from(logit) - greatest) / temperature)).sum())
}

fn check([logits, other, gradient]: [usize; 3]) {
    assert!(logits > 0 && logits == other && logits == gradient, "values of each class");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Lcg;

    const CLASSES: usize = 7;
    const STEP: f32 = 1.0 / 1024.0;

    /// The gradient against central differences: steps are exact in single precision, and sums in double.
    fn assert_gradient(logits: &[f32], mut loss: impl FnMut(&[f32], &mut [f32]) -> f64) {
        let mut gradient = [0.0; CLASSES];
        loss(logits, &mut gradient);
        for i in 0..CLASSES {
            let mut at = |step: f32| {
                let mut moved = logits.to_vec();
                moved[i] += step;
                let distance = f64::from(moved[i]) - f64::from(logits[i]);
                (loss(&moved, &mut [0.0; CLASSES]), distance)
            };
            let ((above, up), (below, down)) = (at(STEP), at(-STEP));
            let difference = (above - below) / (up - down);
            assert!((f64::from(gradient[i]) - difference).abs() < 1e-6, "class {i}: {difference}, {}", gradient[i]);
        }
    }

    #[test]
    fn gradients_are_differences_of_the_losses() {
        let mut lcg = Lcg(1);
        for _ in 0..20 {
            let logits: std::vec::Vec<f32> = lcg.f32_vec(CLASSES).iter().map(|x| x * 5.0).collect();
            let teacher: std::vec::Vec<f32> = lcg.f32_vec(CLASSES).iter().map(|x| x * 5.0).collect();
            let targets = crate::testing::absolute(&lcg.f32_vec(CLASSES));
            assert_gradient(&logits, |logits, gradient| cross_entropy(logits, &targets, 1.0, gradient));
            for temperature in [1.0, 4.0] {
                assert_gradient(&logits, |logits, gradient| distillation(logits, &teacher, temperature, 1.0, gradient));
            }
        }
    }

    #[test]
    fn a_teacher_teaches_nothing_to_itself() {
        let (logits, mut gradient) = ([1.0, -2.0, 300.0], [0.0; 3]);
        assert_eq!(distillation(&logits, &logits, 2.0, 1.0, &mut gradient), 0.0);
        assert_eq!(gradient, [0.0; 3]);
    }

    #[test]
    fn large_logits_do_not_overflow_and_nan_is_told() {
        let mut gradient = [0.0; 2];
        assert!((cross_entropy(&[1e30, 0.0], &[0.0, 1.0], 1.0, &mut gradient) / 1e30 - 1.0).abs() < 1e-6);
        assert_eq!(gradient, [1.0, -1.0]);
        assert!(cross_entropy(&[f32::NAN, 0.0], &[0.0, 1.0], 1.0, &mut gradient).is_nan());
    }
}
