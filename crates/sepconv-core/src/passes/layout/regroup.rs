use alloc::vec::Vec;

use crate::interpret::inverse;

/// A reshape of a value whose axes are stored in another order.
pub(super) struct Regrouped {
    /// The order that the stored axes are brought into before; often their own.
    pub(super) before: Vec<usize>,
    /// The shape that they are given then.
    pub(super) shape: Vec<usize>,
    /// Axis `i` of the reshaped value is axis `order[i]` of that.
    pub(super) order: Vec<usize>,
}

/// Axes of a value that together become axes of its reshaped form, without those of size 1.
struct Group {
    from: Vec<usize>,
    to: Vec<usize>,
}

/// The reshape to `shape` of a value whose axis `i` is axis `order[i]` of one of shape `stored`, neither of them empty.
///
/// Only what is stored apart or in another order and becomes an axis is moved: channels that are shuffled stay the
/// innermost axes.
pub(super) fn regroup(stored: &[usize], order: &[usize], shape: &[usize]) -> Regrouped {
    let own: Vec<usize> = order.iter().map(|&axis| stored[axis]).collect();
    let mut groups = groups(&own, shape);
    let place = |group: &Group| group.from.iter().map(|&axis| order[axis]).max();
    groups.sort_by_key(place);
    let ones = (0..stored.len()).filter(|&axis| stored[axis] == 1);
    let moved = groups.iter().flat_map(|group| &group.from).map(|&axis| order[axis]);
    let before = ones.chain(moved).collect();
    let axes = with_ones(groups.into_iter().flat_map(|group| group.to).collect(), shape);
    let shape = axes.iter().map(|&axis| shape[axis]).collect();
    Regrouped { before, shape, order: inverse(&axes) }
}

/// The finest groups in which a shape becomes another one of as many elements.
fn groups(from: &[usize], to: &[usize]) -> Vec<Group> {
    let mut groups = Vec::new();
    let [mut from_axes, mut to_axes] = [from, to].map(|shape| (0..shape.len()).filter(|&axis| shape[axis] != 1));
    while let (Some(a), Some(b)) = (from_axes.next(), to_axes.next()) {
        let mut group = Group { from: Vec::from([a]), to: Vec::from([b]) };
        let (mut m, mut n) = (from[a], to[b]);
        while m != n {
            let (shape, axes, grown, size) = match m < n {
                true => (from, &mut from_axes, &mut group.from, &mut m),
                false => (to, &mut to_axes, &mut group.to, &mut n),
            };
            let Some(axis) = axes.next() else { break };
            grown.push(axis);
            *size *= shape[axis];
        }
        groups.push(group);
    }
    groups
}

/// Adds the axes of size 1 to the others of `shape`: the first in front, each other one before the axis that follows
/// it, where NHWC has them.
fn with_ones(mut axes: Vec<usize>, shape: &[usize]) -> Vec<usize> {
    for axis in (0..shape.len()).rev().filter(|&axis| shape[axis] == 1) {
        let place = |wanted: usize| axes.iter().position(|&other| other == wanted);
        let before = (0..axis).rev().find_map(place);
        let place = if axis == 0 { Some(0) } else { place(axis + 1).or_else(|| before.map(|place| place + 1)) };
        axes.insert(place.unwrap_or(axes.len()), axis);
    }
    axes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stored: &[usize], order: &[usize], shape: &[usize], expected: (&[usize], &[usize], &[usize])) {
        let Regrouped { before, shape, order } = regroup(stored, order, shape);
        assert_eq!((&before[..], &shape[..], &order[..]), expected);
    }

    #[test]
    fn axes_split_and_join_where_they_are_stored() {
        let nchw = [0, 3, 1, 2];
        // Channels in groups, and back.
        check(&[2, 5, 7, 6], &nchw, &[2, 3, 2, 5, 7], (&[0, 1, 2, 3], &[2, 5, 7, 3, 2], &[0, 3, 4, 1, 2]));
        check(&[2, 5, 7, 3, 2], &[0, 3, 4, 1, 2], &[2, 6, 5, 7], (&[0, 1, 2, 3, 4], &[2, 5, 7, 6], &nchw));
        // Shuffled channels are moved, nothing else.
        check(&[2, 5, 7, 3, 2], &[0, 4, 3, 1, 2], &[2, 6, 5, 7], (&[0, 1, 2, 4, 3], &[2, 5, 7, 6], &nchw));
        // The pixels of a feature map.
        check(&[2, 5, 7, 6], &nchw, &[2, 6, 35], (&[0, 1, 2, 3], &[2, 35, 6], &[0, 2, 1]));
        // All of it needs the order of the file.
        check(&[2, 5, 7, 6], &nchw, &[2, 210], (&[0, 3, 1, 2], &[2, 210], &[0, 1]));
    }

    #[test]
    fn axes_of_size_one_are_where_nhwc_has_them() {
        check(&[1, 9, 6], &[0, 2, 1], &[1, 6, 1, 9], (&[0, 1, 2], &[1, 1, 9, 6], &[0, 3, 1, 2]));
        check(&[1, 9, 6], &[0, 2, 1], &[1, 6, 9, 1], (&[0, 1, 2], &[1, 9, 1, 6], &[0, 3, 1, 2]));
        check(&[1, 1, 9, 6], &[0, 3, 1, 2], &[1, 6, 9], (&[0, 1, 2, 3], &[1, 9, 6], &[0, 2, 1]));
        check(&[1, 1, 1, 6], &[0, 3, 1, 2], &[6, 1], (&[0, 1, 2, 3], &[6, 1], &[0, 1]));
    }
}
