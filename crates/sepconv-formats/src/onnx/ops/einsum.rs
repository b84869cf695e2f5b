//! Sums of products, as an equation names their axes.

use std::collections::BTreeMap;

use sepconv_core::op::{Broadcast, Reduce, Slice};
use sepconv_core::{Error, Result, Shape, ValueId};
use sepconv_kernels::reduce::Reduction;

use super::matrix;
use crate::onnx::node::Node;

/// A value and what its axes are called. The axes of an ellipsis are called by their distance from its last one.
struct Term {
    value: ValueId,
    labels: Vec<Label>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Dots(usize),
    Letter(u8),
}

/// Operands are joined from left to right, each pair as a product of matrices.
pub(super) fn einsum(node: &mut Node<'_>) -> Result<ValueId> {
    let equation = node.attributes.string_or("equation", "")?;
    let equation: String = equation.chars().filter(|letter| !letter.is_whitespace()).collect();
    let (left, right) = equation.split_once("->").map_or((&equation[..], None), |(left, right)| (left, Some(right)));
    let (inputs, names) = (node.all_inputs()?, left.split(',').collect::<Vec<_>>());
    if names.len() != inputs.len() {
        return Err(wrong(&equation, format_args!("{} operands", inputs.len())));
    }
    let mut terms = vec![];
    for (&value, names) in inputs.iter().zip(names) {
        let labels = labels(names, node.rank(value)).ok_or_else(|| wrong(&equation, node.shape(value)))?;
        terms.push(diagonal(node, Term { value, labels })?);
    }
    let result = match right {
        Some(names) => {
            let dots = terms.iter().flat_map(|term| &term.labels).filter_map(dots).max().map_or(0, |most| most + 1);
            let letters = names.bytes().filter(u8::is_ascii_alphabetic).count();
            let dots = if names.contains("...") { dots } else { 0 };
            labels(names, letters + dots).ok_or_else(|| wrong(&equation, names))?
        }
        None => once(&terms),
    };
    let mut terms = terms.into_iter().rev().collect::<Vec<_>>();
    let mut all = terms.pop().ok_or_else(|| wrong(&equation, "none"))?;
    while let Some(next) = terms.pop() {
        let needed = |label: &Label| result.contains(label) || terms.iter().any(|term| term.labels.contains(label));
        let left = summed(node, all, |label| needed(label) || next.labels.contains(label))?;
        let right = summed(node, next, |label| needed(label) || left.labels.contains(label))?;
        all = product(node, left, right, needed)?;
    }
    let all = summed(node, all, |label| result.contains(label))?;
    let order: Option<Vec<usize>> = result.iter().map(|label| place(&all.labels, *label)).collect();
    let order =
        order.filter(|order| order.len() == all.labels.len()).ok_or_else(|| wrong(&equation, "another result"))?;
    node.transpose(all.value, &order)
}

fn wrong(equation: &str, got: impl std::fmt::Display) -> Error {
    Error::mismatch("equation does not fit its operands").expected(format_args!("{equation:?}"), got)
}

fn dots(label: &Label) -> Option<usize> {
    match label {
        Label::Dots(place) => Some(*place),
        Label::Letter(_) => None,
    }
}

fn place(labels: &[Label], label: Label) -> Option<usize> {
    labels.iter().position(|other| *other == label)
}

/// The labels of an operand with `rank` axes; `None` where it has more or fewer.
fn labels(names: &str, rank: usize) -> Option<Vec<Label>> {
    let (before, after) = names.split_once("...").unwrap_or((names, ""));
    let letter = |name: u8| name.is_ascii_alphabetic().then_some(Label::Letter(name));
    let letters = |names: &str| names.bytes().map(letter).collect::<Option<Vec<Label>>>();
    let (mut labels, after) = (letters(before)?, letters(after)?);
    let between = rank.checked_sub(labels.len() + after.len())?;
    if between > 0 && !names.contains("...") {
        return None;
    }
    labels.extend((0..between).rev().map(Label::Dots));
    labels.extend(after);
    Some(labels)
}

/// The labels of a result that is not spelled out: an ellipsis, then the letters that come once.
fn once(terms: &[Term]) -> Vec<Label> {
    let mut counts = BTreeMap::new();
    for label in terms.iter().flat_map(|term| &term.labels) {
        *counts.entry(*label).or_insert(0) += 1;
    }
    let mut dots: Vec<Label> = counts.keys().copied().filter(|label| matches!(label, Label::Dots(_))).collect();
    dots.reverse();
    let letters = counts.iter().filter(|(label, count)| matches!(label, Label::Letter(_)) && **count == 1);
    dots.into_iter().chain(letters.map(|(label, _)| *label)).collect()
}

