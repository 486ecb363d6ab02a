//! The JSON rows of Gate's REST replies and private streams, field by field, type by type.
//!
//! Gate API v4 mixes types on purpose or by history: ids are strings over REST, trade ids are integers in streams, and
//! `create_time_ms` of an order is a number over REST and a string in `spot.orders`. Each row here has the type of its
//! place; nothing is shared between places whose types differ.

use serde::Serialize;

pub(super) use crate::shared::text::decimal as text;

/// Seconds as text.
pub(super) fn seconds(t_ns: u64) -> String {
    (t_ns / 1_000_000_000).to_string()
}

/// Milliseconds with six decimals, as trades carry them.
pub(super) fn millis_with_decimals(t_ns: u64) -> String {
    format!("{}.{:06}", t_ns / 1_000_000, t_ns % 1_000_000)
}

/// An order as REST replies carry it (Gate API v4, order response).
#[derive(Clone, Debug, Serialize)]
pub(super) struct OrderRow {
    /// Exchange id, as text.
    pub(super) id: String,
    /// Client id, or the source tag.
    pub(super) text: String,
    /// Remark of the last amendment, or `-`.
    pub(super) amend_text: String,
    /// Seconds, as text.
    pub(super) create_time: String,
    /// Seconds, as text.
    pub(super) update_time: String,
    /// Milliseconds: a number here, text in the stream.
    pub(super) create_time_ms: u64,
    /// Milliseconds: a number here, text in the stream.
    pub(super) update_time_ms: u64,
    /// `open`, `closed` or `cancelled`.
    pub(super) status: &'static str,
    /// What the order says about itself, the same in both places.
    #[serde(flatten)]
    pub(super) body: OrderBody,
    /// Why it ended, or `open`.
    pub(super) finish_as: &'static str,
}

/// The part of an order that reads the same over REST and in the stream.
#[derive(Clone, Debug, Serialize)]
pub(super) struct OrderBody {
    /// `BASE_QUOTE`.
    pub(super) currency_pair: String,
    /// `limit` or `market`.
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    /// `spot`.
    pub(super) account: &'static str,
    /// `buy` or `sell`.
    pub(super) side: &'static str,
    /// Base; quote for a market buy.
    pub(super) amount: String,
    /// `0` for a market order.
    pub(super) price: String,
    /// `gtc`, `ioc`, `poc` or `fok`.
    pub(super) time_in_force: &'static str,
    /// The part asked to be shown; `0` for all.
    pub(super) iceberg: String,
    /// What is left of `amount`, in its unit.
    pub(super) left: String,
    /// Base executed.
    pub(super) filled_amount: String,
    /// Deprecated alias of `filled_total`: a total, not a price.
    pub(super) fill_price: String,
    /// Quote executed.
    pub(super) filled_total: String,
    /// Average price; absent without fills.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) avg_deal_price: Option<String>,
    /// Fee so far; absent when the reply mode leaves settlement out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fee: Option<String>,
    /// The received asset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fee_currency: Option<String>,
    /// Fee paid in points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) point_fee: Option<String>,
    /// Fee paid in GT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gt_fee: Option<String>,
    /// GT maker rate, 0 when the switch was off.
    pub(super) gt_maker_fee: String,
    /// GT taker rate, 0 when the switch was off.
    pub(super) gt_taker_fee: String,
    /// Whether fees were to be paid in GT as it was placed.
    pub(super) gt_discount: bool,
    /// Maker rebate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rebated_fee: Option<&'static str>,
    /// The asset given, not the one received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rebated_fee_currency: Option<String>,
    /// Self-trade group, 0 for none.
    pub(super) stp_id: u64,
    /// `-` when not used.
    pub(super) stp_act: &'static str,
}

/// An order as `spot.orders` carries it: no `status`, times as text, with `user` and `event`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct OrderPush {
    /// Exchange id, as text.
    pub(super) id: String,
    /// The user's number.
    pub(super) user: u64,
    /// Client id, or the source tag.
    pub(super) text: String,
    /// Remark of the order's last amendment, or `-`.
    pub(super) amend_text: String,
    /// Seconds, as text.
    pub(super) create_time: String,
    /// Milliseconds, as text.
    pub(super) create_time_ms: String,
    /// Seconds, as text.
    pub(super) update_time: String,
    /// Milliseconds, as text.
    pub(super) update_time_ms: String,
    /// `put`, `update` or `finish`.
    pub(super) event: &'static str,
    /// What the order says about itself.
    #[serde(flatten)]
    pub(super) body: OrderBody,
    /// Why it ended, or `open`.
    pub(super) finish_as: &'static str,
    /// `-`.
    pub(super) biz_info: &'static str,
}

/// A fill as `/spot/my_trades` carries it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct MyTradeRow {
    /// Trade id, as text.
    pub(super) id: String,
    /// Seconds, as text.
    pub(super) create_time: String,
    /// Milliseconds with decimals, as text.
    pub(super) create_time_ms: String,
    /// `BASE_QUOTE`.
    pub(super) currency_pair: String,
    /// `buy` or `sell`.
    pub(super) side: &'static str,
    /// `taker` or `maker`.
    pub(super) role: &'static str,
    /// Base.
    pub(super) amount: String,
    /// Quote per base.
    pub(super) price: String,
    /// The order's exchange id.
    pub(super) order_id: String,
    /// Fee, in `fee_currency`.
    pub(super) fee: String,
    /// The received asset.
    pub(super) fee_currency: String,
    /// Fee paid in points.
    pub(super) point_fee: String,
    /// Fee paid in GT.
    pub(super) gt_fee: String,
    /// Remark of the order's last amendment, or `-`.
    pub(super) amend_text: String,
    /// Number of the trade within its pair, as text.
    pub(super) sequence_id: String,
    /// The order's client id.
    pub(super) text: String,
    /// Quote executed.
    pub(super) deal: String,
}

