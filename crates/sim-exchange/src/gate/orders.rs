//! Private calls about orders and fills: place, amend, cancel, look up, list, trades (Gate API v4, orders).
//!
//! Start at [`place`]. REST and order entry over WebSocket call the same functions with the same [`OrderDesk`], and get the
//! same rows. The exchange decides; this file reads parameters, charges the rate limits, hides what Gate would still hide,
//! and words the answers. A repeated `text` is not refused: on Gate the later order shadows the earlier one.
//!
//! Order of the checks of a write: expiry, rate limit, parameters, pair, precision, sizes, balance.

use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    error::ApiError,
    query::{Query, page_of},
    rate::{Bucket, RateLimits, RateState},
    render::{ActionMode, Symbols, my_trade_row, order_row, refusal, text_of},
    rows::{MyTradeRow, OrderRow},
};
use crate::{
    core::{
        AccountId, Amendment, Exchange, NewOrder, Order, OrderFilter, OrderId, OrderKind, OrderSource, OrderStatus, PairId,
        PlaceOptions, Side, StpAct, TimeInForce, TradeFilter,
    },
    faults::{Faults, Visibility, conduct},
    monitor::{CancelArrival, CancelTarget, Monitor, Placement, PlacementOutcome},
    shared::text::plain_decimal,
};

/// Longest `text`, its prefix included.
const TEXT_BYTES_MAX: usize = 30;
/// Deepest page: `limit × (page - 1)` may not pass it (Gate API v4, pagination).
const SKIPPED_ROWS_MAX: u64 = 100_000;
const DAY_S: u64 = 86_400;
/// `/spot/my_trades` covers this much without a time, or from one bound.
const TRADES_SPAN_DEFAULT_S: u64 = 7 * DAY_S;
/// The widest span `/spot/my_trades` accepts.
const TRADES_SPAN_MAX_S: u64 = 30 * DAY_S;

/// Who asks, when, and what of the past may be shown: all that a read needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) account: AccountId,
    pub(super) t_ns: u64,
    pub(super) visibility: Visibility,
}

impl Caller {
    /// Whether Gate's lookups know the order by its id now.
    pub(super) fn sees(&self, order: &Order) -> bool {
        if order.account != self.account || self.t_ns < order.create_t_ns.saturating_add(self.visibility.order_hidden_ns) {
            return false;
        }
        let forgotten = order.status() == OrderStatus::Cancelled
            && order.filled_amount.is_zero()
            && order.end_t_ns().is_some_and(|end| self.t_ns >= end.saturating_add(self.visibility.unfilled_forgotten_ns));
        !forgotten
    }

    /// The time whose orders look-ups and lists show.
    fn shown_ns(&self) -> u64 {
        self.t_ns.saturating_sub(self.visibility.orders_stale_ns)
    }

    fn sees_by_text(&self, order: &Order) -> bool {
        let expired = order.end_t_ns().is_some_and(|end| self.t_ns >= end.saturating_add(self.visibility.text_lookup_ns));
        self.sees(order) && !expired
    }
}

/// One authenticated caller's access to the exchange for the time of one request, over either protocol.
pub(super) struct OrderDesk<'a> {
    pub(super) caller: Caller,
    /// The user's number: keys of the rate limits.
    pub(super) user_id: u64,
    /// The door: decides the source tag of orders without a client id.
    pub(super) source: OrderSource,
    /// `x-gate-exptime` exactly as sent, Unix milliseconds.
    pub(super) exptime: Option<&'a str>,
    /// Status and label of a request past its expiry.
    pub(super) exptime_refusal: (u16, &'static str),
    /// What the venue's clock shows: expiries go by it.
    pub(super) clock_ns: u64,
    /// What may go wrong with it.
    pub(super) faults: &'a mut Faults,
    pub(super) exchange: &'a mut Exchange,
    pub(super) symbols: &'a Symbols,
    pub(super) monitor: &'a mut Monitor,
    pub(super) limits: &'a mut RateLimits,
    /// What the bucket said that was charged last: becomes the reply's rate-limit headers.
    pub(super) rate: Option<RateState>,
    /// Orders this request got accepted: the faults on replies count these.
    pub(super) accepted: u64,
}

