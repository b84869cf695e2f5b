use std::path::Path;

use sepconv::file;
use sepconv_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// Everything that decides how a network is trained, but for the network and the data: a TOML file.
///
/// ```
/// let recipe = sepconv_train::Recipe::default().with_text("epochs = 30\nmethod = { name = \"adamw\" }", "r.toml")?;
/// assert_eq!((recipe.epochs, recipe.batch), (30, 128));
/// # Ok::<(), sepconv_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// Passes over the images.
    pub epochs: usize,
    /// Images in a step.
    pub batch: usize,
    /// How gradients change parameters.
    pub method: Method,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// Epochs until the highest learning rate, from none on; fractions count.
    pub warm_up: f64,
    /// Decay of weights (of convolutions and fully connected layers; nothing else decays).
    pub weight_decay: f64,
    /// The norm that all gradients together may have; 0 is any.
    pub clip: f64,
    /// The decay of the moving average of parameters that is evaluated and written; 0 is none.
    pub average: f64,
    /// The probability that is spread over all classes.
    pub label_smoothing: f64,
    /// The probability that a number before the last layer is dropped.
    pub dropout: f64,
    /// Whether half of the images are mirrored.
    pub flip: bool,
    /// Pixels that an image is padded with before a random part of its size is cut out.
    pub crop: usize,
    /// The side of a square that is set to the mean, at a random place; 0 is none.
    pub cutout: usize,
    /// The parameter of the Beta distribution by which two images are mixed (Zhang et al. 2018, arXiv:1710.09412); 0 is
    /// none.
    pub mixup: f64,
    /// How a teacher is followed, where there is one.
    pub distillation: Distillation,
    /// Images of those given that are held back to measure accuracy, at most half of them.
    pub held_back: usize,
    /// Decides the weights at first, the order of images and how they are changed.
    pub seed: u64,
}

/// An optimizer with its settings.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Method {
    /// Gradient descent with Nesterov momentum, as PyTorch has it.
    Sgd {
        /// The share of the step before; 0.9 unless it is given.
        #[serde(default = "usual::momentum")]
        momentum: f64,
    },
    /// AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101).
    #[serde(rename = "adamw")]
    AdamW {
        /// The decay of the mean gradient; 0.9 unless it is given.
        #[serde(default = "usual::momentum")]
        beta1: f64,
        /// The decay of the mean squared gradient; 0.999 unless it is given.
        #[serde(default = "usual::beta2")]
        beta2: f64,
        /// Added to the root of that; 1e-8 unless it is given.
        #[serde(default = "usual::epsilon")]
        epsilon: f64,
    },
}

/// Default settings of optimizers.
mod usual {
    pub(super) fn momentum() -> f64 {
        0.9
    }

    pub(super) fn beta2() -> f64 {
        0.999
    }

    pub(super) fn epsilon() -> f64 {
        1e-8
    }
}

/// The learning rate after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Half a cosine down to zero.
    Cosine,
    /// A straight line down to zero: with a warm-up, one cycle.
    Linear,
    /// The same throughout.
    Constant,
}

/// How a teacher is followed (Hinton et al. 2015, arXiv:1503.02531).
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Distillation {
    /// The teacher's share of the loss; the labels have the rest.
    pub weight: f64,
    /// What logits are divided by.
    pub temperature: f64,
}

impl Default for Distillation {
    fn default() -> Self {
        Self { weight: 0.5, temperature: 4.0 }
    }
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            epochs: 20,
            batch: 128,
            method: Method::Sgd { momentum: usual::momentum() },
            learning_rate: 0.2,
            schedule: Schedule::Cosine,
            warm_up: 1.0,
            weight_decay: 5e-4,
            clip: 0.0,
            average: 0.0,
            label_smoothing: 0.1,
            dropout: 0.0,
            flip: true,
            crop: 4,
            cutout: 0,
            mixup: 0.0,
            distillation: Distillation::default(),
            held_back: 0,
            seed: 0,
        }
    }
}

impl Recipe {
    /// What fine-tuning starts from: few epochs of AdamW, whose steps do not depend on the scale of inputs. Files whose
    /// batch normalization is folded, and which take bytes from 0 to 255, have gradients of very different sizes.
    pub fn fine_tuning() -> Self {
        let method = Method::AdamW { beta1: usual::momentum(), beta2: usual::beta2(), epsilon: usual::epsilon() };
        Self { epochs: 5, method, learning_rate: 1e-4, ..Self::default() }
    }

    /// Reads a TOML file; what it does not say stays as it is.
    ///
    /// # Errors
    /// When it cannot be read, or a setting is not usable.
    pub fn with_file(&self, path: impl AsRef<Path>) -> Result<Self> {
        const MOST: u64 = 1 << 20;
        let path = path.as_ref();
        let shown = path.display().to_string();
        let text = String::from_utf8(file::read(path, MOST)?);
        let text = text.map_err(|_| Error::malformed("recipe is not text").in_file(&shown))?;
        self.with_text(&text, &shown)
    }

