//! Constants of which a file holds less than a byte for each element.

use crate::operators::{NONE, check, floats, open, results};
use crate::writer::Field::{self, Bytes, Floats, I8, I32, Ints};
use crate::writer::{Table, Tensor};

/// Weights that a fully connected layer with zero bias shows, for an identity matrix of inputs.
fn shown(weights: Tensor, columns: usize) -> sepconv_core::Result<Vec<f32>> {
    let identity: Vec<f32> = (0..columns * columns).map(|i| f32::from(i % (columns + 1) == 0)).collect();
    let x = floats(&[columns as i32, columns as i32], &identity);
    results(9, NONE, &[x, Some(weights)], 1).map(|results| results[0].as_f32().unwrap().to_vec())
}

#[test]
fn integers_of_four_bits_share_bytes() {
    let scale = vec![(4, Field::Table(vec![(2, Floats(vec![0.5]))]))];
    let packed =
        |data: &[u8]| Tensor { kind: 17, data: Some(data.to_vec()), more: scale.clone(), ..Tensor::open(&[1, 3]) };
    // 1, -8 and 7; the last half byte is nobody's.
    assert_eq!(shown(packed(&[0x81, 0xf7]), 3).unwrap(), [0.5, -4.0, 3.5]);
    assert!(shown(packed(&[0x81]), 3).is_err() && shown(packed(&[0x81, 0, 0]), 3).is_err());
}

/// A level of a sparse tensor: a dense size, or lists of starts and indices as bytes.
fn level(size: i32, lists: Option<[&[u8]; 2]>) -> Table {
    let list = |field: usize, list: &[u8]| [(field, I8(3)), (field + 1, Field::Table(vec![(0, Bytes(list.to_vec()))]))];
    match lists {
        None => vec![(0, I8(0)), (1, I32(size))],
        Some([starts, indices]) => {
            let listed = list(2, starts).into_iter().chain(list(4, indices));
            [(0, I8(1))].into_iter().chain(listed).collect()
        }
    }
}

fn sparse(shape: &[i32], order: &[i32], blocked: &[i32], levels: Vec<Table>, elements: &[f32]) -> Tensor {
    let sparsity = vec![(0, Ints(order.to_vec())), (1, Ints(blocked.to_vec())), (2, Field::Tables(levels))];
    let mut tensor = Tensor::floats(shape, elements);
    tensor.more = vec![(6, Field::Table(sparsity))];
    tensor
}

#[test]
fn sparse_weights_are_filled_with_zeros() {
    let rows = || level(2, None);
    let columns = level(0, Some([&[0, 1, 3], &[1, 0, 2]]));
    let weights = sparse(&[2, 3], &[0, 1], &[], vec![rows(), columns], &[5.0, 6.0, 7.0]);
    // The product is transposed.
    assert_eq!(shown(weights.clone(), 3).unwrap(), [0.0, 6.0, 5.0, 0.0, 0.0, 7.0]);
    check(124, NONE, &[Some(weights)], &[2, 3], &[0.0, 5.0, 0.0, 6.0, 0.0, 7.0]);
    // Blocks of two columns; columns of blocks before rows.
    let blocks = vec![level(2, None), level(0, Some([&[0, 1, 2], &[1, 0]])), level(2, None)];
    let weights = sparse(&[2, 4], &[1, 0, 2], &[1], blocks, &[1.0, 2.0, 3.0, 4.0]);
    check(124, NONE, &[Some(weights)], &[2, 4], &[0.0, 0.0, 3.0, 4.0, 1.0, 2.0, 0.0, 0.0]);
}

#[test]
fn sparse_weights_that_contradict_themselves_are_refused() {
    let refused = |order: &[i32], blocked: &[i32], levels: Vec<Table>| {
        let weights = sparse(&[2, 3], order, blocked, levels, &[5.0, 6.0, 7.0]);
        results(124, NONE, &[Some(weights)], 1).is_err()
    };
    let rows = || level(2, None);
    let columns = |starts: &[u8], indices: &[u8]| level(0, Some([starts, indices]));
    assert!(refused(&[0, 1], &[], vec![rows()]));
    assert!(refused(&[0, 0], &[], vec![rows(), rows()]));
    assert!(refused(&[0, 2], &[], vec![rows(), rows()]));
    assert!(refused(&[0, 1, 2], &[1], vec![rows(), level(1, None), level(2, None)]), "blocks do not divide the axis");
    assert!(refused(&[0, 1, 2], &[2], vec![rows(), level(1, None), level(3, None)]), "no such axis");
    assert!(refused(&[0, 1], &[], vec![rows(), columns(&[0, 1], &[1, 0, 2])]), "a list is too short");
    assert!(refused(&[0, 1], &[], vec![rows(), columns(&[0, 1, 3], &[1, 0, 3])]), "an index is too large");
    assert!(refused(&[0, 1], &[], vec![rows(), columns(&[0, 1, 4], &[1, 0, 2, 1])]), "elements are missing");
    assert!(refused(&[0, 1], &[], vec![rows(), columns(&[0, 200, 200], &[0; 255])]), "visited too often");
    assert!(results(124, NONE, &[open(&[2, 3])], 1).is_ok());
}
