//! The text of `/metrics`: the exporter's counters and gauges, then the histograms.

use crate::cost::CostHistogram;
use crate::histogram::Histogram;
use crate::names::{METRICS, MetricKind};
use metrics::{Key, KeyName, Label, Level, Metadata, Recorder, SharedString};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

/// A recorder of our own (not the process-wide one, so that two engines in one process do not mix).
pub struct Exposition {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

impl Default for Exposition {
    fn default() -> Exposition {
        Exposition::new()
    }
}

const METADATA: Metadata<'static> = Metadata::new("crossgate", Level::INFO, None);

fn key(name: &'static str, labels: &[(&'static str, &str)]) -> Key {
    let labels: Vec<Label> = labels.iter().map(|(k, v)| Label::new(*k, SharedString::from((*v).to_string()))).collect();
    Key::from_parts(name, labels)
}

impl Exposition {
    /// Every metric described, none set.
    pub fn new() -> Exposition {
        let recorder = PrometheusBuilder::new().build_recorder();
        for metric in METRICS {
            let name = KeyName::from_const_str(metric.name);
            match metric.kind {
                MetricKind::Counter => recorder.describe_counter(name, None, metric.help.into()),
                MetricKind::Gauge => recorder.describe_gauge(name, None, metric.help.into()),
                MetricKind::Histogram => {}
            }
        }
        let handle = recorder.handle();
        Exposition { recorder, handle }
    }

    /// Sets a counter to its total so far.
    pub fn counter(&self, name: &'static str, labels: &[(&'static str, &str)], total: u64) {
        self.recorder.register_counter(&key(name, labels), &METADATA).absolute(total);
    }

    /// Sets a gauge. Gauges are shown as binary floating point, as Prometheus keeps them; no decision reads them. A gauge that has no
    /// value any more is set to `NaN`: left alone, it shows its last one for ever.
    pub fn gauge(&self, name: &'static str, labels: &[(&'static str, &str)], value: f64) {
        self.recorder.register_gauge(&key(name, labels), &METADATA).set(value);
    }

    /// The text, with these histograms (name, labels, histogram), histograms of costs and exact decimal counters (name, labels,
    /// value), which the facade can't hold; the entries of one name stand together.
    pub fn render(
        &self,
        histograms: &[(&'static str, String, Histogram)],
        costs: &[(&'static str, CostHistogram)],
        exact: &[(&'static str, String, String)],
    ) -> String {
        self.handle.run_upkeep();
        let mut text = self.handle.render();
        let mut last = "";
        for (name, labels, value) in exact {
            if *name != last {
                let help = METRICS.iter().find(|m| m.name == *name).map_or("", |m| m.help);
                text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} counter\n"));
                last = name;
            }
            let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
            text.push_str(&format!("{name}{braces} {value}\n"));
        }
        last = "";
        for (name, labels, histogram) in histograms {
            if *name != last {
                let help = METRICS.iter().find(|m| m.name == *name).map_or("", |m| m.help);
                text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} histogram\n"));
                last = name;
            }
            histogram.render(name, labels, &mut text);
        }
        for (name, costs) in costs {
            let help = METRICS.iter().find(|m| m.name == *name).map_or("", |m| m.help);
            text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} histogram\n"));
            costs.render(name, &mut text);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names;

    #[test]
    fn a_gauge_without_a_value_says_so() {
        let exposition = Exposition::new();
        let shown = |value: f64| {
            exposition.gauge(names::EDGE, &[("pair", "BTC/USDT")], value);
            exposition.render(&[], &[], &[]).lines().find(|line| !line.starts_with('#')).map(str::to_string)
        };
        assert_eq!(shown(2.5).as_deref(), Some("crossgate_edge_bps{pair=\"BTC/USDT\"} 2.5"));
        assert_eq!(shown(f64::NAN).as_deref(), Some("crossgate_edge_bps{pair=\"BTC/USDT\"} NaN"));
    }

    #[test]
    fn everything_has_help_and_type_once() {
        let exposition = Exposition::new();
        exposition.counter(names::FRAMES, &[("venue", "gate-a")], 7);
        exposition.gauge(names::UP, &[], 1.0);
        let histograms = [
            (names::STAGE, "stage=\"decode\"".to_string(), Histogram::default()),
            (names::STAGE, "stage=\"apply\"".to_string(), Histogram::default()),
        ];
        let exact = [(names::FEES, "asset=\"BTC\"".to_string(), "0.000000000000000001".to_string())];
        let text = exposition.render(&histograms, &[(names::UNWIND_COST, CostHistogram::default())], &exact);
        assert!(
            text.contains("# TYPE crossgate_fees_total counter\ncrossgate_fees_total{asset=\"BTC\"} 0.000000000000000001\n"),
            "{text}"
        );
        assert!(text.contains("crossgate_frames_total{venue=\"gate-a\"} 7"), "{text}");
        assert!(text.contains("# HELP crossgate_frames_total "));
        assert_eq!(text.matches("# TYPE crossgate_unwind_cost_bps histogram").count(), 1);
        assert_eq!(text.matches("# TYPE crossgate_stage_seconds histogram").count(), 1);
        assert!(text.contains("crossgate_stage_seconds_count{stage=\"apply\"} 0"));
    }
}
