//! Ids, numbers, times, closed lists, and the tables that give ids their names.

use super::CodecError;
use super::wire::{Reader, Wire, wire_checked, wire_enum, wire_list, wire_newtype, wire_struct};
use domain::{
    Amount, AssetId, ClientOrderId, DealId, ErrorClass, InstrumentKind, InstrumentRules, Label, LinkRole, MonoNanos,
    OrderOutcome, PairId, PairInfo, PairScale, Price, Qty, Rate, ResyncReason, Side, StopReason, Symbol, Tables, TradeId,
    UnixNanos, Unwind, VenueId, VenueNanos, VenueOrderId,
};

wire_newtype!(VenueId, PairId, AssetId, DealId, MonoNanos, UnixNanos, VenueNanos, VenueOrderId, TradeId, Label);
wire_checked!(Price: units / from_units, Qty: units / from_units, Rate: nano / from_nano);
wire_list!(ErrorClass, LinkRole, OrderOutcome, ResyncReason, Side, StopReason, Unwind);

impl Wire for Amount {
    fn put(&self, out: &mut Vec<u8>) {
        self.units().put(out);
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Amount::from_units(i128::get(reader)?))
    }
}

impl Wire for ClientOrderId {
    fn put(&self, out: &mut Vec<u8>) {
        self.instance().put(out);
        self.epoch().put(out);
        self.shard().put(out);
        self.counter().put(out);
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (instance, epoch, shard, counter) = (Wire::get(reader)?, Wire::get(reader)?, Wire::get(reader)?, Wire::get(reader)?);
        ClientOrderId::new(instance, epoch, shard, counter).ok_or(CodecError::Range { what: "ClientOrderId" })
    }
}

impl Wire for PairScale {
    fn put(&self, out: &mut Vec<u8>) {
        self.price_decimals().put(out);
        self.qty_decimals().put(out);
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (price_decimals, qty_decimals) = (Wire::get(reader)?, Wire::get(reader)?);
        PairScale::new(price_decimals, qty_decimals).ok_or(CodecError::Range { what: "PairScale" })
    }
}

wire_struct!(Symbol { base, quote, settle, expiry });
wire_enum!(InstrumentKind {
    0 => Spot {},
    1 => LinearPerpetual { multiplier: multiplier, settle: settle },
    2 => InversePerpetual { multiplier: multiplier, settle: settle },
    3 => DatedFuture { multiplier: multiplier, settle: settle, expiry: expiry },
});
wire_struct!(PairInfo { symbol, kind, base, quote, scale });
wire_struct!(Tables { venues, pairs, assets });
wire_struct!(InstrumentRules { venue, pair, price_step, qty_step, qty_min, qty_max, value_min, can_buy, can_sell });
