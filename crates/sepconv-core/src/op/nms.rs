use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use super::Op;
use super::boxes::{Corners, suppress};
use super::check::{expect_dtype, expect_shape};
use super::loops::{Compute, Loops};
use crate::{DType, Error, Result, Shape, TensorView, TensorViewMut, Value};

/// Non-maximum suppression: rows of image, class and box, of the boxes with the greatest scores of each class that do
/// not overlap. The rows that are left over are -1.
///
/// Operands are the boxes `[images, boxes, 4]`, their scores `[images, classes, boxes]`, the most boxes of a class, the
/// part of their area from which two boxes overlap, and the score above which a box counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonMaxSuppression {
    /// Whether a box is `[x, y, width, height]` of its center, not `[y, x, y, x]` of two opposite corners.
    pub is_centered: bool,
}

impl Loops for NonMaxSuppression {
    fn name(&self) -> &'static str {
        "non_max_suppression"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Loops::name(self))
    }

    fn operands(&self) -> RangeInclusive<usize> {
        5..=5
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let dtypes = [DType::F32, DType::F32, DType::I64, DType::F32, DType::F32];
        inputs.iter().zip(dtypes).try_for_each(|(value, dtype)| expect_dtype(value, &[dtype]))?;
        let (&[images, boxes, 4], &[_, classes, _]) = (&inputs[0].shape[..], &inputs[1].shape[..]) else {
            return Err(Error::mismatch("operands are not boxes and scores").expected(
                "[images,boxes,4] and [images,classes,boxes]",
                format_args!("{} and {}", inputs[0].shape, inputs[1].shape),
            ));
        };
        expect_shape("list of scores", &inputs[1].shape, &[images, classes, boxes])?;
        if let Some(value) = inputs[2..].iter().find(|value| value.shape.elements() != 1) {
            return Err(Error::mismatch("parameter must be one number").expected("1 element", &value.shape));
        }
        let known = inputs[2].constant.as_ref().and_then(|most| most.as_i64()?.first().copied());
        let most = known.map_or(boxes, |most| usize::try_from(most).unwrap_or(0).min(boxes));
        let rows = images.checked_mul(classes).and_then(|rows| rows.checked_mul(most)).unwrap_or(usize::MAX);
        Ok((Shape::new([rows, 3])?, DType::I64))
    }

    fn permuted(&self, _: &[usize], _: usize) -> Option<(Op, Vec<usize>)> {
        None
    }

    fn taps(&self, inputs: &[&Value]) -> u64 {
        inputs[0].shape.get(1).map_or(1, |&boxes| boxes as u64)
    }

    fn open_axis(&self) -> Option<usize> {
        Some(0)
    }
}

impl Compute for NonMaxSuppression {
    fn scratch_words(&self, shapes: &[&Shape]) -> usize {
        shapes[0].get(1).copied().unwrap_or(0)
    }

    fn compute(&self, inputs: &[TensorView<'_>], output: &mut TensorViewMut<'_>, scratch: &mut [u64]) {
        let &[images, classes, boxes] = inputs[1].shape() else { return };
        let (places, scores) = (inputs[0].elements::<f32>(), inputs[1].elements::<f32>());
        let most = usize::try_from(inputs[2].elements::<i64>()[0]).unwrap_or(0);
        let [threshold, least] = [3, 4].map(|i| inputs[i].elements::<f32>()[0]);
        let out = output.shape_and_elements::<i64>().1;
        out.fill(-1);
        let mut rows = out.chunks_exact_mut(3);
        for (image, class) in (0..images).flat_map(|image| (0..classes).map(move |class| (image, class))) {
            let score = |i: usize| scores[(image * classes + class) * boxes + i];
            let corners = |i: usize| {
                let start = (image * boxes + i) * 4;
                self.corners([0, 1, 2, 3].map(|k| places[start + k]))
            };
            let mut count = 0;
            for i in (0..boxes).filter(|&i| score(i) > least) {
                scratch[count] = i as u64;
                count += 1;
            }
            let kept = suppress(&mut scratch[..count], &score, &corners, threshold, most);
            for (&i, row) in scratch[..kept].iter().zip(&mut rows) {
                row.copy_from_slice(&[image as i64, class as i64, i as i64]);
            }
        }
    }
}

impl NonMaxSuppression {
    fn corners(self, [a, b, c, d]: [f32; 4]) -> Corners {
        match self.is_centered {
            true => [b - d / 2.0, a - c / 2.0, b + d / 2.0, a + c / 2.0],
            false => [a.min(c), b.min(d), a.max(c), b.max(d)],
        }
    }
}
