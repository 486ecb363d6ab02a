//! From the exchange's own types to Gate's rows and labels.
//!
//! [`Symbols`] turns dense ids into Gate's names; the functions turn orders, fills, balances and refusals into what clients
//! see. Nothing is decided here.

use rust_decimal::Decimal;

use super::{
    error::ApiError,
    rows::{
        BalancePush, MyTradeRow, OrderBody, OrderPush, OrderRow, PublicTradePush, PublicTradeRow, UserTradePush,
        millis_with_decimals, seconds, text,
    },
};
use crate::core::{
    AccountTrade, AssetId, BalanceEvent, BalanceReason, ExchangeConfig, Order, OrderEvent, OrderEventKind, OrderKind,
    OrderSource, OrderStatus, PairConfig, PairId, PrecisionField, PublicTrade, Reject, Role, Side, TimeInForce,
};

/// Names and rules of what the venue lists, by dense id.
#[derive(Clone, Debug)]
pub(super) struct Symbols {
    config: ExchangeConfig,
}

impl Symbols {
    /// Keeps the names of an exchange made from `config`.
    pub(super) fn new(config: &ExchangeConfig) -> Symbols {
        Symbols { config: config.clone() }
    }

    /// Name of an asset of this exchange.
    pub(super) fn asset(&self, id: AssetId) -> &str {
        self.config.assets.get(id.index()).map_or("", |asset| asset.name.as_str())
    }

    /// Name of a pair of this exchange.
    pub(super) fn pair(&self, id: PairId) -> &str {
        self.config.pairs.get(id.index()).map_or("", |pair| pair.id.as_str())
    }

    /// Rules of a pair of this exchange.
    pub(super) fn rules(&self, id: PairId) -> Option<&PairConfig> {
        self.config.pairs.get(id.index())
    }

    /// Every pair, in the order of the configuration.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (PairId, &PairConfig)> {
        (0u32..).map(PairId).zip(&self.config.pairs)
    }

    /// Every asset, in the order of the configuration.
    pub(super) fn assets(&self) -> impl Iterator<Item = (AssetId, &str)> {
        (0u32..).map(AssetId).zip(self.config.assets.iter().map(|asset| asset.name.as_str()))
    }

    /// The pair called `name`, upper case only, as on Gate.
    pub(super) fn find_pair(&self, name: &str) -> Option<PairId> {
        self.pairs().find(|(_, pair)| pair.id == name).map(|(id, _)| id)
    }

    /// What others call the asset that is listed here as `name`.
    pub(super) fn coin<'a>(&'a self, name: &'a str) -> &'a str {
        self.config.coin(name)
    }

    /// Decimals of an asset of this exchange.
    pub(super) fn decimals(&self, id: AssetId) -> u32 {
        self.config.assets.get(id.index()).map_or(0, |asset| asset.decimals)
    }

    /// The asset called `name`.
    pub(super) fn find_asset(&self, name: &str) -> Option<AssetId> {
        self.assets().find(|(_, asset)| *asset == name).map(|(id, _)| id)
    }

    /// The asset called `name` in any case, with its name as it is listed. The wallet and the account book take both: clients
    /// that have long worked against Gate send `usdt` there.
    ///
    /// # Errors
    /// `INVALID_CURRENCY` for one that is not listed.
    pub(super) fn find_asset_any_case(&self, name: &str) -> Result<(AssetId, &str), ApiError> {
        let mut assets = self.assets();
        assets.find(|(_, asset)| asset.eq_ignore_ascii_case(name)).ok_or_else(|| ApiError::invalid_currency(name))
    }
}

/// How much of the result the reply to a new order carries (Gate API v4, `action_mode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ActionMode {
    /// Only the ids.
    Ack,
    /// The matched order without fee data.
    Result,
    /// Everything.
    Full,
}

/// `buy` or `sell`.
pub(super) const fn side_word(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

/// `gtc`, `ioc`, `fok` or `poc`.
pub(super) const fn time_in_force_word(time_in_force: TimeInForce) -> &'static str {
    match time_in_force {
        TimeInForce::Gtc => "gtc",
        TimeInForce::Ioc => "ioc",
        TimeInForce::Fok => "fok",
        TimeInForce::Poc => "poc",
    }
}

