//! The operator alone on an image: a Laplacian finds the edges of each channel, a mix of the channels colors them.
//! `cargo run --release -p sepconv --example edges -- examples/daisy.png edges.png`

use sepconv::{Activation, Image, Options, Result, SeparableConv2d, Tensor, file};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = &arguments[..] else {
        eprintln!("usage: edges PICTURE OUT.png");
        std::process::exit(2);
    };
    if let Err(error) = Image::open(from).and_then(|picture| edges(&picture, to)) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

fn edges(picture: &Image, path: &str) -> Result<()> {
    let laplacian = [0.0, -1.0, 0.0, -1.0, 4.0, -1.0, 0.0, -1.0, 0.0].repeat(3);
    // Edges in red, green and blue light become orange, white and blue ones.
    let mix = [2.0, 1.0, -0.5, 0.8, 1.5, 0.2, -0.5, 1.0, 3.0];
    let block = SeparableConv2d::new(Tensor::f32([3, 1, 3, 3], laplacian)?, Tensor::f32([3, 3, 1, 1], mix)?)
        .same_padding()
        .activation_between(Activation::Relu)
        .activation(Activation::Clip { low: 0.0, high: 255.0 });
    let shape = [1, picture.height(), picture.width(), 3];
    let pixels: Vec<f32> = picture.rgb().iter().map(|&px| px.into()).collect();
    let mut session = block.compile(shape, &Options::default())?.session()?;
    let result = &session.run(&[&Tensor::f32(shape, pixels)?])?[0];

    let rgb: Vec<u8> = result.as_f32().unwrap_or_default().iter().map(|&x| x as u8).collect();
    let edges = Image::from_rgb(picture.width(), picture.height(), rgb)?;
    file::write(path.as_ref(), &edges.to_png())
}
