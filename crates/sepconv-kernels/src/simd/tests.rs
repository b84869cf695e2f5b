use std::vec;
use std::vec::Vec;

use super::{Columns, Int8, Isa, Kernel, Simd, Word, strided};

/// Runs the block with each token of the machine, `S` being its type.
macro_rules! with_each_token {
    (|$simd:ident, $isa:ident| $body:block) => {
        struct Check(Isa);
        impl<S: Int8> Kernel<S> for Check {
            type Output = ();
            #[inline(always)]
            fn run(self, $simd: S) {
                let Check($isa) = self;
                $body
            }
        }
        for isa in Isa::available() {
            isa.run_int8(Check(isa));
        }
        Word.vectorize(Check(Isa::WORD));
    };
}

fn integers<S: Int8>(simd: S, x: S::I32) -> Vec<i32> {
    let mut lanes = vec![0; S::LANES];
    simd.store_i32(x, &mut lanes);
    lanes
}

fn floats<S: Simd>(simd: S, x: S::F32) -> Vec<f32> {
    let mut lanes = vec![0.0; S::LANES];
    simd.store(x, &mut lanes);
    lanes
}

/// Runs `check` on vectors that together hold every one of `numbers`.
fn vectors<S: Simd, T: Copy>(_: S, numbers: impl Iterator<Item = T>, mut check: impl FnMut(&[T])) {
    let numbers: Vec<T> = numbers.collect();
    let last = numbers.len() - S::LANES;
    (0..=last).step_by(S::LANES).chain([last]).for_each(|start| check(&numbers[start..][..S::LANES]));
}

#[test]
fn names_are_unique_and_floats_run_with_the_plain_token() {
    let names: Vec<_> = Isa::available().map(Isa::name).collect();
    assert!(names.iter().enumerate().all(|(i, name)| !names[..i].contains(name)), "{names:?}");
    assert!(Isa::available().all(|isa| Isa::named(isa.name()) == Some(isa)));
    // Each float width once, among them the widest.
    assert_eq!(Isa::available_f32().map(Isa::lanes).max(), Some(Isa::best().lanes()));
    assert!(Isa::available_f32().all(|isa| !isa.name().ends_with("vnni")));
}

#[test]
fn floats_are_computed_lane_by_lane() {
    with_each_token!(|simd, isa| {
        let numbers = [0.0, -0.0, 1.0, -1.5, 2.5, 3e38, -1e-40, f32::INFINITY, f32::NAN];
        let same = |got: f32, want: f32| got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan();
        for a in numbers {
            for b in numbers {
                let [x, y] = [a, b].map(|number| simd.splat(number));
                let fused = [a.mul_add(b, 0.5), a * b + 0.5];
                let min = if a < b { a } else { b };
                let max = if a > b { a } else { b };
                for (got, want) in [
                    (simd.add(x, y), [a + b; 2]),
                    (simd.sub(x, y), [a - b; 2]),
                    (simd.mul(x, y), [a * b; 2]),
                    (simd.div(x, y), [a / b; 2]),
                    (simd.min(x, y), [min; 2]),
                    (simd.max(x, y), [max; 2]),
                    (simd.round(x), [a.round_ties_even(); 2]),
                    (simd.mul_add(x, y, simd.splat(0.5)), fused),
                ] {
                    let right = |&got: &f32| want.iter().any(|&want| same(got, want) || got == want);
                    assert!(floats(simd, got).iter().all(right), "{isa}: {want:?} of {a} and {b}");
                }
            }
        }
        for n in -126..=127 {
            assert_eq!(floats(simd, simd.exp2(simd.splat(n as f32)))[0], (n as f32).exp2(), "{isa} {n}");
        }
        let line: Vec<f32> = (1..=S::LANES).map(|i| i as f32).collect();
        assert_eq!(simd.sum(simd.load(&line)), line.iter().sum::<f32>(), "{isa}");
        let lines: Vec<f32> = (0..8 * S::LANES).map(|i| (i * i % 23) as f32).collect();
        let rows: [&[f32]; 8] = std::array::from_fn(|i| &lines[i * S::LANES..][..S::LANES]);
        assert_eq!(simd.sums(rows.map(|row| simd.load(row))), rows.map(|row| row.iter().sum::<f32>()), "{isa}");
    });
}

