//! What the parts promise, and the whole of them.

use sepconv_core::op::{BinaryFunction, Conv2d};
use sepconv_core::{Builder, DType, Graph, Limits, Shape, Tensor, interpret, rewrite};
use sepconv_kernels::{Activation, Isa, Window};

use super::fit::Fit;
use super::layers::{Layer, insert_separable};
use super::rows::{Rows, products};
use super::weights::{Separable, Standard};
use super::{Budget, Choice, Factorizer};
use crate::{Options, ProgressEvent};

/// Numbers from -1 to 1 that look random.
fn numbers(seed: u32, count: usize) -> Vec<f32> {
    let step = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some((*state >> 8) as f32 / (1 << 23) as f32 - 1.0)
    };
    std::iter::repeat_n((), count).scan(seed, |state, ()| step(state)).collect()
}

fn standard(outputs: usize, channels: usize, taps: usize) -> Standard {
    let (weights, bias) = (numbers(3, outputs * channels * taps), numbers(5, outputs));
    Standard { outputs, channels, taps, weights, bias }
}

/// A convolution that is a product of so many terms.
fn of_terms(outputs: usize, channels: usize, taps: usize, terms: usize) -> Standard {
    let (depthwise, pointwise) = (numbers(7, channels * terms * taps), numbers(9, outputs * channels * terms));
    Separable { terms, depthwise, pointwise, bias: numbers(5, outputs) }.product(&standard(outputs, channels, taps))
}

fn squared_difference(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum()
}

#[test]
fn a_convolution_that_is_separable_is_recovered() {
    for (outputs, channels, taps, terms) in [(8, 5, 9, 1), (16, 6, 9, 2), (7, 5, 25, 3), (12, 5, 49, 4)] {
        let standard = of_terms(outputs, channels, taps, terms);
        let (separable, left) = standard.truncated(terms);
        let lost = squared_difference(&standard.weights, &separable.product(&standard).weights);
        assert!(lost.max(left) < 1e-10 * standard.energy(), "{taps} taps, {terms} terms: {lost} {left}");
    }
}

#[test]
fn what_is_lost_is_the_singular_values_that_are_left_over() {
    let standard = standard(14, 6, 9);
    let mut before = f64::INFINITY;
    for terms in 1..=9 {
        let (separable, left) = standard.truncated(terms);
        let lost = squared_difference(&standard.weights, &separable.product(&standard).weights);
        assert!((lost - left).abs() <= 1e-6 * standard.energy(), "{terms}: {lost} {left}");
        assert!(left < before, "{terms}: {left} {before}");
        before = left;
    }
    assert!(before < 1e-12 * standard.energy());
}

/// Windows of correlated channels that are never below zero, and what a layer makes of them.
fn rows(standard: &Standard, activation: Activation, has_residual: bool) -> Rows {
    let (count, depth) = (600, standard.depth());
    let (own, shared) = (numbers(11, count * depth), numbers(13, count));
    let x: Vec<f32> = (0..count * depth).map(|i| (own[i] + shared[i / depth]).max(0.0)).collect();
    let residual = if has_residual { numbers(15, count * standard.outputs) } else { vec![] };
    let mut y = products(Isa::best(), &x, standard);
    y.iter_mut().zip(&residual).for_each(|(y, residual)| *y += residual);
    Rows { x, y, residual, bounds: Rows::bounds_of(activation) }
}

#[test]
fn fitted_to_samples_a_layer_is_never_farther_off_on_them() {
    let standard = standard(10, 6, 9);
    let relu6 = Activation::Clip { low: 0.0, high: 6.0 };
    for activation in [Activation::Identity, Activation::Relu, relu6, Activation::HardSwish] {
        for has_residual in [false, true] {
            let rows = rows(&standard, activation, has_residual);
            let fit = Fit::new(Isa::best(), &standard, &rows);
            let mut before = f64::INFINITY;
            for terms in 1..=5 {
                let free = standard.truncated(terms).0.product(&standard);
                let free = rows.error(&rows.predict(Isa::best(), &free));
                let fitted = fit.run(terms, 20);
                assert!(fitted.error < 0.8 * free, "{activation:?} {terms}: {} {free}", fitted.error);
                assert!(fitted.error <= before, "{activation:?} {terms}: {} {before}", fitted.error);
                before = fitted.error;
            }
        }
    }
}

