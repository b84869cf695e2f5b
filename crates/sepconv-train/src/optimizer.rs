use crate::program::{Parameter, ParameterRole};
use crate::recipe::{Method, Recipe};

/// What an optimizer keeps from step to step, for each parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimizer {
    method: Method,
    weight_decay: f64,
    clip: f64,
    /// Steps so far.
    pub(crate) steps: u64,
    /// The momentum, or the mean gradient.
    pub(crate) mean: Vec<Vec<f32>>,
    /// The mean squared gradient; empty where it is not needed.
    pub(crate) squares: Vec<Vec<f32>>,
}

impl Optimizer {
    /// The optimizer of a recipe.
    pub fn new(recipe: &Recipe, parameters: &[Parameter]) -> Self {
        let zeros = || parameters.iter().map(|parameter| vec![0.0; parameter.values.len()]).collect::<Vec<_>>();
        let squares = match recipe.method {
            Method::Sgd { .. } => vec![],
            Method::AdamW { .. } => zeros(),
        };
        let Recipe { method, weight_decay, clip, .. } = *recipe;
        Self { method, weight_decay, clip, steps: 0, mean: zeros(), squares }
    }

    /// Changes parameters by their gradients. Returns the norm of all gradients, before it is clipped.
    pub fn step(&mut self, parameters: &mut [Parameter], learning_rate: f64) -> f64 {
        self.steps += 1;
        let gradients = parameters.iter().flat_map(|parameter| &parameter.gradient);
        let norm = gradients.map(|&gradient| f64::from(gradient) * f64::from(gradient)).sum::<f64>().sqrt();
        let factor = if self.clip > 0.0 && norm > self.clip { self.clip / norm } else { 1.0 };
        for (i, parameter) in parameters.iter_mut().enumerate() {
            let decay = if parameter.role == ParameterRole::Weight { self.weight_decay } else { 0.0 };
            let mean = &mut self.mean[i];
            match self.method {
                Method::Sgd { momentum } => sgd(parameter, mean, [momentum, decay, learning_rate, factor]),
                Method::AdamW { beta1, beta2, epsilon } => {
                    let count = i32::try_from(self.steps).unwrap_or(i32::MAX);
                    let corrections = [1.0 - beta1.powi(count), 1.0 - beta2.powi(count)];
                    let settings = [beta1, beta2, epsilon, decay, learning_rate, factor];
                    adam(parameter, [mean, &mut self.squares[i]], settings, corrections);
                }
            }
        }
        norm
    }
}

fn sgd(parameter: &mut Parameter, momenta: &mut [f32], settings: [f64; 4]) {
    let [momentum, decay, learning_rate, factor] = settings.map(|x| x as f32);
    for ((value, gradient), mean) in parameter.values.iter_mut().zip(&parameter.gradient).zip(momenta) {
        let gradient = gradient * factor + decay * *value;
        *mean = momentum * *mean + gradient;
        *value -= learning_rate * (gradient + momentum * *mean);
    }
}

fn adam(parameter: &mut Parameter, [means, squares]: [&mut Vec<f32>; 2], settings: [f64; 6], corrections: [f64; 2]) {
    let [beta1, beta2, epsilon, decay, learning_rate, factor] = settings;
    let momenta = means.iter_mut().zip(squares);
    for ((value, &gradient), (mean, square)) in parameter.values.iter_mut().zip(&parameter.gradient).zip(momenta) {
        let gradient = f64::from(gradient) * factor;
        let first = beta1 * f64::from(*mean) + (1.0 - beta1) * gradient;
        let second = beta2 * f64::from(*square) + (1.0 - beta2) * gradient * gradient;
        (*mean, *square) = (first as f32, second as f32);
        let step = first / corrections[0] / ((second / corrections[1]).sqrt() + epsilon);
        *value = (f64::from(*value) * (1.0 - learning_rate * decay) - learning_rate * step) as f32;
    }
}
