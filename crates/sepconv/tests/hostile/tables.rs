//! Texts: tables of families, block lists, names of classes, pre-processing.

use sepconv::zoo::{Network, Table};
use sepconv::{Error, Labels, Preprocess};

use crate::{Case, texts};

fn text(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|_| Error::malformed("no text"))
}

/// A table of one network, with what stands for channels, block and the rest.
fn table(channels: &str, block: &str, rest: &str) -> Vec<u8> {
    let head = format!("title = \"T\"\nactivation = \"relu\"\nstages = [[\"{block}\"]]\n{rest}\n");
    format!("{head}[stem]\nchannels = {channels}\n[[variants]]\nname = \"t\"\n").into()
}

#[test]
fn families() {
    let block = |block: &str| table("8", block, "");
    let rest = |rest: &str| table("8", "ds_r1_k3_s1_c8", rest);
    let stages = format!(
        "title = \"T\"\nactivation = \"relu\"\nstages = [{}]\n[stem]\nchannels = 8\n[[variants]]\nname = \"t\"",
        "[\"ds_r99_k3_s1_c8\"],".repeat(2000)
    );
    let cases: Vec<Case> = vec![
        ("sound", rest("")),
        ("empty", vec![]),
        ("not TOML", b"[[[".to_vec()),
        ("lists in lists", rest(&format!("input = {}", "[".repeat(100_000)))),
        ("tables in tables", rest(&format!("{} = 1", vec!["a"; 100_000].join(".")))),
        ("unknown key", rest("color = 3")),
        ("key twice", rest("bias = true\nbias = true")),
        ("channels 0", table("0", "ds_r1_k3_s1_c8", "")),
        ("channels negative", table("-8", "ds_r1_k3_s1_c8", "")),
        ("channels 2^63 - 1", table("9223372036854775807", "ds_r1_k3_s1_c8", "")),
        ("channels a fraction", table("8.5", "ds_r1_k3_s1_c8", "")),
        ("divisor 0", rest("divisor = 0")),
        ("classes 0", rest("classes = 0")),
        ("classes 2^62", rest("classes = 4611686018427387904")),
        ("input of no pixels", rest("input = [3, 0, 0]")),
        ("input of 2^31 pixels", rest("input = [3, 2147483648, 2147483648]")),
        ("pre-processing that is none", rest("preprocess = \"nonsense\"")),
        ("block that is none", block("xy_r1_k3_s1_c8")),
        ("block without a number", block("ds_r1_k_s1_c8")),
        ("block with a number of 30 digits", block("ds_r1_k3_s1_c111111111111111111111111111111")),
        ("block of kernel 0", block("ds_r1_k0_s1_c8")),
        ("block of an even kernel", block("ds_r1_k4_s1_c8")),
        ("block of kernel 999", block("ds_r1_k999_s1_c8")),
        ("block of stride 0", block("ds_r1_k3_s0_c8")),
        ("block of no channels", block("ds_r1_k3_s1_c0")),
        ("block of 2^40 channels", block("ds_r1_k3_s1_c1099511627776")),
        ("block that expands by nothing", block("ir_r1_k3_s1_e0_c8")),
        ("block that expands by no number", block("ir_r1_k3_s1_enan_c8")),
        ("block that expands by 1e30", block("ir_r1_k3_s1_e1e30_c8")),
        ("block 2^40 times", block("ds_r1099511627776_k3_s1_c8")),
        ("block 99 times, in 2000 stages", stages.into()),
        ("block with squeeze-excite by nothing", block("ir_r1_k3_s1_e6_c8_se0")),
        ("block with squeeze-excite by -1", block("ir_r1_k3_s1_e6_c8_se-1")),
        ("block that halves an odd number", table("8", "sh_r1_k3_s2_c9", "divisor = 1")),
        ("block with a gate on one pixel", table("8", "gha_r1_k3_s1_e2_c8", "input = [3, 2, 2]")),
        ("block with branches of an even kernel", block("dsa_r1_k4_s1_c8_b2")),
        ("block with 10^9 branches", block("dsa_r1_k3_s1_c8_b1000000000")),
        ("stem with 300 branches", [rest(""), b"stem = { channels = 8, branches = 300 }\n".to_vec()].concat()),
        ("variant with an empty stage", [rest(""), b"stages = [[]]\n".to_vec()].concat()),
        ("name with a slash", String::from_utf8(rest("")).expect("text").replace("\"t\"", "\"../t\"").into()),
        ("name of nothing", String::from_utf8(rest("")).expect("text").replace("\"t\"", "\"\"").into()),
    ];
    insta::assert_snapshot!(texts(cases, |_, bytes| {
        let network = Network::new(Table::parse(text(&bytes)?, "t.toml")?, "t")?;
        let architecture = network.architecture()?;
        network.graph(&mut sepconv::zoo::ZeroWeights)?;
        Ok(format!("answer: {} classes", architecture.classes))
    }));
}