impl OrderDesk<'_> {
    /// Gate API v4, `x-gate-exptime`: a request that arrives after this instant is refused.
    pub(super) fn check_exptime(&self) -> Result<(), ApiError> {
        let Some(text) = self.exptime else { return Ok(()) };
        let expires_ms: u64 = text.parse().map_err(|_| ApiError::invalid_param("Invalid x-gate-exptime"))?;
        if self.clock_ns > expires_ms.saturating_mul(1_000_000) {
            let (status, label) = self.exptime_refusal;
            return Err(ApiError::new(status, label, "The request arrived after its x-gate-exptime"));
        }
        Ok(())
    }

    /// Charges the bucket of placing and amending in one market.
    pub(super) fn charge_place(&mut self, pair: &str) -> Result<(), ApiError> {
        self.charge(Bucket::Place { user: self.user_id, pair: pair.to_owned() })
    }

    /// Charges the bucket of cancelling.
    pub(super) fn charge_cancel(&mut self) -> Result<(), ApiError> {
        self.charge(Bucket::Cancel { user: self.user_id })
    }

    fn charge(&mut self, bucket: Bucket) -> Result<(), ApiError> {
        let state = self.limits.take(bucket, self.caller.t_ns);
        self.rate = Some(state);
        if state.allowed { Ok(()) } else { Err(ApiError::too_many_requests()) }
    }

    fn note_cancel(&mut self, pair: Option<&str>, target: CancelTarget) {
        let (t_ns, user_id, pair) = (self.caller.t_ns, self.user_id, pair.map(str::to_owned));
        self.monitor.cancel_arrived(CancelArrival { t_ns, user_id, pair, target });
    }

    /// Notes that a cancel of one order arrived, under whatever name.
    pub(super) fn note_cancel_of(&mut self, pair: Option<&str>, name: &str) {
        let target = name.parse().map_or_else(|_| CancelTarget::Text(name.to_owned()), |id| CancelTarget::Id(OrderId(id)));
        self.note_cancel(pair, target);
    }
}

/// A new order as the body asked for it.
#[derive(Clone, Debug)]
struct PlaceRequest {
    order: NewOrder,
    options: PlaceOptions,
    mode: ActionMode,
    /// `amount` as sent, for messages.
    amount_text: String,
}

/// POST `/spot/orders`, `spot.order_place` with one object: places the order.
///
/// # Errors
/// The refusal as Gate words it. Nothing has been placed then.
pub(super) fn place(body: &Value, desk: &mut OrderDesk<'_>) -> Result<Value, ApiError> {
    let (order, mode) = place_one(body, desk)?;
    Ok(written_row(&order, mode, desk.symbols))
}

/// Places one order and returns what became of it, with the wanted reply mode.
pub(super) fn place_one(body: &Value, desk: &mut OrderDesk<'_>) -> Result<(Order, ActionMode), ApiError> {
    let Value::Object(fields) = body else {
        return Err(ApiError::invalid_body("Invalid request body: not an object"));
    };
    let parsed = parse_place(fields, desk);
    let number = parsed.as_ref().ok().map(|request| {
        let order = &request.order;
        let placement = Placement {
            t_ns: desk.caller.t_ns,
            user_id: desk.user_id,
            text: order.text.clone(),
            pair: desk.symbols.pair(order.pair).to_owned(),
            side: order.side,
            kind: order.kind,
            price: order.price,
            amount: order.amount,
            time_in_force: order.time_in_force,
            expires_at_ms: desk.exptime.and_then(|text| text.parse().ok()),
        };
        desk.monitor.placement_arrived(desk.exchange, placement)
    });
    let result = execute_place(fields, parsed, desk);
    if let Some(number) = number {
        let outcome = match &result {
            Ok((order, _)) => PlacementOutcome::Accepted(order.id),
            Err(error) => PlacementOutcome::Refused(error.label.to_owned()),
        };
        desk.monitor.placement_outcome(number, outcome);
    }
    result
}

