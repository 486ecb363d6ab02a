//! Bybit's session against what every venue's must do.

mod script;

use script::Bybit;

conformance::public_cases!(Bybit::default());
conformance::trading_cases!(Bybit::default());