#[test]
fn a_fit_to_what_no_activation_cuts_gets_better_with_every_round() {
    let standard = standard(10, 6, 9);
    let rows = rows(&standard, Activation::Relu, true);
    let fit = Fit::new(Isa::best(), &standard, &rows);
    let errors: Vec<f64> = (0..6).map(|rounds| fit.run(2, rounds).error).collect();
    assert!(errors.is_sorted_by(|a, b| a >= b) && errors[5] < errors[0], "{errors:?}");
}

/// Every window that a layer may have, on an input of this size.
fn windows() -> Vec<(Window, [usize; 2])> {
    let mut windows = vec![];
    for kernel in [[3, 3], [5, 5], [7, 7], [1, 5], [3, 2]] {
        for stride in [[1, 1], [2, 2], [2, 1], [3, 2]] {
            for (before, after) in [([0, 0], [0, 0]), ([1, 1], [1, 1]), ([0, 0], [1, 1]), ([2, 1], [0, 3])] {
                for dilation in [[1, 1], [2, 1]] {
                    windows.push((Window { kernel, stride, dilation, before, after }, [13, 9]));
                }
            }
        }
    }
    windows
}

/// One layer with a residual, or without.
fn layer(window: Window, [h, w]: [usize; 2], has_residual: bool) -> Graph {
    let (channels, outputs) = (5, 6);
    let mut builder = Builder::new(Limits::default());
    let x = builder.input("x", Shape::new([1, h, w, channels]).unwrap(), DType::F32).unwrap();
    let [kh, kw] = window.kernel;
    let weights = Tensor::f32([outputs, kh, kw, channels], numbers(21, outputs * kh * kw * channels)).unwrap();
    let weights = builder.constant("w", weights).unwrap();
    let bias = builder.constant("b", Tensor::f32([outputs], numbers(23, outputs)).unwrap()).unwrap();
    let conv = Conv2d { window, groups: 1, activation: Activation::Relu };
    let mut operands = vec![x, weights, bias];
    if has_residual {
        let plain = Conv2d { activation: Activation::Identity, ..conv.clone() };
        operands.push(builder.node("other", plain, &operands).unwrap());
    }
    let y = builder.node("conv", conv, &operands).unwrap();
    builder.output("y", y);
    builder.finish()
}

#[test]
fn with_all_terms_every_window_computes_the_same() {
    for (window, size) in windows() {
        for has_residual in [false, true] {
            let graph = layer(window, size, has_residual);
            let taps = window.kernel[0] * window.kernel[1];
            let last = graph.nodes().len() - 1;
            let found = Layer::of(&graph, last).unwrap();
            let (separable, _) = found.standard.truncated(taps);
            let output = graph.nodes()[last].output;
            let replaced = rewrite(&graph, |rewriter, node| {
                (node.output == output).then(|| insert_separable(rewriter, node, &found, &separable)).transpose()
            });
            let x = Tensor::f32([1, size[0], size[1], 5], numbers(25, size[0] * size[1] * 5)).unwrap();
            let [before, after] =
                [&graph, &replaced.unwrap()].map(|graph| interpret(graph, std::slice::from_ref(&x)).unwrap().remove(0));
            let [before, after] = [&before, &after].map(|tensor| tensor.as_f32().unwrap());
            let most = before.iter().fold(1.0, |most: f32, x| most.max(x.abs()));
            let off = before.iter().zip(after).fold(0.0, |off: f32, (a, b)| off.max((a - b).abs()));
            assert!(off < 1e-5 * most, "{window:?}: {off} of {most}");
        }
    }
}