const fn role_word(role: Role) -> &'static str {
    match role {
        Role::Maker => "maker",
        Role::Taker => "taker",
    }
}

/// The client id, or the source tag when there is none.
pub(super) fn text_of(client_id: Option<&str>, source: OrderSource) -> String {
    let tag = match source {
        OrderSource::Rest => "apiv4",
        OrderSource::WebSocket => "apiv4-ws",
    };
    client_id.unwrap_or(tag).to_owned()
}

/// The remark of the last amendment, `-` without one.
fn amend_text_of(remark: Option<&str>) -> String {
    remark.unwrap_or("-").to_owned()
}

/// An order as REST replies carry it.
pub(super) fn order_row(order: &Order, symbols: &Symbols, mode: ActionMode) -> OrderRow {
    OrderRow {
        id: order.id.0.to_string(),
        text: text_of(order.text.as_deref(), order.source),
        amend_text: amend_text_of(order.amend_text.as_deref()),
        create_time: seconds(order.create_t_ns),
        update_time: seconds(order.update_t_ns),
        create_time_ms: order.create_t_ns / 1_000_000,
        update_time_ms: order.update_t_ns / 1_000_000,
        status: match order.status() {
            OrderStatus::Open => "open",
            OrderStatus::Closed => "closed",
            OrderStatus::Cancelled => "cancelled",
        },
        body: order_body(order, symbols, mode),
        finish_as: order.finish().map_or("open", |reason| reason.as_str()),
    }
}

/// An order event as `spot.orders` carries it.
pub(super) fn order_push(event: &OrderEvent, user: u64, symbols: &Symbols) -> OrderPush {
    let order = &event.order;
    OrderPush {
        id: order.id.0.to_string(),
        user,
        text: text_of(order.text.as_deref(), order.source),
        amend_text: amend_text_of(order.amend_text.as_deref()),
        create_time: seconds(order.create_t_ns),
        create_time_ms: (order.create_t_ns / 1_000_000).to_string(),
        update_time: seconds(order.update_t_ns),
        update_time_ms: (order.update_t_ns / 1_000_000).to_string(),
        event: match event.kind {
            OrderEventKind::Put => "put",
            OrderEventKind::Update => "update",
            OrderEventKind::Finish => "finish",
        },
        body: order_body(order, symbols, ActionMode::Full),
        finish_as: order.finish().map_or("open", |reason| reason.as_str()),
        biz_info: "-",
    }
}

fn order_body(order: &Order, symbols: &Symbols, mode: ActionMode) -> OrderBody {
    let rules = symbols.rules(order.pair);
    let settled = mode == ActionMode::Full;
    let given_asset = rules.map_or("", |rules| match order.side {
        Side::Buy => rules.quote.as_str(),
        Side::Sell => rules.base.as_str(),
    });
    // Two decimals more than the price has, as Gate's averages carry more digits than its prices.
    let average_decimals = rules.map_or(8, |rules| rules.precision + 2);
    OrderBody {
        currency_pair: symbols.pair(order.pair).to_owned(),
        kind: match order.kind {
            OrderKind::Limit => "limit",
            OrderKind::Market => "market",
        },
        account: "spot",
        side: side_word(order.side),
        amount: text(order.amount),
        price: text(order.price),
        time_in_force: time_in_force_word(order.time_in_force),
        iceberg: text(order.iceberg),
        left: text(order.left),
        filled_amount: text(order.filled_amount),
        fill_price: text(order.filled_total),
        filled_total: text(order.filled_total),
        avg_deal_price: order.average_price_rounded_down(average_decimals).map(text),
        fee: settled.then(|| text(order.fee)),
        fee_currency: settled.then(|| symbols.asset(order.fee_asset).to_owned()),
        point_fee: settled.then(|| text(order.point_fee)),
        gt_fee: settled.then(|| text(order.gt_fee)),
        gt_maker_fee: text(order.gt_rates.map_or(Decimal::ZERO, |rates| rates.maker)),
        gt_taker_fee: text(order.gt_rates.map_or(Decimal::ZERO, |rates| rates.taker)),
        gt_discount: order.gt_rates.is_some(),
        rebated_fee: settled.then_some("0"),
        rebated_fee_currency: settled.then(|| given_asset.to_owned()),
        stp_id: order.stp.map_or(0, |(group, _)| group),
        stp_act: order.stp.map_or("-", |(_, act)| act.as_str()),
    }
}

