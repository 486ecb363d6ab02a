//! Configuration: one TOML file, overlaid by the environment (`CROSSGATE__SECTION__KEY`) and by flags.
//!
//! Start at [`load::load`]. Whatever is wrong is found before any connection and told in one sentence with key, file and line.

pub mod check;
pub mod effective;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;
pub mod load;
pub mod locate;
pub mod real_money;
pub mod reload;
pub mod schema;
pub mod sim;
pub mod units;

pub use load::{ConfigError, Loaded, load};
pub use schema::{Config, Mode};
