use std::fmt;
use std::str::FromStr;

use sepconv_core::{DType, Error, Result, Shape, Tensor};

use super::pixels::{Elements, Tables};
use crate::{Image, TensorInfo};

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
            Error::unsupported("network does not take one image")
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

    /// The f32 input tensor of an image, which is [fitted](Preprocess::fit) first.
    ///
    /// # Errors
    /// When the image cannot be resized.
    pub fn tensor(&self, image: &Image, preprocess: &Preprocess) -> Result<Tensor> {
        self.filled(image, preprocess, DType::F32, &Elements::Reals)
    }

    /// As [`tensor`](Self::tensor), in the type of the network's input, which `info` describes. For a quantized one the
    /// numbers are quantized as it states, but for [`raw`](Preprocess::raw) pre-processing, whose pixels are its
    /// elements.
    ///
    /// # Errors
    /// When the image cannot be resized, or the input's elements cannot be made of pixels: integers of 64 bits, and int8
    /// of several scales.
    pub fn tensor_for(&self, image: &Image, preprocess: &Preprocess, info: &TensorInfo) -> Result<Tensor> {
        let has_scales = info.quantization.as_ref().is_some_and(|quantization| quantization.as_per_tensor().is_none());
        let elements = match info.dtype {
            DType::F32 => Elements::Reals,
            DType::U8 | DType::I8 if !has_scales => Elements::Bytes(info.dtype, info.quantization.clone()),
            DType::U8 | DType::I8 | DType::I64 => {
                return Err(Error::unsupported("pixels cannot become this input's elements")
                    .at(format!("input {:?}", info.name))
                    .expected("f32, or int8 of one scale", info.dtype));
            }
        };
        self.filled(image, preprocess, info.dtype, &elements)
    }

    fn filled(&self, image: &Image, preprocess: &Preprocess, dtype: DType, elements: &Elements) -> Result<Tensor> {
        let dims = match self.layout {
            Layout::Nchw => [1, self.channels, self.height, self.width],
            Layout::Nhwc => [1, self.height, self.width, self.channels],
        };
        let mut tensor = Tensor::zeros(Shape::new(dims)?, dtype);
        let fitted = preprocess.fit(image, self.width, self.height)?;
        Tables::new(preprocess, elements).fill(&fitted, self, &mut tensor);
        Ok(tensor)
    }

    /// Elements of the input tensor.
    pub fn elements(&self) -> usize {
        self.height * self.width * self.channels
    }
}

/// Which part of an image a network sees, and in which order it is cut out and resized. Both orders cut off the same
/// margin, so that 7/8 of the shorter side remain; where the image is resized they give slightly different pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Geometry {
    /// torchvision's: resize the shorter side to 256/224 of what the network takes, then cut out the center. See
    /// [`Image::resize_crop`].
    ResizeCrop,
    /// TensorFlow's: cut out the central fraction of 0.875, then resize it. See [`Image::crop_resize`].
    CropResize,
    /// Resize the shorter side to what the network takes and cut off the rest of the longer one only. See
    /// [`Image::cover`].
    NoCrop,
}

impl Geometry {
    const ALL: [Self; 3] = [Self::ResizeCrop, Self::CropResize, Self::NoCrop];

    /// `resize-crop`, `crop-resize` or `no-crop`: the suffix of a [`Preprocess`] behind a colon.
    pub fn name(self) -> &'static str {
        match self {
            Self::ResizeCrop => "resize-crop",
            Self::CropResize => "crop-resize",
            Self::NoCrop => "no-crop",
        }
    }
}

/// Who said how pixels become numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The model file.
    File,
    /// The family that the network is of.
    Network,
    /// The caller.
    Argument,
    /// Nobody: what is usual for this format of file.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "file",
            Self::Network => "network",
            Self::Argument => "argument",
            Self::Default => "default",
        })
    }
}

/// How an image becomes what a network takes: the part of it that is seen, and `(px - mean) / std` for the eight bits
/// of each channel.
///
/// It belongs to the network: with another one answers are quietly worse. Parsed from `tf`, `torch`, `unit`, `raw` or
/// `MEAN/STD` such as `128/127` or `123.7,116.3,103.5/58.4,57.1,57.4`, each perhaps followed by a [geometry](Geometry):
/// `tf:no-crop`. Without one it is [`CropResize`](Geometry::CropResize) for `tf`, [`ResizeCrop`](Geometry::ResizeCrop)
/// for `torch`, and for the others what is usual for the model's format: that of `tf` for TensorFlow Lite, that of
/// `torch` otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocess {
    name: String,
    formula: String,
    mean: [f64; 3],
    std: [f64; 3],
    geometry: Option<Geometry>,
    source: Source,
}

impl Preprocess {
    /// TensorFlow's: `(px - 127.5) / 127.5`, from -1 to 1.
    pub fn tf() -> Self {
        Self::preset("tf", "(px - 127.5) / 127.5", [127.5; 3], [127.5; 3]).geometry(Geometry::CropResize)
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
        .geometry(Geometry::ResizeCrop)
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
            Error::argument("normalization is not usable")
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
        Self { name: name.to_owned(), formula: formula.to_owned(), mean, std, geometry: None, source: Source::Argument }
    }

    /// The mean and the deviation of each channel: a byte becomes `(byte - mean) / deviation`.
    pub fn normalization(&self) -> [[f64; 3]; 2] {
        [self.mean, self.std]
    }

    /// The same with another geometry.
    pub fn geometry(mut self, geometry: Geometry) -> Self {
        self.geometry = Some(geometry);
        self
    }

