//! Networks that learn: a toy problem, the same bits for any number of threads, pauses that change nothing.

use sepconv::zoo::{Network, Table};
use sepconv::{Isa, Preprocess};
use sepconv_train::{Images, Initial, Method, ParameterRole, Program, Recipe, Tape, Threads, Trainer};

const SIDE: usize = 16;
const CLASSES: usize = 3;

/// Every kind of step: standard, depthwise and pointwise convolution, squeeze-excite, residuals.
const TABLE: &str = r#"
    title = "Tiny"
    input = [3, 16, 16]
    classes = 3
    activation = "hard_swish"
    stages = [["dsa_r1_k3_s1_c16"], ["ir_r2_k5_s2_e2_c16_se0.25", "cn_r1_k3_s2_c24"]]

    [stem]
    channels = 8
    stride = [1, 1]

    [[variants]]
    name = "tiny"
"#;

fn program(seed: u64) -> Program {
    let network = Network::new(Table::parse(TABLE, "tiny.toml").unwrap(), "tiny").unwrap();
    Program::new(network.graph(&mut Initial { seed }).unwrap()).unwrap()
}

/// Stripes across, down and aslant, of any phase and color, under noise.
fn stripes(count: usize) -> Images {
    let mut state = 1u64;
    let mut random = |end: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % end
    };
    let (mut pixels, mut classes) = (vec![], vec![]);
    for i in 0..count {
        let (class, phase) = (i % CLASSES, random(4) as usize);
        let colors = [0, 1, 2].map(|_| 60 + random(120));
        for (y, x) in (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (y, x))) {
            let place = [y, x, y + x][class] + phase;
            for color in colors {
                let lit = if place % 4 < 2 { color } else { 0 };
                pixels.push((lit + random(70)).min(255) as u8);
            }
        }
        classes.push(class);
    }
    Images::new([SIDE, SIDE, 3], pixels, classes, &Preprocess::tf()).unwrap()
}

fn recipe() -> Recipe {
    Recipe { epochs: 3, batch: 32, learning_rate: 0.05, held_back: 96, crop: 1, flip: false, ..Recipe::default() }
}

fn train(recipe: &Recipe, images: &Images, threads: usize) -> (Vec<f64>, Vec<Vec<f32>>) {
    let mut trainer = Trainer::new(program(1), recipe.clone(), images, threads).unwrap();
    let mut losses = vec![];
    while !trainer.is_done() {
        losses.push(trainer.epoch(&mut |_| ()).unwrap().loss);
    }
    (losses, values(&trainer.result()))
}

fn values(program: &Program) -> Vec<Vec<f32>> {
    program.tensors().map(|(_, _, values)| values.to_vec()).collect()
}

#[test]
fn a_tiny_network_learns_with_either_optimizer() {
    let images = stripes(480);
    let adam = Method::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    for (method, learning_rate) in [(Method::Sgd { momentum: 0.9 }, 0.05), (adam, 0.005)] {
        let recipe = Recipe { epochs: 6, method, learning_rate, average: 0.9, clip: 5.0, ..recipe() };
        let mut trainer = Trainer::new(program(1), recipe, &images, 2).unwrap();
        let mut accuracy = 0.0;
        while !trainer.is_done() {
            let epoch = trainer.epoch(&mut |_| ()).unwrap();
            println!("{epoch:?}");
            accuracy = epoch.held_back_accuracy.unwrap();
        }
        assert!(accuracy > 0.9, "{method:?}: {accuracy}");
    }
}

#[test]
fn every_number_of_threads_gives_the_same_bits() {
    let (images, recipe) = (stripes(200), Recipe { epochs: 2, dropout: 0.2, mixup: 0.4, cutout: 4, ..recipe() });
    let one = train(&recipe, &images, 1);
    for threads in [2, 3] {
        assert!(train(&recipe, &images, threads) == one, "{threads} threads");
    }
}

