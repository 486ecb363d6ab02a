//! Inputs and everything in them.

use super::CodecError;
use super::wire::{Reader, Wire, wire_enum, wire_struct};
use domain::{
    AccountFacts, BalanceEntry, BalanceReport, BalanceSource, Ban, BookBody, BookUpdate, Budget, BudgetBucket, ClockOffset,
    ConfigPatch, DeadMan, FeeRates, Fill, Finish, Input, Level, LinkChange, LinkState, MarketNews, OpenOrdersReport,
    OperatorCommand, OrderReport, OrderSource, OrderUpdate, PublicTrade, ReadFailure, Role, RoundTrip, SendStamp, Ticker,
    TradesReport, UnknownCause,
};

wire_struct!(Level { price, qty });
wire_enum!(BookBody {
    0 => Snapshot { id: id, bids: bids, asks: asks },
    1 => Delta { first: first, last: last, bids: bids, asks: asks },
    2 => Evidence { id: id },
    3 => Untrusted { reason: reason },
    4 => Top { id: id, bid: bid, ask: ask },
});
wire_struct!(PublicTrade { venue, pair, trade_id, taker_side, price, qty, executed_at, received });
wire_struct!(Ticker { venue, pair, last, bid, ask, quote_volume, received });
wire_enum!(MarketNews { 0 => Trade { 0: trade }, 1 => Ticker { 0: ticker } });
wire_struct!(SendStamp { at, connection });
wire_struct!(BookUpdate { venue, pair, received, changed_at, sent_at, body });

wire_enum!(OrderSource { 0 => Reply {}, 1 => Stream {}, 2 => Query {}, 3 => Edge {} });
wire_enum!(Finish { 0 => Filled {}, 1 => Cancelled {}, 2 => Expired {} });
wire_enum!(UnknownCause { 0 => Timeout {}, 1 => LinkLost {}, 2 => ServerError {}, 3 => Restart {} });
wire_enum!(OrderReport {
    0 => Open { filled: filled },
    1 => Finished { finish: finish, filled: filled },
    2 => Refused { class: class, label: label },
    3 => NotFound {},
    4 => Unknown { cause: cause },
    5 => NotSent {},
    6 => CancelFailed { class: class },
    7 => TermsDiffer { qty: qty, filled: filled },
});
wire_struct!(OrderUpdate { venue, pair, client_id, venue_order_id, source, received, requested, report });

wire_enum!(Role { 0 => Taker {}, 1 => Maker {} });
wire_struct!(Fill {
    venue,
    pair,
    trade_id,
    client_id,
    venue_order_id,
    side,
    price,
    qty,
    quote,
    fees,
    role,
    executed_at,
    source,
    received
});

wire_enum!(BalanceSource { 0 => Stream {}, 1 => Query {} });
wire_struct!(BalanceEntry { asset, available, locked, version });
wire_struct!(BalanceReport { venue, source, requested, received, entries });
wire_struct!(OpenOrdersReport { venue, requested, received, orders, elsewhere });
wire_struct!(TradesReport { venue, pair, requested, received, since, complete, fills });
wire_struct!(ReadFailure { venue, read, class, received });

wire_enum!(LinkState { 0 => Up {}, 1 => Lost {}, 2 => Paused {} });
wire_struct!(LinkChange { venue, role, state, at });
wire_struct!(FeeRates { venue, pair, taker, maker, paid_in });
wire_struct!(AccountFacts { venue, can_trade, can_withdraw, ip_bound });
wire_enum!(BudgetBucket { 0 => Place { 0: pair }, 1 => Cancel {}, 2 => Read {}, 3 => PlaceAll {} });
wire_struct!(Budget { venue, bucket, remaining, limit, window_ns, at });
wire_struct!(RoundTrip { venue, order, nanos });
wire_struct!(ClockOffset { venue, offset_ns, over_monotonic_ns, uncertainty_ns });
wire_enum!(OperatorCommand { 0 => Halt { reason: reason }, 1 => Resume {}, 2 => Stop {}, 3 => Drain {}, 4 => Flatten {} });
wire_struct!(ConfigPatch {
    min_edge,
    latency_allowance,
    book_age_max_ns,
    lag_max_ns,
    skew_max_ns,
    collar,
    order_value_max,
    deal_value_max,
    unhedged_value_max,
    open_deals_max,
    orders_per_second_max,
    daily_loss_max,
    floors
});
wire_struct!(DeadMan { venue, armed_until, ok, received });
wire_struct!(Ban { venue, until, received });

wire_enum!(Input {
    0 => Book { 0: update },
    1 => Order { 0: update },
    2 => Fill { 0: fill },
    3 => Balances { 0: report },
    4 => OpenOrders { 0: report },
    5 => Trades { 0: report },
    6 => ReadFailed { 0: failure },
    7 => Link { 0: change },
    8 => Rules { 0: rules },
    9 => Fees { 0: rates },
    10 => Account { 0: facts },
    11 => Budget { 0: budget },
    12 => RoundTrip { 0: sample },
    13 => Clock { 0: offset },
    14 => LogWritten { seq: seq },
    15 => LogFailed {},
    16 => Operator { 0: command },
    17 => Tick { unix: unix },
    18 => Market { 0: news },
    19 => Config { 0: patch },
    20 => DeadMan { 0: state },
    21 => Storage { low: low },
    22 => Ban { 0: ban },
    23 => Queue { full: full },
});
