use std::fmt;
use std::str::FromStr;

use sepconv_core::{Error, Result, Tensor};

use crate::Image;

/// How a network's image input is laid out, for a batch of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageInput {
    /// Pixels down.
    pub height: usize,
    /// Pixels across.
    pub width: usize,
    /// 3 for red, green and blue, 1 for gray.
    pub channels: usize,
    /// Which axis the channels are.
    pub layout: Layout,
}

/// The order of the axes of an image input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `[1, channels, height, width]`, as PyTorch and ONNX have it.
    Nchw,
    /// `[1, height, width, channels]`, as TensorFlow has it.
    Nhwc,
}

impl ImageInput {
    /// The image input that `dims` describe, in the file's own order. Where both layouts are possible `usual` decides.
    ///
    /// # Errors
    /// When they describe none: other than four axes, a batch above one, or neither 1 nor 3 channels.
    pub fn new(dims: &[usize], usual: Layout) -> Result<Self> {
        let unsuitable = || {
            let shape: Vec<_> = dims.iter().map(usize::to_string).collect();
            Error::unsupported("network does not take one picture")
                .expected(
                    "an input [1,3,h,w], [1,1,h,w], [1,h,w,3] or [1,h,w,1]",
                    format_args!("[{}]", shape.join(",")),
                )
                .help("`run` takes tensors of any shape")
        };
        let &[1, a, b, c] = dims else { return Err(unsuitable()) };
        let is_channels = |size| size == 1 || size == 3;
        let nchw = Self { height: b, width: c, channels: a, layout: Layout::Nchw };
        let nhwc = Self { height: a, width: b, channels: c, layout: Layout::Nhwc };
        let input = match (is_channels(a), is_channels(c), usual) {
            (true, false, _) | (true, true, Layout::Nchw) => nchw,
            (false, true, _) | (true, true, Layout::Nhwc) => nhwc,
            (false, false, _) => return Err(unsuitable()),
        };
        if input.height == 0 || input.width == 0 { Err(unsuitable()) } else { Ok(input) }
    }

    /// What the network is given for a picture, which is [fitted](Image::fit) to it first.
    ///
    /// # Errors
    /// When the picture cannot be resized.
    pub fn tensor(&self, image: &Image, preprocess: &Preprocess) -> Result<Tensor> {
        let dims = match self.layout {
            Layout::Nchw => [1, self.channels, self.height, self.width],
            Layout::Nhwc => [1, self.height, self.width, self.channels],
        };
        let mut numbers = vec![0.0; self.elements()];
        preprocess.tables().fill(&image.fit(self.width, self.height)?, self, &mut numbers);
        Tensor::f32(dims, numbers)
    }

    /// Elements of the input tensor.
    pub fn elements(&self) -> usize {
        self.height * self.width * self.channels
    }
}

/// Who said how pixels become numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The model file.
    File,
    /// The caller.
    Argument,
    /// Nobody: what is usual for this format of file.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "file",
            Self::Argument => "argument",
            Self::Default => "default",
        })
    }
}

/// How a pixel's eight bits become what a network takes: `(px - mean) / std` for each channel.
///
/// It belongs to the network: with another one answers are quietly worse. Parsed from `tf`, `torch`, `unit`, `raw` or
/// `MEAN/STD` such as `128/127`.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocess {
    name: String,
    formula: String,
    mean: [f64; 3],
    std: [f64; 3],
    source: Source,
}

impl Preprocess {
    /// TensorFlow's: `(px - 127.5) / 127.5`, from -1 to 1.
    pub fn tf() -> Self {
        Self::preset("tf", "(px - 127.5) / 127.5", [127.5; 3], [127.5; 3])
    }

    /// torchvision's: `(px/255 - mean) / std` with the mean and standard deviation of ImageNet.
    pub fn torch() -> Self {
        let formula = "(px/255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]";
        Self::preset(
            "torch",
            formula,
            [0.485, 0.456, 0.406].map(|x| x * 255.0),
            [0.229, 0.224, 0.225].map(|x| x * 255.0),
        )
    }