fn execute_place(
    fields: &Map<String, Value>,
    parsed: Result<PlaceRequest, ApiError>,
    desk: &mut OrderDesk<'_>,
) -> Result<(Order, ActionMode), ApiError> {
    desk.check_exptime()?;
    desk.charge_place(required_text(fields, "currency_pair")?)?;
    let mut request = parsed?;
    let pair = request.order.pair;
    if let Some(rules) = desk.symbols.rules(pair) {
        conduct::admit(&mut request.order, &mut request.options, rules, desk.faults)
            .map_err(|refused| ApiError::by_fault(refused, rules))?;
    }
    let t_ns = desk.caller.t_ns;
    let placed = desk.exchange.place_with(t_ns, request.order, request.options);
    let id = placed.map_err(|reject| refusal(&reject, desk.symbols.rules(pair), &request.amount_text))?;
    desk.accepted += 1;
    let order = desk.exchange.order(id).cloned().ok_or_else(ApiError::server_error)?;
    Ok((order, request.mode))
}

/// The reply to a write on one order, as long as its mode wants it.
pub(super) fn written_row(order: &Order, mode: ActionMode, symbols: &Symbols) -> Value {
    match mode {
        ActionMode::Ack => json!({
            "id": order.id.0.to_string(),
            "text": text_of(order.text.as_deref(), order.source),
            "amend_text": order.amend_text.as_deref().unwrap_or("-"),
        }),
        ActionMode::Result | ActionMode::Full => to_value(&order_row(order, symbols, mode)),
    }
}

/// A row as JSON.
pub(super) fn to_value<T: Serialize>(row: &T) -> Value {
    serde_json::to_value(row).unwrap_or_default()
}

/// Reads the fields of a new order.
fn parse_place(fields: &Map<String, Value>, desk: &OrderDesk<'_>) -> Result<PlaceRequest, ApiError> {
    let pair_name = required_text(fields, "currency_pair")?;
    let side = match required_text(fields, "side")? {
        "buy" => Side::Buy,
        "sell" => Side::Sell,
        other => return Err(ApiError::invalid_param(format!("Invalid side: {other}"))),
    };
    let kind = match optional_text(fields, "type")?.unwrap_or("limit") {
        "limit" => OrderKind::Limit,
        "market" => OrderKind::Market,
        other => return Err(ApiError::invalid_param(format!("Invalid type: {other}"))),
    };
    let time_in_force = match optional_text(fields, "time_in_force")?.unwrap_or("gtc") {
        "gtc" => TimeInForce::Gtc,
        "ioc" => TimeInForce::Ioc,
        "fok" => TimeInForce::Fok,
        "poc" => TimeInForce::Poc,
        other => return Err(ApiError::invalid_param(format!("Invalid time_in_force: {other}"))),
    };
    match optional_text(fields, "account")?.unwrap_or("spot") {
        "spot" => {}
        other => return Err(ApiError::invalid_param(format!("Invalid account: {other}"))),
    }
    let mode = action_mode(optional_text(fields, "action_mode")?)?;
    let iceberg = optional_text(fields, "iceberg")?.map(|text| decimal("iceberg", text)).transpose()?.unwrap_or_default();
    let stp_act = match optional_text(fields, "stp_act")? {
        None | Some("-") => None,
        Some("cn") => Some(StpAct::CancelNewest),
        Some("co") => Some(StpAct::CancelOldest),
        Some("cb") => Some(StpAct::CancelBoth),
        Some(other) => return Err(ApiError::invalid_param(format!("Invalid stp_act: {other}"))),
    };
    let slippage = match fields.get("slippage") {
        None | Some(Value::Null) => None,
        // The official SDK types it as text; a number is read by its digits.
        Some(Value::Number(number)) => Some(decimal("slippage", &number.to_string())?),
        Some(_) => optional_text(fields, "slippage")?.map(|text| decimal("slippage", text)).transpose()?,
    };
    let text = optional_text(fields, "text")?.map(checked_text).transpose()?;
    let amount_text = required_text(fields, "amount")?.to_owned();
    let amount = decimal("amount", &amount_text)?;
    let price = match kind {
        OrderKind::Limit => decimal("price", required_text(fields, "price")?)?,
        OrderKind::Market => Decimal::ZERO,
    };
    let pair = desk.symbols.find_pair(pair_name).ok_or_else(|| ApiError::invalid_pair(pair_name))?;
    if let Some(rules) = desk.symbols.rules(pair).filter(|rules| rules.trade_quotes.is_some())
        && optional_text(fields, "trade_quote")?.is_none()
    {
        return Err(ApiError::missing_param(&format!("trade_quote of {}", rules.id)));
    }
    let order = NewOrder { account: desk.caller.account, pair, side, kind, time_in_force, price, amount, text };
    let options = PlaceOptions { iceberg, stp_act, slippage, source: desk.source, ..PlaceOptions::default() };
    Ok(PlaceRequest { order, options, mode, amount_text })
}