#[test]
fn block_lists() {
    let list = |stem: &str, block: &str, rest: &str| -> Vec<u8> {
        let convolution = format!(
            r#""in_channels":8,"out_channels":8,"kernel_size":3,"stride":1,"expand_ratio":2,"act_func":"relu6","use_se":false{block}"#
        );
        format!(
            r#"{{"name":"n","bn":{{"eps":1e-5}},"resolution":32,{rest}
            "first_conv":{{"in_channels":3,"out_channels":8,"kernel_size":3,"stride":2,"act_func":"relu6"{stem}}},
            "blocks":[{{"mobile_inverted_conv":{{{convolution}}},"shortcut":null}}],
            "classifier":{{"in_features":8,"out_features":10}}}}"#
        )
        .into()
    };
    let with = |from: &str, to: &str| -> Vec<u8> {
        String::from_utf8(list("", "", "")).expect("text").replacen(from, to, 1).into()
    };
    let cases: Vec<Case> = vec![
        ("sound", list("", "", "")),
        ("empty", vec![]),
        ("not JSON", b"{".to_vec()),
        ("lists in lists", vec![b'['; 100_000]),
        ("key twice", list("", "", "\"name\":\"m\",")),
        ("dilation 0", list(",\"dilation\":0", "", "")),
        ("groups 0", list(",\"groups\":0", "", "")),
        ("kernel 0", with("\"kernel_size\":3,\"stride\":1", "\"kernel_size\":0,\"stride\":1")),
        ("stride negative", with("\"stride\":1", "\"stride\":-1")),
        ("channels that do not follow", with("\"in_channels\":8", "\"in_channels\":9")),
        ("channels 0", with("\"in_channels\":8,\"out_channels\":8", "\"in_channels\":0,\"out_channels\":8")),
        ("channels 2^60", with("\"out_features\":10", "\"out_features\":1152921504606846976")),
        ("expands by 1e300", with("\"expand_ratio\":2", "\"expand_ratio\":1e300")),
        ("expands by nothing", with("\"expand_ratio\":2", "\"expand_ratio\":0")),
        ("mid_channels 0", list("", ",\"mid_channels\":0", "")),
        ("activation unknown", with("relu6", "relu7")),
        ("resolution 0", with("\"resolution\":32", "\"resolution\":0")),
        ("resolution 2^40", with("\"resolution\":32", "\"resolution\":1099511627776")),
        ("epsilon negative", with("1e-5", "-1")),
    ];
    let folder = std::env::temp_dir().join(format!("sepconv-hostile-{}-lists", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the test");
    let path = folder.join("n.json");
    let said = texts(cases, |_, bytes| {
        std::fs::write(&path, bytes).expect("a file for the test");
        let network = Network::new(Table::open(&path)?, "n")?;
        network.graph(&mut sepconv::zoo::ZeroWeights)?;
        Ok(format!("answer: {} classes", network.architecture()?.classes))
    });
    std::fs::remove_dir_all(&folder).expect("the test's own folder");
    insta::assert_snapshot!(said.replace(&*folder.to_string_lossy(), "FOLDER"));
}

#[test]
fn labels_and_preprocessing() {
    let labels = [
        ("no labels", ""),
        ("labels of empty lines", "\n\n\n"),
        ("label index twice", "0\tn\ta\n0\tn\tb"),
        ("label index beyond the lines", "9\tn\ta"),
        ("label index 2^64", "18446744073709551616\tn\ta"),
    ];
    let preprocess =
        ["", "nonsense", "0/0", "1/0", "nan/1", "inf/inf", "1,2/1", "1e99/1", "127.5/127.5", "1,2,3,4/1,2,3,4"];
    let labels = texts(labels.map(|(name, text)| (name, text.into())), |_, bytes| {
        Labels::parse(text(&bytes)?).map(|labels| format!("answer: {:?}", labels.names()))
    });
    let preprocess = texts(preprocess.map(|text| (text, text.into())), |_, bytes| {
        text(&bytes)?.parse::<Preprocess>().map(|preprocess| format!("answer: {}", preprocess.formula()))
    });
    insta::assert_snapshot!(labels + &preprocess);
}
