//! The families: what they cost, and that they run.

use sepconv::{Options, Tensor, models};

#[test]
fn seeded_networks_give_finite_answers_of_order_one() {
    for name in ["mobilenet_v1@64x0.25", "mobilenet_v2@64x0.35", "tf_mobilenet_v2@63x0.35"] {
        let network = models::named(name).unwrap();
        let model = network.build().unwrap();
        assert_eq!(model.name(), name);
        let [channels, rows, columns] = network.variant().input;
        let mut runner = model.compile(&Options::default().threads(1)).unwrap();
        let pixels: Vec<f32> = (0..channels * rows * columns).map(|i| (i as f32 * 0.37).sin()).collect();
        let logits = runner.run(&Tensor::f32([1, channels, rows, columns], pixels).unwrap()).unwrap();
        let logits = logits.as_f32().unwrap();
        let spread = (logits.iter().map(|x| x * x).sum::<f32>() / logits.len() as f32).sqrt();
        println!("{name} {spread}");
        assert!((0.05..20.0).contains(&spread), "{name}: {spread}");
    }
}
