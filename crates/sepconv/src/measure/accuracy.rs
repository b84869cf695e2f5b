/// The accuracy of a classifier, as counts of images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accuracy {
    /// The images that were classified.
    pub images: usize,
    /// Those whose class came first.
    pub top1: usize,
    /// Those whose class was among the first five.
    pub top5: usize,
    /// Images that could not be read, and are not counted.
    pub failed: usize,
}

impl Accuracy {
    /// Percent of the images whose class came first.
    pub fn top1_percent(&self) -> f64 {
        100.0 * self.top1 as f64 / self.images as f64
    }

    /// Where the top-1 of all such images is, in percent, with 95 % confidence: Wilson's interval (1927).
    pub fn top1_interval(&self) -> [f64; 2] {
        let (n, p) = (self.images as f64, self.top1 as f64 / self.images as f64);
        let z = 1.959_964_f64;
        let center = p + z * z / (2.0 * n);
        let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        [center - half, center + half].map(|end| (100.0 * end / (1.0 + z * z / n)).clamp(0.0, 100.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_textbook() {
        let of = |top1, images| {
            let [low, high] = Accuracy { images, top1, ..Accuracy::default() }.top1_interval();
            format!("{low:.1} to {high:.1} %")
        };
        assert_eq!(of(170, 200), "79.4 to 89.3 %");
        assert_eq!(of(5, 10), "23.7 to 76.3 %");
        assert_eq!(of(0, 10), "0.0 to 27.8 %");
        assert_eq!(of(10, 10), "72.2 to 100.0 %");
    }
}
