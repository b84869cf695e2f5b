use core::fmt::Debug;
use std::vec;
use std::vec::Vec;

use super::{Element, copy_strided};
use crate::testing::Lcg;

/// The strides of a contiguous tensor.
fn strides(dims: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; dims.len()];
    for axis in (1..dims.len()).rev() {
        strides[axis - 1] = strides[axis] * dims[axis];
    }
    strides
}

/// The definition, by index.
fn reference<T: Copy>(dims: &[usize], x: &[T], offset: isize, x_strides: &[isize], out: &mut [T], strides: &[usize]) {
    for n in 0..dims.iter().product() {
        let (mut rest, mut from, mut to) = (n, offset, 0);
        for axis in (0..dims.len()).rev() {
            let i = rest % dims[axis];
            rest /= dims[axis];
            (from, to) = (from + i as isize * x_strides[axis], to + i * strides[axis]);
        }
        out[to] = x[from as usize];
    }
}

fn every_transposition<T: Element + PartialEq + Debug>(element: impl Fn(usize) -> T) {
    for shape in [[3, 20, 1, 17], [2, 37, 4, 19], [4, 2, 18, 3], [1, 16, 35, 2]] {
        let x: Vec<T> = (0..shape.iter().product()).map(&element).collect();
        let from = strides(&shape).iter().map(|stride| *stride as isize).collect::<Vec<_>>();
        for order in 0..256usize {
            let order = [order & 3, order >> 2 & 3, order >> 4 & 3, order >> 6];
            if (0..4).any(|axis| !order.contains(&axis)) {
                continue;
            }
            let (dims, x_strides) = (order.map(|axis| shape[axis]), order.map(|axis| from[axis]));
            let (mut got, mut expected) = (vec![element(0); x.len()], vec![element(0); x.len()]);
            copy_strided(&dims, &x, 0, &x_strides, &mut got, 0, &strides(&dims));
            reference(&dims, &x, 0, &x_strides, &mut expected, &strides(&dims));
            assert_eq!(got, expected, "{shape:?} {order:?}");
        }
    }
}

#[test]
fn every_transposition_of_four_axes() {
    every_transposition(|i| i as i64);
    every_transposition(|i| i as f32);
    every_transposition(|i| (i % 251) as u8);
}

#[test]
fn elements_that_repeat() {
    for n in [1, 5, 16, 40] {
        for times in [1, 2, 3, 4, 5, 17] {
            let x = Lcg(1).f32_vec(n);
            let (mut got, mut expected) = (vec![f32::NAN; n * times], vec![f32::NAN; n * times]);
            copy_strided(&[n, times], &x, 0, &[1, 0], &mut got, 0, &[times, 1]);
            reference(&[n, times], &x, 0, &[1, 0], &mut expected, &[times, 1]);
            assert_eq!(got, expected, "{n} elements, {times} times");
        }
    }
}

fn every_second<T: Element + PartialEq + Debug>(element: impl Fn(usize) -> T) {
    for n in 1..40 {
        let x: Vec<T> = (0..6 * n).map(&element).collect();
        for offset in [0, 1] {
            let (mut got, mut expected) = (vec![element(0); 3 * n], vec![element(0); 3 * n]);
            copy_strided(&[3, n], &x, offset, &[2 * n as isize, 2], &mut got, 0, &[n, 1]);
            reference(&[3, n], &x, offset as isize, &[2 * n as isize, 2], &mut expected, &[n, 1]);
            assert_eq!(got, expected, "{n} from {offset}");
        }
    }
}

#[test]
fn every_second_element() {
    every_second(|i| i as i64);
    every_second(|i| i as f32);
    every_second(|i| i as u8);
}

#[test]
fn any_strides() {
    let mut lcg = Lcg(1);
    let x: Vec<i64> = (0..4096).collect();
    for _ in 0..500 {
        let mut small = |len: usize| lcg.integers(len).into_iter().map(|x| x as isize);
        let dims: Vec<usize> = small(5).map(|size| size.unsigned_abs() + 1).collect();
        let x_strides: Vec<isize> = small(5).map(|stride| stride * 21).collect();
        let out_strides = strides(&dims);
        let (mut got, mut expected) = (vec![-1; 3125], vec![-1; 3125]);
        copy_strided(&dims, &x, 2048, &x_strides, &mut got, 0, &out_strides);
        reference(&dims, &x, 2048, &x_strides, &mut expected, &out_strides);
        assert_eq!(got, expected, "{dims:?} {x_strides:?}");
    }
}

#[test]
fn slices_pads_concatenations_and_expansions() {
    let x = [1, 2, 3, 4, 5, 6u8];
    let mut reversed = [0; 3];
    copy_strided(&[3], &x, 5, &[-2], &mut reversed, 0, &[1]);
    assert_eq!(reversed, [6, 4, 2]);

    let mut padded = [0; 12];
    copy_strided(&[2, 3], &x, 0, &[3, 1], &mut padded, 4, &[4, 1]);
    assert_eq!(padded, [0, 0, 0, 0, 1, 2, 3, 0, 4, 5, 6, 0]);

    let mut expanded = [0; 6];
    copy_strided(&[3, 2], &x, 1, &[0, 1], &mut expanded, 0, &[2, 1]);
    assert_eq!(expanded, [2, 3, 2, 3, 2, 3]);

    let mut scalar = [0];
    copy_strided(&[], &x, 3, &[], &mut scalar, 0, &[]);
    assert_eq!(scalar, [4]);

    let mut untouched = [7];
    copy_strided(&[2, 0], &x, 99, &[1, 1], &mut untouched, 99, &[1, 1]);
    assert_eq!(untouched, [7]);
}

#[test]
#[should_panic(expected = "out of bounds")]
fn reading_before_the_start_panics() {
    copy_strided(&[3], &[1i64, 2, 3], 1, &[-1], &mut [0; 3], 0, &[1]);
}