#[test]
fn parts_of_floats_keep_to_their_slice() {
    with_each_token!(|simd, isa| {
        let line: Vec<f32> = (1..=S::LANES + 1).map(|i| i as f32).collect();
        for length in 0..=S::LANES + 1 {
            let part = simd.load_part(&line[..length]);
            let mut want = line[..S::LANES].to_vec();
            want[length.min(S::LANES)..].fill(0.0);
            assert_eq!(floats(simd, part), want, "{isa} {length}");
            let mut got = vec![7.0; S::LANES + 1];
            simd.store_part(simd.load(&line), &mut got[..length]);
            let kept = length.min(S::LANES);
            assert_eq!(got[..kept], line[..kept], "{isa} {length}");
            assert!(got[kept..].iter().all(|&x| x == 7.0), "{isa} {length}");
        }
    });
}

#[test]
#[cfg_attr(not(panic = "unwind"), ignore = "panics are not caught")]
fn places_beyond_a_row_panic() {
    let panics = |work: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err();
    let row: Vec<u8> = (0..20).collect();
    let columns = Columns::new(20, 2, 5, 3, 4);
    assert_eq!((columns.of(&row, 3), columns.run::<_, 2>(&row, 1)), (&row[17..20], [&row[7..10], &row[12..15]]));
    let later = columns.renumbered(0, 1, 1..5);
    assert_eq!(later.of(&row, 4), &row[17..20]);
    assert_eq!(later.of_mut(&mut row.clone(), 1), &row[2..5]);
    let beyond: [&dyn Fn(); 9] = [
        &|| _ = Columns::new(19, 2, 5, 3, 4),
        &|| _ = Columns::new(20, 2, usize::MAX, 3, 4),
        &|| _ = Columns::new(20, usize::MAX, 5, 3, 1),
        &|| _ = columns.renumbered(0, 1, 0..4),
        &|| _ = columns.renumbered(1, 0, 0..4),
        &|| _ = columns.of(&row, 4),
        &|| _ = columns.of(&row[..19], 0),
        &|| _ = columns.run::<_, 2>(&row, 3),
        &|| _ = later.of(&row, 0),
    ];
    for (i, beyond) in beyond.into_iter().enumerate() {
        assert!(panics(beyond), "{i}");
    }
    assert_eq!(strided::<_, 3>(&row, 8, 4), [&row[..4], &row[8..12], &row[16..20]]);
    for (step, length) in [(8, 5), (9, 4), (usize::MAX, 1), (1, usize::MAX)] {
        assert!(panics(&|| _ = strided::<_, 3>(&row, step, length)), "{step} {length}");
    }
}

#[test]
fn quads_are_multiplied_without_saturation() {
    with_each_token!(|simd, isa| {
        let weights = [-128, -127, -1, 0, 1, 64, 127i8];
        let inputs = [0, 1, 127, 128, 254, 255u8];
        let sums = [0, -7, i32::MAX, i32::MIN];
        for (i, x) in inputs.iter().enumerate() {
            for y in inputs {
                for (j, w) in weights.iter().enumerate() {
                    for v in weights {
                        let (sum, x, w) = (sums[(i + j) % 4], [*x, y, *x, y], [*w, *w, v, v]);
                        let product = |(&x, w)| (i32::from(x) - i32::from(S::INPUT_OFFSET)) * i32::from(w);
                        let products: i32 = x.iter().zip(w).map(product).sum();
                        let panel: Vec<i8> = (0..4 * S::LANES).map(|i| w[i % 4]).collect();
                        let got = simd.dot(simd.splat_i32(sum), simd.splat_quad(x), simd.load_quads(&panel));
                        let want = sum.wrapping_add(products);
                        assert_eq!(integers(simd, got), vec![want; S::LANES], "{isa} {sum} {x:?} {w:?}");
                    }
                }
            }
        }
    });
}

#[test]
fn each_lane_multiplies_its_own_quads() {
    with_each_token!(|simd, isa| {
        let w: Vec<i8> = (0..4 * S::LANES).map(|i| (i * 37 % 256) as u8 as i8).collect();
        let rows: [Vec<u8>; 4] = std::array::from_fn(|r| (0..S::LANES).map(|i| ((4 * i + r) * 91) as u8).collect());
        let x = simd.interleave_part(rows.each_ref().map(|row| &row[..]));
        let got = simd.dot(simd.splat_i32(0), x, simd.load_quads(&w));
        let product =
            |i: usize, r: usize| (i32::from(rows[r][i]) - i32::from(S::INPUT_OFFSET)) * i32::from(w[4 * i + r]);
        let want: Vec<i32> = (0..S::LANES).map(|i| (0..4).map(|r| product(i, r)).sum()).collect();
        assert_eq!(integers(simd, got), want, "{isa}");
    });
}