/// A fill as `/spot/my_trades` carries it.
pub(super) fn my_trade_row(fill: &AccountTrade, symbols: &Symbols) -> MyTradeRow {
    MyTradeRow {
        id: fill.trade_id.0.to_string(),
        create_time: seconds(fill.t_ns),
        create_time_ms: millis_with_decimals(fill.t_ns),
        currency_pair: symbols.pair(fill.pair).to_owned(),
        side: side_word(fill.side),
        role: role_word(fill.role),
        amount: text(fill.amount),
        price: text(fill.price),
        order_id: fill.order_id.0.to_string(),
        fee: text(fill.fee),
        fee_currency: symbols.asset(fill.fee_asset).to_owned(),
        point_fee: text(fill.point_fee),
        gt_fee: text(fill.gt_fee),
        amend_text: amend_text_of(fill.amend_text.as_deref()),
        sequence_id: fill.sequence_id.to_string(),
        text: text_of(fill.text.as_deref(), fill.source),
        // Exact: the exchange refuses pairs whose price × amount does not fit.
        deal: text(fill.price * fill.amount),
    }
}

/// A fill as `spot.usertrades` carries it.
pub(super) fn user_trade_push(fill: &AccountTrade, user: u64, symbols: &Symbols) -> UserTradePush {
    UserTradePush {
        id: fill.trade_id.0,
        user_id: user,
        order_id: fill.order_id.0.to_string(),
        currency_pair: symbols.pair(fill.pair).to_owned(),
        create_time: fill.t_ns / 1_000_000_000,
        create_time_ms: millis_with_decimals(fill.t_ns),
        side: side_word(fill.side),
        amount: text(fill.amount),
        role: role_word(fill.role),
        price: text(fill.price),
        fee: text(fill.fee),
        fee_currency: symbols.asset(fill.fee_asset).to_owned(),
        point_fee: text(fill.point_fee),
        gt_fee: text(fill.gt_fee),
        text: text_of(fill.text.as_deref(), fill.source),
        amend_text: amend_text_of(fill.amend_text.as_deref()),
        biz_info: "-",
        id_market: fill.sequence_id,
    }
}

/// A balance change as `spot.balances` carries it.
pub(super) fn balance_push(event: &BalanceEvent, user: u64, symbols: &Symbols) -> BalancePush {
    BalancePush {
        timestamp: seconds(event.t_ns),
        timestamp_ms: (event.t_ns / 1_000_000).to_string(),
        user: user.to_string(),
        currency: symbols.asset(event.asset).to_owned(),
        change: text(event.change),
        total: text(event.total),
        available: text(event.available),
        freeze: text(event.locked),
        freeze_change: text(event.locked_change),
        change_type: match event.reason {
            BalanceReason::Deposit => "deposit",
            BalanceReason::Withdrawal => "withdraw",
            BalanceReason::OrderCreate => "order-create",
            BalanceReason::OrderMatch => "order-match",
            BalanceReason::Fee => "trade-fee-deduct",
            BalanceReason::OrderRelease | BalanceReason::OrderAmend => "order-update",
        },
    }
}

/// A public trade as `/spot/trades` carries it.
pub(super) fn public_trade_row(trade: &PublicTrade, symbols: &Symbols) -> PublicTradeRow {
    PublicTradeRow {
        id: trade.trade_id.0.to_string(),
        create_time: seconds(trade.t_ns),
        create_time_ms: millis_with_decimals(trade.t_ns),
        currency_pair: symbols.pair(trade.pair).to_owned(),
        side: side_word(trade.taker_side),
        amount: text(trade.amount),
        price: text(trade.price),
        sequence_id: trade.sequence_id.to_string(),
        // Exact: the exchange refuses pairs whose price × amount does not fit.
        deal: text(trade.price * trade.amount),
    }
}

