//! A histogram of costs in basis points, of either sign: what a hedge cost, or earned, against a reference.

/// Upper bounds in basis points.
const BPS_BOUNDS: [i64; 13] = [-20, -5, -1, 0, 1, 2, 5, 10, 20, 30, 50, 100, 200];
/// Parts of a basis point that a value is counted in.
pub const NANO_PER_BPS: i64 = 100_000;

/// Counts per bucket and an exact sum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CostHistogram {
    counts: [u64; BPS_BOUNDS.len() + 1],
    /// In 10⁻⁹ of the value.
    sum: i128,
}

impl CostHistogram {
    /// Counts one cost, in 10⁻⁹ of the value (100,000 is a basis point).
    pub fn record(&mut self, nano: i64) {
        let bucket = BPS_BOUNDS.partition_point(|bound| bound * NANO_PER_BPS < nano);
        self.counts[bucket] += 1;
        self.sum += i128::from(nano);
    }

    /// Costs counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Appends the Prometheus text, in basis points.
    pub fn render(&self, name: &str, out: &mut String) {
        let mut cumulative = 0;
        for (bound, held) in BPS_BOUNDS.iter().zip(&self.counts) {
            cumulative += held;
            out.push_str(&format!("{name}_bucket{{le=\"{bound}\"}} {cumulative}\n"));
        }
        let count = self.count();
        out.push_str(&format!("{name}_bucket{{le=\"+Inf\"}} {count}\n{name}_sum {}\n{name}_count {count}\n", bps(self.sum)));
    }
}

/// 10⁻⁹ of a value as exact decimal basis points.
fn bps(nano: i128) -> String {
    let sign = if nano < 0 { "-" } else { "" };
    let unit = u128::from(NANO_PER_BPS.unsigned_abs());
    let (whole, fraction) = (nano.unsigned_abs() / unit, nano.unsigned_abs() % unit);
    if fraction == 0 {
        return format!("{sign}{whole}");
    }
    format!("{sign}{whole}.{}", format!("{fraction:05}").trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_and_earnings_fall_into_their_buckets_and_sum_exactly() {
        let mut costs = CostHistogram::default();
        for nano in [-3 * NANO_PER_BPS, 0, 12_345, 100 * NANO_PER_BPS, 500 * NANO_PER_BPS] {
            costs.record(nano);
        }
        let mut text = String::new();
        costs.render("x_bps", &mut text);
        for line in [
            "x_bps_bucket{le=\"-5\"} 0",
            "x_bps_bucket{le=\"-1\"} 1",
            "x_bps_bucket{le=\"0\"} 2",
            "x_bps_bucket{le=\"1\"} 3",
            "x_bps_bucket{le=\"100\"} 4",
            "x_bps_bucket{le=\"200\"} 4",
            "x_bps_bucket{le=\"+Inf\"} 5",
            "x_bps_sum 597.12345",
            "x_bps_count 5",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}: {text}");
        }
        assert_eq!(bps(-150_000), "-1.5");
    }
}