#[test]
fn sums_wrap() {
    with_each_token!(|simd, isa| {
        let numbers = [0, 1, -1, 7, i32::MAX, i32::MIN];
        for a in numbers {
            for b in numbers {
                let [x, y] = [a, b].map(|x| simd.splat_i32(x));
                assert_eq!(integers(simd, simd.add_i32(x, y))[0], a.wrapping_add(b), "{isa} {a} {b}");
                assert_eq!(integers(simd, simd.sub_i32(x, y))[0], a.wrapping_sub(b), "{isa} {a} {b}");
            }
        }
    });
}

#[test]
fn integers_become_the_nearest_float() {
    with_each_token!(|simd, isa| {
        // Around every power of two, where f32 values grow sparse, on both sides of zero.
        let near = (0..31).flat_map(|bit| (-3..=3).map(move |d| (1i32 << bit).saturating_add(d << (bit / 8))));
        let numbers = near.flat_map(|x| [x, x.wrapping_neg()]).chain([i32::MAX, i32::MIN]);
        vectors(simd, numbers, |x| {
            let want: Vec<f32> = x.iter().map(|&x| x as f32).collect();
            assert_eq!(floats(simd, simd.to_f32(simd.load_i32(x))), want, "{isa} {x:?}");
        });
    });
}

#[test]
fn floats_round_to_the_nearest_integer_and_halves_to_even() {
    with_each_token!(|simd, isa| {
        let quarters = (-4096..=4096).map(|quarter| quarter as f32 / 4.0);
        let large = (8..31).flat_map(|bit| [-1.5, -0.5, 0.0, 0.5, 1.5].map(|d| (1i64 << bit) as f32 + d));
        let largest = 2_147_483_520.0;
        vectors(simd, quarters.chain(large).chain([largest, -largest, -0.0, 1e-40]), |x| {
            let want: Vec<i32> = x.iter().map(|x| x.round_ties_even() as i32).collect();
            assert_eq!(integers(simd, simd.to_i32(simd.load(x))), want, "{isa} {x:?}");
        });
    });
}

#[test]
fn bits_are_reinterpreted() {
    with_each_token!(|simd, isa| {
        let bytes: Vec<i8> = (0..S::LANES).flat_map(|i| (i as f32 - 1.5).to_ne_bytes()).map(|x| x as i8).collect();
        let want: Vec<f32> = (0..S::LANES).map(|i| i as f32 - 1.5).collect();
        assert_eq!(floats(simd, simd.reinterpret(simd.load_quads(&bytes))), want, "{isa}");
    });
}

#[test]
fn bytes_are_widened_and_absent_ones_are_zero() {
    with_each_token!(|simd, isa| {
        let bytes: Vec<u8> = (0..=255).collect();
        for start in [0, 1, 255 - S::LANES] {
            let want: Vec<i32> = (start..start + S::LANES).map(|x| x as i32).collect();
            assert_eq!(integers(simd, simd.load_u8(&bytes[start..])), want, "{isa}");
            for length in 0..=S::LANES + 1 {
                let mut want = want.clone();
                want[length.min(S::LANES)..].fill(0);
                assert_eq!(integers(simd, simd.load_u8_part(&bytes[start..][..length])), want, "{isa} {length}");
            }
        }
    });
}

#[test]
fn stores_keep_to_their_slice() {
    with_each_token!(|simd, isa| {
        vectors(simd, 0..=255, |x| {
            let want: Vec<u8> = x.iter().map(|&x| x as u8).collect();
            let x = simd.load_i32(x);
            let mut got = vec![7; S::LANES + 1];
            simd.store_u8(x, &mut got);
            assert_eq!((&got[..S::LANES], got[S::LANES]), (&want[..], 7), "{isa}");
            for length in 0..=S::LANES {
                let mut got = vec![7; S::LANES + 1];
                simd.store_u8_part(x, &mut got[..length]);
                assert_eq!(got[..length], want[..length], "{isa} {length}");
                assert!(got[length..].iter().all(|&x| x == 7), "{isa} {length}");
            }
        });
    });
}

