//! What pays for trades: the coin that is received, or MNT.
//!
//! Whether the account pays in MNT is a setting that no endpoint read here tells, and MNT stops paying when there is none left. Each
//! execution tells what it was charged in, so the latest one is taken for what the next ones will be charged in. The engine compares:
//! the first execution after a change is a drift, for which the rates are asked for anew, and then they tell it.

use domain::{AssetId, Fill, Side, Tables, VenueNanos};

/// The token of the venue that may pay.
pub(crate) const FEE_TOKEN: &str = "MNT";

/// Learnt from executions, of whichever order and pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FeePayer {
    /// Of the latest execution that told.
    at: Option<VenueNanos>,
    token: Option<AssetId>,
}

impl FeePayer {
    /// An execution, in any order with the others.
    pub(crate) fn note(&mut self, fill: &Fill, tables: &Tables) {
        let (Some(token), Some(info)) = (tables.asset_id(FEE_TOKEN), tables.pair(fill.pair)) else { return };
        let Some((charged, _)) = fill.fees.iter().find(|(_, fee)| !fee.is_zero()) else { return };
        let received = if fill.side == Side::Buy { info.base } else { info.quote };
        // A purchase of the token is charged in it either way.
        if fill.executed_at >= self.at && received != token {
            *self = FeePayer { at: fill.executed_at, token: (*charged == token).then_some(token) };
        }
    }

    /// The token, while it pays.
    pub(crate) const fn token(self) -> Option<AssetId> {
        self.token
    }
}