    /// `px / 255`, from 0 to 1.
    pub fn unit() -> Self {
        Self::preset("unit", "px / 255", [0.0; 3], [255.0; 3])
    }

    /// The pixels as they are, from 0 to 255.
    pub fn raw() -> Self {
        Self::preset("raw", "px", [0.0; 3], [1.0; 3])
    }

    /// `(px - mean) / std` with one value for every channel or one each.
    ///
    /// # Errors
    /// When there are neither 1 nor 3 values, one is not finite or a `std` is zero.
    pub fn custom(mean: &[f32], std: &[f32]) -> Result<Self> {
        let spread = |values: &[f32]| match *values {
            [all] => Some([all; 3].map(f64::from)),
            [r, g, b] => Some([r, g, b].map(f64::from)),
            _ => None,
        };
        let usable = |(mean, std): &([f64; 3], [f64; 3])| {
            mean.iter().chain(std).all(|x| x.is_finite()) && std.iter().all(|&x| x != 0.0)
        };
        let (mean_of, std_of) = spread(mean).zip(spread(std)).filter(usable).ok_or_else(|| {
            Error::argument("normalisation is not usable")
                .expected("1 or 3 finite means and as many non-zero deviations", format_args!("{mean:?} and {std:?}"))
        })?;
        let show = |values: &[f32]| match values {
            [one] => one.to_string(),
            many => format!("{many:?}"),
        };
        let formula = format!("(px - {}) / {}", show(mean), show(std));
        Ok(Self::preset("custom", &formula, mean_of, std_of))
    }

    fn preset(name: &str, formula: &str, mean: [f64; 3], std: [f64; 3]) -> Self {
        Self { name: name.to_owned(), formula: formula.to_owned(), mean, std, source: Source::Argument }
    }

    /// The same, said by someone else.
    pub(crate) fn said_by(mut self, source: Source) -> Self {
        self.source = source;
        self
    }

    /// `tf`, `torch`, `unit`, `raw` or `custom`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is computed, for people.
    pub fn formula(&self) -> &str {
        &self.formula
    }

    /// Who said so.
    pub fn source(&self) -> Source {
        self.source
    }

    /// The tables that turn pixels of each channel into the network's numbers.
    pub(crate) fn tables(&self) -> Tables {
        let table = |mean: f64, std: f64| std::array::from_fn(|px| ((px as f64 - mean) / std) as f32);
        let average = |values: [f64; 3]| values.iter().sum::<f64>() / 3.0;
        Tables {
            rgb: std::array::from_fn(|channel| table(self.mean[channel], self.std[channel])),
            gray: table(average(self.mean), average(self.std)),
        }
    }
}

impl FromStr for Preprocess {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "tf" => Ok(Self::tf()),
            "torch" => Ok(Self::torch()),
            "unit" => Ok(Self::unit()),
            "raw" => Ok(Self::raw()),
            _ => text
                .split_once('/')
                .and_then(|(mean, std)| Some((mean.trim().parse().ok()?, std.trim().parse().ok()?)))
                .ok_or_else(|| {
                    Error::argument("unknown pre-processing")
                        .expected("tf, torch, unit, raw or MEAN/STD such as 128/127", format_args!("{text:?}"))
                })
                .and_then(|(mean, std)| Self::custom(&[mean], &[std])),
        }
    }
}

impl fmt::Display for Preprocess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.formula)
    }
}

/// What each of the 256 values of a pixel becomes.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    rgb: [[f32; 256]; 3],
    gray: [f32; 256],
}