/// Axes of one name become one: elements with equal indices are a step of one more than a row apart.
fn diagonal(node: &mut Node<'_>, mut term: Term) -> Result<Term> {
    while let Some(second) = (0..term.labels.len()).find(|&axis| term.labels[..axis].contains(&term.labels[axis])) {
        let first = place(&term.labels, term.labels[second]).unwrap_or(0);
        let shape = node.shape(term.value);
        if shape[first] != shape[second] {
            return Err(Error::mismatch("axes of one name differ in size").expected(shape[first], shape[second]));
        }
        let rest = (0..shape.len()).filter(|axis| ![first, second].contains(axis));
        let order: Vec<usize> = [first, second].into_iter().chain(rest).collect();
        let turned = node.transpose(term.value, &order)?;
        let (size, behind) = (shape[first], order[2..].iter().map(|&axis| shape[axis]).collect::<Vec<_>>());
        let flat = node.reshape(turned, [&[size.saturating_mul(size)], &behind[..]].concat())?;
        let mut steps = vec![1; behind.len() + 1];
        // A shape has fewer elements than an `isize` can count.
        steps[0] = size as isize + 1;
        let sizes = [&[size], &behind[..]].concat();
        term.value = node.emit(Slice { starts: vec![0; sizes.len()], steps, sizes }, &[flat])?;
        term.labels = order.iter().filter(|&&axis| axis != second).map(|&axis| term.labels[axis]).collect();
    }
    Ok(term)
}

/// The sum over the axes that nothing asks for.
fn summed(node: &mut Node<'_>, term: Term, needed: impl Fn(&Label) -> bool) -> Result<Term> {
    let axes: Vec<usize> = (0..term.labels.len()).filter(|&axis| !needed(&term.labels[axis])).collect();
    if axes.is_empty() {
        return Ok(term);
    }
    let value = node.emit(Reduce { reduction: Reduction::Sum, axes, keep_dims: false }, &[term.value])?;
    Ok(Term { value, labels: term.labels.into_iter().filter(needed).collect() })
}

/// Axes of both operands that are still needed number the matrices; those that are not are summed over.
fn product(node: &mut Node<'_>, left: Term, right: Term, needed: impl Fn(&Label) -> bool) -> Result<Term> {
    let both = |label: &&Label| left.labels.contains(label) && right.labels.contains(label);
    let shared: Vec<Label> = left.labels.iter().filter(both).copied().collect();
    let (batch, inner): (Vec<Label>, Vec<Label>) = shared.iter().partition(|label| needed(label));
    let own = |term: &Term| term.labels.iter().copied().filter(|label| !shared.contains(label)).collect::<Vec<_>>();
    let (rows, columns) = (own(&left), own(&right));
    let sizes = sizes(node, &left, &right)?;
    let count = |labels: &[Label]| labels.iter().fold(1usize, |count, label| count.saturating_mul(sizes[label]));
    let a = arranged(node, &left, &[&batch, &rows, &inner], &sizes)?;
    let b = arranged(node, &right, &[&batch, &inner, &columns], &sizes)?;
    // Without a batch these are plain matrices, which may be a layer's weights.
    let matrices = if batch.is_empty() { vec![] } else { vec![count(&batch)] };
    let a = node.reshape(a, [&matrices[..], &[count(&rows), count(&inner)]].concat())?;
    let b = node.reshape(b, [&matrices[..], &[count(&inner), count(&columns)]].concat())?;
    let product = matrix::product(node, a, b)?;
    let labels = [batch, rows, columns].concat();
    let dims: Vec<usize> = labels.iter().map(|label| sizes[label]).collect();
    Ok(Term { value: node.reshape(product, dims)?, labels })
}

/// The size of each axis; one of size 1 is repeated.
fn sizes(node: &Node<'_>, left: &Term, right: &Term) -> Result<BTreeMap<Label, usize>> {
    let mut sizes = BTreeMap::new();
    for term in [left, right] {
        for (&label, &size) in term.labels.iter().zip(node.shape(term.value).iter()) {
            let known = sizes.entry(label).or_insert(size);
            match (*known, size) {
                (1, _) => *known = size,
                (known, size) if size != 1 && size != known => {
                    return Err(Error::mismatch("axes of one name differ in size").expected(known, size));
                }
                _ => {}
            }
        }
    }
    Ok(sizes)
}

/// A term with its axes in the order of `parts`, and as long as `sizes` says.
fn arranged(
    node: &mut Node<'_>,
    term: &Term,
    parts: &[&Vec<Label>],
    sizes: &BTreeMap<Label, usize>,
) -> Result<ValueId> {
    let order: Vec<Label> = parts.iter().flat_map(|part| part.iter().copied()).collect();
    let axes: Vec<usize> = order.iter().filter_map(|&label| place(&term.labels, label)).collect();
    let value = node.transpose(term.value, &axes)?;
    let shape = Shape::new(order.iter().map(|label| sizes[label]).collect::<Vec<_>>())?;
    if node.shape(value) == shape { Ok(value) } else { node.emit(Broadcast { shape }, &[value]) }
}
