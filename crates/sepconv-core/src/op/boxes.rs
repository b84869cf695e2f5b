//! Boxes of detectors, as `[y, x, y, x]` of two corners.

use core::cmp::Reverse;

/// Two opposite corners, the first with the smaller coordinates.
pub(super) type Corners = [f32; 4];

/// Whether two boxes share more than this part of the area that they cover together. Boxes without area share nothing.
fn overlap([a, b]: [Corners; 2], threshold: f32) -> bool {
    let area = |[top, left, bottom, right]: Corners| (bottom - top) * (right - left);
    let along = |low: usize, high: usize| (a[high].min(b[high]) - a[low].max(b[low])).max(0.0);
    if area(a) <= 0.0 || area(b) <= 0.0 {
        return false;
    }
    let shared = along(0, 2) * along(1, 3);
    shared / (area(a) + area(b) - shared) > threshold
}

/// Candidates with the greatest scores, at most `most`, none of which overlaps one before it; they are the first of
/// `candidates` afterwards. Of equal scores the first candidate comes first.
pub(super) fn suppress(
    candidates: &mut [u64],
    score: &dyn Fn(usize) -> f32,
    corners: &dyn Fn(usize) -> Corners,
    threshold: f32,
    most: usize,
) -> usize {
    candidates.sort_unstable_by_key(|&i| (Reverse(super::loops::f32_key(score(i as usize))), i));
    let mut kept = 0;
    for next in 0..candidates.len() {
        if kept == most {
            break;
        }
        let candidate = corners(candidates[next] as usize);
        let is_new = candidates[..kept].iter().all(|&i| !overlap([corners(i as usize), candidate], threshold));
        if is_new {
            candidates.swap(kept, next);
            kept += 1;
        }
    }
    kept
}
