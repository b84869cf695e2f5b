//! The little linear algebra that factorizing takes, in double precision, matrices row after row.

/// The lower triangular `L` with `L·Lᵀ = a` for a symmetric, positive definite `a[n, n]`, in place; what is above the
/// diagonal is left. Pivots that rounding makes too small are raised, so that a nearly singular matrix has one, too.
pub(super) fn cholesky(a: &mut [f64], n: usize) {
    let greatest = (0..n).map(|i| a[i * n + i]).fold(0.0, f64::max);
    let least = (greatest * 1e-13).max(f64::MIN_POSITIVE);
    for i in 0..n {
        let (above, row) = a.split_at_mut(i * n);
        let row = &mut row[..n];
        for j in 0..i {
            let other = &above[j * n..][..n];
            row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
        }
        row[i] = (row[i] - dot(&row[..i], &row[..i])).max(least).sqrt();
    }
}

/// `x` with `L·x = b`, in place of `b`.
pub(super) fn solve_lower(l: &[f64], b: &mut [f64]) {
    let n = b.len();
    for i in 0..n {
        b[i] = (b[i] - dot(&l[i * n..][..i], &b[..i])) / l[i * n + i];
    }
}

/// `x` with `Lᵀ·x = b`, in place of `b`.
pub(super) fn solve_upper(l: &[f64], b: &mut [f64]) {
    let n = b.len();
    for i in (0..n).rev() {
        b[i] /= l[i * n + i];
        let (before, x) = b.split_at_mut(i);
        before.iter_mut().zip(&l[i * n..]).for_each(|(b, l)| *b -= l * x[0]);
    }
}

/// Eigenvalues of a symmetric `a[n, n]` in falling order, and their vectors, one a row, by Jacobi's rotations (Golub
/// and Van Loan, *Matrix Computations*, section 8.5): exact to rounding, and fast enough for the 9 to 49 taps of a
/// window.
pub(super) fn eigen(mut a: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    const SWEEPS: usize = 30;
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|i| vectors[i * n + i] = 1.0);
    let total: f64 = dot(&a, &a);
    for _ in 0..SWEEPS {
        let off: f64 = (0..n).flat_map(|p| (p + 1..n).map(move |q| (p, q))).map(|(p, q)| a[p * n + q].powi(2)).sum();
        if off <= total * 1e-30 {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, &mut vectors, n, p, q);
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[j * n + j].total_cmp(&a[i * n + i]));
    let sorted = order.iter().flat_map(|&i| vectors[i * n..][..n].to_vec()).collect();
    (order.iter().map(|&i| a[i * n + i]).collect(), sorted)
}

/// Makes `a[p, q]` zero.
fn rotate(a: &mut [f64], vectors: &mut [f64], n: usize, p: usize, q: usize) {
    let apq = a[p * n + q];
    if apq == 0.0 {
        return;
    }
    let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * apq);
    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    let turn = |x: &mut f64, y: &mut f64| (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    for k in 0..n {
        let [mut x, mut y] = [a[k * n + p], a[k * n + q]];
        turn(&mut x, &mut y);
        (a[k * n + p], a[k * n + q]) = (x, y);
    }
    for matrix in [a, vectors] {
        let (upper, lower) = matrix.split_at_mut(q * n);
        upper[p * n..][..n].iter_mut().zip(&mut lower[..n]).for_each(|(x, y)| turn(x, y));
    }
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers from -1 to 1 that look random.
    fn numbers(count: usize) -> Vec<f64> {
        (0..count).map(|i| (i * i * 37 + i * 11) as f64 % 101.0 / 50.0 - 1.0).collect()
    }

    /// `a·aᵀ`, and a little on its diagonal.
    fn positive(n: usize) -> Vec<f64> {
        let a = numbers(n * n);
        let entry =
            |i: usize| dot(&a[i / n * n..][..n], &a[i % n * n..][..n]) + f64::from(u8::from(i / n == i % n)) * 0.1;
        (0..n * n).map(entry).collect()
    }

    #[test]
    fn eigenvectors_rebuild_the_matrix() {
        for n in [1, 2, 9, 25, 49] {
            let a = positive(n);
            let (values, vectors) = eigen(a.clone(), n);
            assert!(values.is_sorted_by(|a, b| a >= b), "{values:?}");
            for i in 0..n * n {
                let rebuilt: f64 = (0..n).map(|k| values[k] * vectors[k * n + i / n] * vectors[k * n + i % n]).sum();
                assert!((rebuilt - a[i]).abs() < 1e-10 * values[0], "{n}: {rebuilt} {}", a[i]);
                let product = dot(&vectors[i / n * n..][..n], &vectors[i % n * n..][..n]);
                assert!((product - f64::from(u8::from(i / n == i % n))).abs() < 1e-12, "{n}: {product}");
            }
        }
    }

    #[test]
    fn equations_are_solved() {
        for n in [1, 3, 20] {
            let (a, x) = (positive(n), numbers(n));
            let mut b: Vec<f64> = (0..n).map(|i| dot(&a[i * n..][..n], &x)).collect();
            let mut l = a.clone();
            cholesky(&mut l, n);
            solve_lower(&l, &mut b);
            solve_upper(&l, &mut b);
            assert!(b.iter().zip(&x).all(|(b, x)| (b - x).abs() < 1e-9), "{b:?} {x:?}");
        }
    }

    #[test]
    fn a_singular_matrix_is_no_reason_to_panic() {
        let mut l = vec![0.0; 9];
        cholesky(&mut l, 3);
        assert!(l.iter().all(|x| x.is_finite()));
        assert_eq!(eigen(vec![0.0; 9], 3).0, [0.0; 3]);
    }
}