/// Reads `action_mode`.
pub(super) fn action_mode(word: Option<&str>) -> Result<ActionMode, ApiError> {
    match word.unwrap_or("FULL") {
        "ACK" => Ok(ActionMode::Ack),
        "RESULT" => Ok(ActionMode::Result),
        "FULL" => Ok(ActionMode::Full),
        other => Err(ApiError::invalid_param(format!("Invalid action_mode: {other}"))),
    }
}

/// A text field of a body; absent, null and empty are the same.
pub(super) fn optional_text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, ApiError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(ApiError::invalid_body(format!("Invalid request body: {name} must be a string"))),
    }
}

/// A text field that must be there.
pub(super) fn required_text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a str, ApiError> {
    optional_text(fields, name)?.ok_or_else(|| ApiError::missing_param(name))
}

/// Plain decimal digits with at most one point. No sign, no exponent.
fn decimal(name: &str, text: &str) -> Result<Decimal, ApiError> {
    plain_decimal(text).ok_or_else(|| ApiError::invalid_param(format!("Invalid {name}: {text}")))
}

/// Gate API v4, `text`: prefix `t-`, at most 30 bytes, characters `0-9 A-Z a-z _ - .`.
fn checked_text(text: &str) -> Result<String, ApiError> {
    let valid = text.len() <= TEXT_BYTES_MAX
        && text.len() > 2
        && text.starts_with("t-")
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if valid { Ok(text.to_owned()) } else { Err(ApiError::invalid_param(format!("Invalid text: {text}"))) }
}

/// PATCH `/spot/orders/{order_id}`, `spot.order_amend`: changes price or amount. Parameters of the body win over those of
/// the query.
///
/// # Errors
/// The refusal as Gate words it. The order is as it was then.
pub(super) fn amend(name: &str, body: &Value, query: &Query, desk: &mut OrderDesk<'_>) -> Result<Value, ApiError> {
    let (order, mode) = amend_one(name, body, query, desk)?;
    Ok(written_row(&order, mode, desk.symbols))
}

