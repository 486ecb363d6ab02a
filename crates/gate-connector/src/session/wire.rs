//! Gate's part of the trading half ([`venue::desk`]): requests and frames as bytes, answers as rows, limits and labels.

use crate::errors;
use crate::rest::RateClass;
use crate::rest::limits;
use crate::sign::Signer;
use crate::wire::bodies::{ErrorLabel, OPEN_ORDERS_PAGE};
use crate::wire::order_entry::{self as entry, CANCEL_IDS_MAX, CancelledId, EntryBody, EntryChannel, EntryFrame, LoginForm};
use crate::wire::rows::{OrderRow, Stamp, TEXT_PREFIX, client_id};
use crate::wire::{Decoder, Reject, encode};
use domain::command::OrderRef;
use domain::mutants::{self, Mutant};
use domain::time::SECOND;
use domain::{
    AccountFacts, BalanceEntry, ErrorClass, FeeRates, Fill, MonoNanos, PairId, PairScale, Symbol, Tables, UnixNanos, VenueOrderId,
};
use venue::clock_sync::ClockPace;
use venue::connector::RawRules;
use venue::desk::TradesRead;
use venue::desk::what::What;
use venue::desk::windows::Window;
use venue::desk::wire::{
    AccountAnswer, AllCancelled, Ban, Call, CallKind, CancelledRow, Failure, LinkBody, LinkNews, LinkReply, OrderAnswer, Page,
    Profile, SendAt, Wire,
};
use venue::rate_limit::{Limit, RateNews};
use venue::{HttpRequest, Method};

use super::audit::AUDIT_LEVELS;
use super::streams::Subscription;
use super::window::WINDOW_LEVELS;

/// Executions per page, the venue's maximum.
const TRADES_PAGE: usize = 1000;
/// With only a start given, executions of seven days from it are listed; with an end as well, of thirty at most.
const TRADES_SPAN_MS: i64 = 7 * 86_400_000;

/// Labels of a refused login that may be about its form: the other one is tried once.
const FORM_LABELS: &[&str] = &[
    "INVALID_SIGNATURE",
    "INVALID_CREDENTIALS",
    "AUTHENTICATION_FAILED",
    "MISSING_REQUIRED_PARAM",
    "INVALID_PARAM_VALUE",
    "INVALID_ARGUMENT",
    "INVALID_REQUEST_BODY",
    "BAD_REQUEST",
];

/// Labels of a refused request that say that its connection is not logged in.
const LOGIN_LOST_LABELS: &[&str] = &["AUTHENTICATION_FAILED", "INVALID_CREDENTIALS", "INVALID_KEY", "INVALID_SIGNATURE"];

/// What a copy of a book is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copy {
    /// The base of a chain of changes.
    Book { generation: u64 },
    /// A comparison with a quiet book.
    Audit,
}

/// A copy of a book: the one request beside the desk's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BookCopy {
    pub(super) pair: PairId,
    pub(super) copy: Copy,
}

/// A subscribe or unsubscribe frame, signed when it leaves.
pub(super) struct StreamFrame {
    pub(super) id: u64,
    pub(super) subscription: Subscription,
    pub(super) subscribe: bool,
}

/// Names, codec and signatures of one account.
pub(super) struct GateWire {
    pub(super) decoder: Decoder,
    signer: Option<Signer>,
    form: LoginForm,
}

const fn limit_of(class: RateClass) -> Limit {
    Limit { count: class.limit(), window_ns: class.window_ns() }
}

/// What the venue names one of our orders by: its own id where that is known, else ours, whose prefix belongs to every look-up.
fn order_name(order: &OrderRef) -> String {
    match order.venue_order_id {
        Some(id) => id.to_string(),
        None => format!("{TEXT_PREFIX}{}", order.client_id),
    }
}

/// True when the masked text of a key (`abcd****wxyz`) may stand for `key`.
fn masks(masked: &str, key: &str) -> bool {
    match (masked.find('*'), masked.rfind('*')) {
        (Some(first), Some(last)) => {
            let (head, tail) = (masked.get(..first).unwrap_or_default(), masked.get(last + 1..).unwrap_or_default());
            key.len() >= head.len() + tail.len() && key.starts_with(head) && key.ends_with(tail)
        }
        _ => masked == key,
    }
}

