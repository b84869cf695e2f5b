use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use bytemuck::cast_slice_mut;

use super::Op;
use super::boxes::{Corners, suppress};
use super::check::{expect_f32, expect_shape};
use super::loops::{Compute, Loops, f32_key};
use crate::{DType, Error, Result, Shape, TensorView, TensorViewMut, Value};

/// The last step of single-shot detectors: boxes from their encodings and anchors, without those that overlap better
/// ones. Operands are encodings `[1, boxes, 4 or more]`, scores `[1, boxes, classes]` and anchors `[boxes, 4]`.
///
/// The result has a row of `[y, x, y, x, class, score, 1]` for each detection, best first; rows that are left over are
/// zero. Where a box has several classes, its row of the best alone ends with 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detections {
    /// The most boxes.
    pub max_detections: usize,
    /// The most classes of a box; not for suppression by class.
    pub classes_per_box: usize,
    /// The most boxes of a class, where boxes are suppressed for each class by itself; `None` where a box only counts
    /// with its best class.
    pub per_class: Option<usize>,
    /// Classes, without the background that may come first.
    pub classes: usize,
    /// The score from which a box counts.
    pub min_score: f32,
    /// The part of their area from which two boxes overlap.
    pub max_overlap: f32,
    /// What encodings of `[y, x, h, w]` are divided by.
    pub scale: [f32; 4],
}

/// Entries of a row.
const ROW: usize = 7;

impl Loops for Detections {
    fn name(&self) -> &'static str {
        "detections"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of {} classes", Loops::name(self), self.max_detections, self.classes)
    }

    fn operands(&self) -> RangeInclusive<usize> {
        3..=3
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let dtype = expect_f32(inputs)?;
        let (&[1, boxes, code], &[1, _, scores]) = (&inputs[0].shape[..], &inputs[1].shape[..]) else {
            return Err(Error::mismatch("operands are not encodings and scores of boxes").expected(
                "[1,boxes,4] and [1,boxes,classes]",
                format_args!("{} and {}", inputs[0].shape, inputs[1].shape),
            ));
        };
        expect_shape("list of scores", &inputs[1].shape, &[1, boxes, scores])?;
        expect_shape("list of anchors", &inputs[2].shape, &[boxes, 4])?;
        if code < 4 {
            return Err(Error::mismatch("encodings of boxes are too short").expected("at least 4 numbers", code));
        }
        let has_classes = self.classes > 0 && (1..=self.classes).contains(&self.classes_per_box);
        if !has_classes || scores.checked_sub(self.classes).is_none_or(|background| background > 1) {
            return Err(Error::mismatch("classes do not fit the scores").expected(
                format_args!("{} classes and perhaps the background, at least 1", self.classes),
                format_args!("{scores} scores, {} classes a box", self.classes_per_box),
            ));
        }
        let rows = self.max_detections.saturating_mul(self.classes_per_box);
        Ok((Shape::new([rows, ROW])?, dtype))
    }

    fn permuted(&self, _: &[usize], _: usize) -> Option<(Op, Vec<usize>)> {
        None
    }

    fn taps(&self, inputs: &[&Value]) -> u64 {
        let boxes = inputs[1].shape.elements() as u64;
        boxes.saturating_mul(if self.per_class.is_some() { self.classes as u64 } else { 1 })
    }
}

impl Compute for Detections {
    /// Candidates, the best score of each and its corners; detections of all classes so far.
    fn scratch_words(&self, shapes: &[&Shape]) -> usize {
        let boxes = shapes[1].get(1).copied().unwrap_or(0);
        boxes.saturating_mul(4).saturating_add(self.kept_words(boxes))
    }

    fn compute(&self, inputs: &[TensorView<'_>], output: &mut TensorViewMut<'_>, scratch: &mut [u64]) {
        let &[_, boxes, scores] = inputs[1].shape() else { return };
        let (candidates, rest) = scratch.split_at_mut(boxes);
        let (floats, kept) = rest.split_at_mut(3 * boxes);
        let (best, corners) = cast_slice_mut::<_, f32>(floats).split_at_mut(2 * boxes);
        self.decode(inputs, corners);
        let corners = &corners[..4 * boxes];
        let background = scores - self.classes;
        let score = |i: usize, class: usize| inputs[1].elements::<f32>()[i * scores + background + class];
        let out = output.shape_and_elements::<f32>().1;
        out.fill(0.0);
        let kept = &mut kept[..self.kept_words(boxes)];
        match self.per_class {
            Some(most) => self.by_class(most, candidates, corners, &score, kept, out),
            None => self.by_best(candidates, corners, &mut best[..boxes], &score, out),
        }
    }
}

impl Detections {
    /// Words for the detections of the classes so far and one more.
    fn kept_words(&self, boxes: usize) -> usize {
        self.per_class.map_or(0, |most| self.max_detections.saturating_add(most.min(boxes)))
    }

