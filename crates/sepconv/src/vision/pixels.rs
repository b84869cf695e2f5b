//! From the pixels of an image to the elements of a network's input: one look into a table for each.

use sepconv_core::op::QuantParams;
use sepconv_core::{DType, Tensor};

use crate::{Image, ImageInput, Layout, Preprocess};

/// What a network takes for pixels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Elements {
    /// Real numbers.
    Reals,
    /// Real numbers that it makes bytes of before anything else, so that it can be given these.
    Quantized(QuantParams),
    /// Bytes, and how they stand for real numbers where that is known.
    Bytes(DType, Option<QuantParams>),
}

/// What each of the 256 values of a pixel becomes.
#[derive(Clone, Debug)]
pub(crate) enum Tables {
    F32(Box<Table<f32>>),
    U8(Box<Table<u8>>),
    I8(Box<Table<i8>>),
}

/// One table for red, green, blue and gray each.
type Table<T> = [[T; 256]; 4];

impl Tables {
    pub(crate) fn new(preprocess: &Preprocess, elements: &Elements) -> Self {
        let numbers = preprocess.numbers();
        let quantized = |quantization: &QuantParams| {
            let (scale, zero_point) = quantization.as_per_tensor().unwrap_or((1.0, 0));
            let byte = |x: f32| quantization.quantize(x, scale, zero_point);
            match quantization.dtype {
                DType::I8 => Self::I8(Box::new(numbers.map(|table| table.map(|x| byte(x) as i8)))),
                _ => Self::U8(Box::new(numbers.map(|table| table.map(|x| byte(x) as u8)))),
            }
        };
        match elements {
            Elements::Reals => Self::F32(Box::new(numbers)),
            Elements::Quantized(quantization) => quantized(quantization),
            Elements::Bytes(DType::I8, _) if preprocess.is_raw() => {
                Self::I8(Box::new([std::array::from_fn(|px| (px as u8 ^ 0x80).cast_signed()); 4]))
            }
            Elements::Bytes(_, _) if preprocess.is_raw() => Self::U8(Box::new([std::array::from_fn(|px| px as u8); 4])),
            Elements::Bytes(_, Some(quantization)) => quantized(quantization),
            // Bytes that nothing is known of are the numbers that they look like.
            Elements::Bytes(dtype, None) => quantized(&QuantParams::per_tensor(*dtype, 1.0, 0)),
        }
    }

    /// The type of an input's tensor for these elements.
    #[cfg(test)]
    fn dtype(&self) -> DType {
        match self {
            Self::F32(_) => DType::F32,
            Self::U8(_) => DType::U8,
            Self::I8(_) => DType::I8,
        }
    }

    /// Writes an image of exactly the input's size into the input's tensor, which has the tables' type.
    pub(crate) fn fill(&self, image: &Image, input: &ImageInput, tensor: &mut Tensor) {
        match self {
            Self::F32(table) => fill(table, image, input, tensor.as_f32_mut().unwrap_or_default()),
            Self::U8(table) => fill(table, image, input, tensor.as_u8_mut().unwrap_or_default()),
            Self::I8(table) => fill(table, image, input, tensor.as_i8_mut().unwrap_or_default()),
        }
    }
}

fn fill<T: Copy>([rgb @ .., gray]: &Table<T>, image: &Image, input: &ImageInput, tensor: &mut [T]) {
    let pixels = image.rgb().chunks_exact(3);
    match (input.channels, input.layout) {
        (1, _) => {
            for (out, px) in tensor.iter_mut().zip(pixels) {
                *out = gray[luma(px)];
            }
        }
        (_, Layout::Nhwc) => {
            for (out, px) in tensor.chunks_exact_mut(3).zip(pixels) {
                for ((out, table), &value) in out.iter_mut().zip(rgb).zip(px) {
                    *out = table[usize::from(value)];
                }
            }
        }
        (_, Layout::Nchw) => {
            let planes = tensor.chunks_exact_mut(input.height * input.width);
            for (channel, (plane, table)) in planes.zip(rgb).enumerate() {
                for (out, px) in plane.iter_mut().zip(pixels.clone()) {
                    *out = table[usize::from(px[channel])];
                }
            }
        }
    }
}

