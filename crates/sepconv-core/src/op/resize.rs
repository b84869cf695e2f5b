use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use sepconv_kernels::resize::{self, AxisMap, Taps};

use super::check::{expect_same_dtype, f32_elements, f32_tensor, image, nhwc};
use super::strided_copy::StridedCopy;
use super::{Cost, Op, Operator};
use crate::{DType, Data, Error, Result, Shape, Tensor, Value};

/// Interpolation of the feature maps of `x[n,h,w,c]` to another size; u8 values are rounded to the nearest, halves to
/// even.
#[derive(Clone, Debug, PartialEq)]
pub struct Resize {
    /// How output rows and columns map to input ones.
    pub maps: [AxisMap; 2],
    /// The output size `[h, w]`.
    pub size: [usize; 2],
}

/// The definition of one image, from its size and the taps of rows and columns.
type Reference<T> = fn([usize; 3], &[Taps], &[Taps], &[T], &mut [T]);

impl Operator for Resize {
    fn name(&self) -> &'static str {
        "resize"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}x{}", self.name(), self.size[0], self.size[1])
    }

    fn operands(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let dtype = expect_same_dtype(inputs, &[DType::F32, DType::U8])?;
        let ([n, _, _, c], [h, w]) = (nhwc(&inputs[0].shape)?, self.size);
        if h == 0 || w == 0 {
            return Err(
                Error::mismatch("resize to an empty feature map").expected("sizes from 1", format_args!("{h}x{w}"))
            );
        }
        Ok((Shape::new([n, h, w, c])?, dtype))
    }

    fn cost(&self, _: &[&Value], _: &Shape) -> Cost {
        Cost::ONE_PASS
    }

    fn workspace(&self, _: &[&Value], _: &Shape) -> Result<Option<Shape>> {
        /// Words of 8 bytes that an entry of a table takes.
        const TAPS: usize = size_of::<Taps>().div_ceil(8);
        // Passes turn a resize that selects pixels into two gathers.
        let entry = if TAPS > StridedCopy::WORDS { TAPS } else { StridedCopy::WORDS };
        Shape::new([self.size[0].saturating_add(self.size[1]), entry]).map(Some)
    }

    fn evaluate(&self, inputs: &[&Tensor], output: &Shape) -> Result<Tensor> {
        let shape = inputs[0].shape();
        match inputs[0].data() {
            Data::U8(x) => {
                let mut result = vec![0; output.elements()];
                self.of_each_image(shape, output, x, &mut result, resize::reference_int8);
                Tensor::u8(output.to_vec(), result)
            }
            Data::F32(_) | Data::I8(_) | Data::I64(_) => {
                let x = f32_elements(inputs)?;
                f32_tensor(output, |result| self.of_each_image(shape, output, x[0], result, resize::reference))
            }
        }
    }

    fn permuted(&self, _: &[usize], _: usize) -> Option<(Op, Vec<usize>)> {
        None
    }

    fn is_parameter(&self, _: usize, _: &Value) -> bool {
        false
    }
}

impl Resize {
    fn of_each_image<T>(&self, x_shape: &Shape, output: &Shape, x: &[T], result: &mut [T], reference: Reference<T>) {
        if result.is_empty() {
            return;
        }
        let [rows, columns] = self.taps_of(x_shape);
        let images = x.chunks_exact(x.len() / output[0]);
        let results = result.chunks_exact_mut(output.elements() / output[0]);
        images.zip(results).for_each(|(x, result)| reference(image(x_shape), &rows, &columns, x, result));
    }

    /// The taps of each output row and of each output column.
    pub(crate) fn taps_of(&self, x: &Shape) -> [Vec<Taps>; 2] {
        [0, 1].map(|axis| {
            let mut taps = vec![Taps::default(); self.size[axis]];
            resize::taps(&self.maps[axis], x[axis + 1], self.size[axis], &mut taps);
            taps
        })
    }
}