    fn decode(&self, inputs: &[TensorView<'_>], corners: &mut [f32]) {
        let (codes, anchors) = (inputs[0].elements::<f32>(), inputs[2].elements::<f32>());
        let size = inputs[0].shape()[2];
        let each = codes.chunks_exact(size).zip(anchors.chunks_exact(4)).zip(corners.chunks_exact_mut(4));
        for ((code, anchor), corners) in each {
            let code = [0, 1, 2, 3].map(|i| code[i] / self.scale[i]);
            for axis in 0..2 {
                let center = code[axis] * anchor[2 + axis] + anchor[axis];
                let half = 0.5 * libm::expf(code[2 + axis]) * anchor[2 + axis];
                (corners[axis], corners[2 + axis]) = (center - half, center + half);
            }
        }
    }

    /// Selects from all boxes with a score, and leaves them first among `candidates`.
    fn select(&self, candidates: &mut [u64], corners: &[f32], score: &dyn Fn(usize) -> f32, most: usize) -> usize {
        let mut count = 0;
        for i in (0..candidates.len()).filter(|&i| score(i) >= self.min_score) {
            candidates[count] = i as u64;
            count += 1;
        }
        suppress(&mut candidates[..count], score, &|i| corners_of(corners, i), self.max_overlap, most)
    }

    fn by_best(
        &self,
        candidates: &mut [u64],
        corners: &[f32],
        best: &mut [f32],
        score: &dyn Fn(usize, usize) -> f32,
        out: &mut [f32],
    ) {
        for (i, best) in best.iter_mut().enumerate() {
            *best = (0..self.classes).map(|class| score(i, class)).fold(f32::NEG_INFINITY, f32::max);
        }
        let count = self.select(candidates, corners, &|i| best[i], self.max_detections);
        let rows = out.chunks_exact_mut(ROW * self.classes_per_box);
        for (&i, rows) in candidates[..count].iter().zip(rows) {
            let i = i as usize;
            let rank = |class: usize| (core::cmp::Reverse(f32_key(score(i, class))), class);
            let mut before = None;
            for (nth, row) in rows.chunks_exact_mut(ROW).enumerate() {
                // The best class after those that have a row.
                let next = (0..self.classes).filter(|&class| before.is_none_or(|before| rank(class) > before));
                let Some(class) = next.min_by_key(|&class| rank(class)) else { break };
                before = Some(rank(class));
                write(row, corners_of(corners, i), class, score(i, class), nth == 0);
            }
        }
    }

    fn by_class(
        &self,
        most: usize,
        candidates: &mut [u64],
        corners: &[f32],
        score: &dyn Fn(usize, usize) -> f32,
        kept: &mut [u64],
        out: &mut [f32],
    ) {
        let mut count = 0;
        for class in 0..self.classes {
            let found = self.select(candidates, corners, &|i| score(i, class), most);
            for (&i, kept) in candidates[..found].iter().zip(&mut kept[count..]) {
                *kept = i * self.classes as u64 + class as u64;
            }
            // Stable: of equal scores the earlier class comes first.
            insertion_sort(&mut kept[..count + found], &|code| {
                f32_key(score(code as usize / self.classes, code as usize % self.classes))
            });
            count = (count + found).min(self.max_detections);
        }
        for (&code, row) in kept[..count].iter().zip(out.chunks_exact_mut(ROW * self.classes_per_box)) {
            let (i, class) = (code as usize / self.classes, code as usize % self.classes);
            write(&mut row[..ROW], corners_of(corners, i), class, score(i, class), true);
        }
    }
}

fn corners_of(corners: &[f32], i: usize) -> Corners {
    [0, 1, 2, 3].map(|k| corners[4 * i + k])
}

fn write(row: &mut [f32], corners: Corners, class: usize, score: f32, is_best: bool) {
    row[..4].copy_from_slice(&corners);
    row[4..].copy_from_slice(&[class as f32, score, if is_best { 1.0 } else { 0.0 }]);
}

/// The greatest first. Allocates nothing and keeps equals in order.
fn insertion_sort(list: &mut [u64], key: &dyn Fn(u64) -> i64) {
    for end in 1..list.len() {
        let own = key(list[end]);
        let place = list[..end].partition_point(|&other| key(other) >= own);
        list[place..=end].rotate_right(1);
    }
}