/// A stem, two blocks with a residual whose 3x3 layers have so many terms, and a classifier of a few classes.
fn network(terms: Option<usize>) -> Graph {
    let mut builder = Builder::new(Limits::default());
    let conv = |builder: &mut Builder, name: &str, x, outputs, channels, kernel, act, residual: Option<_>| {
        let taps = kernel * kernel;
        let weights = match terms.filter(|_| channels > 4 && kernel > 1) {
            Some(terms) => of_terms(outputs, channels, taps, terms),
            None => standard(outputs, channels, taps),
        };
        let scale = 1.0 / ((channels * taps) as f32).sqrt();
        let weights = Standard { weights: weights.weights.iter().map(|w| w * scale).collect(), ..weights };
        let bias = builder.constant("b", Tensor::f32([outputs], weights.bias.clone()).unwrap()).unwrap();
        let weights = builder.constant("w", weights.tensor([kernel; 2]).unwrap()).unwrap();
        let pad = [kernel / 2; 2];
        let window = Window { before: pad, after: pad, ..Window::new(kernel, kernel) };
        let op = Conv2d { window, groups: 1, activation: act };
        builder.node(name, op, &[&[x, weights, bias], residual.as_slice()].concat()).unwrap()
    };
    let x = builder.input("x", Shape::new([1, 8, 8, 3]).unwrap(), DType::F32).unwrap();
    let relu = Activation::Relu;
    let mut x = conv(&mut builder, "stem", x, 16, 3, 3, relu, None);
    for block in ["a", "b"] {
        let inner = conv(&mut builder, &format!("{block}/1"), x, 16, 16, 3, relu, None);
        x = conv(&mut builder, &format!("{block}/2"), inner, 16, 16, 3, relu, Some(x));
    }
    let y = conv(&mut builder, "classes", x, 4, 16, 1, Activation::Identity, None);
    let y = builder.node("twice", BinaryFunction::Add, &[y, y]).unwrap();
    builder.output("y", y);
    builder.finish()
}

fn samples() -> Vec<Vec<Tensor>> {
    (0..24).map(|i| vec![Tensor::f32([1, 8, 8, 3], numbers(1000 + i, 192)).unwrap()]).collect()
}

/// Signal to noise at the output, over the samples, in decibels.
fn sqnr(before: &Graph, after: &Graph) -> f64 {
    let (mut signal, mut noise) = (0.0, 0.0);
    for sample in samples() {
        let [before, after] = [before, after].map(|graph| interpret(graph, &sample).unwrap().remove(0));
        let [before, after] = [&before, &after].map(|tensor| tensor.as_f32().unwrap());
        signal += squared_difference(before, &vec![0.0; before.len()]);
        noise += squared_difference(before, after);
    }
    10.0 * (signal / noise).log10()
}

#[test]
fn a_network_of_separable_layers_is_recovered() {
    let (graph, samples) = (network(Some(1)), samples());
    for samples in [&samples[..], &[]] {
        let factorizer = Factorizer::new(&graph, samples, &Options::default()).unwrap();
        let choice = factorizer.terms(1);
        assert_eq!(choice.terms(), [Some(1); 4]);
        let factorized = factorizer.run(&choice, &mut ProgressEvent::ignore).unwrap();
        assert!(sqnr(&graph, &factorized.graph) > 60.0, "{}", sqnr(&graph, &factorized.graph));
        assert_eq!(factorized.report.macs, [graph.macs(), factorized.graph.macs()]);
        let layers = &factorized.report.layers;
        let macs: [u64; 2] = [0, 1].map(|i| layers.iter().map(|layer| layer.macs[i]).sum());
        assert_eq!(macs, factorized.report.macs);
        let terms: Vec<_> = layers.iter().map(|layer| layer.terms).collect();
        assert_eq!(terms, [None, Some(1), Some(1), Some(1), Some(1), None]);
        assert!(layers.iter().all(|layer| layer.ms.is_none() && layer.sqnr > 50.0), "{layers:?}");
        assert_eq!(factorized.report.sqnr.is_some(), !samples.is_empty());
    }
}