/// The brightness of a pixel by ITU-R 601-2, in the fixed point that Pillow uses.
fn luma(px: &[u8]) -> usize {
    let [r, g, b] = [px[0], px[1], px[2]].map(usize::from);
    (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16
}

#[cfg(test)]
mod tests {
    use sepconv_core::Shape;

    use super::*;

    const INPUT: ImageInput = ImageInput { height: 1, width: 2, channels: 3, layout: Layout::Nhwc };

    fn filled(preprocess: &str, elements: &Elements, input: ImageInput) -> Tensor {
        let image = Image::from_rgb(2, 1, vec![0, 128, 255, 51, 102, 204]).unwrap();
        let tables = Tables::new(&preprocess.parse().unwrap(), elements);
        let mut tensor = Tensor::zeros(Shape::new([input.elements()]).unwrap(), tables.dtype());
        tables.fill(&image, &input, &mut tensor);
        tensor
    }

    fn preprocessed(preprocess: &str, input: ImageInput) -> Vec<f32> {
        filled(preprocess, &Elements::Reals, input).as_f32().unwrap().to_vec()
    }

    #[test]
    fn presets_compute_what_they_say() {
        assert_eq!(preprocessed("raw", INPUT), [0.0, 128.0, 255.0, 51.0, 102.0, 204.0]);
        assert_eq!(preprocessed("unit", INPUT)[3..], [0.2, 0.4, 0.8]);
        assert_eq!(preprocessed("tf", INPUT)[..3], [-1.0, (0.5 / 127.5) as f32, 1.0]);
        assert_eq!(preprocessed("128/127", INPUT)[2], 1.0);
        let torch = preprocessed("torch", INPUT);
        for (value, expected) in torch.iter().zip([-0.485 / 0.229, (128.0 / 255.0 - 0.456) / 0.224, 0.594 / 0.225]) {
            assert!((f64::from(*value) - expected).abs() < 1e-6, "{value} {expected}");
        }
    }

    #[test]
    fn layouts_hold_the_same_numbers() {
        let nchw = preprocessed("raw", ImageInput { layout: Layout::Nchw, ..INPUT });
        assert_eq!(nchw, [0.0, 51.0, 128.0, 102.0, 255.0, 204.0]);
    }

    #[test]
    fn gray_is_luma() {
        // Pillow: Image.new("RGB", (1, 1), px).convert("L")
        assert_eq!(preprocessed("raw", ImageInput { channels: 1, ..INPUT }), [104.0, 98.0]);
    }

    #[test]
    fn bytes_as_they_are_need_no_meaning() {
        for quantization in [None, Some(QuantParams::per_tensor(DType::U8, 0.01, 7))] {
            let bytes = filled("raw", &Elements::Bytes(DType::U8, quantization), INPUT);
            assert_eq!(bytes.as_u8().unwrap(), [0, 128, 255, 51, 102, 204]);
        }
        let signed = filled("raw", &Elements::Bytes(DType::I8, None), INPUT);
        assert_eq!(signed.as_i8().unwrap(), [-128, 0, 127, -77, -26, 76]);
    }

    #[test]
    fn asked_for_numbers_are_quantized() {
        let quantization = QuantParams::per_tensor(DType::U8, 1.0 / 64.0, 0);
        for elements in [Elements::Quantized(quantization.clone()), Elements::Bytes(DType::U8, Some(quantization))] {
            // Half of what is above 128, halves to even.
            assert_eq!(filled("128/128", &elements, INPUT).as_u8().unwrap(), [0, 0, 64, 0, 0, 38]);
        }
        // Where the file speaks of real numbers, raw pixels are such.
        let coarse = Elements::Quantized(QuantParams::per_tensor(DType::I8, 4.0, -128));
        assert_eq!(filled("raw", &coarse, INPUT).as_i8().unwrap(), [-128, -96, -64, -115, -102, -77]);
    }
}