#[test]
fn every_entry_of_a_table_is_found() {
    with_each_token!(|simd, isa| {
        let table: [u8; 256] = std::array::from_fn(|i| (i * 167 + 13) as u8);
        vectors(simd, (0..256).chain((0..256).rev()), |x| {
            let want: Vec<i32> = x.iter().map(|&x| i32::from(table[x as usize])).collect();
            assert_eq!(integers(simd, simd.lookup(&table, simd.load_i32(x))), want, "{isa} {x:?}");
        });
        let bytes: Vec<u8> = (0..=255).chain(0..200).collect();
        for length in [0, 1, 63, 64, 65, 200, bytes.len()] {
            let mut got = bytes.clone();
            simd.lookup_all(&table, &mut got[..length]);
            let want = bytes.iter().enumerate().map(|(i, &x)| if i < length { table[usize::from(x)] } else { x });
            assert_eq!(got, want.collect::<Vec<u8>>(), "{isa} {length}");
        }
    });
}

#[test]
fn four_rows_become_quads_of_one_channel_each() {
    with_each_token!(|simd, isa| {
        let count = 4 * S::LANES;
        let rows: [Vec<u8>; 4] = std::array::from_fn(|r| (0..=count).map(|i| (i * 4 + r) as u8).collect());
        let quad = |channel: usize| i32::from_ne_bytes(std::array::from_fn(|r| rows[r][channel] ^ S::INPUT_OFFSET));
        let absent = i32::from_ne_bytes([S::INPUT_OFFSET; 4]);
        let mut channels: Vec<_> = (0..count).map(S::channel).collect();
        let got = simd.interleave(std::array::from_fn(|r| &rows[r][..])).map(|x| integers(simd, x)).concat();
        assert_eq!(got, channels.iter().map(|&channel| quad(channel)).collect::<Vec<_>>(), "{isa}");
        channels.sort();
        assert!(channels.into_iter().eq(0..count), "{isa}: each channel has a lane");
        for length in 0..=S::LANES + 1 {
            let got = simd.interleave_part(std::array::from_fn(|r| &rows[r][..length]));
            let want = (0..S::LANES).map(|channel| if channel < length { quad(channel) } else { absent });
            assert_eq!(integers(simd, got), want.collect::<Vec<_>>(), "{isa} {length}");
        }
    });
}

#[test]
fn four_vectors_become_bytes_in_the_order_of_channels_or_of_lanes() {
    with_each_token!(|simd, isa| {
        let count = 4 * S::LANES;
        for shift in [-40, 0, 200, 40_000, -40_000, i32::MAX - 400, i32::MIN] {
            for (zero_point, bounds) in [(0, [0, 255]), (255, [0, 255]), (128, [10, 200]), (7, [7, 7])] {
                let number = |i: usize| i as i32 * 5 + shift;
                let byte = |i: usize| {
                    let sum = i64::from(number(i)) + i64::from(zero_point);
                    sum.clamp(bounds[0].into(), bounds[1].into()) as u8
                };
                let x: [Vec<i32>; 4] =
                    std::array::from_fn(|v| (0..S::LANES).map(|lane| number(v * S::LANES + lane)).collect());
                let bytes = simd.narrow(std::array::from_fn(|v| simd.load_i32(&x[v])), zero_point, bounds);
                let (mut channels, mut lanes) = (vec![0; count], vec![77; count + 1]);
                simd.store_quads(bytes, &mut channels);
                simd.store_quads(simd.deinterleave(bytes), &mut lanes);
                assert_eq!(lanes, (0..count).map(byte).chain([77]).collect::<Vec<u8>>(), "{isa} {shift} {bounds:?}");
                let got: Vec<u8> = (0..count).map(|i| channels[S::channel(i)]).collect();
                assert_eq!(got, lanes[..count], "{isa} {shift} {bounds:?}");
            }
        }
    });
}

#[test]
fn quads_are_looked_up_and_stored_in_part() {
    with_each_token!(|simd, isa| {
        let count = 4 * S::LANES;
        let table: [u8; 256] = std::array::from_fn(|i| (i * 167 + 13) as u8);
        for shift in [0, 64, 128, 192] {
            let bytes: Vec<u8> = (0..count as u8).map(|i| i.wrapping_mul(3).wrapping_add(shift)).collect();
            let x = simd.load_quads(&bytes.iter().map(|&byte| byte as i8).collect::<Vec<_>>());
            for length in 0..=count {
                let mut got = vec![7; count + 1];
                simd.store_quads_part(simd.lookup_quads(&table, x), &mut got[..length]);
                let want = bytes[..length].iter().map(|&byte| table[usize::from(byte)]);
                let want: Vec<u8> = want.chain(std::iter::repeat(7)).take(count + 1).collect();
                assert_eq!(got, want, "{isa} {length}");
            }
        }
    });
}
