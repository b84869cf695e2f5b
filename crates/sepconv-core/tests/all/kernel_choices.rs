//! A plan's choices of kernels can be stored and given back, and others made in their place.

use std::collections::BTreeSet;

use sepconv_core::op::{Pool, PoolKind};
use sepconv_core::{Chain, ErrorKind, Graph, KernelChoices, Limits, Plan, Serial, Session, Tensor, interpret};
use sepconv_kernels::{Isa, Tile, Window, depthwise};

use crate::common::{Net, Random, difference};

/// A stem, a depthwise and a pointwise convolution: nodes n1 to n3.
fn network() -> (Graph, Tensor) {
    let dims = [1, 9, 11, 3];
    let mut net = Net::new(1);
    let x = net.input(&dims);
    let x = net.conv(x, 24, 3, 2, 1);
    let x = net.conv(x, 24, 3, 1, 24);
    let x = net.conv(x, 37, 1, 1, 1);
    (net.finish(&[x]), Random(2).tensor(&dims))
}

fn plan(graph: &Graph, isa: Isa, choices: &KernelChoices) -> sepconv_core::Result<Plan> {
    Plan::with_kernels(graph, isa, 2, &Limits::default(), choices)
}

fn run(plan: Plan, input: &Tensor) -> Vec<Tensor> {
    Session::new(plan).unwrap().run(&[input], &Serial).unwrap().to_vec()
}

#[test]
fn a_plan_with_stored_choices_is_the_same_plan() {
    let (graph, input) = network();
    for isa in Isa::available_f32() {
        let first = plan(&graph, isa, &KernelChoices::default()).unwrap();
        let stored = first.kernel_choices().to_string();
        // Each layer has a kernel, and two run by themselves though another could follow.
        assert_eq!(stored.lines().count(), 5, "{stored}");
        let again = plan(&graph, isa, &stored.parse().unwrap()).unwrap();
        assert_eq!((again.to_string(), again.weights()), (first.to_string(), first.weights()));
        assert_eq!(run(again, &input), run(first, &input));
    }
}

#[test]
fn every_kernel_that_fits_can_be_chosen() {
    let (graph, input) = network();
    let expected = interpret(&graph, std::slice::from_ref(&input)).unwrap();
    for isa in Isa::available_f32() {
        let tiles = || Tile::variants(isa).map(|tile| tile.name(isa).to_string());
        // Of the three channels of a picture also in vectors of pixels.
        let stems = tiles().chain(["64x4".to_owned()]).map(|tile| ("n1", format!("conv2d {tile}")));
        let variants = ["depthwise k3s1", "depthwise general"].map(|kernel| ("n2", kernel.to_owned()));
        let products = tiles().map(|tile| ("n3", format!("pointwise {tile}")));
        for (layer, kernel) in stems.chain(variants).chain(products) {
            let mut choices = KernelChoices::default();
            choices.insert(layer, &kernel);
            let plan = plan(&graph, isa, &choices).unwrap();
            assert_eq!(plan.kernel_choices().get(layer), Some(kernel.as_str()));
            assert!(difference(&expected, &run(plan, &input)) < 5e-5, "{isa}: {layer} with {kernel}");
        }
    }
    assert!(depthwise::VARIANTS.iter().any(|variant| variant.name() == "general"));
}

#[test]
fn the_kernels_that_a_layer_could_run_with_are_those_that_can_be_chosen() {
    let (graph, _) = network();
    for isa in Isa::available_f32() {
        let usual = plan(&graph, isa, &KernelChoices::default()).unwrap();
        for layer in usual.layers() {
            assert!(layer.alternatives.contains(&layer.kernel), "{layer:?}");
            for kernel in &layer.alternatives {
                let mut choices = KernelChoices::default();
                choices.insert(&layer.name, kernel);
                assert_eq!(plan(&graph, isa, &choices).unwrap().kernel_choices().get(&layer.name), Some(&**kernel));
            }
        }
        let tiles = Tile::variants(isa).map(|tile| tile.name(isa).to_string()).collect::<BTreeSet<_>>();
        assert_eq!(
            usual.layers().iter().map(|layer| layer.alternatives.len()).collect::<Vec<_>>(),
            [tiles.len() + 1, 2, tiles.len()]
        );
    }
}

#[test]
fn every_chain_gives_the_bits_of_its_layers() {
    let (graph, input) = network();
    let alone = plan(&graph, Isa::best(), &KernelChoices::default()).unwrap();
    assert_eq!(alone.layers().iter().map(|layer| layer.predecessor).collect::<Vec<_>>(), [None, Some(0), Some(1)]);
    let expected = run(alone, &input);
    for (first, layers) in [("n1", 2), ("n1", 3), ("n2", 2)] {
        for rows in [1, 2, 5, 100] {
            let mut choices = KernelChoices::default();
            choices.insert_chain(first, Chain { layers, rows });
            let plan = plan(&graph, Isa::best(), &choices).unwrap();
            // No more rows than there are.
            assert_eq!(plan.kernel_choices().chain(first), Some(Chain { layers, rows: rows.min(5) }));
            assert_eq!(plan.step_count(), 4 - layers);
            assert_eq!(run(plan, &input), expected, "{layers} layers from {first}, {rows} rows");
        }
    }
}

