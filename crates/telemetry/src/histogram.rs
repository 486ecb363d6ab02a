//! A histogram of nanoseconds with fixed buckets: bumped with two additions, copied whole, rendered exactly.

/// Upper bounds in nanoseconds: 250 ns to 10 s, four to a decade.
pub const NANOS_BOUNDS: [u64; 31] = [
    250,
    500,
    1_000,
    1_800,
    3_200,
    5_600,
    10_000,
    18_000,
    32_000,
    56_000,
    100_000,
    180_000,
    320_000,
    560_000,
    1_000_000,
    1_800_000,
    3_200_000,
    5_600_000,
    10_000_000,
    18_000_000,
    32_000_000,
    56_000_000,
    100_000_000,
    180_000_000,
    320_000_000,
    560_000_000,
    1_000_000_000,
    1_800_000_000,
    3_200_000_000,
    5_600_000_000,
    10_000_000_000,
];

/// Counts per bucket, an exact sum and the largest value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; NANOS_BOUNDS.len() + 1],
    sum: u128,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { counts: [0; NANOS_BOUNDS.len() + 1], sum: 0, max: 0 }
    }
}

impl Histogram {
    /// Counts one value.
    pub fn record(&mut self, nanos: u64) {
        let bucket = NANOS_BOUNDS.partition_point(|bound| *bound < nanos);
        self.counts[bucket] += 1;
        self.sum += u128::from(nanos);
        self.max = self.max.max(nanos);
    }

    /// Values counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Largest value.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// An upper bound of the `permille`-th value: its bucket's bound, never above the largest value seen; 0 when empty.
    pub fn percentile(&self, permille: u64) -> u64 {
        let count = self.count();
        if count == 0 {
            return 0;
        }
        let rank = (count * permille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (bucket, held) in self.counts.iter().enumerate() {
            seen += held;
            if seen >= rank {
                return NANOS_BOUNDS.get(bucket).copied().unwrap_or(self.max).min(self.max);
            }
        }
        self.max
    }

    /// Appends the Prometheus text of this histogram in seconds. `labels` is empty or `name="value",…`.
    pub fn render(&self, name: &str, labels: &str, out: &mut String) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut cumulative = 0;
        for (bound, held) in NANOS_BOUNDS.iter().zip(&self.counts) {
            cumulative += held;
            let bound = seconds(u128::from(*bound));
            out.push_str(&format!("{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {cumulative}\n"));
        }
        let count = self.count();
        let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        out.push_str(&format!("{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}\n"));
        out.push_str(&format!("{name}_sum{braces} {}\n{name}_count{braces} {count}\n", seconds(self.sum)));
    }
}

/// Nanoseconds as exact decimal seconds.
fn seconds(nanos: u128) -> String {
    let (whole, fraction) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    if fraction == 0 {
        return whole.to_string();
    }
    format!("{whole}.{}", format!("{fraction:09}").trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_bound_from_above_and_render_sums_exactly() {
        let mut histogram = Histogram::default();
        for nanos in [100, 300, 900, 20_000, 3_000_000_000, 20_000_000_000] {
            histogram.record(nanos);
        }
        assert_eq!(histogram.percentile(500), 1_000);
        assert_eq!(histogram.percentile(1000), 20_000_000_000);
        let mut text = String::new();
        histogram.render("x_seconds", "stage=\"decode\"", &mut text);
        assert!(text.contains("x_seconds_bucket{stage=\"decode\",le=\"0.00000025\"} 1\n"), "{text}");
        assert!(text.contains("x_seconds_bucket{stage=\"decode\",le=\"+Inf\"} 6\n"));
        assert!(text.contains("x_seconds_sum{stage=\"decode\"} 23.0000213\n"), "{text}");
    }
}
