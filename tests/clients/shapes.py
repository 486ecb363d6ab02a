"""JSON types of Gate's answers as the fact sheet states them: a client that reads leniently hides a number sent as text.

A shape is a predicate, a dict of named shapes, or a list of one shape. Start at `faults`. A name that ends in `?` may be absent.
"""

import re

from judge import Float

DECIMAL_TEXT = re.compile(r"-?[0-9]+(\.[0-9]+)?")
SECONDS_TEXT = re.compile(r"[0-9]{10}")
MILLIS_TEXT = re.compile(r"[0-9]{13}(\.[0-9]+)?")
WHOLE_MILLIS_TEXT = re.compile(r"[0-9]{13}")
DIGITS_TEXT = re.compile(r"[0-9]+")


def faults(value, shape, at="answer"):
    """What in `value` is not of this shape; empty when all is well."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [f"{at} is no object: {short(value)}"]
        found = []
        for name, inner in shape.items():
            key = name.rstrip("?")
            if key in value:
                found += faults(value[key], inner, f"{at}.{key}")
            elif not name.endswith("?"):
                found.append(f"{at}.{key} is missing")
        return found
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{at} is no array: {short(value)}"]
        found = []
        for row in value:
            found += faults(row, shape[0], f"{at}[]")
        return found
    return [] if shape(value) else [f"{at} is {short(value)}, not {shape.__name__}"]


def short(value):
    return repr(value)[:80]


def named(name):
    """Gives a predicate the name that a fault shows."""

    def set_name(function):
        function.__name__ = name
        return function

    return set_name


def matching(pattern, name):
    @named(name)
    def test(value):
        return type(value) is str and pattern.fullmatch(value) is not None

    return test


def one_of(*allowed):
    @named("one of " + "|".join(map(str, allowed)))
    def test(value):
        return value in allowed

    return test


def or_null(shape):
    @named(f"{shape.__name__} or null")
    def test(value):
        return value is None or shape(value)

    return test


def sized(length, shape):
    @named(f"an array of {length} × {shape.__name__}")
    def test(value):
        return isinstance(value, list) and len(value) == length and all(map(shape, value))

    return test


@named("an integer")
def whole(value):
    return type(value) is int


@named("integer milliseconds")
def millis(value):
    return type(value) is int and 10**12 < value < 10**13


@named("integer seconds")
def seconds(value):
    return type(value) is int and 10**9 < value < 10**10


@named("text")
def text(value):
    return type(value) is str and not isinstance(value, Float)


@named("true or false")
def flag(value):
    return type(value) is bool


@named("null")
def null(value):
    return value is None


decimal = matching(DECIMAL_TEXT, "a decimal text")


@named("a decimal text, or none where that side of the book is empty")
def best_price(value):
    return value == "" or decimal(value)


seconds_text = matching(SECONDS_TEXT, "seconds as text")
millis_text = matching(MILLIS_TEXT, "milliseconds as text")
whole_millis_text = matching(WHOLE_MILLIS_TEXT, "whole milliseconds as text")
id_text = matching(DIGITS_TEXT, "an id as text")
side = one_of("buy", "sell")
role = one_of("taker", "maker")
level = sized(2, decimal)

FINISH = one_of(
    "open", "filled", "cancelled", "ioc", "poc", "fok", "stp", "small", "depth_not_enough", "trader_not_enough", "liquidate_cancelled",
    "price_protect_cancelled", "unified_check_failed", "unknown", "-",
)

ORDER_COMMON = {
    "id": id_text, "text": text, "amend_text": text, "create_time": seconds_text, "update_time": seconds_text, "currency_pair": text,
    "type": one_of("limit", "market"), "account": one_of("spot", "unified", "margin"), "side": side, "amount": decimal, "price": decimal,
    "time_in_force": one_of("gtc", "ioc", "poc", "fok"), "left": decimal, "filled_amount": decimal, "filled_total": decimal,
    "avg_deal_price?": decimal, "fee": decimal, "fee_currency": text, "point_fee": decimal, "gt_fee": decimal, "rebated_fee": decimal,
    "rebated_fee_currency": text, "finish_as": FINISH,
}
ORDER = {
    **ORDER_COMMON, "create_time_ms": millis, "update_time_ms": millis, "status": one_of("open", "closed", "cancelled"), "iceberg": decimal,
    "fill_price": decimal, "gt_maker_fee": decimal, "gt_taker_fee": decimal, "gt_discount": flag, "stp_id?": whole, "stp_act?": text,
}
# The final reply of order entry over WebSocket: as REST, though some names may be absent.
WS_ORDER = {**ORDER, "filled_amount?": decimal, "gt_maker_fee?": decimal, "gt_taker_fee?": decimal, "gt_discount?": flag, "iceberg?": decimal}
for _name in ("filled_amount", "gt_maker_fee", "gt_taker_fee", "gt_discount", "iceberg"):
    del WS_ORDER[_name]
STREAM_ORDER = {
    **ORDER_COMMON, "create_time_ms": whole_millis_text, "update_time_ms": whole_millis_text, "user": whole,
    "event": one_of("put", "update", "finish"),
}
TRADE = {
    "id": id_text, "create_time": seconds_text, "create_time_ms": millis_text, "order_id": id_text, "currency_pair": text, "side": side,
    "role": role, "amount": decimal, "price": decimal, "fee": decimal, "fee_currency": text, "point_fee": decimal, "gt_fee": decimal,
    "sequence_id": id_text, "text": text, "amend_text": text, "deal?": decimal,
}
STREAM_TRADE = {
    "id": whole, "user_id": whole, "order_id": id_text, "currency_pair": text, "create_time": seconds, "create_time_ms": millis_text,
    "side": side, "amount": decimal, "role": role, "price": decimal, "fee": decimal, "fee_currency?": text, "point_fee": decimal,
    "gt_fee": decimal, "text": text, "id_market?": whole,
}
STREAM_BALANCE = {
    "timestamp": seconds_text, "timestamp_ms": whole_millis_text, "user": id_text, "currency": text, "change": decimal, "total": decimal,
    "available": decimal, "freeze": decimal, "freeze_change": decimal,
    "change_type": one_of("order-create", "order-match", "order-update", "trade-fee-deduct", "deposit", "withdraw", "other"),
}
ACCOUNT = {"currency": text, "available": decimal, "locked": decimal, "update_id": whole}
BOOK_ENTRY = {"id": id_text, "time": millis, "currency": text, "change": decimal, "balance": decimal, "type": text, "code?": text, "text?": text}
TIME = {"server_time": millis}
CHAIN = {"name": text, "addr": text, "withdraw_disabled": flag, "withdraw_delayed": flag, "deposit_disabled": flag}
CURRENCY = {
    "currency": text, "name": text, "delisted": flag, "trade_disabled": flag, "chain": text, "chains": [CHAIN], "fixed_rate?": text,
    "withdraw_disabled?": flag, "deposit_disabled?": flag, "withdraw_delayed?": flag, "category?": [text],
}
PAIR = {
    "id": text, "base": text, "quote": text, "precision": whole, "amount_precision": whole, "fee": decimal,
    "min_base_amount?": or_null(decimal), "min_quote_amount?": or_null(decimal), "max_base_amount?": or_null(decimal),
    "max_quote_amount?": or_null(decimal), "trade_status": one_of("untradable", "buyable", "sellable", "tradable"), "buy_start": whole,
    "sell_start": whole, "delisting_time": whole, "type": one_of("normal", "premarket"), "st_tag": flag, "up_rate?": decimal,
    "down_rate?": decimal, "slippage?": decimal,
}
TICKER = {
    "currency_pair": text, "last": decimal, "lowest_ask": best_price, "highest_bid": best_price, "change_percentage": decimal,
    "base_volume": decimal, "quote_volume": decimal, "high_24h": decimal, "low_24h": decimal,
}
ONE_TICKER = {**TICKER, "lowest_size": decimal, "highest_size": decimal}
ORDER_BOOK = {"current": millis, "update": millis, "asks": [level], "bids": [level]}
ORDER_BOOK_WITH_ID = {**ORDER_BOOK, "id": whole}
PUBLIC_TRADE = {
    "id": id_text, "create_time": seconds_text, "create_time_ms": millis_text, "side": side, "amount": decimal, "price": decimal,
    "sequence_id": id_text, "currency_pair?": text, "deal?": decimal,
}


@named("a candle [t, quote volume, close, high, low, open, base volume, closed]")
def CANDLE(value):
    good = isinstance(value, list) and len(value) == 8 and seconds_text(value[0]) and all(map(decimal, value[1:7]))
    return good and value[7] in ("true", "false")


SPOT_FEE = {
    "user_id": whole, "taker_fee": decimal, "maker_fee": decimal, "gt_discount": flag, "gt_taker_fee": decimal, "gt_maker_fee": decimal,
    "loan_fee": decimal, "point_type": text, "debit_fee": whole, "rpi_maker_fee?": decimal,
}
WALLET_FEE = {**SPOT_FEE, "futures_taker_fee": decimal, "futures_maker_fee": decimal}
DETAIL = {"user_id": whole, "tier": whole, "ip_whitelist": [text], "currency_pairs": [text], "key": {"mode": one_of(1, 2)}}
KEYS = [{"state": whole, "mode": whole, "name?": [text], "user_id": whole, "perms": [{"name": text, "read_only": flag}], "key": text}]
DEBIT_FEE = {"enabled": flag}
OPEN_ORDERS = [{"currency_pair": text, "total": whole, "orders": [ORDER]}]
CANCEL_RESULT = {"currency_pair": text, "id": text, "succeeded": flag, "label?": or_null(text), "message?": or_null(text)}
BATCH_ROW = {"text": text, "succeeded": flag, "label?": or_null(text), "message?": or_null(text)}
CHAINS = [
    {
        "chain": text, "name_en": text, "name_cn": text, "contract_address": text, "is_disabled": one_of(0, 1),
        "is_deposit_disabled": one_of(0, 1), "is_withdraw_disabled": one_of(0, 1), "is_tag": one_of(0, 1), "decimal?": text,
    }
]
WITHDRAW_STATUS = [
    {
        "currency": text, "deposit": decimal, "withdraw_percent": text, "withdraw_fix": decimal, "withdraw_day_limit": decimal,
        "withdraw_amount_mini": decimal, "withdraw_day_limit_remain": decimal, "withdraw_eachtime_limit": decimal,
    }
]
TOTAL_BALANCE = {"total": {"amount": decimal, "currency": text}, "details": {"spot": {"amount": decimal, "currency": text}}}

# Pushes of the public channels: `result`.
PUSH = {
    "spot.tickers": TICKER,
    "spot.trades": {
        "id": whole, "id_market?": whole, "create_time": seconds, "create_time_ms": millis_text, "side": side, "currency_pair": text,
        "amount": decimal, "price": decimal, "range?": text,
    },
    "spot.candlesticks": {
        "t": seconds_text, "o": decimal, "h": decimal, "l": decimal, "c": decimal, "v": decimal, "a": decimal, "n": text, "w": flag,
    },
    "spot.book_ticker": {"t": millis, "u": whole, "s": text, "b": best_price, "B": decimal, "a": best_price, "A": decimal},
    "spot.order_book": {"t": millis, "lastUpdateId": whole, "s": text, "l": text, "bids": [level], "asks": [level]},
    "spot.order_book_update": {"t": millis, "U": whole, "u": whole, "s": text, "b": [level], "a": [level]},
    "spot.obu": {"t": millis, "s": text, "u": whole, "U?": whole, "full?": one_of(True), "b?": [level], "a?": [level]},
    "spot.orders": [STREAM_ORDER],
    "spot.usertrades": [STREAM_TRADE],
    "spot.balances": [STREAM_BALANCE],
}
