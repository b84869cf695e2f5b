//! What the parts promise; `tests/quantize.rs` tests the whole.

use sepconv_core::op::Conv2d;
use sepconv_core::{Builder, DType, Graph, Limits, Op, Shape, Tensor, interpret, rewrite};
use sepconv_kernels::{Activation, Window};

use super::bytes::Affine;
use super::histogram::Histogram;
use super::rounding::Moments;
use super::{Granularity, Quantizer, Range, decompose, equalize, statistics, weights};
use crate::execute::Executor;
use crate::{Options, ProgressEvent};
use sepconv_core::Uses;

/// Numbers from -1 to 1 that look random.
fn numbers(seed: u32, count: usize) -> Vec<f32> {
    let step = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some((*state >> 8) as f32 / (1 << 23) as f32 - 1.0)
    };
    std::iter::repeat_n((), count).scan(seed, |state, ()| step(state)).collect()
}

fn histogram(numbers: &[f32]) -> Histogram {
    let mut histogram = Histogram::new();
    numbers.chunks(100).for_each(|part| histogram.add(part));
    histogram
}

/// A convolution of 1x1 pixels.
fn pointwise(activation: Activation) -> Op {
    Op::Conv2d(Conv2d { window: Window::new(1, 1), groups: 1, activation })
}

/// Pointwise layers of the given widths, each with its activation, on 4x4 pixels; channels of the weights differ by up
/// to 100 times.
fn layers(widths: &[usize], activations: &[Activation]) -> Graph {
    let mut builder = Builder::new(Limits::default());
    let mut x = builder.input("x", Shape::new([1, 4, 4, widths[0]]).unwrap(), DType::F32).unwrap();
    for (i, (pair, &activation)) in widths.windows(2).zip(activations).enumerate() {
        let [from, to] = [pair[0], pair[1]];
        let unequal = |(j, w): (usize, f32)| w * 10f32.powi(-((j / from % 3) as i32));
        let filters: Vec<f32> = numbers(7 + i as u32, from * to).into_iter().enumerate().map(unequal).collect();
        let filters = builder.constant("w", Tensor::f32([to, 1, 1, from], filters).unwrap()).unwrap();
        let bias = builder.constant("b", Tensor::f32([to], numbers(90 + i as u32, to)).unwrap()).unwrap();
        x = builder.node(&format!("layer{i}"), pointwise(activation), &[x, filters, bias]).unwrap();
    }
    builder.output("y", x);
    builder.finish()
}

fn samples(channels: usize, count: u32) -> Vec<Vec<Tensor>> {
    let sample = |i| vec![Tensor::f32([1, 4, 4, channels], numbers(1000 + i, 16 * channels)).unwrap()];
    (0..count).map(sample).collect()
}

#[test]
fn ranges_hold_what_they_promise() {
    let mut seen = numbers(1, 10_000);
    seen[17] = 50.0;
    let histogram = histogram(&seen);
    assert_eq!(histogram.range(Range::MinMax, Activation::Identity).1, 50.0);
    let (low, high) = histogram.range(Range::Percentile(98.0), Activation::Identity);
    assert!((-1.0..-0.97).contains(&low) && (0.97..1.01).contains(&high), "{low} {high}");
    let error = |range: (f32, f32)| {
        let affine = Affine::covering(range);
        seen.iter().map(|&x| f64::from(x - affine.round(x)).powi(2)).sum::<f64>()
    };
    let least = error(histogram.range(Range::Mse, Activation::Identity));
    for other in [Range::MinMax, Range::Percentile(99.0), Range::Percentile(99.99)] {
        let range = histogram.range(other, Activation::Identity);
        assert!(least <= error(range), "{other:?} {range:?} is better: {} < {least}", error(range));
    }
}

#[test]
fn ranges_do_not_depend_on_the_order_of_samples() {
    let mut seen = numbers(2, 5000);
    seen[4000] = 9.0;
    let forwards = histogram(&seen);
    seen.reverse();
    let backwards = histogram(&seen);
    for choice in [Range::MinMax, Range::Percentile(99.9), Range::Mse] {
        assert_eq!(forwards.range(choice, Activation::Identity), backwards.range(choice, Activation::Identity));
    }
}

