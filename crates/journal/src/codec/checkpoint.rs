//! The items of a checkpoint.

use super::CodecError;
use super::wire::{Reader, Wire, wire_enum, wire_struct};
use domain::{ChargeState, CheckpointItem, DealState, OrderStage, OrderState};

wire_enum!(OrderStage { 0 => Unknown { cause: cause }, 1 => Open {}, 2 => Done { outcome: outcome } });
wire_struct!(OrderState {
    terms,
    stage,
    venue_order_id,
    wall_floor,
    reported,
    booked,
    label,
    fee_on_spend,
    fee_on_base,
    adopted,
    shown,
    theirs,
    told
});
wire_struct!(DealState {
    id,
    pair,
    buy,
    sell,
    orders,
    base_flow,
    quote_flow,
    bought,
    sold,
    hedges,
    adopted,
    dealt_at,
    unwind_cost,
    unwind_value,
    unwind
});
wire_struct!(ChargeState { role, received, base, quote, in_base, in_quote, in_tokens });
wire_enum!(CheckpointItem {
    0 => Clock { wall: wall, epoch_seen: epoch_seen, last_deal: last_deal },
    1 => Epoch { epoch: epoch },
    2 => Venue { venue: venue, adopted: adopted },
    3 => Trades { venue: venue, pair: pair, listed: listed, covered: covered, forgotten: forgotten },
    4 => ForeignOrder { venue: venue, id: id },
    5 => Fees { rates: rates },
    6 => Charge { venue: venue, pair: pair, charge: charge },
    7 => Holding { venue: venue, asset: asset, total: total, elsewhere: elsewhere, used: used },
    8 => Booked { venue: venue, pair: pair, trade_id: trade_id, executed: executed },
    9 => EarlyFill { fill: fill },
    10 => Order { order: order },
    11 => Deal { deal: deal },
    12 => Dust { venue: venue, asset: asset, left: left },
    13 => DayFlow { day: day, asset: asset, flow: flow },
    14 => Latch { reason: reason },
    15 => Draining {},
    16 => Standing { reason: reason, venue: venue, pair: pair },
});