#[test]
fn a_pause_changes_nothing() {
    let folder = std::env::temp_dir().join(format!("sepconv-train-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("net.checkpoint.safetensors");
    let adam = Method::AdamW { beta1: 0.9, beta2: 0.99, epsilon: 1e-8 };
    for method in [Method::Sgd { momentum: 0.9 }, adam] {
        let recipe = Recipe { method, learning_rate: 0.01, average: 0.9, dropout: 0.1, ..recipe() };
        let images = stripes(160);
        let whole = train(&recipe, &images, 2);
        let mut first = Trainer::new(program(1), recipe.clone(), &images, 2).unwrap();
        let mut losses = vec![first.epoch(&mut |_| ()).unwrap().loss];
        first.save(&path).unwrap();
        // Another seed: everything comes from the file.
        let mut second = Trainer::new(program(7), recipe.clone(), &images, 1).unwrap();
        second.resume(&path).unwrap();
        while !second.is_done() {
            losses.push(second.epoch(&mut |_| ()).unwrap().loss);
        }
        assert!((losses, values(&second.result())) == whole, "{method:?}");
        let mut other = Trainer::new(program(1), Recipe { epochs: 9, ..recipe }, &images, 1).unwrap();
        assert!(other.resume(&path).unwrap_err().to_string().contains("another recipe"));
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// The gradient of the whole network against central differences of its loss, along a direction for each parameter.
#[test]
fn gradients_are_differences_of_the_loss() {
    let (mut program, threads) = (program(3), Threads::new(1).unwrap());
    let isa = Isa::available().next_back().unwrap();
    let (mut tape, images) = (Tape::new(&program, isa), 20);
    let size = SIDE * SIDE * 3;
    let pixels: Vec<f32> = (0..images * size).map(|i| ((i * i) as f32 * 0.37).sin()).collect();
    let mut targets = vec![0.0; images * CLASSES];
    (0..images).for_each(|i| targets[i * CLASSES + i % CLASSES] = 1.0);
    let mut loss = |program: &mut Program| {
        tape.input(program, images).copy_from_slice(&pixels);
        tape.gradients(program, &targets, &threads)
    };
    loss(&mut program);
    let gradients: Vec<Vec<f32>> = program.parameters.iter().map(|of| of.gradient.clone()).collect();
    for (i, gradient) in gradients.iter().enumerate() {
        let norm = gradient.iter().map(|x| x * x).sum::<f32>().sqrt();
        let (before, step) = (program.parameters[i].values.clone(), 2e-3 / norm.max(1.0));
        let mut moved = |step: f32| {
            let parameter = &mut program.parameters[i];
            let to = before.iter().zip(gradient).map(|(x, gradient)| x + step * gradient / norm);
            parameter.values = to.collect();
            let loss = loss(&mut program);
            program.parameters[i].values.clone_from(&before);
            loss
        };
        let slope = (moved(step) - moved(-step)) / f64::from(2.0 * step);
        let (name, role) = (&program.parameters[i].name, program.parameters[i].role);
        assert!(norm > 0.0, "{name} does not learn");
        let error = (slope - f64::from(norm)).abs() / f64::from(norm).max(1e-2);
        println!("{name} {role:?}: {norm} {slope}");
        assert!(error < 0.03, "{name}: the gradient's norm is {norm}, the slope along it {slope}");
    }
    assert!(program.parameters.iter().any(|of| of.role == ParameterRole::Bias), "squeeze-excite has biases");
}

#[test]
fn what_does_not_fit_is_told() {
    let images = stripes(30);
    let network = Network::new(Table::parse(TABLE, "tiny.toml").unwrap(), "tiny").unwrap();
    let other = |network: Network| {
        let program = Program::new(network.graph(&mut Initial { seed: 0 }).unwrap()).unwrap();
        Trainer::new(program, recipe(), &images, 1).err().unwrap().to_string()
    };
    assert!(other(network.clone().classes(2)).contains("class that the network does not know"));
    assert!(other(network.resolution(32)).contains("another size"));
    let diverging = Recipe { learning_rate: 1e39, warm_up: 0.0, held_back: 0, ..recipe() };
    let mut trainer = Trainer::new(program(1), diverging, &images, 1).unwrap();
    let error = (0..3).find_map(|_| trainer.epoch(&mut |_| ()).err()).unwrap();
    assert!(error.to_string().contains("not finite"), "{error}");
}

#[test]
fn operators_without_a_gradient_are_named() {
    use sepconv_core::op::{Reduce, Reduction};
    use sepconv_core::{Builder, DType, Limits, Shape};
    let mut builder = Builder::new(Limits::default());
    let x = builder.input("x", Shape::new([1, 4, 4, 3]).unwrap(), DType::F32).unwrap();
    let reduce = Reduce { reduction: Reduction::Max, axes: vec![1, 2], keep_dims: false };
    let y = builder.node("largest", reduce, &[x]).unwrap();
    builder.output("y", y);
    let error = Program::new(builder.finish()).unwrap_err();
    assert!(error.to_string().contains("no gradient") && error.node() == Some("largest"), "{error}");
}
