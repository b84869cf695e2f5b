/// One way to run a layer: what it costs, and what it does to the network's answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    pub(super) terms: Option<usize>,
    pub(super) cost: f64,
    pub(super) noise: f64,
}

/// Parts that a budget is cut into.
const PARTS: usize = 4096;

/// One candidate for each layer: the least noise in all within a budget of costs, by dynamic programming (a
/// multiple-choice knapsack; costs are rounded up to a 4096th of the budget). Where none fits, the cheapest of each.
pub(super) fn choose(layers: &[Vec<Candidate>], budget: f64) -> Vec<Option<usize>> {
    // Rounding would lose what just fits.
    let best = layers.iter().filter_map(|candidates| candidates.iter().min_by(|a, b| a.noise.total_cmp(&b.noise)));
    if best.clone().map(|candidate| candidate.cost).sum::<f64>() <= budget {
        return best.map(|candidate| candidate.terms).collect();
    }
    let unit = budget / PARTS as f64;
    let parts = |cost: f64| if cost <= 0.0 { 0.0 } else { (cost / unit).ceil() };
    // The least noise with at most so many parts spent, and for each layer which candidate gave it.
    let mut least = vec![0.0; PARTS + 1];
    let mut chosen: Vec<Vec<usize>> = vec![];
    for candidates in layers {
        let mut next = vec![f64::INFINITY; PARTS + 1];
        let mut of_layer = vec![0; PARTS + 1];
        for (i, candidate) in candidates.iter().enumerate() {
            let parts = parts(candidate.cost);
            // Also where the budget is zero or less.
            if !(0.0..=PARTS as f64).contains(&parts) {
                continue;
            }
            for spent in parts as usize..=PARTS {
                let noise = least[spent - parts as usize] + candidate.noise;
                if noise < next[spent] {
                    (next[spent], of_layer[spent]) = (noise, i);
                }
            }
        }
        least = next;
        chosen.push(of_layer);
    }
    if least[PARTS].is_infinite() {
        return layers.iter().map(|candidates| cheapest(candidates)).collect();
    }
    let mut left = PARTS;
    let mut terms = vec![None; layers.len()];
    for (i, candidates) in layers.iter().enumerate().rev() {
        let candidate = candidates[chosen[i][left]];
        terms[i] = candidate.terms;
        left -= parts(candidate.cost) as usize;
    }
    terms
}

fn cheapest(candidates: &[Candidate]) -> Option<usize> {
    candidates.iter().min_by(|a, b| a.cost.total_cmp(&b.cost)).and_then(|candidate| candidate.terms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(options: &[(Option<usize>, f64, f64)]) -> Vec<Candidate> {
        options.iter().map(|&(terms, cost, noise)| Candidate { terms, cost, noise }).collect()
    }

    fn layers() -> Vec<Vec<Candidate>> {
        vec![
            layer(&[(None, 10.0, 0.0), (Some(1), 2.0, 5.0), (Some(2), 4.0, 1.0)]),
            layer(&[(None, 10.0, 0.0), (Some(1), 2.0, 0.5), (Some(2), 4.0, 0.1)]),
            layer(&[(None, 3.0, 0.0)]),
        ]
    }

    #[test]
    fn no_other_choice_within_the_budget_has_less_noise() {
        let layers = layers();
        for budget in [7.1, 8.0, 9.5, 11.5, 15.0, 17.5, 19.5, 23.5, 30.0] {
            let of = |choice: &[Option<usize>], what: fn(&Candidate) -> f64| -> f64 {
                let pairs = layers.iter().zip(choice);
                pairs.map(|(layer, terms)| layer.iter().find(|c| c.terms == *terms).map_or(0.0, what)).sum()
            };
            let chosen = choose(&layers, budget);
            assert!(of(&chosen, |c| c.cost) <= budget, "{budget}: {chosen:?}");
            for a in &layers[0] {
                for b in &layers[1] {
                    let other = [a.terms, b.terms, None];
                    // Rounding up may hide what just fits.
                    if of(&other, |c| c.cost) < budget * 0.995 {
                        assert!(of(&chosen, |c| c.noise) <= of(&other, |c| c.noise), "{budget}: {chosen:?} {other:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn where_nothing_fits_the_cheapest_is_chosen() {
        for budget in [5.0, 0.0, -3.0, f64::NAN] {
            assert_eq!(choose(&layers(), budget), [Some(1), Some(1), None], "{budget}");
        }
        assert_eq!(choose(&[], 1.0), []);
    }
}