    /// Parses TOML text; what it does not say stays as it is. `file` appears in errors.
    ///
    /// # Errors
    /// When a setting is not known or not usable.
    pub fn with_text(&self, text: &str, file: &str) -> Result<Self> {
        let merged = toml::from_str::<toml::Table>(text).and_then(|given| {
            let mut settings = given;
            for (key, value) in toml::Table::try_from(self).unwrap_or_default() {
                settings.entry(key).or_insert(value);
            }
            settings.try_into::<Self>()
        });
        let recipe = merged
            .map_err(|error| Error::malformed(format!("recipe is not valid: {}", error.message())).in_file(file))?;
        recipe.check().map_err(|error| error.in_file(file))?;
        Ok(recipe)
    }

    /// # Errors
    /// When a setting is not usable.
    pub fn check(&self) -> Result<()> {
        let share = |x: f64| (0.0..1.0).contains(&x);
        let size = |x: f64| x.is_finite() && x >= 0.0;
        let (momenta, epsilon) = match self.method {
            Method::Sgd { momentum } => ([momentum, 0.0], 1.0),
            Method::AdamW { beta1, beta2, epsilon } => ([beta1, beta2], epsilon),
        };
        let checks = [
            ("epochs", self.epochs as f64, self.epochs > 0, "at least 1"),
            ("batch", self.batch as f64, (2..=1 << 16).contains(&self.batch), "from 2 to 65536"),
            ("momentum or beta1", momenta[0], share(momenta[0]), "from 0, below 1"),
            ("beta2", momenta[1], share(momenta[1]), "from 0, below 1"),
            ("epsilon", epsilon, size(epsilon) && epsilon > 0.0, "above 0"),
            ("learning_rate", self.learning_rate, size(self.learning_rate), "a number from 0"),
            ("warm_up", self.warm_up, size(self.warm_up), "a number from 0"),
            ("weight_decay", self.weight_decay, size(self.weight_decay), "a number from 0"),
            ("clip", self.clip, size(self.clip), "a number from 0"),
            ("average", self.average, share(self.average), "from 0, below 1"),
            ("label_smoothing", self.label_smoothing, share(self.label_smoothing), "from 0, below 1"),
            ("dropout", self.dropout, share(self.dropout), "from 0, below 1"),
            ("crop", self.crop as f64, self.crop <= 1 << 12, "at most 4096"),
            ("cutout", self.cutout as f64, self.cutout <= 1 << 12, "at most 4096"),
            ("mixup", self.mixup, size(self.mixup), "a number from 0"),
            (
                "distillation.weight",
                self.distillation.weight,
                (0.0..=1.0).contains(&self.distillation.weight),
                "from 0 to 1",
            ),
            (
                "distillation.temperature",
                self.distillation.temperature,
                size(self.distillation.temperature) && self.distillation.temperature > 0.0,
                "above 0",
            ),
        ];
        match checks.into_iter().find(|(_, _, usable, _)| !usable) {
            None => Ok(()),
            Some((name, value, _, expected)) => {
                Err(Error::argument(format!("{name} of a recipe is not usable")).expected(expected, value))
            }
        }
    }

    /// The learning rate of step `step` of `steps` in an epoch of which `in_epoch` are.
    pub(crate) fn learning_rate(&self, step: usize, in_epoch: usize) -> f64 {
        let (at, steps) = ((step + 1) as f64, (self.epochs * in_epoch) as f64);
        let warm = self.warm_up * in_epoch as f64;
        if at < warm {
            return self.learning_rate * at / warm;
        }
        let progress = ((at - warm) / (steps - warm).max(1.0)).clamp(0.0, 1.0);
        self.learning_rate
            * match self.schedule {
                Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
                Schedule::Linear => 1.0 - progress,
                Schedule::Constant => 1.0,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learning_rate_rises_and_falls() {
        for (schedule, end) in [(Schedule::Cosine, 0.0), (Schedule::Linear, 0.0), (Schedule::Constant, 0.2)] {
            let recipe = Recipe { epochs: 10, schedule, ..Recipe::default() };
            let rates: Vec<f64> = (0..1000).map(|step| recipe.learning_rate(step, 100)).collect();
            assert!((rates[49] - 0.1).abs() < 1e-9 && (rates[99] - 0.2).abs() < 1e-9, "{schedule:?}");
            assert!((rates[999] - end).abs() < 1e-9 && rates[99..].is_sorted_by(|a, b| a >= b), "{schedule:?}");
        }
    }

    #[test]
    fn recipes_say_what_is_wrong_with_them() {
        for (text, expected) in [
            ("epochs = 0", "epochs"),
            ("label_smoothing = 1.5", "label_smoothing"),
            ("epoch = 3", "epoch"),
            ("method = { name = \"lion\" }", "lion"),
            ("learning_rate = nan", "learning_rate"),
            ("batch = 1", "batch"),
        ] {
            let error = Recipe::default().with_text(text, "r.toml").unwrap_err();
            assert!(error.to_string().contains(expected), "{text}: {error}");
            assert_eq!(error.file(), Some("r.toml"));
        }
        for usual in [Recipe::default(), Recipe::fine_tuning()] {
            assert_eq!(usual.with_text("", "r.toml").unwrap(), usual);
            let given = usual.with_text("method = { name = \"sgd\" }\nepochs = 7", "r.toml").unwrap();
            assert_eq!(given, Recipe { epochs: 7, method: Method::Sgd { momentum: 0.9 }, ..usual });
        }
    }
}