fn failure(status: u16, label: Option<ErrorLabel>) -> Failure {
    let text = label.as_ref().map(|label| label.0.as_str());
    Failure {
        status,
        class: errors::class(status, text),
        placement: errors::placement(status, text),
        not_found: errors::is_not_found(text),
        login_lost: text.map_or(status == 401, |text| LOGIN_LOST_LABELS.contains(&text)),
        label: label.map(|label| label.0),
    }
}

fn answer(row: Option<OrderRow>) -> OrderAnswer {
    row.map_or(OrderAnswer::Elsewhere, OrderAnswer::Row)
}

impl GateWire {
    pub(super) fn new(decoder: Decoder, signer: Option<Signer>) -> GateWire {
        GateWire { decoder, signer, form: LoginForm::Empty }
    }

    fn name(&self, pair: PairId) -> &str {
        self.decoder.names.name(pair).unwrap_or_default()
    }

    fn scale(&self, pair: PairId) -> PairScale {
        let info = self.decoder.names.tables.pair(pair);
        info.expect("Invariant: only orders on configured pairs are queued").scale
    }

    fn request_parts(&self, what: &What<BookCopy>, at: &SendAt) -> (Method, String, String, Vec<u8>) {
        let get = |path: &str, query: String| (Method::Get, path.to_string(), query, Vec::new());
        let order_path = |order: &OrderRef| format!("/spot/orders/{}", order_name(order));
        let on = |pair: PairId| format!("currency_pair={}&account=spot", self.name(pair));
        match what {
            What::Time(_) => get("/spot/time", String::new()),
            What::Own(BookCopy { pair, copy }) => {
                let limit = if *copy == Copy::Audit { AUDIT_LEVELS } else { WINDOW_LEVELS };
                get("/spot/order_book", format!("currency_pair={}&limit={limit}&with_id=true", self.name(*pair)))
            }
            What::Place { order, .. } => {
                let body = encode::order_body(order, self.name(order.pair), self.scale(order.pair));
                (Method::Post, "/spot/orders".into(), String::new(), body)
            }
            What::Amend(amend) => {
                let body = format!("{{{}}}", encode::amend_members(amend, self.scale(amend.order.pair)));
                (Method::Patch, order_path(&amend.order), on(amend.order.pair), body.into_bytes())
            }
            What::Cancel(order) => (Method::Delete, order_path(order), on(order.pair), Vec::new()),
            // Never without the pair: that would cancel on every market.
            What::CancelAll(all) => (Method::Delete, "/spot/orders".into(), on(all.pair), Vec::new()),
            What::LookUp { order, .. } => get(&order_path(order), on(order.pair)),
            What::Rules(pair) => get(&format!("/spot/currency_pairs/{}", self.name(*pair)), String::new()),
            What::DeadMan { timeout_s } => {
                let body = format!(r#"{{"timeout":{timeout_s}}}"#).into_bytes();
                (Method::Post, "/spot/countdown_cancel_all".into(), String::new(), body)
            }
            What::Balances => get("/spot/accounts", String::new()),
            What::OpenOrders(read) => {
                get("/spot/open_orders", format!("page={}&limit={OPEN_ORDERS_PAGE}&account=spot", read.page))
            }
            What::Trades(read) => {
                let window = Window::of(read);
                // A second early and late: the list's bounds are in whole seconds.
                let from = window.start_ms.div_euclid(1000).saturating_sub(1).max(0);
                let page = if window.page.is_empty() { "1" } else { window.page.as_str() };
                let to = window
                    .end_ms(TRADES_SPAN_MS, at.venue_ns)
                    .map_or(String::new(), |end_ms| format!("&to={}", end_ms / 1000 + 1));
                let on = self.name(read.pair);
                get("/spot/my_trades", format!("currency_pair={on}&limit={TRADES_PAGE}&page={page}&from={from}{to}"))
            }
            // The desk asks where executions are not named only.
            What::OrderNames(read) => get("/spot/orders", format!("{}&status=finished", on(read.pair))),
            What::Fees { pair, .. } => get("/wallet/fee", format!("currency_pair={}", self.name(*pair))),
            What::Account { step: 0 } => get("/account/main_keys", String::new()),
            What::Account { .. } => get("/account/detail", String::new()),
        }
    }

    /// Channel and JSON parameter of a request of order entry.
    fn entry_param(&self, call: &Call<'_, BookCopy>) -> (EntryChannel, String) {
        let named = |order: &OrderRef, key: &str| {
            format!(r#""{key}":"{}","currency_pair":"{}""#, order_name(order), self.name(order.pair))
        };
        let what = match call {
            Call::One(what) => what,
            Call::Cancels(orders) => {
                let rows: Vec<String> =
                    orders.iter().map(|order| format!(r#"{{{},"account":"spot"}}"#, named(order, "id"))).collect();
                return (EntryChannel::CancelIds, format!("[{}]", rows.join(",")));
            }
        };
        match what {
            What::Place { order, .. } => {
                let body = encode::order_body(order, self.name(order.pair), self.scale(order.pair));
                (EntryChannel::Place, String::from_utf8_lossy(&body).into_owned())
            }
            What::Amend(amend) => {
                let changes = encode::amend_members(amend, self.scale(amend.order.pair));
                (EntryChannel::Amend, format!("{{{},{changes}}}", named(&amend.order, "order_id")))
            }
            What::Cancel(order) => (EntryChannel::Cancel, format!(r#"{{{},"account":"spot"}}"#, named(order, "order_id"))),
            // Never without the pair: that would cancel on every market.
            What::CancelAll(all) => {
                (EntryChannel::CancelPair, format!(r#"{{"currency_pair":"{}","account":"spot"}}"#, self.name(all.pair)))
            }
            What::LookUp { order, .. } => (EntryChannel::Status, format!("{{{}}}", named(order, "order_id"))),
            // Nothing else is ever handed to this way.
            _ => (EntryChannel::Status, "{}".into()),
        }
    }
}

impl Wire for GateWire {
    type Own = BookCopy;
    type Frame = StreamFrame;

    const PROFILE: Profile = Profile {
        kind: "gate",
        // A round of five samples every half minute; one that failed begins again after a second or two. Gate tolerates 60 s.
        clock: ClockPace { samples: 5, refresh_ns: 30 * SECOND, retry_ns: 2 * SECOND, retry_limited: true },
        place: limit_of(RateClass::SpotPlace),
        place_per_pair: true,
        cancel: limit_of(RateClass::SpotCancel),
        // Gate counts per endpoint: the smallest of their limits for all of them is stricter, and simple.
        read: Limit {
            count: if RateClass::Other.limit() < RateClass::SpotPrivate.limit() {
                RateClass::Other.limit()
            } else {
                RateClass::SpotPrivate.limit()
            },
            window_ns: RateClass::Other.window_ns(),
        },
        // `/spot/order_book` and `/spot/currency_pairs`.
        public: limit_of(RateClass::Public),
        // Undocumented; other venues' gateways ban so.
        ban: Some(Ban { status: 418, of_link: true, lasts_ns: 120 * SECOND }),
        // All pairs together: Gate does not say whether its limit is per market, as over REST.
        link_place: Limit { count: 10, window_ns: SECOND },
        link_login: true,
        link_life_ns: None,
        links_spend_reads: false,
        cancels_together: CANCEL_IDS_MAX,
        look_up_places: 1,
        dead_man_min_s: Some(5),
        open_orders_pages_max: 10,
        // A week each, or a thousand of a busy one: more than two years of silence.
        trades_pages_max: 150,
        // It is not documented for how long.
        trades_kept_ns: i64::MAX,
        executions_named: true,
    };

    fn tables(&self) -> &Tables {
        &self.decoder.names.tables
    }

    fn lists(&self, pair: PairId) -> bool {
        self.decoder.names.name(pair).is_some()
    }

    fn has_keys(&self) -> bool {
        self.signer.is_some()
    }

    fn request(&self, what: &What<BookCopy>, at: SendAt) -> HttpRequest {
        let (method, path, mut query, body) = self.request_parts(what, &at);
        let mut headers = vec![("Accept", "application/json".to_string())];
        if !body.is_empty() {
            headers.push(("Content-Type", "application/json".into()));
        }
        if let Some(expires_ms) = at.expires_ms {
            headers.push(("x-gate-exptime", expires_ms.to_string()));
        }
        let path = format!("{}{path}", crate::connector::API_PREFIX);
        if let Some(signer) = self.signer.as_ref().filter(|_| !matches!(what, What::Time(_) | What::Own(_) | What::Rules(_))) {
            let timestamp = at.seconds().to_string();
            if mutants::active(Mutant::KeyInUrl) {
                query.push_str(&format!("&key={}", signer.key()));
            }
            headers.push(("SIGN", signer.rest(method.as_str(), &path, &query, &body, &timestamp)));
            headers.push(("Timestamp", timestamp));
            headers.push(("KEY", signer.key().to_string()));
        }
        HttpRequest { method, path, query, headers, body }
    }

    fn frame(&self, frame: &StreamFrame, at: SendAt) -> String {
        let StreamFrame { id, subscription, subscribe } = frame;
        let payload: Vec<&str> = subscription.payload.iter().map(String::as_str).collect();
        encode::subscription(subscription.channel, *subscribe, *id, at.seconds(), &payload, self.signer.as_ref())
    }

    fn ping(&self, at: SendAt) -> String {
        encode::ping(at.seconds())
    }

    fn login(&self, number: u64, at: SendAt) -> String {
        let signer = self.signer.as_ref().expect("Invariant: order links are opened with a key only");
        entry::login(number, at.seconds(), signer, self.form)
    }

    fn call(&self, number: u64, call: &Call<'_, BookCopy>, at: SendAt) -> String {
        let (channel, param) = self.entry_param(call);
        entry::request(channel, number, at.seconds(), &param, at.expires_ms)
    }

    fn failure(&mut self, status: u16, body: &mut [u8]) -> Option<Failure> {
        if (200..300).contains(&status) {
            return None;
        }
        let label = self.decoder.error_label(body);
        Some(failure(status, label))
    }

    fn rate(&self, _what: &What<BookCopy>, headers: &[(String, String)]) -> RateNews {
        limits::from_http(headers)
    }

    fn time(&mut self, body: &mut [u8]) -> Result<UnixNanos, Reject> {
        self.decoder.time(body).map(|told| UnixNanos(told.0))
    }

    fn order(&mut self, _what: &What<BookCopy>, body: &mut [u8], stamp: Stamp) -> Result<OrderAnswer, Reject> {
        self.decoder.order(body, stamp).map(answer)
    }

    fn cancelled(&mut self, body: &mut [u8], stamp: Stamp) -> Result<AllCancelled, Reject> {
        self.decoder.cancelled(body, stamp).map(AllCancelled::Ends)
    }

    fn dead_man(&mut self, body: &mut [u8]) -> Result<bool, Reject> {
        self.decoder.countdown(body).map(|fires| fires.is_some())
    }

    fn balances(&mut self, body: &mut [u8]) -> Result<Vec<BalanceEntry>, Reject> {
        self.decoder.accounts(body)
    }

    fn open_orders(&mut self, body: &mut [u8], stamp: Stamp) -> Result<Page<OrderRow>, Reject> {
        let page = self.decoder.open_orders(body, stamp)?;
        Ok(Page { rows: page.orders, elsewhere: page.elsewhere, more: page.more, cursor: String::new() })
    }

    fn trades(&mut self, read: &TradesRead, venue_ns: i64, body: &mut [u8], stamp: Stamp) -> Result<Page<Fill>, Reject> {
        let (rows, listed) = self.decoder.my_trades(body, stamp)?;
        let window = Window::of(read);
        let page: u32 = window.page.parse().unwrap_or(1);
        let more = (listed >= TRADES_PAGE).then(|| page.saturating_add(1).to_string());
        let next = window.after(more, TRADES_SPAN_MS, venue_ns);
        Ok(Page { rows, elsewhere: 0, more: next.is_some(), cursor: next.unwrap_or_default() })
    }

    fn fees(&mut self, body: &mut [u8], pair: PairId) -> Result<FeeRates, Reject> {
        self.decoder.fee(body, pair)
    }

    fn account(&mut self, step: u8, body: &mut [u8]) -> Result<AccountAnswer, Reject> {
        let venue = self.decoder.names.venue;
        if step > 0 {
            let ip_bound = self.decoder.account_detail(body)?;
            return Ok(AccountAnswer::Facts(AccountFacts { venue, can_trade: None, can_withdraw: None, ip_bound }));
        }
        let key = self.signer.as_ref().map(|signer| signer.key().to_string()).unwrap_or_default();
        Ok(match self.decoder.key_facts(body, |masked| masks(masked, &key))? {
            Some(facts) => AccountAnswer::Facts(AccountFacts {
                venue,
                can_trade: Some(facts.can_trade),
                can_withdraw: Some(facts.can_withdraw),
                ip_bound: Some(facts.ip_bound),
            }),
            // Other keys of the account are listed, ours is not: its rights are not told.
            None => AccountAnswer::AskNext,
        })
    }

    /// `/account/main_keys` refuses to tell (sub-account keys), rather than refusing the key itself.
    fn account_withheld(&self, step: u8, failure: &Failure) -> bool {
        if step > 0 || !(400..500).contains(&failure.status) {
            return false;
        }
        match failure.class {
            ErrorClass::AuthFatal => matches!(failure.label.as_deref(), Some("FORBIDDEN" | "READ_ONLY")),
            ErrorClass::FilterReject => true,
            _ => false,
        }
    }

    fn rules(&mut self, symbol: &Symbol, body: &mut [u8], venue_ns: i64) -> Result<RawRules, Reject> {
        crate::rules::decode_one(body, symbol, Some(UnixNanos(venue_ns)))
    }

    fn link_frame(&mut self, bytes: &mut [u8], received: MonoNanos) -> Result<LinkNews, Reject> {
        Ok(match self.decoder.entry_frame(bytes, received)? {
            EntryFrame::Pong | EntryFrame::Ignored => LinkNews::Ignored,
            EntryFrame::Upgrade => LinkNews::Upgrade,
            EntryFrame::Reply(reply) => {
                let limited = reply.status == 429;
                let kind = reply.channel.and_then(kind_of);
                LinkNews::Reply(LinkReply {
                    number: reply.number,
                    kind,
                    rate: reply.rate,
                    limited,
                    leave: false,
                    body: body(reply.status, reply.body),
                })
            }
        })
    }

    fn login_refused(&mut self, failure: &Failure) -> bool {
        let about_form = failure.label.as_deref().is_some_and(|label| FORM_LABELS.contains(&label));
        if about_form {
            self.form = self.form.other();
        }
        about_form
    }
}

/// What a channel's replies answer.
const fn kind_of(channel: EntryChannel) -> Option<CallKind> {
    Some(match channel {
        EntryChannel::Login => return None,
        EntryChannel::Place => CallKind::Place,
        EntryChannel::Cancel => CallKind::Cancel,
        EntryChannel::CancelIds => CallKind::CancelNamed,
        EntryChannel::CancelPair => CallKind::CancelPair,
        EntryChannel::Amend => CallKind::Amend,
        EntryChannel::Status => CallKind::LookUp,
    })
}

fn body(status: u16, body: EntryBody) -> LinkBody {
    match body {
        EntryBody::Receipt => LinkBody::Receipt,
        EntryBody::LoggedIn => LinkBody::LoggedIn,
        EntryBody::Failed(label) => LinkBody::Failed(failure(status, label)),
        EntryBody::Order(row) => LinkBody::Order(row.map(answer)),
        EntryBody::CancelIds(rows) => LinkBody::Cancelled(rows.map(|rows| rows.into_iter().map(cancelled_row).collect())),
        EntryBody::CancelPair(rows) => LinkBody::CancelPair(rows.map(AllCancelled::Ends)),
        EntryBody::Other => LinkBody::Other,
    }
}

fn cancelled_row(row: CancelledId) -> CancelledRow {
    let CancelledId { id, text, succeeded, label } = row;
    CancelledRow {
        client_id: client_id(&id).or_else(|| client_id(text.as_deref()?)),
        venue_order_id: VenueOrderId::new(&id),
        failure: (!succeeded).then(|| failure(400, label.map(ErrorLabel))),
    }
}

#[cfg(test)]
mod tests {
    use super::masks;

    #[test]
    fn masked_keys_stand_for_what_they_hide() {
        assert!(masks("abcd****wxyz", "abcd1234wxyz"));
        assert!(masks("*****", "short"));
        assert!(masks("plain", "plain"));
        assert!(!masks("abcd****wxyz", "abce1234wxyz"));
        assert!(!masks("abcd****wxyz", "abcwxyz"));
        assert!(!masks("plain", "plainer"));
    }
}
