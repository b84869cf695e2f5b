use std::vec;
use std::vec::Vec;

use super::*;
use crate::testing::Lcg;

/// Lengths around those of vectors.
const LENGTHS: [usize; 8] = [0, 1, 15, 16, 17, 64, 130, 771];

#[test]
fn quantizing_is_that_of_the_definition() {
    let mut lcg = Lcg(1);
    for (scale, zero_point) in [(0.02, 0), (0.5, 128), (3.7, 255), (1e-30, 7)] {
        for n in LENGTHS {
            let mut x: Vec<f32> = lcg.f32_vec(n).iter().map(|x| x * 300.0 * scale).collect();
            // Halves, and what no byte stands for.
            let odd = [0.5 * scale, 1.5 * scale, -0.5 * scale, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
            x.iter_mut().zip(odd).for_each(|(x, odd)| *x = odd);
            let output = Requantize { zero_point, low: 0, high: 255 };
            let byte = |&x: &f32| if x.is_nan() { 0 } else { output.round(x / scale) };
            let expected: Vec<u8> = x.iter().map(byte).collect();
            for isa in Isa::available() {
                let mut got = vec![77; n];
                quantize(isa, scale, zero_point, &x, &mut got);
                assert_eq!(got, expected, "{isa} {scale} {zero_point}");
                let mut back = vec![0.0; n];
                dequantize(isa, scale, zero_point, &got, &mut back);
                let term = RequantOperand { zero_point, scale };
                assert!(back.iter().zip(&got).all(|(&x, &q)| x == term.apply(q)), "{isa} {scale} {zero_point}");
            }
        }
    }
}

#[test]
fn tables_are_looked_up() {
    let mut lcg = Lcg(2);
    let lut: [u8; 256] = lcg.bytes(256).try_into().expect("as many bytes");
    for n in LENGTHS {
        let x = lcg.bytes(n);
        let expected: Vec<u8> = x.iter().map(|&x| lut[usize::from(x)]).collect();
        for isa in Isa::available() {
            let mut got = x.clone();
            lut_in_place(isa, &lut, &mut got);
            assert_eq!(got, expected, "{isa}");
        }
    }
}

#[test]
fn signs_are_flipped() {
    for n in LENGTHS {
        let x = Lcg(4).bytes(n);
        let mut got = vec![77; n];
        flip_signs(&x, &mut got);
        assert!(got.iter().zip(&x).all(|(&got, &x)| i32::from(got) == i32::from(x as i8) + 128));
    }
}

#[test]
fn pairs_are_those_of_the_definition() {
    let mut lcg = Lcg(3);
    let a = RequantOperand { zero_point: 121, scale: 0.37 };
    let b = RequantOperand { zero_point: 3, scale: 0.011 };
    let output = Requantize { zero_point: 9, low: 4, high: 251 };
    for function in [Binary::Add, Binary::Sub, Binary::Mul] {
        let op = QuantizedBinary { function, a, b, output };
        for n in LENGTHS {
            for period in (1..=n).filter(|period| n.is_multiple_of(*period)) {
                let (long, short) = (lcg.bytes(n), lcg.bytes(period));
                for isa in Isa::available() {
                    let mut got = vec![77; n];
                    binary(isa, &op, &long, &short, &mut got);
                    let right = (0..n).all(|i| got[i] == op.apply(long[i], short[i % period]));
                    assert!(right, "{isa} {function:?} {n} by {period}");
                    binary(isa, &op, &short, &long, &mut got);
                    let right = (0..n).all(|i| got[i] == op.apply(short[i % period], long[i]));
                    assert!(right, "{isa} {function:?} {period} by {n}");
                }
            }
        }
    }
}