/// Amends one order and returns it as it is now, with the wanted reply mode.
pub(super) fn amend_one(
    name: &str,
    body: &Value,
    query: &Query,
    desk: &mut OrderDesk<'_>,
) -> Result<(Order, ActionMode), ApiError> {
    let Value::Object(fields) = body else {
        return Err(ApiError::invalid_body("Invalid request body: not an object"));
    };
    desk.check_exptime()?;
    let pair_name = match optional_text(fields, "currency_pair")? {
        Some(name) => name,
        None => query.required("currency_pair")?,
    };
    desk.charge_place(pair_name)?;
    let mode = action_mode(optional_text(fields, "action_mode")?.or(query.get("action_mode")))?;
    let account = optional_text(fields, "account")?.or(query.get("account"));
    let amount_text = optional_text(fields, "amount")?;
    let amendment = Amendment {
        price: optional_text(fields, "price")?.map(|text| decimal("price", text)).transpose()?,
        amount: amount_text.map(|text| decimal("amount", text)).transpose()?,
        text: optional_text(fields, "amend_text")?.map(checked_amend_text).transpose()?,
    };
    if amendment.price.is_none() && amendment.amount.is_none() {
        return Err(ApiError::missing_param("amount or price"));
    }
    let pair = desk.symbols.find_pair(pair_name).ok_or_else(|| ApiError::invalid_pair(pair_name))?;
    check_holds_orders(account, name)?;
    let found = find(name, pair, &desk.caller, desk.exchange)?;
    still_open(found)?;
    let (id, words) = (found.id, amount_text.map_or_else(|| found.amount.to_string(), str::to_owned));
    let amended = desk.exchange.amend(desk.caller.t_ns, desk.caller.account, id, amendment);
    amended.map_err(|reject| refusal(&reject, desk.symbols.rules(pair), &words))?;
    let order = desk.exchange.order(id).cloned().ok_or_else(ApiError::server_error)?;
    Ok((order, mode))
}

/// `amend_text` has the characters and the length of `text`, its prefix apart.
fn checked_amend_text(text: &str) -> Result<String, ApiError> {
    let valid =
        text.len() <= TEXT_BYTES_MAX && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if valid { Ok(text.to_owned()) } else { Err(ApiError::invalid_param(format!("Invalid amend_text: {text}"))) }
}

fn still_open(order: &Order) -> Result<(), ApiError> {
    match order.status() {
        OrderStatus::Open => Ok(()),
        OrderStatus::Closed => Err(ApiError::order_closed()),
        OrderStatus::Cancelled => Err(ApiError::order_cancelled()),
    }
}

/// Finds an order by exchange id or by `text`, as far as Gate would.
pub(super) fn find<'a>(name: &str, pair: PairId, caller: &Caller, exchange: &'a Exchange) -> Result<&'a Order, ApiError> {
    if name.starts_with("t-") {
        let order = exchange.order_by_text(caller.account, name);
        return order.filter(|order| order.pair == pair && caller.sees_by_text(order)).ok_or_else(ApiError::client_id_not_found);
    }
    let id = name.parse::<u64>().map_err(|_| ApiError::invalid_param(format!("Invalid order id: {name}")))?;
    let order = exchange.order(OrderId(id));
    order.filter(|order| order.pair == pair && caller.sees(order)).ok_or_else(ApiError::order_not_found)
}

/// Whether the named account type holds the simulated orders: all are spot orders of a classic account.
fn is_spot(account: Option<&str>) -> Result<bool, ApiError> {
    match account {
        None | Some("spot") => Ok(true),
        Some("margin" | "cross_margin" | "unified") => Ok(false),
        Some(other) => Err(ApiError::invalid_param(format!("Invalid account: {other}"))),
    }
}

/// A lookup in another account type finds nothing.
fn check_holds_orders(account: Option<&str>, name: &str) -> Result<(), ApiError> {
    if is_spot(account)? {
        return Ok(());
    }
    Err(if name.starts_with("t-") { ApiError::client_id_not_found() } else { ApiError::order_not_found() })
}

fn required_pair(query: &Query, symbols: &Symbols) -> Result<PairId, ApiError> {
    let name = query.required("currency_pair")?;
    symbols.find_pair(name).ok_or_else(|| ApiError::invalid_pair(name))
}

fn optional_pair(query: &Query, symbols: &Symbols) -> Result<Option<PairId>, ApiError> {
    query.get("currency_pair").map(|name| symbols.find_pair(name).ok_or_else(|| ApiError::invalid_pair(name))).transpose()
}

fn optional_side(query: &Query) -> Result<Option<Side>, ApiError> {
    match query.get("side") {
        None => Ok(None),
        Some("buy") => Ok(Some(Side::Buy)),
        Some("sell") => Ok(Some(Side::Sell)),
        Some(other) => Err(ApiError::invalid_param(format!("Invalid side: {other}"))),
    }
}

