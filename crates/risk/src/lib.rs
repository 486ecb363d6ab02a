//! Sizing, limits and stops. Pure: no clock, no I/O. The only room that can make an [`Approved`] plan, so that "forgot the
//! check" does not compile.
//!
//! Start at [`size::size_plan`] (how much) and [`limits::Limits::approve`] (whether).

pub mod approved;
pub mod band;
pub mod limits;
pub mod market;
pub mod pace;
pub mod plan;
pub mod size;
pub mod stops;

pub use approved::Approved;
pub use band::HedgeBand;
pub use limits::{Exposure, HedgeRefusal, Limits, LimitsError, RiskView};
pub use market::{Market, VenuePair};
pub use pace::OrderPace;
pub use plan::{HedgeOrder, Leg, Plan};
pub use size::{SizeInputs, size_plan};
pub use stops::{Stop, Stops};