    /// The same with this geometry where it has none of its own.
    pub(crate) fn geometry_or(mut self, usual: Geometry) -> Self {
        self.geometry.get_or_insert(usual);
        self
    }

    /// Its geometry; `None` for what is usual for the model's format.
    pub fn own_geometry(&self) -> Option<Geometry> {
        self.geometry
    }

    /// The same, said by someone else.
    pub(crate) fn with_source(mut self, source: Source) -> Self {
        self.source = source;
        self
    }

    /// The part of an image that a network of `width` by `height` pixels sees, in that size.
    ///
    /// # Errors
    /// When the image cannot be resized.
    pub fn fit(&self, image: &Image, width: usize, height: usize) -> Result<Image> {
        match self.geometry.unwrap_or(Geometry::ResizeCrop) {
            Geometry::ResizeCrop => image.resize_crop(width, height),
            Geometry::CropResize => image.crop_resize(width, height),
            Geometry::NoCrop => image.cover(width, height),
        }
    }

    /// The text that it is parsed from.
    pub fn text(&self) -> String {
        // Means and deviations came as f32, which print shorter.
        let list = |values: [f64; 3]| match values.map(|x| (x as f32).to_string()) {
            [r, g, b] if r == g && g == b => r,
            values => values.join(","),
        };
        let how = if self.name == "custom" { [list(self.mean), list(self.std)].join("/") } else { self.name.clone() };
        let usual = match self.name.as_str() {
            "tf" => Some(Geometry::CropResize),
            "torch" => Some(Geometry::ResizeCrop),
            _ => None,
        };
        match self.geometry.filter(|_| self.geometry != usual) {
            Some(geometry) => format!("{how}:{}", geometry.name()),
            None => how,
        }
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

    /// The same for a network that takes these elements. Bytes as they are count from -128 where they are signed.
    pub(crate) fn into_type(mut self, dtype: DType) -> Self {
        if self.is_raw() && dtype == DType::I8 {
            "px - 128".clone_into(&mut self.formula);
        }
        self
    }

    /// Whether pixels stay what they are.
    pub(crate) fn is_raw(&self) -> bool {
        (self.mean, self.std) == ([0.0; 3], [1.0; 3])
    }

    /// What the values of a pixel become, for red, green, blue and gray.
    pub(crate) fn numbers(&self) -> [[f32; 256]; 4] {
        let with_gray = |[r, g, b]: [f64; 3]| [r, g, b, (r + g + b) / 3.0];
        let (mean, std) = (with_gray(self.mean), with_gray(self.std));
        std::array::from_fn(|i| std::array::from_fn(|px| ((px as f64 - mean[i]) / std[i]) as f32))
    }
}

impl FromStr for Preprocess {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let geometry = text.rsplit_once(':').map(|(how, name)| {
            let found = Geometry::ALL.into_iter().find(|geometry| geometry.name() == name);
            found.map(|geometry| (how, geometry)).ok_or_else(|| {
                Error::argument("unknown geometry of pre-processing")
                    .expected("resize-crop, crop-resize or no-crop behind the colon", format_args!("{name:?}"))
            })
        });
        if let Some((how, geometry)) = geometry.transpose()? {
            return how.parse().map(|preprocess: Self| preprocess.geometry(geometry));
        }
        match text {
            "tf" => Ok(Self::tf()),
            "torch" => Ok(Self::torch()),
            "unit" => Ok(Self::unit()),
            "raw" => Ok(Self::raw()),
            _ => text
                .split_once('/')
                .and_then(|(mean, std)| Some((list(mean)?, list(std)?)))
                .ok_or_else(|| {
                    Error::argument("unknown pre-processing")
                        .expected("tf, torch, unit, raw or MEAN/STD such as 128/127", format_args!("{text:?}"))
                })
                .and_then(|(mean, std)| Self::custom(&mean, &std)),
        }
    }
}

/// One number, or one for each channel.
fn list(text: &str) -> Option<Vec<f32>> {
    text.split(',').map(|number| number.trim().parse().ok()).collect()
}

impl fmt::Display for Preprocess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.formula)?;
        match self.geometry {
            Some(geometry) => write!(f, ", {}", geometry.name()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_a_preprocess() {
        assert_eq!("tf".parse(), Ok(Preprocess::tf()));
        let custom: Preprocess = "128/127".parse().unwrap();
        assert_eq!(custom.to_string(), "custom: (px - 128) / 127");
        for bad in ["", "caffe", "1/", "/", "1/0", "nan/1", "1/2/3", "1,2/3", "1,2,3,4/5", ":no-crop", "tf:half", "tf:"]
        {
            assert!(bad.parse::<Preprocess>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_preprocess_becomes_the_text_that_it_came_from() {
        for text in
            ["tf", "torch", "unit:no-crop", "raw:crop-resize", "128/127", "123.7,116.3,103.5/58.4", "tf:resize-crop"]
        {
            let preprocess: Preprocess = text.parse().unwrap();
            assert_eq!(preprocess.text(), text);
        }
        let whole: Preprocess = "tf:no-crop".parse().unwrap();
        assert_eq!(whole.to_string(), "tf: (px - 127.5) / 127.5, no-crop");
        assert_ne!(whole, Preprocess::tf());
        assert_eq!("torch:resize-crop".parse(), Ok(Preprocess::torch()));
        assert_eq!(Preprocess::raw().geometry_or(Geometry::CropResize).text(), "raw:crop-resize");
    }

    #[test]
    fn image_inputs_are_recognized() {
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