/// A public trade as `spot.trades` carries it.
pub(super) fn public_trade_push(trade: &PublicTrade, symbols: &Symbols) -> PublicTradePush {
    PublicTradePush {
        id: trade.trade_id.0,
        id_market: trade.sequence_id,
        create_time: trade.t_ns / 1_000_000_000,
        create_time_ms: millis_with_decimals(trade.t_ns),
        side: side_word(trade.taker_side),
        currency_pair: symbols.pair(trade.pair).to_owned(),
        amount: text(trade.amount),
        price: text(trade.price),
        range: format!("{0}-{0}", trade.sequence_id),
    }
}

/// The label, status and words Gate uses for a refusal of the exchange. `amount` is the order's, as sent.
pub(super) fn refusal(reject: &Reject, rules: Option<&PairConfig>, amount: &str) -> ApiError {
    let quote = rules.map_or("", |rules| rules.quote.as_str());
    let base = rules.map_or("", |rules| rules.base.as_str());
    let pair = rules.map_or("", |rules| rules.id.as_str());
    let refused = |label: &'static str, message: String| ApiError::new(400, label, message);
    match reject {
        Reject::UnknownPair => ApiError::invalid_pair(pair),
        Reject::UnknownAsset => ApiError::invalid_currency(""),
        Reject::UnknownAccount => ApiError::forbidden(),
        Reject::PairNotTradable => refused("TRADE_RESTRICTED", format!("Trading of {pair} is restricted now")),
        Reject::BadPrice => ApiError::invalid_param("Invalid price"),
        Reject::BadAmount => ApiError::invalid_param("Invalid amount"),
        Reject::BadTimeInForce => ApiError::invalid_param("Invalid time_in_force for this order type"),
        Reject::BadPrecision { field, decimals } => {
            let field = match field {
                PrecisionField::Price => "price",
                PrecisionField::Amount => "amount",
            };
            refused("INVALID_PRECISION", format!("Invalid {field} precision, at most {decimals} decimals are allowed"))
        }
        // The number shown is the base amount though the limit is a value: users have reported the confusion.
        Reject::TooSmallNotional { min } => {
            ApiError::invalid_param(format!("Your order size {amount} is too small. The minimum is {} {quote}", text(*min)))
        }
        Reject::TooSmall { min } => {
            ApiError::invalid_param(format!("Your order size {amount} is too small. The minimum is {} {base}", text(*min)))
        }
        Reject::TooLarge { max } => {
            refused("AMOUNT_TOO_MUCH", format!("Your order size {amount} is too large. The maximum is {} {base}", text(*max)))
        }
        Reject::TooLargeNotional { max } => {
            refused("AMOUNT_TOO_MUCH", format!("Your order size {amount} is too large. The maximum is {} {quote}", text(*max)))
        }
        Reject::BalanceNotEnough => refused("BALANCE_NOT_ENOUGH", "Not enough balance".to_owned()),
        Reject::PostOnlyWouldTake => {
            refused("POC_FILL_IMMEDIATELY", "The order would match and take immediately so its cancelled".to_owned())
        }
        Reject::FokNotFilled => refused("FOK_NOT_FILL", "The order can not be fulfilled immediately".to_owned()),
        Reject::NoLiquidity => refused("ORDER_BOOK_NOT_FOUND", "No liquidity".to_owned()),
        // Gate lets the later order shadow the earlier one, so the exchange is not told to refuse it.
        Reject::DuplicateClientId => refused("REPEATED_CREATION", "Repeated creation".to_owned()),
        Reject::OrderNotFound => ApiError::order_not_found(),
        Reject::OrderClosed => ApiError::order_closed(),
        Reject::PriceOutsideBand { reference } => {
            refused("PRICE_THRESHOLD_EXCEEDED", format!("Price deviates too far from the last price {}", text(*reference)))
        }
        Reject::NoChange => refused("NO_CHANGE", "No change is made".to_owned()),
        Reject::NoStpGroup => ApiError::invalid_param("Invalid stp_act: the user is in no STP group"),
        Reject::BadIceberg => ApiError::invalid_param("Invalid iceberg"),
        Reject::BadSlippage => ApiError::invalid_param("Invalid slippage"),
        Reject::NotRepresentable => refused("INVALID_PRECISION", "The order's value is out of range".to_owned()),
    }
}