#[test]
fn samples_bring_the_answer_nearer() {
    let (graph, samples) = (network(None), samples());
    let mut before = [0.0; 2];
    for terms in [1, 2, 3] {
        let answers = [&[], &samples[..]].map(|samples| {
            let factorizer = Factorizer::new(&graph, samples, &Options::default()).unwrap();
            sqnr(&graph, &factorizer.run(&factorizer.terms(terms), &mut ProgressEvent::ignore).unwrap().graph)
        });
        assert!(answers[1] > answers[0] + 1.0, "{terms}: {answers:?}");
        assert!(answers[0] > before[0] && answers[1] > before[1], "{terms}: {answers:?} {before:?}");
        before = answers;
    }
}

#[test]
fn budgets_of_multiply_accumulates_are_kept() {
    let (graph, samples) = (network(None), samples());
    let ignore = &mut ProgressEvent::ignore;
    for samples in [&samples[..], &[]] {
        let mut factorizer = Factorizer::new(&graph, samples, &Options::default()).unwrap();
        let all = graph.macs();
        for budget in [all, all * 3 / 4, all / 2, all / 3] {
            let choice = factorizer.choose(Budget::Macs(budget), ignore).unwrap();
            let factorized = factorizer.run(&choice, ignore).unwrap();
            assert!(factorized.report.macs[1] <= budget, "{:?} {budget}", factorized.report.macs);
            assert_eq!(choice.terms().iter().all(Option::is_none), budget == all, "{choice:?}");
        }
        let twice = factorizer.choose(Budget::Speedup(2.0), ignore).unwrap();
        assert_eq!(twice, factorizer.choose(Budget::Macs(all / 2), ignore).unwrap());
        let least = factorizer.choose(Budget::Macs(0), ignore).unwrap();
        assert_eq!(least, factorizer.terms(1));
    }
}

#[test]
fn a_layer_that_is_measured_stays_standard_unless_it_is_faster() {
    let (graph, ignore) = (network(None), &mut ProgressEvent::ignore);
    let mut factorizer = Factorizer::new(&graph, &[], &Options::default().threads(1)).unwrap();
    factorizer.measure(ignore).unwrap();
    for choice in [factorizer.terms(3), factorizer.choose(Budget::Speedup(1e9), ignore).unwrap()] {
        let report = factorizer.run(&choice, ignore).unwrap().report;
        let timed: Vec<_> = report.layers.iter().filter_map(|layer| Some((layer.terms, layer.ms?))).collect();
        assert_eq!(timed.len(), 4);
        assert!(timed.iter().all(|&(terms, [before, after])| terms.is_none() || after < before), "{timed:?}");
    }
}

#[test]
fn what_cannot_be_factorized_is_refused_with_the_reason() {
    let refused = |graph: &Graph| Factorizer::check(graph).unwrap_err().to_string();
    let mut builder = Builder::new(Limits::default());
    let x = builder.input("x", Shape::new([1, 4]).unwrap(), DType::F32).unwrap();
    builder.output("y", x);
    assert!(refused(&builder.finish()).contains("no standard convolution to factorize"));
    let quantized =
        crate::Quantizer::default().run(&network(None), &samples(), &Options::default(), &mut ProgressEvent::ignore);
    let error = refused(&quantized.unwrap().graph);
    assert!(error.contains("quantized") && error.contains("then quantize"), "{error}");
    let graph = network(None);
    let factorizer = Factorizer::new(&graph, &[], &Options::default()).unwrap();
    for terms in [vec![], vec![Some(1); 5], vec![Some(0); 4], vec![Some(9); 4]] {
        assert!(factorizer.run(&Choice(terms), &mut ProgressEvent::ignore).is_err());
    }
    let short = [vec![Tensor::f32([1, 8, 8, 2], numbers(1, 128)).unwrap()]];
    assert!(Factorizer::new(&graph, &short, &Options::default()).is_err());
}
