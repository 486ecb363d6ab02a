//! Commands and the orders in them.

use super::CodecError;
use super::wire::{Reader, Wire, wire_enum, wire_struct};
use domain::command::OrderRef;
use domain::{Amend, Command, NewOrder, Purpose, ReadKind, TimeInForce};

wire_enum!(Purpose { 0 => Open {}, 1 => Hedge {} });
wire_enum!(TimeInForce { 0 => Ioc {}, 1 => Gtc {} });
wire_struct!(NewOrder { venue, pair, client_id, deal, purpose, side, price, qty, tif, deadline });
wire_struct!(OrderRef { venue, pair, client_id, venue_order_id });
wire_struct!(Amend { order, price, qty });
wire_enum!(ReadKind {
    0 => Balances {},
    1 => OpenOrders {},
    2 => Trades { pair: pair, since: since },
    3 => Fees {},
    4 => Account {},
    5 => Time {},
});
wire_enum!(Command {
    0 => Place { 0: order },
    1 => Cancel { 0: order },
    2 => CancelAll { venue: venue, pair: pair },
    3 => LookUp { 0: order },
    4 => Read { venue: venue, read: read },
    5 => Resync { venue: venue, pair: pair, reason: reason },
    6 => Amend { 0: amend },
    7 => DeadMan { venue: venue, timeout_ns: timeout_ns },
});