/// `page` and `limit` of a listing.
pub(super) fn paging(query: &Query, limit_max: u64) -> Result<(u64, u64), ApiError> {
    let page = query.number("page", 1, 0, u64::MAX)?.max(1);
    let limit = query.number("limit", 100.min(limit_max), 1, limit_max)?;
    if limit.saturating_mul(page - 1) > SKIPPED_ROWS_MAX {
        return Err(ApiError::invalid_param(format!("Invalid parameter page: {page}")));
    }
    Ok((page, limit))
}

/// GET `/spot/orders/{order_id}`, `spot.order_status`.
///
/// # Errors
/// `ORDER_NOT_FOUND` or `CLIENT_ID_NOT_FOUND` for what Gate would not know now; refusals of parameters.
pub(super) fn status(
    name: &str,
    query: &Query,
    caller: &Caller,
    exchange: &Exchange,
    symbols: &Symbols,
) -> Result<Value, ApiError> {
    let pair = required_pair(query, symbols)?;
    check_holds_orders(query.get("account"), name)?;
    let found = find(name, pair, caller, exchange)?;
    let shown = conduct::as_of(found, caller.shown_ns(), exchange).ok_or_else(ApiError::order_not_found)?;
    Ok(to_value(&order_row(&shown, symbols, ActionMode::Full)))
}

/// DELETE `/spot/orders/{order_id}`, `spot.order_cancel`.
///
/// # Errors
/// `ORDER_CLOSED` or `ORDER_CANCELLED` when it has ended, and those of [`status`].
pub(super) fn cancel(name: &str, query: &Query, desk: &mut OrderDesk<'_>) -> Result<Value, ApiError> {
    desk.note_cancel_of(query.get("currency_pair"), name);
    desk.check_exptime()?;
    desk.charge_cancel()?;
    let mode = action_mode(query.get("action_mode"))?;
    let pair = required_pair(query, desk.symbols)?;
    check_holds_orders(query.get("account"), name)?;
    let order = cancel_one(name, pair, desk)?;
    Ok(written_row(&order, mode, desk.symbols))
}

/// Cancels one order of a pair; the caller has charged the rate limit.
pub(super) fn cancel_one(name: &str, pair: PairId, desk: &mut OrderDesk<'_>) -> Result<Order, ApiError> {
    let id = find(name, pair, &desk.caller, desk.exchange)?.id;
    if let Some(rules) = desk.symbols.rules(pair) {
        conduct::before_cancel(desk.caller.t_ns, id, desk.exchange, rules, desk.faults);
    }
    still_open(find(name, pair, &desk.caller, desk.exchange)?)?;
    let cancelled = desk.exchange.cancel(desk.caller.t_ns, desk.caller.account, id);
    cancelled.map_err(|reject| refusal(&reject, desk.symbols.rules(pair), ""))
}

/// An order with the outcome of a call on many.
#[derive(Serialize)]
pub(super) struct OutcomeRow {
    #[serde(flatten)]
    pub(super) order: OrderRow,
    pub(super) succeeded: bool,
    pub(super) label: &'static str,
    pub(super) message: &'static str,
}

impl OutcomeRow {
    /// A success.
    pub(super) fn done(order: OrderRow) -> OutcomeRow {
        OutcomeRow { order, succeeded: true, label: "", message: "" }
    }
}

