//! `compare` on a network of one pair.

use std::fs;

use serde_json::json;

use crate::program::{example, folder, sepconv};

#[test]
fn a_table_ends_with_the_answer_in_words() {
    let model = example("colors.onnx");
    let outcome = sepconv(["compare", &model, "--rounds", "2", "--threads", "1"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    assert!(outcome.err.contains("compare") && outcome.err.contains("2/2"), "{}", outcome.err);
    let out = &outcome.out;
    assert!(out.starts_with("colors.onnx on ") && out.contains(", 1 thread, 2 rounds\n"), "{out}");
    assert!(out.contains("depthwise + pointwise  3x3/2 3 -> 6  16x16  11.5 k  41.5 k          54  168 "), "{out}");
    let last = out.lines().last().unwrap();
    assert!(
        last.starts_with("3.60x fewer MACs, ") && (last.ends_with("x faster") || last.ends_with("x slower")),
        "{out}"
    );
}

#[test]
fn json_has_every_pair_and_total() {
    let outcome = sepconv(["compare", &example("colors.onnx"), "--rounds", "3", "--json"]);
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
    let json = outcome.json();
    assert_eq!((&json["rounds"], &json["unpaired"]), (&json!(3), &json!([])));
    let pair = &json["pairs"][0];
    let expected = [
        ("depthwise", json!("depthwise")),
        ("pointwise", json!("pointwise")),
        ("kind", json!("projection")),
        ("squeeze_excite", json!(false)),
        ("kernel", json!([3, 3])),
        ("stride", json!([2, 2])),
        ("channels", json!([3, 6])),
        ("plane", json!([16, 16])),
        ("theoretical_speedup", json!(3.6)),
    ];
    expected.iter().for_each(|(key, value)| assert_eq!(&pair[key], value, "{key}"));
    for comparison in [pair, &json["network"]] {
        assert!(comparison["measured_speedup"].as_f64().unwrap() > 0.0);
        for (side, macs, parameters) in [("separable", 11_520, 54), ("standard", 41_472, 168)] {
            let side = &comparison[side];
            assert_eq!((&side["macs"], &side["parameters"]), (&json!(macs), &json!(parameters)));
            assert_eq!(side["ms"].as_array().unwrap().len(), 3);
            for key in ["weight_bytes", "activation_bytes", "min_ms", "median_ms"] {
                assert!(side[key].is_number(), "{key}");
            }
        }
    }
    for (total, macs) in [("pairs", 41_472), ("rest", 0), ("network", 41_472)] {
        assert_eq!(json["totals"][total]["standard"]["macs"], json!(macs), "{total}");
    }
}

#[test]
fn a_plot_is_written_whole_and_refused_elsewhere() {
    let folder = folder("compare_plot");
    let plot = folder.join("plot.svg");
    let model = example("colors.onnx");
    let run = |plot: &str| sepconv(["compare", &model, "--rounds", "1", "--json", "--plot", plot]);
    assert_eq!(run(plot.to_str().unwrap()).code, Some(0));
    let svg = fs::read_to_string(&plot).unwrap();
    assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"), "{svg}");
    assert!(
        svg.contains("1  3x3/2 3 -&gt; 6") && svg.contains(">network<") && svg.contains("prefers-color-scheme: dark")
    );
    // A theoretical and a measured bar for the pair, the network and the legend.
    assert_eq!(["pale", "strong"].map(|bar| svg.matches(&format!("<rect class=\"{bar}\"")).count()), [3, 3]);
    let outcome = run(folder.join("plot.png").to_str().unwrap());
    let error = &outcome.json()["error"];
    assert_eq!((outcome.code, &error["kind"]), (Some(2), &serde_json::json!("argument")));
    assert_eq!(error["message"], "output must end in .svg");
    assert!(outcome.err.contains("output must end in .svg"), "{}", outcome.err);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left");
}
