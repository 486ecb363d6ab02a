//! What every venue's session must do, as one table of cases: a connector brings a [`Script`] (its venue's bytes for each situation) and
//! gets a test for every case.
//!
//! A case knows no venue. It drives a [`venue::VenueSession`] under scripted time through a [`Stage`], lets the script say what the
//! venue says, and judges only what comes out: the [`domain::Input`]s for the engine and the [`venue::Transmit`]s for the wire.
//!
//! - [`script`]: what a connector brings. [`stage`]: the scripted time and the venue's side of links.
//! - [`public`]: books and links. [`trading`]: orders, private news, limits.
//!
//! In a connector's `tests/conformance.rs`: `conformance::public_cases!(GateScript);`, and `conformance::trading_cases!(GateScript);` once
//! it can trade. A crate of its own, and not a part of the simulator's harness: a connector's tests must not depend on a simulator
//! that depends on connectors.

pub mod public;
pub mod script;
pub mod stage;
pub mod trading;

pub use script::{Asked, BookNews, OrderState, PrivateNews, Reply, Said, Script};
pub use stage::Stage;

/// One case.
pub struct Case {
    /// Its name in the table.
    pub name: &'static str,
    /// Plays it; panics where the session does not conform.
    pub play: fn(&mut Stage),
}

/// Plays the case of this name.
///
/// # Panics
/// Where the session does not conform, or when the table has no such case.
#[track_caller]
pub fn play(cases: &[Case], name: &str, script: Box<dyn Script>) {
    let case = cases.iter().find(|case| case.name == name);
    let case = case.unwrap_or_else(|| panic!("no case `{name}` in the table"));
    (case.play)(&mut Stage::new(script));
}

/// A test for each case of a table, and one that no case is left out.
#[macro_export]
macro_rules! cases {
    ($table:path, $script:expr, $($name:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            $crate::play($table, stringify!($name), Box::new($script));
        })*

        #[test]
        fn no_case_is_left_out() {
            let here = [$(stringify!($name)),*];
            let table: Vec<&str> = $table.iter().map(|case| case.name).collect();
            assert_eq!(here.as_slice(), table.as_slice());
        }
    };
}

/// A test for each case about books and links.
#[macro_export]
macro_rules! public_cases {
    ($script:expr) => {
        mod public {
            #[allow(unused_imports, reason = "the script is named in its own file")]
            use super::*;
            $crate::cases!(
                $crate::public::CASES,
                $script,
                subscribe,
                gap,
                duplicate,
                resync,
                reconnect,
                silence,
                suspension,
                venue_time,
                without_a_key,
                limited_copies,
                redundancy,
                shutdown,
            );
        }
    };
}

/// A test for each case about an account.
#[macro_export]
macro_rules! trading_cases {
    ($script:expr) => {
        mod trading {
            #[allow(unused_imports, reason = "the script is named in its own file")]
            use super::*;
            $crate::cases!(
                $crate::trading::CASES,
                $script,
                private_link,
                auth_failure,
                place,
                partial_fill,
                late_fill,
                doubled_news,
                lost_reply,
                not_sent,
                deadline,
                error_classes,
                clock_skew,
                rate_limit,
                own_budget,
                cancel,
                look_up,
                dead_man,
                mute_stream,
                order_link,
                amend,
                cancel_all,
                paged_reads,
                terms_differ,
                replacement,
                ban,
            );
        }
    };
}