impl Tables {
    /// Writes a picture of exactly the input's size into the input's tensor.
    pub(crate) fn fill(&self, image: &Image, input: &ImageInput, tensor: &mut [f32]) {
        let pixels = image.rgb().chunks_exact(3);
        match (input.channels, input.layout) {
            (1, _) => {
                for (out, px) in tensor.iter_mut().zip(pixels) {
                    *out = self.gray[luma(px)];
                }
            }
            (_, Layout::Nhwc) => {
                for (out, px) in tensor.chunks_exact_mut(3).zip(pixels) {
                    for ((out, table), &value) in out.iter_mut().zip(&self.rgb).zip(px) {
                        *out = table[usize::from(value)];
                    }
                }
            }
            (_, Layout::Nchw) => {
                let planes = tensor.chunks_exact_mut(input.height * input.width);
                for (channel, (plane, table)) in planes.zip(&self.rgb).enumerate() {
                    for (out, px) in plane.iter_mut().zip(pixels.clone()) {
                        *out = table[usize::from(px[channel])];
                    }
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
    use super::*;

    const INPUT: ImageInput = ImageInput { height: 1, width: 2, channels: 3, layout: Layout::Nhwc };

    fn filled(preprocess: &Preprocess, input: ImageInput) -> Vec<f32> {
        let image = Image::from_rgb(2, 1, vec![0, 128, 255, 51, 102, 204]).unwrap();
        let mut tensor = vec![f32::NAN; input.elements()];
        preprocess.tables().fill(&image, &input, &mut tensor);
        tensor
    }

    #[test]
    fn presets_compute_what_they_say() {
        assert_eq!(filled(&Preprocess::raw(), INPUT), [0.0, 128.0, 255.0, 51.0, 102.0, 204.0]);
        assert_eq!(filled(&Preprocess::unit(), INPUT)[3..], [0.2, 0.4, 0.8]);
        assert_eq!(filled(&Preprocess::tf(), INPUT)[..3], [-1.0, (0.5 / 127.5) as f32, 1.0]);
        let torch = filled(&Preprocess::torch(), INPUT);
        for (value, expected) in torch.iter().zip([-0.485 / 0.229, (128.0 / 255.0 - 0.456) / 0.224, 0.594 / 0.225]) {
            assert!((f64::from(*value) - expected).abs() < 1e-6, "{value} {expected}");
        }
    }

    #[test]
    fn layouts_hold_the_same_numbers() {
        let nchw = filled(&Preprocess::raw(), ImageInput { layout: Layout::Nchw, ..INPUT });
        assert_eq!(nchw, [0.0, 51.0, 128.0, 102.0, 255.0, 204.0]);
    }

    #[test]
    fn gray_is_luma() {
        // Pillow: Image.new("RGB", (1, 1), px).convert("L")
        let gray = filled(&Preprocess::raw(), ImageInput { channels: 1, ..INPUT });
        assert_eq!(gray, [104.0, 98.0]);
    }

    #[test]
    fn text_becomes_a_preprocess() {
        assert_eq!("tf".parse(), Ok(Preprocess::tf()));
        let custom: Preprocess = "128/127".parse().unwrap();
        assert_eq!(custom.to_string(), "custom: (px - 128) / 127");
        assert_eq!(filled(&custom, INPUT)[2], 1.0);
        for bad in ["", "caffe", "1/", "/", "1/0", "nan/1", "1/2/3"] {
            assert!(bad.parse::<Preprocess>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn image_inputs_are_recognised() {
        let of = |dims: &[usize]| ImageInput::new(dims, Layout::Nchw).ok();
        assert_eq!(
            of(&[1, 3, 240, 320]),
            Some(ImageInput { height: 240, width: 320, channels: 3, layout: Layout::Nchw })
        );
        assert_eq!(of(&[1, 96, 96, 1]), Some(ImageInput { height: 96, width: 96, channels: 1, layout: Layout::Nhwc }));
        assert_eq!(ImageInput::new(&[1, 3, 3, 3], Layout::Nhwc).unwrap().layout, Layout::Nhwc);
        for dims in [&[1, 3, 224][..], &[2, 3, 224, 224], &[1, 4, 224, 224], &[1, 0, 224, 3], &[1, 10, 10, 8]] {
            assert_eq!(of(dims), None, "{dims:?}");
        }
    }
}