#[test]
fn no_bytes_are_spent_where_the_next_function_is_flat() {
    let seen: Vec<f32> = numbers(3, 10_000).iter().map(|x| 40.0 * x).collect();
    for choice in [Range::MinMax, Range::Percentile(99.9), Range::Mse] {
        let (low, high) = histogram(&seen).range(choice, Activation::HardSwish);
        assert!((-3.1..-2.5).contains(&low) && high > 35.0, "{choice:?}: {low} {high}");
    }
}

#[test]
fn zero_is_exact_in_every_range() {
    for range in [(0.0, 0.0), (0.5, 3.0), (-3.0, -0.5), (-0.375, 88.7), (f32::MIN, f32::MAX)] {
        assert_eq!(Affine::covering(range).round(0.0), 0.0, "{range:?}");
    }
}

#[test]
fn equalizing_does_not_change_what_the_network_computes() {
    let linear = layers(&[6, 9, 8, 4], &[Activation::Relu, Activation::Identity, Activation::HardSwish]);
    let bounded = layers(&[6, 9, 4], &[Activation::Clip { low: 0.0, high: 6.0 }, Activation::Identity]);
    let executor = Executor::new(&Options::default()).unwrap();
    for (graph, expected) in [(linear, 2), (bounded, 1)] {
        let graph = decompose::decompose(&graph).unwrap();
        let samples = samples(6, 4);
        let pairs = equalize::pairs(&graph, &Uses::new(&graph));
        assert_eq!(pairs.len(), expected);
        for granularity in [Granularity::PerChannel, Granularity::PerTensor] {
            let between = pairs.iter().map(|pair| pair.between);
            let greatest = statistics::greatest(&graph, &samples, &executor, between, &mut |_| Ok(())).unwrap();
            let equalized = equalize::equalize(&graph, &pairs, greatest, granularity).unwrap();
            assert_ne!(first_weights(&graph), first_weights(&equalized), "{granularity:?}");
            for sample in &samples {
                let [before, after] = [&graph, &equalized].map(|graph| interpret(graph, sample).unwrap().remove(0));
                let pairs = before.as_f32().unwrap().iter().zip(after.as_f32().unwrap());
                pairs.for_each(|(a, b)| assert!((a - b).abs() <= 1e-4 * a.abs().max(1.0), "{granularity:?}: {a} {b}"));
            }
        }
    }
}

fn first_weights(graph: &Graph) -> Vec<f32> {
    graph.value(graph.nodes()[0].inputs[1]).constant.as_ref().unwrap().as_f32().unwrap().to_vec()
}

/// Every magnitude that f32 holds, in a weight or in all of a layer: a network or an error, and never a network that is
/// said to have lost nothing because its numbers are NaN.
#[test]
fn weights_of_any_magnitude_are_quantized_or_refused() {
    let magnitudes = [0.0, 1e-45, 1e-42, 1e-38, 1e-30, 1e-15, 1e10, 1e20, 1e30, 3e38, f32::INFINITY, f32::NAN];
    let plain = Quantizer::default();
    let quantizers = [Range::Mse, Range::MinMax, Range::Percentile(99.0)].into_iter().flat_map(|range| {
        let quantizer = plain.clone().range(range);
        let per_tensor = quantizer.clone().weights(Granularity::PerTensor).equalize(true);
        [quantizer.clone(), quantizer.equalize(true).optimize(true), per_tensor]
    });
    let activations = [Activation::Clip { low: 0.0, high: 6.0 }, Activation::Relu, Activation::Identity];
    let graph = layers(&[6, 9, 8, 4], &activations);
    for quantizer in quantizers {
        for (magnitude, layer, all) in magnitudes
            .into_iter()
            .flat_map(|magnitude| (0..3).flat_map(move |layer| [false, true].map(|all| (magnitude, layer, all))))
        {
            let graph = with_weights(&graph, layer, |i, w| if all || i == 0 { w.signum() * magnitude } else { w });
            let result =
                quantizer.run(&graph, &samples(6, 3), &Options::default().threads(1), &mut ProgressEvent::ignore);
            let case = format!("{quantizer:?}, {magnitude} in layer {layer}");
            match result {
                Ok(quantized) => {
                    assert!(magnitude.is_finite() && !quantized.report.sqnr.is_nan(), "{case}");
                    let y = interpret(&quantized.graph, &samples(6, 1)[0]).unwrap().remove(0);
                    assert!(y.as_f32().unwrap().iter().all(|y| y.is_finite()), "{case}: {y:?}");
                }
                Err(error) if magnitude.is_finite() => assert!(magnitude > 1e15, "{case}: {error}"),
                Err(error) => assert!(error.message().contains("infinite or NaN"), "{case}: {error}"),
            }
        }
    }
}