/// DELETE `/spot/orders`, `spot.order_cancel_cp`: cancels all that match; without a pair, those of every market.
///
/// # Errors
/// Refusals of expiry, rate limit and parameters.
pub(super) fn cancel_all(query: &Query, desk: &mut OrderDesk<'_>) -> Result<Value, ApiError> {
    desk.note_cancel(query.get("currency_pair"), CancelTarget::All);
    desk.check_exptime()?;
    desk.charge_cancel()?;
    let mode = action_mode(query.get("action_mode"))?;
    let side = optional_side(query)?;
    let pair = optional_pair(query, desk.symbols)?;
    if !is_spot(query.get("account"))? {
        return Ok(json!([]));
    }
    let caller = desk.caller;
    let open = desk.exchange.open_orders(caller.account, pair);
    let ids: Vec<OrderId> =
        open.filter(|order| side.is_none_or(|side| order.side == side) && caller.sees(order)).map(|order| order.id).collect();
    let mut rows = Vec::with_capacity(ids.len());
    for id in ids {
        let order = desk.exchange.cancel(caller.t_ns, caller.account, id).map_err(|reject| refusal(&reject, None, ""))?;
        let mut row = match mode {
            ActionMode::Ack => written_row(&order, mode, desk.symbols),
            ActionMode::Result | ActionMode::Full => to_value(&OutcomeRow::done(order_row(&order, desk.symbols, mode))),
        };
        if let (ActionMode::Ack, Value::Object(fields)) = (mode, &mut row) {
            fields.insert("succeeded".to_owned(), Value::Bool(true));
            fields.insert("label".to_owned(), json!(""));
            fields.insert("message".to_owned(), json!(""));
        }
        rows.push(row);
    }
    Ok(Value::Array(rows))
}

/// GET `/spot/orders`, `spot.order_list`.
///
/// # Errors
/// Refusals of parameters: `status` is required, and the pair with `open`, whose `limit` ends at 100.
pub(super) fn list(query: &Query, caller: &Caller, exchange: &Exchange, symbols: &Symbols) -> Result<Value, ApiError> {
    let rows: Vec<OrderRow> = match query.required("status")? {
        "open" => {
            let pair = required_pair(query, symbols)?;
            let (page, limit) = paging(query, 100)?;
            // Side and time do not apply to open orders (Gate API v4): they are ignored, as some clients always send them.
            page_of(open_rows(pair, caller, exchange, symbols), page, limit)
        }
        "finished" => {
            let (page, limit) = paging(query, 1_000)?;
            let filter = OrderFilter {
                pair: optional_pair(query, symbols)?,
                side: optional_side(query)?,
                from_t_ns: second_bound(query, "from", 0)?,
                to_t_ns: second_bound(query, "to", 999_999_999)?,
                ..OrderFilter::default()
            };
            let finished = exchange.finished_orders(caller.account, &filter);
            let seen = finished.into_iter().filter(|order| caller.sees(order));
            page_of(seen.map(|order| order_row(order, symbols, ActionMode::Full)).collect(), page, limit)
        }
        other => return Err(ApiError::invalid_param(format!("Invalid status: {other}"))),
    };
    Ok(if is_spot(query.get("account"))? { to_value(&rows) } else { json!([]) })
}

/// Open orders of a pair as far as they are shown.
fn open_rows(pair: PairId, caller: &Caller, exchange: &Exchange, symbols: &Symbols) -> Vec<OrderRow> {
    let shown_ns = caller.shown_ns();
    if shown_ns < caller.t_ns {
        let open = conduct::open_as_of(caller.account, pair, shown_ns, exchange);
        return open.iter().map(|order| order_row(order, symbols, ActionMode::Full)).collect();
    }
    let open = exchange.open_orders(caller.account, Some(pair)).filter(|order| caller.sees(order));
    open.map(|order| order_row(order, symbols, ActionMode::Full)).collect()
}

/// A bound given in seconds, as nanoseconds; `add_ns` makes an upper bound include its whole second.
fn second_bound(query: &Query, name: &str, add_ns: u64) -> Result<Option<u64>, ApiError> {
    let Some(_) = query.get(name) else { return Ok(None) };
    let seconds = query.number(name, 0, 0, u64::MAX)?;
    Ok(Some(seconds.saturating_mul(1_000_000_000).saturating_add(add_ns)))
}

#[derive(Serialize)]
struct OpenOrdersRow {
    currency_pair: String,
    total: usize,
    orders: Vec<OrderRow>,
}

