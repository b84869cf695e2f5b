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

/// Parameters and multiply-accumulates in millions, as printed, of 1000 classes. What counts as a parameter and as a multiply-accumulate
/// say `Graph::parameters` and `Graph::macs`.
const COUNTS: [(&str, usize, &str); 36] = [
    ("mobilenet_v1", 4_231_976, "568.7"),
    ("mobilenet_v1x0.75", 2_585_560, "325.4"),
    ("mobilenet_v1x0.5", 1_331_592, "149.5"),
    ("mobilenet_v1x0.25", 470_072, "41.0"),
    ("mobilenet_v1@192", 4_231_976, "418.1"),
    ("mobilenet_v1@160", 4_231_976, "290.7"),
    ("mobilenet_v1@128", 4_231_976, "186.4"),
    ("mobilenet_v2", 3_504_872, "300.8"),
    ("mobilenet_v2x1.4", 6_108_776, "582.2"),
    ("mobilenet_v2x0.75", 2_636_424, "209.1"),
    ("mobilenet_v2x0.5", 1_968_680, "97.1"),
    ("mobilenet_v2x0.35", 1_677_128, "59.3"),
    ("mobilenet_v3_large", 5_483_032, "216.6"),
    ("mobilenet_v3_small", 2_542_856, "56.5"),
    ("mnasnet_b1x0.5", 2_218_512, "104.5"),
    ("mnasnet_b1x0.75", 3_170_208, "215.5"),
    ("mnasnet_b1", 4_383_312, "314.4"),
    ("mnasnet_b1x1.3", 6_282_256, "526.4"),
    ("mnasnet_a1", 3_887_038, "311.6"),
    ("efficientnet_b0", 5_288_548, "385.8"),
    ("efficientnet_b1", 7_794_184, "686.8"),
    ("efficientnet_b2", 9_109_994, "993.6"),
    ("efficientnet_b3", 12_233_232, "1827"),
    ("efficientnet_b4", 19_341_616, "4394"),
    ("efficientnet_b5", 30_389_784, "10266"),
    ("efficientnet_b6", 43_040_704, "19068"),
    ("efficientnet_b7", 66_347_960, "37746"),
    ("efficientnet_lite0", 4_652_008, "385"),
    ("efficientnet_lite1", 5_416_680, "600"),
    ("efficientnet_lite2", 6_092_072, "860"),
    ("efficientnet_lite3", 8_197_096, "1383"),
    ("efficientnet_lite4", 13_006_568, "2553"),
    ("mobilenet_v4_conv_small", 3_774_024, "186.0"),
    ("mobilenet_v4_conv_medium", 9_715_512, "1080"),
    ("tf_efficientnet_b0", 5_288_548, "385.8"),
    ("tf_mobilenetv3_large_minimal_100", 3_924_288, "209.1"),
];

#[test]
fn networks_cost_what_their_papers_and_torch_say() {
    let mut wrong = Vec::new();
    for (name, parameters, millions) in COUNTS {
        let graph = models::named(name).unwrap().graph(&mut models::Blank).unwrap();
        let digits = millions.split_once('.').map_or(0, |(_, digits)| digits.len());
        let got = (graph.parameters(), format!("{:.digits$}", graph.macs() as f64 / 1e6));
        if got != (parameters, millions.to_owned()) {
            wrong.push(format!("{name}: expected {parameters} {millions}, got {got:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
