//! Weights from files: the names of other libraries fit, both ways, and what does not fit is refused by name.

mod common;

use std::fs;
use std::path::Path;

use sepconv::zoo::{self, Network, Table, Weights, ZeroWeights};
use sepconv::{Model, Options, Tensor};

/// Networks, and the file in `data/names` that lists the parameters of the same network elsewhere. `scripts/families.py
/// --write-names` wrote these.
const NAMED: &[(&str, &str)] = &[
    ("mobilenet_v1", "timm.mobilenetv1_100"),
    ("mobilenet_v2", "torchvision.mobilenet_v2"),
    ("mobilenet_v2", "timm.mobilenetv2_100"),
    ("mobilenet_v3_large", "torchvision.mobilenet_v3_large"),
    ("mobilenet_v3_small", "torchvision.mobilenet_v3_small"),
    ("mobilenet_v3_large", "timm.mobilenetv3_large_100"),
    ("tf_mobilenetv3_large_minimal_100", "timm.tf_mobilenetv3_large_minimal_100"),
    ("mobilenet_v4_conv_small", "timm.mobilenetv4_conv_small"),
    ("mobilenet_v4_conv_medium", "timm.mobilenetv4_conv_medium"),
    ("mnasnet_a1", "timm.semnasnet_100"),
    ("mnasnet_b1", "torchvision.mnasnet1_0"),
    ("mnasnet_b1", "timm.mnasnet_100"),
    ("efficientnet_b0", "torchvision.efficientnet_b0"),
    ("tf_efficientnet_b0", "timm.tf_efficientnet_b0"),
    ("efficientnet_v2_s", "torchvision.efficientnet_v2_s"),
    ("tf_efficientnetv2_s", "timm.tf_efficientnetv2_s"),
    ("tf_efficientnetv2_b0", "timm.tf_efficientnetv2_b0"),
    ("efficientnet_es", "timm.efficientnet_es"),
    ("shufflenet_v2_x0_5", "torchvision.shufflenet_v2_x0_5"),
    ("shufflenet_v2_x1_0", "torchvision.shufflenet_v2_x1_0"),
    ("mobileone_s0", "timm.mobileone_s0"),
    ("repvgg_a0", "timm.repvgg_a0"),
    ("ghostnet_100", "timm.ghostnet_100"),
    ("ghostnetv2_100", "timm.ghostnetv2_100"),
    ("ghostnetv3_100", "timm.ghostnetv3_100"),
    ("efficientnet_lite0", "timm.efficientnet_lite0"),
    ("tf_efficientnet_lite0", "timm.tf_efficientnet_lite0"),
];

/// Names and sizes of parameters.
type List = Vec<(String, Vec<usize>)>;

fn list(name: &str) -> List {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/names").join(name).with_added_extension("txt");
    let parse = |line: &str| {
        let (name, sizes) = line.split_once(' ').unwrap();
        (name.to_owned(), sizes.split(' ').map(|size| size.parse().unwrap()).collect())
    };
    fs::read_to_string(path).unwrap().lines().map(parse).collect()
}