/// GET `/spot/open_orders`: every market with open orders; `limit` counts per pair.
///
/// # Errors
/// Refusals of parameters.
pub(super) fn open_orders(query: &Query, caller: &Caller, exchange: &Exchange, symbols: &Symbols) -> Result<Value, ApiError> {
    let (page, limit) = paging(query, 100)?;
    let mut rows = Vec::new();
    if !is_spot(query.get("account"))? {
        return Ok(json!([]));
    }
    for (pair, rules) in symbols.pairs() {
        let all = open_rows(pair, caller, exchange, symbols);
        if !all.is_empty() {
            rows.push(OpenOrdersRow { currency_pair: rules.id.clone(), total: all.len(), orders: page_of(all, page, limit) });
        }
    }
    Ok(to_value(&rows))
}

/// GET `/spot/my_trades`, newest first. Without a time it covers the last seven days; with one bound, seven days from it. The venue's
/// clock is `ahead_s` seconds ahead: bounds are in its time.
///
/// # Errors
/// Refusals of parameters: `order_id` needs the pair, and a span ends at 30 days.
pub(super) fn my_trades(
    query: &Query,
    caller: &Caller,
    exchange: &Exchange,
    symbols: &Symbols,
    ahead_s: i64,
) -> Result<Value, ApiError> {
    let pair = optional_pair(query, symbols)?;
    let (page, limit) = paging(query, 1_000)?;
    let order_id = match query.get("order_id") {
        None => None,
        Some(_) if pair.is_none() => return Err(ApiError::missing_param("currency_pair")),
        Some(_) => Some(OrderId(query.number("order_id", 0, 0, u64::MAX)?)),
    };
    let bound = |name| -> Result<Option<u64>, ApiError> {
        let given = query.get(name).map(|_| query.number(name, 0, 0, u64::MAX)).transpose()?;
        Ok(given.map(|bound| bound.saturating_add_signed(ahead_s.saturating_neg())))
    };
    let now_s = caller.t_ns / 1_000_000_000;
    let (from_s, to_s) = match (bound("from")?, bound("to")?) {
        (None, None) => (now_s.saturating_sub(TRADES_SPAN_DEFAULT_S), now_s),
        (Some(from), None) => (from, from.saturating_add(TRADES_SPAN_DEFAULT_S)),
        (None, Some(to)) => (to.saturating_sub(TRADES_SPAN_DEFAULT_S), to),
        (Some(from), Some(to)) => (from, to),
    };
    if to_s.saturating_sub(from_s) > TRADES_SPAN_MAX_S {
        return Err(ApiError::invalid_param("Invalid parameter from/to: the time range is at most 30 days"));
    }
    let filter = TradeFilter {
        pair,
        order_id,
        from_t_ns: Some(from_s.saturating_mul(1_000_000_000)),
        to_t_ns: Some(to_s.saturating_mul(1_000_000_000).saturating_add(999_999_999)),
        ..TradeFilter::default()
    };
    if !is_spot(query.get("account"))? {
        return Ok(json!([]));
    }
    let shown_to = caller.t_ns.saturating_sub(caller.visibility.trade_hidden_ns);
    let fills = exchange.trades(caller.account, &filter);
    let rows: Vec<MyTradeRow> =
        fills.into_iter().filter(|fill| fill.t_ns <= shown_to).map(|fill| my_trade_row(fill, symbols)).collect();
    Ok(to_value(&page_of(rows, page, limit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_ids_follow_the_rule() {
        let longest = format!("t-{}", "x".repeat(28));
        for good in ["t-1", "t-arb_0.1-A", longest.as_str()] {
            assert_eq!(checked_text(good).as_deref(), Ok(good));
        }
        let too_long = format!("t-{}", "x".repeat(29));
        for bad in ["1", "t-", "x-1", "t-ä", "t-a b", too_long.as_str()] {
            assert_eq!(checked_text(bad).map_err(|e| e.label), Err("INVALID_PARAM_VALUE"), "{bad}");
        }
    }
}