/// A fill as `spot.usertrades` carries it: ids of trade and user are integers, that of the order is text.
#[derive(Clone, Debug, Serialize)]
pub(super) struct UserTradePush {
    /// Trade id.
    pub(super) id: u64,
    /// The user's number.
    pub(super) user_id: u64,
    /// The order's exchange id, as text.
    pub(super) order_id: String,
    /// `BASE_QUOTE`.
    pub(super) currency_pair: String,
    /// Seconds.
    pub(super) create_time: u64,
    /// Milliseconds with decimals, as text.
    pub(super) create_time_ms: String,
    /// `buy` or `sell`.
    pub(super) side: &'static str,
    /// Base.
    pub(super) amount: String,
    /// `taker` or `maker`.
    pub(super) role: &'static str,
    /// Quote per base.
    pub(super) price: String,
    /// Fee, in `fee_currency`.
    pub(super) fee: String,
    /// The received asset.
    pub(super) fee_currency: String,
    /// Fee paid in points.
    pub(super) point_fee: String,
    /// Fee paid in GT.
    pub(super) gt_fee: String,
    /// The order's client id.
    pub(super) text: String,
    /// Remark of the order's last amendment, or `-`.
    pub(super) amend_text: String,
    /// `-`.
    pub(super) biz_info: &'static str,
    /// Number of the trade within its pair.
    pub(super) id_market: u64,
}

/// A balance change as `spot.balances` carries it: everything is text.
#[derive(Clone, Debug, Serialize)]
pub(super) struct BalancePush {
    /// Seconds, as text.
    pub(super) timestamp: String,
    /// Milliseconds, as text.
    pub(super) timestamp_ms: String,
    /// The user's number, as text.
    pub(super) user: String,
    /// The asset.
    pub(super) currency: String,
    /// Change of the total.
    pub(super) change: String,
    /// Available plus frozen.
    pub(super) total: String,
    /// Free to trade.
    pub(super) available: String,
    /// Held by open orders.
    pub(super) freeze: String,
    /// Change of the frozen part.
    pub(super) freeze_change: String,
    /// `order-create`, `order-match`, `order-update`, `trade-fee-deduct`, …
    pub(super) change_type: &'static str,
}

/// A row of `/spot/accounts`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct AccountRow {
    /// The asset.
    pub(super) currency: String,
    /// Free to trade.
    pub(super) available: String,
    /// Held by open orders.
    pub(super) locked: String,
    /// Version of this balance.
    pub(super) update_id: u64,
}

/// A public trade as `/spot/trades` carries it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PublicTradeRow {
    /// Trade id, as text.
    pub(super) id: String,
    /// Seconds, as text.
    pub(super) create_time: String,
    /// Milliseconds with decimals, as text.
    pub(super) create_time_ms: String,
    /// `BASE_QUOTE`.
    pub(super) currency_pair: String,
    /// The taker's side.
    pub(super) side: &'static str,
    /// Base.
    pub(super) amount: String,
    /// Quote per base.
    pub(super) price: String,
    /// Number of the trade within its pair, as text.
    pub(super) sequence_id: String,
    /// Quote traded.
    pub(super) deal: String,
}

/// A public trade as `spot.trades` carries it: the id is an integer.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PublicTradePush {
    /// Trade id.
    pub(super) id: u64,
    /// Number of the trade within its pair.
    pub(super) id_market: u64,
    /// Seconds.
    pub(super) create_time: u64,
    /// Milliseconds with decimals, as text.
    pub(super) create_time_ms: String,
    /// The taker's side.
    pub(super) side: &'static str,
    /// `BASE_QUOTE`.
    pub(super) currency_pair: String,
    /// Base.
    pub(super) amount: String,
    /// Quote per base.
    pub(super) price: String,
    /// First and last trade of the push.
    pub(super) range: String,
}

/// A ticker, over REST and in `spot.tickers`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct TickerRow {
    /// `BASE_QUOTE`.
    pub(super) currency_pair: String,
    /// Last price; the middle of the book before the first trade.
    pub(super) last: String,
    /// Best ask; empty when there is none.
    pub(super) lowest_ask: String,
    /// Amount at the best ask; only when one pair is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lowest_size: Option<String>,
    /// Best bid; empty when there is none.
    pub(super) highest_bid: String,
    /// Amount at the best bid; only when one pair is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) highest_size: Option<String>,
    /// Percent over 24 hours, or since the first trade if that is later.
    pub(super) change_percentage: String,
    /// Percent since midnight UTC; only when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) change_utc0: Option<String>,
    /// Percent since midnight in UTC+8; only when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) change_utc8: Option<String>,
    /// Base traded in 24 hours.
    pub(super) base_volume: String,
    /// Quote traded in 24 hours.
    pub(super) quote_volume: String,
    /// Highest price in 24 hours; the last one without trades.
    pub(super) high_24h: String,
    /// Lowest price in 24 hours; the last one without trades.
    pub(super) low_24h: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_plainly() {
        assert_eq!(seconds(1_700_000_000_999_999_999), "1700000000");
        assert_eq!(millis_with_decimals(1_691_702_924_010_071_000), "1691702924010.071000");
    }
}