#[test]
fn poolings_run_together_with_the_layers_around_them() {
    let dims = [2, 23, 21, 3];
    let window = Window { stride: [2; 2], before: [1; 2], after: [1; 2], ..Window::new(3, 3) };
    for kind in [PoolKind::Max, PoolKind::Average { count_padding: false }] {
        let mut net = Net::new(4);
        let x = net.input(&dims);
        let x = net.conv(x, 24, 3, 1, 1);
        let x = net.node(Pool { window, kind, ceil_mode: true }, &[x]);
        let x = net.conv(x, 37, 1, 1, 1);
        let (graph, input) = (net.finish(&[x]), Random(5).tensor(&dims));
        let expected = run(plan(&graph, Isa::best(), &KernelChoices::default()).unwrap(), &input);
        for (first, layers) in [("n1", 2), ("n1", 3), ("n2", 2)] {
            for rows in [1, 3, 8] {
                let mut choices = KernelChoices::default();
                choices.insert_chain(first, Chain { layers, rows });
                let plan = plan(&graph, Isa::best(), &choices).unwrap();
                assert_eq!(plan.step_count(), 4 - layers);
                assert_eq!(run(plan, &input), expected, "{layers} layers from {first}, {rows} rows, {kind:?}");
            }
        }
    }
}

#[test]
fn layers_that_cannot_run_together_are_an_error() {
    let (graph, _) = network();
    for (first, layers) in [("n1", 4), ("n3", 2), ("n2", 0), ("n2", usize::MAX)] {
        let mut choices = KernelChoices::default();
        choices.insert_chain(first, Chain { layers, rows: 1 });
        let error = plan(&graph, Isa::best(), &choices).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument, "{error}");
        assert!(error.place().is_some_and(|place| place.contains(first)), "{error}");
    }
    for text in ["fused_chain\tn1", "fused_chain 2\tn1", "fused_chain 2x-1\tn1", "fused_chain 2xx1\tn1"] {
        assert_eq!(text.parse::<KernelChoices>().unwrap_err().kind(), ErrorKind::Malformed, "{text}");
    }
}

#[test]
fn a_kernel_that_does_not_fit_is_an_error_that_names_the_layer() {
    let (graph, _) = network();
    for (layer, kernel) in [("n1", "pointwise 1x1"), ("n2", "depthwise k5s1"), ("n3", "pointwise 0x0"), ("n3", "")] {
        let mut choices = KernelChoices::default();
        choices.insert(layer, kernel);
        let error = plan(&graph, Isa::best(), &choices).unwrap_err();
        assert_eq!((error.kind(), error.node()), (ErrorKind::Argument, Some(layer)), "{error}");
    }
    let mut choices = KernelChoices::default();
    choices.insert("elsewhere", "copy");
    let error = plan(&graph, Isa::best(), &choices).unwrap_err();
    assert_eq!((error.kind(), error.place()), (ErrorKind::Argument, Some("layer \"elsewhere\"")), "{error}");
    let error = "copy elsewhere\n".parse::<KernelChoices>().unwrap_err();
    assert_eq!((error.kind(), error.place()), (ErrorKind::Malformed, Some("line 1")), "{error}");
}

#[test]
fn packed_weights_of_layers_are_where_the_plan_says() {
    let (graph, _) = network();
    let plan = plan(&graph, Isa::best(), &KernelChoices::default()).unwrap();
    let mut end = 0;
    for layer in plan.layers() {
        assert_eq!(layer.weights.start, end, "layers follow each other");
        assert!(layer.weights.len() >= 4 * layer.parameters, "{}", layer.name);
        end = layer.weights.end;
    }
    assert_eq!(end, plan.weights().len());
}

#[test]
fn a_plan_for_another_machine_is_the_plan_that_is_made_there() {
    let (graph, _) = network();
    for isa in Isa::available() {
        let plan = |isa| plan(&graph, isa, &KernelChoices::default()).unwrap();
        let (here, elsewhere) = (plan(isa), plan(Isa::absent(isa.name()).unwrap()));
        assert_eq!((elsewhere.isa().name(), elsewhere.isa().is_available()), (isa.name(), false));
        // Where this machine takes wide vectors in halves, other tiles are faster on it.
        if elsewhere.kernel_choices() == here.kernel_choices() {
            assert_eq!((elsewhere.to_string(), elsewhere.weights()), (here.to_string(), here.weights()));
        }
        let again = Plan::with_kernels(&graph, isa, 2, &Limits::default(), &elsewhere.kernel_choices()).unwrap();
        assert_eq!((again.to_string(), again.weights()), (elsewhere.to_string(), elsewhere.weights()));
        let error = Session::new(elsewhere).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument, "{error}");
        assert!(error.expected_got().is_some_and(|(_, got)| got == isa.name()), "{error}");
    }
    assert_eq!(Isa::absent("mmx"), None);
}
