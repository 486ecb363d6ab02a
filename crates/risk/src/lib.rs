//! Sizing, limits, controls, valuation and stops. Pure: no clock, no I/O. The only room that can make an [`Approved`] plan, so
//! that "forgot the check" does not compile.
//!
//! Start at [`size::size_plan`] (how much), [`limits::Limits::approve`] (whether) and the table in [`controls`] (what is
//! checked).

pub mod approved;
pub mod band;
pub mod controls;
pub mod limits;
pub mod market;
pub mod plan;
pub mod size;
pub mod stops;
pub mod valuation;

pub use approved::Approved;
pub use band::HedgeBand;
pub use controls::hedge::HedgeRefusal;
pub use controls::price_collar::Marks;
pub use controls::unhedged::{Exposure, UnhedgedMax};
pub use controls::{Controls, Guard};
pub use limits::{Limits, LimitsError, RiskView};
pub use market::{Market, VenuePair};
pub use plan::{HedgeOrder, Leg, Plan};
pub use size::{SizeInputs, size_plan};
pub use stops::{Stop, Stops};
pub use valuation::{Valuation, Worth};
