//! The bytes of a picture → pixels → what a network takes. The first bytes choose the network's sizes and the
//! pre-processing.
#![no_main]

use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use sepconv::{Geometry, Image, ImageInput, Layout, Preprocess};

fuzz_target!(|bytes: &[u8]| {
    let Ok(image) = Image::decode(bytes) else { return };
    // The end of a file matters least to decoders.
    let mut choices = Unstructured::new(&bytes[bytes.len().saturating_sub(4)..]);
    let mut below = |end: usize| choices.int_in_range(0..=end - 1).unwrap_or(0);
    let dims = [1, [1, 3][below(2)], 1 + below(64), 1 + below(64)];
    let preprocess = [
        Preprocess::torch(),
        Preprocess::tf(),
        Preprocess::unit().geometry(Geometry::NoCrop),
        Preprocess::raw(),
    ];
    let Ok(input) = ImageInput::new(&dims, Layout::Nchw) else { return };
    _ = input.tensor(&image, &preprocess[below(4)]);
});