/// The network with other weights in one of its layers.
fn with_weights(graph: &Graph, layer: usize, change: impl Fn(usize, f32) -> f32) -> Graph {
    let mut seen = 0..;
    rewrite(graph, |rewriter, node| {
        if seen.next() != Some(layer) {
            return Ok(None);
        }
        let weights = graph.value(graph.nodes()[layer].inputs[1]);
        let floats = weights.constant.as_ref().and_then(|tensor| tensor.as_f32()).unwrap_or_default();
        let changed = floats.iter().enumerate().map(|(i, &w)| change(i, w)).collect();
        let changed = rewriter.add_f32(&weights.name, &weights.shape, changed)?;
        rewriter.builder.node(&node.name, node.op.clone(), &[node.inputs[0], changed, node.inputs[2]]).map(Some)
    })
    .unwrap()
}

/// The moments of a layer of 6 channels that reads `x` where the float network has `factor` times that.
fn moments(graph: &Graph, factor: f32) -> (Moments, Vec<f32>) {
    let mut moments = Moments::new(graph, &graph.nodes()[0], true).unwrap();
    let mut seen = vec![];
    for number in 0..200 {
        // Channels that resemble their neighbors: then errors can cancel.
        let mut x = numbers(number, 16 * 6);
        (1..x.len()).for_each(|i| x[i] = 0.8 * x[i - 1] + 0.2 * x[i]);
        let exact: Vec<f32> = x.iter().map(|x| factor * x).collect();
        moments.add(&x, &exact, number as usize, 200);
        seen.extend(x);
    }
    (moments, seen)
}

#[test]
fn rounding_together_changes_results_less_than_rounding_to_the_nearest() {
    let graph = layers(&[6, 30], &[Activation::Identity]);
    let (moments, seen) = moments(&graph, 1.0);
    let filters = first_weights(&graph);
    let scales = weights::scales(&filters, &[0.0; 30], 1.0, Granularity::PerChannel, false);
    // Few levels, as in a network of four bits.
    let coarse: Vec<f32> = scales.iter().map(|scale| 16.0 * scale).collect();
    let [nearest, together] = [weights::round(&filters, &coarse), moments.round(&filters, &coarse)];
    let means: Vec<f32> =
        (0..6).map(|c| seen.iter().skip(c).step_by(6).sum::<f32>() * 6.0 / seen.len() as f32).collect();
    let noise = |rounded: &[i8], filter: usize| -> f32 {
        let taps = filter * 6..filter * 6 + 6;
        let errors: Vec<f32> = taps.map(|i| filters[i] - f32::from(rounded[i]) * coarse[filter]).collect();
        let of = |x: &[f32]| x.iter().zip(&means).zip(&errors).map(|((x, mean), e)| (x - mean) * e).sum::<f32>();
        seen.chunks_exact(6).map(|x| of(x).powi(2)).sum()
    };
    let totals = [&nearest, &together].map(|rounded| (0..30).map(|filter| noise(rounded, filter)).sum::<f32>());
    assert!(totals[1] < 0.8 * totals[0], "{totals:?}");
    // The damping of the moments is what it may be worse by.
    (0..30).for_each(|filter| assert!(noise(&together, filter) <= 1.2 * noise(&nearest, filter), "filter {filter}"));
}

#[test]
fn filters_are_fitted_to_what_the_layer_reads() {
    let graph = layers(&[6, 30], &[Activation::Identity]);
    let filters = first_weights(&graph);
    assert_eq!(moments(&graph, 1.0).0.refit(&filters), filters, "nothing is lacking");
    // What is read is half of what it should be, so filters should double; damping holds some of that back.
    let (moments, seen) = moments(&graph, 2.0);
    let off = |fitted: &[f32]| -> f32 {
        let of =
            |x: &[f32], f: usize| (0..6).map(|c| x[c] * (2.0 * filters[6 * f + c] - fitted[6 * f + c])).sum::<f32>();
        seen.chunks_exact(6).map(|x| (0..30).map(|f| of(x, f).powi(2)).sum::<f32>()).sum()
    };
    let (before, after) = (off(&filters), off(&moments.refit(&filters)));
    assert!(after < 0.02 * before, "{before} {after}");
}
