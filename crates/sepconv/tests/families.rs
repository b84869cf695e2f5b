//! The families: what they cost, and that they run.

mod common;

use std::fs;
use std::path::Path;

use sepconv::zoo::{Network, Seeded, Table, Width, ZeroWeights, mobilenet_v1, mobilenet_v2, named};
use sepconv::{Error, ErrorKind, Model, Options, Preprocess, Tensor, zoo};

#[test]
fn seeded_networks_give_finite_answers_of_order_one() {
    let names = [
        "mobilenet_v1@64x0.25",
        "tf_mobilenet_v2@63x0.35",
        "mobilenet_v3_small@64",
        "mobilenet_v3_large_minimalistic@64",
        "mobilenet_v4_conv_small@64",
        "mnasnet_a1@64x0.5",
        "efficientnet_b7@64",
        "efficientnet_lite4@64",
        "efficientnet_es@64",
        "efficientnet_v2_s@64",
        "shufflenet_v2_x1_0@64",
        "mobileone_s0@64",
        "repvgg_a0@64",
        "ghostnet_100@64",
        "ghostnetv2_100@64",
        "ghostnetv3_100@64",
        "ds_cnn",
    ];
    for name in names {
        let network = zoo::named(name).unwrap();
        let model = network.build().unwrap();
        assert_eq!(model.name(), name);
        let [channels, rows, columns] = network.variant().input;
        let mut session = model.compile(&Options::default().threads(1)).unwrap().session().unwrap();
        let mut logits = |step: f32| {
            let pixels: Vec<f32> = (0..channels * rows * columns).map(|i| (i as f32 * step).sin()).collect();
            let logits = &session.run(&[&Tensor::f32([1, channels, rows, columns], pixels).unwrap()]).unwrap()[0];
            logits.as_f32().unwrap().to_vec()
        };
        let (one, other) = (logits(0.37), logits(1.41));
        let size =
            |logits: &mut dyn Iterator<Item = f32>| (logits.map(|x| x * x).sum::<f32>() / one.len() as f32).sqrt();
        let spread = size(&mut one.iter().copied());
        let difference = size(&mut one.iter().zip(&other).map(|(a, b)| a - b));
        println!("{name}: {spread}, {difference} between two images");
        assert!((0.1..10.0).contains(&spread), "{name}: {spread}");
        assert!(difference > 0.03 * spread, "{name} hardly sees what it is shown: {difference} of {spread}");
    }
}

/// Parameters and multiply-accumulates in millions, as printed, of 1000 classes. What counts as a parameter and as a
/// multiply-accumulate say `Graph::parameters` and `Graph::macs`.
const COUNTS: [(&str, usize, &str); 54] = [
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
    ("efficientnet_v2_s", 21_458_488, "8366"),
    ("tf_efficientnetv2_b0", 7_139_704, "718.1"),
    ("efficientnet_es", 5_438_392, "1788.7"),
    ("shufflenet_v2_x0_5", 1_366_792, "40.5"),
    ("shufflenet_v2_x1_0", 2_278_604, "144.9"),
    ("shufflenet_v2_x1_5", 3_503_624, "295.8"),
    ("shufflenet_v2_x2_0", 7_393_996, "583.3"),
    ("mobileone_s0", 5_293_272, "1051.9"),
    ("mobileone_s1", 4_825_192, "830.1"),
    ("mobileone_s2", 7_884_648, "1304.0"),
    ("mobileone_s3", 10_170_600, "1902.1"),
    ("repvgg_a0", 9_108_968, "1512.6"),
    ("repvgg_a1", 14_092_264, "2626.5"),
    ("repvgg_a2", 28_210_600, "5685.3"),
    ("repvgg_b0", 15_817_960, "3397.2"),
    ("ghostnet_100", 5_182_508, "141.2"),
    ("ghostnetv2_100", 6_156_908, "167.0"),
    ("ghostnetv3_100", 8_129_028, "404.1"),
    ("tf_efficientnet_b0", 5_288_548, "385.8"),
    ("tf_mobilenetv3_large_minimal_100", 3_924_288, "209.1"),
];

