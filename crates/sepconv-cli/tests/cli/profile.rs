//! `profile` and `machine` on a network of the project's own making.

use std::fs;

use crate::program::{example, finish, folder, program};

#[test]
fn every_step_has_its_time_and_its_bound() {
    let folder = folder("every_step_has_its_time");
    let path = |name: &str| folder.join(name).display().to_string();
    let run = |args: &[&str]| finish(program().args(args).env("XDG_CACHE_HOME", &folder));
    let model = example("colors.onnx");
    let (trace, plot) = (path("trace.json"), path("roof.svg"));
    let usual = ["profile", &model, "--threads", "1", "--runs", "5"];
    let outcome = run(&[&usual[..], &["--json", "--trace", &trace, "--plot", &plot]].concat());
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""));
    let json = outcome.json();
    let steps = json["steps"].as_array().unwrap();
    let sum = |key: &str| steps.iter().map(|step| step[key].as_f64().unwrap()).sum::<f64>();
    assert!((sum("share") - 1.0).abs() < 1e-9);
    assert_eq!(sum("macs"), json["macs"].as_f64().unwrap());
    let sum_of_blocks: f64 = json["blocks"].as_array().unwrap().iter().map(|block| block["ms"].as_f64().unwrap()).sum();
    assert!((sum("ms") - sum_of_blocks).abs() < 1e-9);
    for step in steps {
        let bottleneck = step["bottleneck"].as_str().unwrap();
        assert!(["arithmetic", "L2", "L3", "memory", "latency"].contains(&bottleneck), "{bottleneck}");
        assert!(!step["layers"].as_array().unwrap().is_empty());
    }

    // Inputs and outputs are events, too.
    let trace: serde_json::Value = serde_json::from_slice(&fs::read(trace).unwrap()).unwrap();
    assert_eq!(trace["traceEvents"].as_array().unwrap().len(), steps.len() + 2);
    assert!(fs::read_to_string(plot).unwrap().starts_with("<svg "));

    let refused = run(&["profile", &model, "--plot", &path("roof.png")]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("output must end in .svg"), "{}", refused.err);

    // What the machine reaches was kept, and is used again.
    let kept = fs::read_to_string(folder.join("sepconv/machine.json")).unwrap();
    let text = run(&usual);
    assert_eq!(text.code, Some(0), "{}", text.err);
    assert!(text.out.contains("% peak  bottleneck") && text.out.contains("\nwhole   "), "{}", text.out);
    assert_eq!(fs::read_to_string(folder.join("sepconv/machine.json")).unwrap(), kept);

    // A broken file is measured over.
    fs::write(folder.join("sepconv/machine.json"), "{").unwrap();
    let machine = run(&["machine", "--threads", "1", "--json"]).json();
    let single_thread = &machine["single_thread"];
    for rate in ["floats", "bytes", "l2", "l3", "dram"] {
        assert!(single_thread[rate].as_f64().unwrap() > 0.0, "{machine}");
    }
    assert!(fs::read_to_string(folder.join("sepconv/machine.json")).unwrap().len() > 2);

    // Where it cannot be kept it is measured all the same, and nothing else is claimed.
    fs::write(folder.join("file"), "no folder").unwrap();
    let mut nowhere = program();
    nowhere.args(["machine", "--threads", "1"]).env("XDG_CACHE_HOME", folder.join("file"));
    let nowhere = finish(&mut nowhere);
    assert!(nowhere.code == Some(0) && nowhere.out.contains("\nnot kept: "), "{}", nowhere.out);
}
