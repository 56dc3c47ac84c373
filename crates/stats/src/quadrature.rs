//! Integrals of smooth functions, by Gauss and Legendre on panels.

/// Points with their weights.
pub(crate) type Nodes = Vec<(f64, f64)>;

/// The positive nodes of Gauss and Legendre's rule of eight points on −1..1, with their weights.
const RULE: [(f64, f64); 4] = [
    (0.183_434_642_495_649_8, 0.362_683_783_378_362),
    (0.525_532_409_916_329, 0.313_706_645_877_887_3),
    (0.796_666_477_413_626_7, 0.222_381_034_453_374_48),
    (0.960_289_856_497_536_3, 0.101_228_536_290_376_26),
];

/// More panels than this are not made; the last digits suffer before the time does.
const PANELS_MAX: f64 = 2_000.0;

/// Nodes from `low` to `high` on panels no wider than `panel`.
///
/// A normal density is integrated to 11 digits when a panel is no wider than two of its standard deviations.
pub(crate) fn nodes(low: f64, high: f64, panel: f64) -> Nodes {
    let mut nodes = Nodes::new();
    add_nodes(&mut nodes, low, high, panel);
    nodes
}

/// Nodes on one panel between each two neighbours of these points.
pub(crate) fn nodes_between(mut points: Vec<f64>) -> Nodes {
    points.sort_unstable_by(f64::total_cmp);
    let mut nodes = Nodes::new();
    for (low, high) in std::iter::zip(&points, points.iter().skip(1)) {
        if high > low {
            add_nodes(&mut nodes, *low, *high, high - low);
        }
    }
    nodes
}

fn add_nodes(nodes: &mut Nodes, low: f64, high: f64, panel: f64) {
    let panels = ((high - low) / panel).ceil().clamp(1.0, PANELS_MAX);
    let half = 0.5 * (high - low) / panels;
    let mut panel = 0.0;
    while panel < panels {
        let middle = low + (2.0 * panel + 1.0) * half;
        for (at, weight) in RULE {
            nodes.push((middle - at * half, weight * half));
            nodes.push((middle + at * half, weight * half));
        }
        panel += 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::special::normal_density;

    #[test]
    fn the_normal_density_integrates_to_one() {
        let whole: f64 =
            nodes(-9.0, 9.0, 2.0).iter().map(|(at, weight)| weight * normal_density(*at)).sum();
        assert!((whole - 1.0).abs() < 1e-11, "{whole}");
    }
}