#[test]
fn networks_cost_what_their_papers_and_torch_say() {
    let mut wrong = Vec::new();
    for (name, parameters, millions) in COUNTS {
        let graph = zoo::named(name).unwrap().graph(&mut zoo::ZeroWeights).unwrap();
        let digits = millions.split_once('.').map_or(0, |(_, digits)| digits.len());
        let got = (graph.parameters(), format!("{:.digits$}", graph.macs() as f64 / 1e6));
        if got != (parameters, millions.to_owned()) {
            wrong.push(format!("{name}: expected {parameters} {millions}, got {got:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What naming and counting a network that cannot be says.
fn refused(network: Result<Network, Error>) -> Error {
    network.and_then(|network| network.graph(&mut ZeroWeights)).map(|graph| graph.parameters()).unwrap_err()
}

#[test]
fn names_carry_resolution_and_width() {
    let network = named("mobilenet_v1@160x0.5").unwrap();
    assert_eq!((network.variant().input, network.variant().width), ([3, 160, 160], 0.5));
    assert_eq!(network.name(), "mobilenet_v1@160x0.5");
    assert_eq!(named("mobilenet_v2x1.4").unwrap().name(), mobilenet_v2(Width(1.4)).name());
    assert_eq!(named("efficientnet_b4@380").unwrap().name(), "efficientnet_b4");
    assert_eq!(mobilenet_v1(Width(0.25)).resolution(96).name(), "mobilenet_v1@96x0.25");
    for (text, is_name) in
        [("mobilenet_v2x0.5", true), ("net.onnx", false), ("a/mobilenet_v2", false), ("a/b.toml@96x0.5", true)]
    {
        assert_eq!(zoo::is_name(text), is_name, "{text}");
    }
}

#[test]
fn an_unknown_name_is_told_with_the_nearest() {
    for (name, nearest) in [
        ("mobilenetv2", "mobilenet_v2"),
        ("efficentnet_b3", "efficientnet_b3"),
        ("mnasnet", "mnasnet_a1"),
        ("", "ds_cnn"),
    ] {
        let error = named(name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument);
        assert!(error.to_string().contains(nearest) && error.to_string().contains(&format!("{name:?}")), "{error}");
    }
    for name in [
        "mobilenet_v1@",
        "mobilenet_v1@x0.5",
        "mobilenet_v1@-1",
        "mobilenet_v1@160xtwo",
        "mobilenet_v1@99999999999999999999",
    ] {
        let error = named(name).unwrap_err().to_string();
        assert!(error.contains("NAME[@RESOLUTION][xWIDTH]"), "{error}");
    }
}

#[test]
fn absurd_sizes_are_refused_before_anything_is_allocated() {
    for (name, kind, part) in [
        ("mobilenet_v1x1e9", ErrorKind::Argument, "too wide"),
        ("mobilenet_v1x1e308", ErrorKind::Argument, "too wide"),
        ("mobilenet_v1x100", ErrorKind::Argument, "too m"),
        ("mobilenet_v1@1099511627776", ErrorKind::Argument, "address space"),
        ("mobilenet_v1@100000", ErrorKind::Argument, "too much memory"),
        ("mobilenet_v1@8000", ErrorKind::Argument, "too much"),
        ("mobilenet_v1xNaN", ErrorKind::Argument, "above 0, got NaN"),
        ("mobilenet_v1xinf", ErrorKind::Argument, "above 0, got inf"),
        ("mobilenet_v1x-1", ErrorKind::Argument, "above 0, got -1"),
        ("mobilenet_v1x0", ErrorKind::Argument, "above 0, got 0"),
        ("mobilenet_v1@0", ErrorKind::Argument, "sizes from 1"),
    ] {
        let error = refused(named(name));
        assert!(error.kind() == kind && error.to_string().contains(part), "{name}: {error}");
    }
    let v1 = || mobilenet_v1(Width(1.0));
    assert!(refused(Ok(v1().classes(0))).to_string().contains("no classes"));
    assert!(refused(Ok(v1().classes(usize::MAX))).to_string().contains("address space"));
    assert!(refused(Ok(v1().classes(1_000_000_000))).to_string().contains("too many parameters"));
    assert!(refused(Ok(v1().epsilon(-1.0))).to_string().contains("epsilon"));
    assert!(v1().resolution(1).graph(&mut ZeroWeights).is_ok(), "a plane of one pixel is a plane");
}

/// A table that is valid once `stages` and `rest` are.
fn table(stages: &str, rest: &str) -> String {
    format!("title = \"T\"\nactivation = \"relu\"\nstages = {stages}\n{rest}")
}

#[test]
fn a_table_that_is_wrong_is_told_with_its_place() {
    let stages = r#"[["dsa_r1_k3_s1_c16"]]"#;
    let rest = "[stem]\nchannels = 8\n[[variants]]\nname = \"t\"\n";
    assert!(Table::parse(&table(stages, rest), "t.toml").is_ok());
    for (text, part) in [
        (table("[[\"dsa_r1_kx_s1_c16\"]]", rest), "block string \"dsa_r1_kx_s1_c16\", character 9 in t.toml"),
        (table("[]", rest), "empty stage or none"),
        (table("[[]]", rest), "empty stage or none"),
        (table(stages, "[stem]\nchannels = 8\n"), "missing field `variants`"),
        (table(stages, "variants = []\n[stem]\nchannels = 8\n"), "no variant"),
        (table(stages, &rest.replace('8', "-8")), "line 5 in t.toml"),
        (table(stages, &rest.replace("channels", "chanels")), "unknown field `chanels`"),
        (table(stages, &rest.replace('8', "0")), "size out of range"),
        (table(stages, &rest.replace("= 8", "= 8\nkernel = [0, 3]")), "size out of range"),
        (table(stages, &format!("{rest}preprocess = \"caffe\"")), "unknown pre-processing"),
        (table(stages, rest).replace("\"relu\"", "\"tanh\""), "line 2 in t.toml"),
        (format!("divisor = 0\n{}", table(stages, rest)), "size out of range"),
        ("=".to_owned(), "line 1 in t.toml"),
    ] {
        let error = Table::parse(&text, "t.toml").unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
    let deep = rest.to_owned() + "depth = 1e9\n";
    let deep = Network::new(Table::parse(&table(stages, &deep), "t.toml").unwrap(), "t");
    assert!(refused(deep).to_string().contains("too deep"));
}

/// The design of the project's own network for CIFAR-10, and its standard twin.
#[test]
fn a_table_of_ones_own_builds_as_the_families_do() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let separable = r#"[["dsa_k3_s1_c32"], ["dsa_r2_k3_s2_c64"]]"#;
    let standard = r#"[["cn_k3_s1_c32"], ["cn_r2_k3_s2_c64_skip"]]"#;
    let rest =
        "input = [3, 32, 32]\nclasses = 10\n[stem]\nchannels = 16\nstride = [1, 1]\n[[variants]]\nname = \"own\"\n";
    let parameters = [separable, standard].map(|stages| {
        let path = folder.join("own.toml");
        fs::write(&path, table(stages, rest)).unwrap();
        let network = named(path.to_str().unwrap()).unwrap();
        let blocks = network.architecture().unwrap().stages.concat();
        assert_eq!(
            blocks.iter().map(|block| block.residual).filter(|&residual| residual).count(),
            usize::from(stages == standard)
        );
        assert_eq!(named(&format!("{}@64x0.5", path.display())).unwrap().name(), "own@64x0.5");
        network.graph(&mut ZeroWeights).unwrap().parameters()
    });
    let stem = 3 * 9 * 16 + 2 * 16;
    let pair = |c: usize, o: usize| 9 * c + 2 * c + c * o + 2 * o;
    let conv = |c: usize, o: usize| 9 * c * o + 2 * o;
    let classifier = 64 * 10 + 10;
    assert_eq!(parameters[0], stem + pair(16, 32) + pair(32, 64) + pair(64, 64) + classifier);
    assert_eq!(parameters[1], stem + conv(16, 32) + conv(32, 64) + conv(64, 64) + classifier);
}

#[test]
fn the_block_list_of_an_mcunet_is_a_table() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let conv = |input: usize, output: usize, e: f64, mid: &str, shortcut: &str| {
        format!(
            r#"{{"mobile_inverted_conv": {{"in_channels": {input}, "out_channels": {output}, "kernel_size": 5, "stride": 1,
                "expand_ratio": {e}, "mid_channels": {mid}, "act_func": "relu6", "use_se": false}}, "shortcut": {shortcut}}}"#
        )
    };
    let list = |blocks: &[String]| {
        format!(
            r#"{{"name": "M", "bn": {{"eps": 1e-5}}, "resolution": 48, "feature_mix_layer": null,
                "first_conv": {{"in_channels": 3, "out_channels": 8, "kernel_size": 3, "stride": 2, "act_func": "relu6"}},
                "blocks": [{}], "classifier": {{"in_features": 10, "out_features": 7}}}}"#,
            blocks.join(",")
        )
    };
    let path = folder.join("tiny_mcunet.json");
    let open = |text: String| {
        fs::write(&path, text).unwrap();
        named(path.to_str().unwrap())
    };
    let network =
        open(list(&[conv(8, 10, 1.0, "null", "null"), conv(10, 10, 3.0, "37", r#"{"name": "IdentityLayer"}"#)]))
            .unwrap();
    let architecture = network.architecture().unwrap();
    let inside: Vec<_> =
        architecture.stages.concat().iter().map(|block| (block.expanded, block.output, block.residual)).collect();
    assert_eq!(inside, [(8, 10, false), (37, 10, true)]);
    assert_eq!((network.name(), architecture.classes), ("tiny_mcunet".to_owned(), 7));
    let error = open(list(&[conv(8, 12, 1.0, "null", "null")])).unwrap_err().to_string();
    assert!(error.contains("classifier in") && error.contains("expected 12, got 10"), "{error}");
    for (block, told) in [
        (conv(8, 10, 1.0, "77", "null"), "mid_channels null or 8"),
        (conv(8, 10, 1.0, "null", r#"{"name": "IdentityLayer"}"#), "channels are equal"),
        (conv(8, 8, 3.0, "null", r#"{"name": "ConvLayer"}"#), "an IdentityLayer"),
    ] {
        let error = open(list(&[block])).unwrap_err().to_string();
        assert!(error.contains(told) && error.contains("block 0"), "{error}");
    }
    let grouped = list(&[conv(8, 10, 1.0, "null", "null")]).replace("\"stride\": 2", "\"stride\": 2, \"groups\": 7");
    let error = open(grouped).unwrap_err().to_string();
    assert!(error.contains("first_conv") && error.contains("groups 7"), "{error}");
    let error = open(list(&[conv(9, 10, 1.0, "null", "null")])).unwrap_err().to_string();
    assert!(error.contains("block 0 in") && error.contains("expected 8, got 9"), "{error}");
    assert!(open("{".to_owned()).unwrap_err().to_string().contains("block list is not valid"));
}

#[test]
fn the_published_mcunet_has_its_published_size() {
    let Some(data) = common::data() else { return };
    let path = data.join("models/torch/mcunet_320kb_1mb_176.json");
    let graph = named(path.to_str().unwrap()).unwrap().graph(&mut ZeroWeights).unwrap();
    assert_eq!((graph.parameters(), graph.macs()), (737_408, 81_785_520));
}

#[test]
fn seeded_weights_depend_on_the_seed_alone() {
    let network = named("mobilenet_v3_small@32").unwrap();
    let architecture = network.architecture().unwrap();
    let weights = |seed| {
        let graph = network.graph(&mut Seeded::new(&architecture, seed)).unwrap();
        graph
            .nodes()
            .iter()
            .flat_map(|node| &node.inputs)
            .filter_map(|&id| graph.value(id).constant.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(weights(1), weights(1));
    assert_ne!(weights(1), weights(2));
    let error = named("efficientnet_b0@32").unwrap().graph(&mut Seeded::new(&architecture, 0)).unwrap_err().to_string();
    assert!(error.contains("for another network"), "{error}");
}

#[test]
fn a_named_network_is_used_as_a_file_is() {
    let model = Model::named("tf_efficientnet_lite0@64x0.25").unwrap();
    assert_eq!(model.inputs()[0].dims, [1, 3, 64, 64].map(Some));
    assert_eq!((model.inputs()[0].name.as_str(), model.outputs()[0].name.as_str()), ("input", "logits"));
    let preprocess = model.preprocess().unwrap();
    assert_eq!((preprocess.name(), preprocess.source().to_string()), (Preprocess::tf().name(), "network".to_owned()));
    assert_eq!(Model::named("mobilenet_v2@32").unwrap().preprocess().unwrap().name(), "torch");
    let error = model.import(&Options::default().shape("input", [1, 3, 96, 96])).unwrap_err().to_string();
    assert!(error.contains("[1,3,64,64]"), "{error}");
}

#[test]
fn a_mirrored_network_does_not_see_which_way_a_picture_faces() {
    let mut session =
        named("cifar10_mirrored").unwrap().build().unwrap().compile(&Options::default()).unwrap().session().unwrap();
    let pixels: Vec<f32> = (0..3 * 32 * 32).map(|i| (i as f32 * 0.37).sin()).collect();
    let mirrored: Vec<f32> = pixels.chunks(32).flat_map(|row| row.iter().rev().copied()).collect();
    let mut logits = |pixels: &[f32]| {
        let picture = Tensor::f32([1, 3, 32, 32], pixels.to_vec()).unwrap();
        session.run(&[&picture]).unwrap()[0].as_f32().unwrap().to_vec()
    };
    let (one, other) = (logits(&pixels), logits(&mirrored));
    assert_eq!(one.len(), 10);
    assert!(one.iter().zip(&other).all(|(a, b)| (a - b).abs() < 1e-5), "{one:?} {other:?}");

    // It is the mean of what the plain network says of both.
    let mut plain = named("cifar10").unwrap().build().unwrap().compile(&Options::default()).unwrap().session().unwrap();
    let mut logits = |pixels: &[f32]| {
        let picture = Tensor::f32([1, 3, 32, 32], pixels.to_vec()).unwrap();
        plain.run(&[&picture]).unwrap()[0].as_f32().unwrap().to_vec()
    };
    let mean = logits(&pixels).into_iter().zip(logits(&mirrored)).map(|(a, b)| (a + b) / 2.0);
    assert!(one.iter().zip(mean).all(|(a, b)| (a - b).abs() < 1e-4));
}
