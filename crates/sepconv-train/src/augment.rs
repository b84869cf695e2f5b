//! Images changed at random, so that no epoch sees the same ones.

use crate::random::Random;
use crate::recipe::Recipe;

/// How the bytes of a channel become numbers: `byte · factor + term`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Affine {
    pub(crate) factor: [f32; 3],
    pub(crate) term: [f32; 3],
}

/// Writes an image `[h, w, c]` of bytes as numbers, as it is.
pub(crate) fn plain(affine: &Affine, channels: usize, image: &[u8], out: &mut [f32]) {
    for (bytes, out) in image.chunks_exact(channels).zip(out.chunks_exact_mut(channels)) {
        for (channel, (byte, out)) in bytes.iter().zip(out).enumerate() {
            *out = f32::from(*byte) * affine.factor[channel] + affine.term[channel];
        }
    }
}

/// Writes an image shifted, mirrored and with a square cut out, as the recipe allows. What lies outside is black.
pub(crate) fn augmented(
    recipe: &Recipe,
    affine: &Affine,
    [h, w, c]: [usize; 3],
    random: &mut Random,
    image: &[u8],
    out: &mut [f32],
) {
    let mirrored = recipe.flip && random.next() & 1 == 1;
    let [down, right] = [0, 1].map(|_| random.below(2 * recipe.crop + 1));
    let [middle_y, middle_x] = [random.below(h), random.below(w)];
    let covered = |middle: usize, at: usize| {
        let from = (at + recipe.cutout / 2).wrapping_sub(middle);
        from < recipe.cutout
    };
    for (y, row) in out.chunks_exact_mut(w * c).enumerate() {
        for (x, pixel) in row.chunks_exact_mut(c).enumerate() {
            if covered(middle_y, y) && covered(middle_x, x) {
                // The mean of numbers that are normalized.
                pixel.fill(0.0);
                continue;
            }
            let column = if mirrored { w - 1 - x } else { x };
            let (from_y, from_x) = ((y + down).wrapping_sub(recipe.crop), (column + right).wrapping_sub(recipe.crop));
            let bytes = (from_y < h && from_x < w).then(|| &image[(from_y * w + from_x) * c..][..c]);
            for (channel, out) in pixel.iter_mut().enumerate() {
                let byte = bytes.map_or(0.0, |bytes| f32::from(bytes[channel]));
                *out = byte * affine.factor[channel] + affine.term[channel];
            }
        }
    }
}

/// A share by the Beta distribution with both parameters `alpha` (Jöhnk 1964).
pub(crate) fn beta(alpha: f64, random: &mut Random) -> f64 {
    loop {
        let (a, b) = (random.unit().powf(1.0 / alpha), random.unit().powf(1.0 / alpha));
        if a + b <= 1.0 && a + b > 0.0 {
            return a / (a + b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFFINE: Affine = Affine { factor: [1.0; 3], term: [0.0; 3] };

    #[test]
    fn images_are_shifted_and_mirrored_but_never_otherwise() {
        let image: Vec<u8> = (1..=24).collect();
        let (h, w, c) = (4, 6, 1);
        let recipe = Recipe { crop: 1, ..Recipe::default() };
        let mut seen = std::collections::BTreeSet::new();
        for i in 0..400 {
            let mut out = vec![-1.0; image.len()];
            augmented(&recipe, &AFFINE, [h, w, c], &mut Random::new(1, [i, 0]), &image, &mut out);
            let shown = |mirrored: bool, down: isize, right: isize| -> Vec<f32> {
                let at = |y: usize, x: usize| {
                    let x = if mirrored { w - 1 - x } else { x };
                    let (y, x) = (y as isize + down, x as isize + right);
                    let inside = (0..h as isize).contains(&y) && (0..w as isize).contains(&x);
                    if inside { f32::from(image[y as usize * w + x as usize]) } else { 0.0 }
                };
                (0..h * w).map(|i| at(i / w, i % w)).collect()
            };
            let ways = [false, true]
                .into_iter()
                .flat_map(|mirrored| (-1..=1).flat_map(move |down| (-1..=1).map(move |right| (mirrored, down, right))));
            let way = ways.into_iter().position(|(mirrored, down, right)| shown(mirrored, down, right) == out);
            seen.insert(way.expect("one of the eighteen"));
        }
        assert_eq!(seen.len(), 18);
    }

    #[test]
    fn a_square_is_cut_out() {
        let recipe = Recipe { crop: 0, flip: false, cutout: 2, ..Recipe::default() };
        let mut counts = std::collections::BTreeSet::new();
        for i in 0..200 {
            let mut out = vec![0.0; 25];
            augmented(&recipe, &AFFINE, [5, 5, 1], &mut Random::new(2, [i, 0]), &[7; 25], &mut out);
            counts.insert(out.iter().filter(|&&x| x == 0.0).count());
        }
        // Whole, or cut off by the border.
        assert!(counts.iter().all(|count| [1, 2, 4].contains(count)) && counts.contains(&4), "{counts:?}");
    }

    #[test]
    fn shares_are_spread_evenly_about_one_half() {
        let mut random = Random::new(3, [0; 2]);
        let shares: Vec<f64> = (0..2000).map(|_| beta(0.4, &mut random)).collect();
        let mean = shares.iter().sum::<f64>() / 2000.0;
        assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)) && (mean - 0.5).abs() < 0.03, "{mean}");
    }
}
