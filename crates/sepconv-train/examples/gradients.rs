//! One step of training, for `scripts/gradients.py` to compare with PyTorch's: the loss, all gradients, and weights
//! and running statistics after a step of gradient descent.
//!
//! `gradients NETWORK WEIGHTS.safetensors BATCH.npy LABELS.npy OUT.safetensors`: a batch `[n, 3, h, w]`, labels `[n]`.

use std::collections::BTreeMap;

use sepconv::zoo::{self, ParamId, Parameters, Weights};
use sepconv::{Error, Isa, Limits, Options, Result, Shape, Tensor, file, npy, safetensors};
use sepconv_train::{Optimizer, Program, Recipe, Tape, Threads};

struct Named(BTreeMap<String, Tensor>);

impl Parameters for Named {
    fn tensor(&mut self, id: &ParamId, _: &Shape) -> Result<Tensor> {
        self.0.get(&id.to_string()).cloned().ok_or_else(|| Error::mismatch("missing").at(id.to_string()))
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [network, weights, batch, labels, out] = &arguments[..] else {
        return Err(Error::argument("expected NETWORK WEIGHTS.safetensors BATCH.npy LABELS.npy OUT.safetensors"));
    };
    let read = |path: &String| {
        let arrays = npy::read(path.as_ref(), &Limits::default())?;
        arrays.into_iter().next().map(|(_, array)| array).ok_or_else(|| Error::argument("expected an array"))
    };
    let (batch, labels) = (read(batch)?, read(labels)?);
    let network = zoo::named(network)?.mirrored(false);
    let model = network.load(&Weights::open(weights)?)?;
    let mut program = Program::new(model.import(&Options::default())?)?;
    let network = network.classes(program.classes());

    let (images, [h, w, c]) = (batch.shape()[0], program.input());
    let isa = Isa::available().next_back().ok_or_else(|| Error::unsupported("no instruction set"))?;
    let (mut tape, threads) = (Tape::new(&program, isa), Threads::new(2)?);
    let pixels = batch.as_f32().ok_or_else(|| Error::argument("a batch is f32"))?;
    for (i, value) in tape.input(&program, images).iter_mut().enumerate() {
        let (pixel, channel) = (i / c, i % c);
        let (image, place) = (pixel / (h * w), pixel % (h * w));
        *value = pixels[(image * c + channel) * h * w + place];
    }
    let mut targets = vec![0.0; images * program.classes()];
    for (i, &label) in labels.as_i64().unwrap_or_default().iter().enumerate() {
        targets[i * program.classes() + label as usize] = 1.0;
    }
    let loss = tape.gradients(&mut program, &targets, &threads);
    let mut gradients: BTreeMap<String, Tensor> = BTreeMap::new();
    for of in &program.parameters {
        gradients.insert(of.name.clone(), Tensor::f32(of.shape.to_vec(), of.gradient.as_slice())?);
    }
    for (name, shape, _) in program.tensors() {
        let zeros = || Tensor::f32(shape.to_vec(), vec![0.0; shape.elements()]);
        if !gradients.contains_key(name) {
            gradients.insert(name.to_owned(), zeros()?);
        }
    }
    let recipe = Recipe { weight_decay: 0.0, ..Recipe::default() };
    Optimizer::new(&recipe, &program.parameters).step(&mut program.parameters, 0.1);
    let updated =
        program.tensors().map(|(name, shape, values)| Ok((name.to_owned(), Tensor::f32(shape.to_vec(), values)?)));
    let updated = updated.collect::<Result<_>>()?;

    let mut tensors = vec![("loss".to_owned(), Tensor::f32([1], [loss as f32])?)];
    for (kind, values) in [("gradient", gradients), ("updated", updated)] {
        let named = network.state_dict(&mut Named(values))?;
        tensors.extend(named.into_iter().map(|(name, tensor)| (format!("{kind}.{name}"), tensor)));
    }
    file::write(out.as_ref(), &safetensors::write(&tensors)?)
}
