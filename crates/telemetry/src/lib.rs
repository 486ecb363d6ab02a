//! Metric names, help texts and units; fixed-bucket histograms; and the text that `/metrics` answers.
//!
//! The engine's thread bumps plain integers. A published copy of them goes through the `metrics` facade here, histograms are
//! rendered beside the exporter's text (the facade takes no bucket counts). Start at [`names::METRICS`].

pub mod cost;
pub mod exposition;
pub mod histogram;
pub mod names;

pub use cost::CostHistogram;
pub use exposition::Exposition;
pub use histogram::{Histogram, NANOS_BOUNDS};
pub use names::{METRICS, Metric, MetricKind};