/// A file with these parameters, every number of which is 1.
fn file(list: &List, dtype: &str, one: &[u8]) -> Weights {
    let mut header = String::from("{\"__metadata__\":{\"format\":\"pt\"}");
    let mut data = vec![];
    for (name, sizes) in list {
        let begin = data.len();
        data.resize(begin + sizes.iter().product::<usize>() * one.len(), 0);
        data[begin..].chunks_exact_mut(one.len()).for_each(|element| element.copy_from_slice(one));
        let end = data.len();
        header += &format!(r#","{name}":{{"dtype":"{dtype}","shape":{sizes:?},"data_offsets":[{begin},{end}]}}"#);
    }
    header.push('}');
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat();
    Weights::from_bytes("w.safetensors", &bytes).unwrap()
}

fn load(network: &str, list: &List) -> sepconv::Result<Model> {
    zoo::named(network).unwrap().load(&file(list, "F16", &[0, 0x3c]))
}

/// The error for the list of torchvision's MobileNetV2 after `change`.
fn refused(change: impl FnOnce(&mut List)) -> String {
    let mut list = list("torchvision.mobilenet_v2");
    change(&mut list);
    load("mobilenet_v2", &list).expect_err("a file that does not fit").to_string()
}

#[test]
fn names_of_other_libraries_fit_both_ways() {
    for (network, names) in NAMED {
        let list = list(names);
        let elements: usize = list
            .iter()
            .filter(|(name, _)| !name.contains(".running_"))
            .map(|(_, sizes)| sizes.iter().product::<usize>())
            .sum();
        let model = load(network, &list).unwrap_or_else(|error| panic!("{network}, {names}: {error}"));
        let graph = model.import(&Options::default()).unwrap();
        assert_eq!(graph.parameters(), elements, "{network}, {names}");
    }
}

#[test]
fn counters_of_training_are_passed_over() {
    let mut list = list("torchvision.mobilenet_v2");
    list.push(("features.0.1.num_batches_tracked".to_owned(), vec![]));
    assert!(load("mobilenet_v2", &list).is_ok());
}

#[test]
fn the_file_decides_how_many_classes_there_are() {
    let mut list = list("torchvision.mobilenet_v2");
    for (_, sizes) in list.iter_mut().filter(|(name, _)| name.starts_with("classifier")) {
        sizes[0] = 10;
    }
    let graph = load("mobilenet_v2@32", &list).unwrap().import(&Options::default()).unwrap();
    assert_eq!(&graph.value(graph.outputs()[0].value).shape[..], [1, 10]);
}

/// With ones everywhere the output tells the epsilon that was used, layer upon layer.
#[test]
fn epsilon_is_that_of_the_library_whose_names_these_are() {
    let output = |network: Network, names: &str| {
        let weights = file(&list(names), "F32", &0.01f32.to_le_bytes());
        let mut session =
            network.load(&weights).unwrap().compile(&Options::default().threads(1)).unwrap().session().unwrap();
        session.run(&[&Tensor::f32([1, 3, 32, 32], vec![0.5; 3 * 32 * 32]).unwrap()]).unwrap()[0].as_f32().unwrap()[0]
    };
    let network = || zoo::named("mobilenet_v3_small@32").unwrap();
    let torchvision = output(network(), "torchvision.mobilenet_v3_small");
    let timm = output(network(), "timm.mobilenetv3_small_100");
    assert_ne!(torchvision, timm);
    assert_eq!(
        output(network().epsilon(2e-3), "torchvision.mobilenet_v3_small"),
        output(network().epsilon(2e-3), "timm.mobilenetv3_small_100")
    );
    assert_eq!(output(zoo::named("mobilenetv3_small_100@32").unwrap(), "torchvision.mobilenet_v3_small"), torchvision);

    // A user's own table is taken at its word.
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("own_v3.toml");
    fs::write(&path, include_str!("../src/zoo/tables/mobilenet_v3_small.toml")).unwrap();
    let own = || zoo::named(&format!("{}@32", path.display())).unwrap();
    assert_eq!(output(own(), "timm.mobilenetv3_small_100"), torchvision);
}

#[test]
fn a_missing_parameter_is_named_with_its_nearest() {
    let error =
        refused(|list| list.iter_mut().find(|(name, _)| name == "features.3.conv.1.0.weight").unwrap().0 += "s");
    assert_eq!(
        error,
        "parameter is missing among torchvision's MobileNetV2 names\n  \
         --> parameter \"features.3.conv.1.0.weight\" (blocks.1.1.depthwise.weight) in w.safetensors\n   \
         = expected f32 [144,1,3,3], got none of this name; the nearest is \"features.3.conv.1.0.weights\"\n   \
         = help: is it a file for mobilenet_v2?"
    );
}

#[test]
fn a_parameter_too_many_is_named() {
    let error = refused(|list| list.push(("features.19.0.weight".to_owned(), vec![2, 3])));
    assert_eq!(
        error,
        "file holds a parameter for which the network has no place\n  \
         --> parameter \"features.19.0.weight\" [2,3] in w.safetensors\n   \
         = expected 262 parameters in torchvision's MobileNetV2 names, got 1 more\n   \
         = help: is it a file for mobilenet_v2?"
    );
}

#[test]
fn another_shape_is_named_as_the_file_has_it() {
    let error = refused(|list| {
        list.iter_mut().find(|(name, _)| name == "features.2.conv.1.0.weight").unwrap().1 = vec![1, 96, 3, 3]
    });
    assert_eq!(
        error,
        "parameter has another shape or type\n  \
         --> parameter \"features.2.conv.1.0.weight\" (blocks.1.0.depthwise.weight) in w.safetensors\n   \
         = expected f32 [96,1,3,3], got f32 [1,96,3,3]"
    );
}

#[test]
fn integers_are_no_weights() {
    let weights = file(&list("torchvision.mobilenet_v2"), "U8", &[1]);
    let error = zoo::named("mobilenet_v2").unwrap().load(&weights).expect_err("bytes").to_string();
    assert!(error.contains("expected f32 [32,3,3,3], got u8 [32,3,3,3]"), "{error}");
}

#[test]
fn a_file_of_something_else_is_told_which_names_are_known() {
    for list in [vec![("encoder.weight".to_owned(), vec![2])], vec![]] {
        let error = load("mobilenet_v2", &list).expect_err("no names of a network").to_string();
        assert!(error.contains("parameters have none of the names that are known"), "{error}");
        assert!(error.contains("torchvision's MobileNetV2"), "{error}");
    }
}

/// Every list for every other network: an error, never a panic.
#[test]
fn files_of_other_networks_are_refused() {
    let small = [
        "mobilenet_v2x0.35",
        "mobilenet_v3_small",
        "mnasnet_b1x0.5",
        "mobilenet_v4_conv_small",
        "mobilenet_v1x0.25",
        "ds_cnn",
    ];
    for (_, names) in NAMED.iter().filter(|(_, names)| !names.contains("efficientnet") && !names.contains("medium")) {
        let weights = file(&list(names), "F16", &[0, 0x3c]);
        for name in small.iter().filter(|name| !NAMED.contains(&(name, names))) {
            assert!(zoo::named(name).unwrap().load(&weights).is_err(), "{names} in {name}");
        }
    }
}

/// The files of trained networks give what the same networks give as ONNX.
#[test]
fn trained_files_equal_their_onnx_twins() {
    let Some(data) = common::data() else { return };
    let block_list = data.join("models/torch/mcunet_320kb_1mb_176.json");
    let cases = [
        ("mobilenet_v1_relux0.25", "mobilenet_v1_0.25_224", 224),
        (block_list.to_str().unwrap(), "mcunet_320kb_1mb_176", 176),
    ];
    for (name, file, side) in cases {
        let weights = Weights::open(data.join(format!("models/torch/{file}.safetensors"))).unwrap();
        let loaded = zoo::named(name).unwrap().load(&weights).unwrap();
        let twin = Model::open(data.join(format!("models/onnx/{file}_bn_f32.onnx"))).unwrap();
        let pixels = data.join(format!("golden/inputs_8x{side}x{side}x3_u8.npy"));
        let pixels = sepconv::npy::read(&pixels, &sepconv::Limits::default()).unwrap().remove(0).1;
        let picture = &pixels.as_u8().unwrap()[..side * side * 3];
        let plane = |channel| picture.iter().skip(channel).step_by(3).map(|&px| (f32::from(px) - 127.5) / 127.5);
        let input = Tensor::f32([1, 3, side, side], (0..3).flat_map(plane).collect::<Vec<_>>()).unwrap();
        let output = |model: &Model| {
            let mut session = model.compile(&Options::default()).unwrap().session().unwrap();
            session.run(&[&input]).unwrap()[0].as_f32().unwrap().to_vec()
        };
        let (got, expected) = (output(&loaded), output(&twin));
        let worst = got.iter().zip(&expected).map(|(g, e)| (g - e).abs() / e.abs().max(1.0)).fold(0f32, f32::max);
        assert!(got.len() == expected.len() && worst <= 1e-4, "{file}: differs by {worst}");
    }
}

#[test]
fn a_network_of_no_library_has_no_names() {
    for stages in [r#"["sh_k3_s2_c16", "uir_a3_k3_e2_c16"]"#, r#"["cn_k3_c16_b2"]"#, r#"["sh_k3_c16"], ["cn_k1_c8"]"#] {
        let text = format!("title = \"T\"\nactivation = \"relu\"\nstages = [{stages}]\n");
        let table = Table::parse(&(text + "[stem]\nchannels = 16\nbranches = 1\n[[variants]]\nname = \"t\""), "t.toml");
        let error = Network::new(table.unwrap(), "t").unwrap().state_dict(&mut ZeroWeights).unwrap_err().to_string();
        assert!(error.contains("no library has names for all parameters"), "{stages}: {error}");
    }
}

#[test]
fn what_is_written_is_loaded_under_the_names_of_others() {
    for (name, first) in [
        ("mobilenet_v2@32x0.35", "conv_stem.weight"),
        ("efficientnet_b0@32", "conv_stem.weight"),
        ("cifar10_standard", "conv_stem.weight"),
        ("shufflenet_v2_x0_5@32", "conv1.0.weight"),
        ("mobileone_s0@32x0.25", "stem.conv_kxk.0.conv.weight"),
        ("repvgg_a0@32x0.25", "stem.conv_kxk.conv.weight"),
        ("ghostnetv3_100@64x0.5", "conv_stem.weight"),
    ] {
        let network = zoo::named(name).unwrap().classes(7);
        let architecture = network.architecture().unwrap();
        let tensors = network.state_dict(&mut zoo::Seeded::new(&architecture, 0)).unwrap();
        assert_eq!(tensors[0].0, first, "{name}");
        let bytes = sepconv::safetensors::write(&tensors).unwrap();
        let loaded = zoo::named(name).unwrap().load(&Weights::from_bytes("w.safetensors", &bytes).unwrap()).unwrap();
        let [c, h, w] = network.variant().input;
        let image =
            Tensor::f32([1, c, h, w], (0..c * h * w).map(|i| (i as f32 * 0.37).sin()).collect::<Vec<_>>()).unwrap();
        let logits = |model: Model| {
            let mut session = model.compile(&Options::default().threads(1)).unwrap().session().unwrap();
            session.run(&[&image]).unwrap()[0].as_f32().unwrap().to_vec()
        };
        assert_eq!(logits(loaded), logits(network.build().unwrap()), "{name}");
    }
}
