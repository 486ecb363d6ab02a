//! Mode `paper`: the venues' public data, fills and accounts of our own ([`paper_venue`]).

use crate::config::{Loaded, Mode};
use crate::exit::Failure;
use crate::setup::Setup;
use domain::VenueId;
use paper_venue::{PaperConfig, PaperFunds, PaperLatency, PaperSession};
use venue::VenueSession;

/// What a report must say of every result of this mode.
pub const UPPER_BOUND: &str = "fills are simulated against books that do not react to them: every result is an upper bound";

/// Puts a paper account in front of every session, in mode `paper`; leaves others as they are.
///
/// # Errors
/// Exit code 3 for an asset that no table knows.
pub fn wrap(loaded: &Loaded, setup: &Setup, sessions: Vec<Box<dyn VenueSession>>) -> Result<Vec<Box<dyn VenueSession>>, Failure> {
    if loaded.config.mode != Mode::Paper {
        return Ok(sessions);
    }
    let paper = &loaded.config.paper;
    let mut wrapped: Vec<Box<dyn VenueSession>> = Vec::new();
    for (index, (session, venue)) in sessions.into_iter().zip(&setup.venues).enumerate() {
        let id = VenueId(index as u8);
        let mut balances = Vec::new();
        for (row, balance) in paper.balance.iter().enumerate().filter(|(_, b)| b.venue == venue.id) {
            let asset = setup.tables.asset_id(&balance.asset).ok_or_else(|| {
                Failure::from(loaded.error(&format!("paper.balance[{row}].asset"), format!("no pair uses `{}`", balance.asset)))
            })?;
            balances.push((asset, balance.amount.0));
        }
        let pairs: Vec<_> = setup.rules.iter().filter(|r| r.venue == id).map(|r| r.pair).collect();
        let dearest = pairs
            .iter()
            .filter_map(|p| setup.tables.pair(*p))
            .map(|info| venue.connector.base_taker_fee(&venue.aliases.to_venue(&info.symbol)))
            .max();
        let taker = paper.fee_bps.map(|bps| bps.0).or(dearest).unwrap_or_default();
        let config = PaperConfig {
            venue: id,
            tables: setup.tables.clone(),
            pairs,
            taker,
            funds: if balances.is_empty() { PaperFunds::Value(paper.value.0) } else { PaperFunds::Balances(balances) },
            latency: paper.latency.map_or(PaperLatency::Measured, |span| PaperLatency::Fixed(span.0)),
        };
        wrapped.push(Box::new(PaperSession::new(session, config)));
    }
    Ok(wrapped)
}
