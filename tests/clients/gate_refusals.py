"""Every common error, as the official SDK sees it: a `GateApiException` with the right label and status.

Parts of `gate_day.py`; start at `PARTS`. Labels and statuses are those of the fact sheet; where it leaves several open, each
of them is right.
"""

import time
from contextlib import contextmanager
from decimal import Decimal

import gate_api
from gate_api import api_client as sdk_client

import market

MISSING = ("MISSING_REQUIRED_PARAM", "INVALID_PARAM_VALUE")
WRONG_VALUE = ("INVALID_PARAM_VALUE", "INVALID_ARGUMENT")
DONE = ("ORDER_CLOSED", "ORDER_CANCELLED", "ORDER_FINISHED")


@contextmanager
def clock_off_by(offset):
    """The SDK's clock, wrong by so many seconds; its signing stays what it is."""

    class Clock:
        @staticmethod
        def time():
            return time.time() + offset

    real = sdk_client.time
    sdk_client.time = Clock
    try:
        yield
    finally:
        sdk_client.time = real


def status_is(day, error, *statuses):
    if error is not None:
        day.judge.must(error.status in statuses, f"{error.label} came with status {error.status}, expected {' or '.join(map(str, statuses))}")


def authentication(day):
    """Wrong key, wrong secret, no key, a clock that is off."""

    def accounts(key, secret):
        return gate_api.SpotApi(day.connect(key, secret)).list_spot_accounts

    key, secret = day.venue["key"], day.venue["secret"]
    unknown = ("INVALID_KEY", "INVALID_CREDENTIALS", "AUTHENTICATION_FAILED")
    status_is(day, day.refused("a wrong key", unknown, accounts("no-such-key", secret)), 401)
    status_is(day, day.refused("another venue's key", unknown, accounts(day.other_venue["key"], day.other_venue["secret"])), 401)
    status_is(day, day.refused("a wrong secret", ("INVALID_SIGNATURE",), accounts(key, "wrong")), 401)
    status_is(day, day.refused("an unsigned request", ("MISSING_REQUIRED_HEADER",), accounts(None, None)), 400)
    for offset in (-120, 120):
        with clock_off_by(offset):
            status_is(day, day.refused(f"a clock off by {offset} s", ("REQUEST_EXPIRED",), accounts(key, secret)), 403, 401)
            # The clock is checked before the key.
            day.refused("a wrong key and clock", ("REQUEST_EXPIRED",), accounts("no-such-key", secret))
    for offset in (-50, 50):
        with clock_off_by(offset):
            accounts(key, secret)()
    may_not = gate_api.WithdrawalApi(day.client).withdraw
    address = gate_api.LedgerRecord(currency="USDT", address="nowhere", amount="1", chain="ETH")
    status_is(day, day.refused("a withdrawal without the right", ("FORBIDDEN", "READ_ONLY"), may_not, address), 403)


def reading(day):
    """Reads with unknown names, missing parameters, numbers out of range."""
    spot, pair, now = day.spot, day.pairs[0], int(time.time())
    lenient = gate_api.SpotApi(day.connect(day.venue["key"], day.venue["secret"], validate=False))
    status_is(day, day.refused("the book of an unknown pair", ("INVALID_CURRENCY_PAIR",), spot.list_order_book, "NOPE_USDT"), 400)
    day.refused("a pair in lower case", ("INVALID_CURRENCY_PAIR",), spot.get_currency_pair, pair.lower())
    day.refused("the trades of an unknown pair", ("INVALID_CURRENCY_PAIR",), spot.list_trades, "NOPE_USDT")
    day.refused("the candles of an unknown pair", ("INVALID_CURRENCY_PAIR",), spot.list_candlesticks, "NOPE_USDT")
    day.refused("the ticker of an unknown pair", ("INVALID_CURRENCY_PAIR",), spot.list_tickers, currency_pair="NOPE_USDT")
    status_is(day, day.refused("an unknown currency", ("INVALID_CURRENCY",), spot.get_currency, "NOPE"), 400)
    status_is(day, day.refused("orders without a status", MISSING, lenient.list_orders, pair, None), 400)
    day.refused("open orders without a pair", MISSING, lenient.list_orders, None, "open")
    day.refused("an unknown status", WRONG_VALUE, spot.list_orders, pair, "lost")
    day.refused("a book without a pair", MISSING, lenient.list_order_book, None)
    day.refused("an order without a pair", MISSING, lenient.get_order, "12345", None)
    day.refused("more trades than a page holds", WRONG_VALUE, lenient.list_trades, pair, limit=1001)
    day.refused("more own trades than a page holds", WRONG_VALUE, lenient.list_my_trades, limit=1001)
    day.refused("more candles than a page holds", WRONG_VALUE, lenient.list_candlesticks, pair, limit=1001)
    day.refused("limit zero", WRONG_VALUE, lenient.list_trades, pair, limit=0)
    day.refused("an unknown interval", WRONG_VALUE, lenient.list_candlesticks, pair, interval="3m")
    day.refused("an account book of more than 30 days", WRONG_VALUE, spot.list_spot_account_book, _from=now - 40 * 86400, to=now)
    day.refused("own trades of more than 30 days", WRONG_VALUE, spot.list_my_trades, _from=now - 40 * 86400, to=now)
    day.refused("fees of more than 50 pairs", WRONG_VALUE + ("TOO_MANY_CURRENCY_PAIRS",), spot.get_batch_spot_fee, ",".join([pair] * 51))
    status_is(day, day.refused("an unknown order", ("ORDER_NOT_FOUND",), spot.get_order, "123456789012", pair), 404)
    status_is(day, day.refused("an unknown text", ("ORDER_NOT_FOUND", "CLIENT_ID_NOT_FOUND"), spot.get_order, "t-never-sent", pair), 404)


def placing(day):
    """Orders that may not be."""
    spot, pair = day.spot, "SOL_USDT"
    bid, ask = day.touch(pair)
    low, high = day.price(pair, bid * Decimal("0.97")), day.price(pair, ask * Decimal("1.01"))
    amount = day.amount(pair, 50, bid)

    def bad(what, labels, *arguments, statuses=(400,), unmade=(), **named):
        order = day.order(*arguments, **named)
        for name in unmade:
            order.local_vars_configuration.client_side_validation = False
            setattr(order, name, None)
        day.placing.wait(order.currency_pair)
        status_is(day, day.refused(what, labels, spot.create_order, order), *statuses)

    bad("an order for an unknown pair", ("INVALID_CURRENCY_PAIR",), "NOPE_USDT", "buy", "1", "1")
    bad("a price with too many decimals", ("INVALID_PRECISION",), pair, "buy", amount, low + "123")
    bad("an amount with too many decimals", ("INVALID_PRECISION",), pair, "buy", amount + "1234567", low)
    bad("less than the least notional", ("INVALID_PARAM_VALUE",), pair, "buy", day.rules[pair]["min_base_amount"], low)
    bad("less than the least amount", ("INVALID_PARAM_VALUE", "AMOUNT_TOO_LITTLE"), pair, "buy", "0.001", low)
    bad("a market buy of less than the least notional", ("INVALID_PARAM_VALUE", "AMOUNT_TOO_LITTLE"), pair, "buy", "0.5", tif="ioc", kind="market")
    bad("a buy beyond the balance", ("BALANCE_NOT_ENOUGH",), pair, "buy", day.beyond(pair), low)
    bad("a sell beyond the balance", ("BALANCE_NOT_ENOUGH",), pair, "sell", "9000", high)
    for side in ("buy", "sell"):
        post_only(day, pair, side, amount)
    bad("a fill-or-kill below the market", ("FOK_NOT_FILL",), pair, "buy", amount, low, tif="fok")
    bad("a fill-or-kill larger than the book", ("FOK_NOT_FILL",), pair, "sell", "1200", day.price(pair, bid * Decimal("0.9998")), tif="fok")
    bad("a market order that is good till cancelled", WRONG_VALUE, pair, "sell", amount, kind="market")
    bad("a market order that is post-only", WRONG_VALUE, pair, "sell", amount, tif="poc", kind="market")
    bad("a limit order without a price", MISSING + ("INVALID_ARGUMENT",), pair, "buy", amount)
    bad("an order without a side", MISSING, pair, "buy", amount, low, unmade=("side",))
    bad("an order without an amount", MISSING, pair, "buy", amount, low, unmade=("amount",))
    bad("an amount that is no number", WRONG_VALUE, pair, "buy", "much", low)
    bad("an amount of zero", WRONG_VALUE + ("AMOUNT_TOO_LITTLE",), pair, "buy", "0", low)
    bad("a negative amount", WRONG_VALUE + ("AMOUNT_TOO_LITTLE",), pair, "buy", "-1", low)
    for text in ("day-1", "t-" + "x" * 29, "t-white space", "t-ä"):
        bad(f"the text {text!r}", ("INVALID_PARAM_VALUE", "INVALID_CLIENT_ORDER_ID"), pair, "buy", amount, low, text=text)
    bad("self-trade prevention without a group", (), pair, "buy", amount, low, stp_act="cn")
    expired = str(int(time.time() * 1000) - 1000)
    day.placing.wait(pair)
    error = day.refused("an order that came too late", (), spot.create_order, day.order(pair, "buy", amount, low), x_gate_exptime=expired)
    day.judge.must(error is None or 400 <= error.status < 500, "an order that came too late is refused with a 4xx")
    row = day.resting(pair)
    error = day.refused("a cancel that came too late", (), spot.cancel_order, row["id"], pair, x_gate_exptime=expired)
    future = str(int(time.time() * 1000) + 60_000)
    day.note(day.call(spot.cancel_order, row["id"], pair, x_gate_exptime=future))


def post_only(day, pair, side, amount):
    """One that would take is refused; one that came when the other side was empty rests, and is asked again."""

    def once():
        day.placing.wait(pair)
        before = day.whole(pair)
        price = day.price(pair, Decimal(before["asks"][0][0]) * Decimal("1.01") if side == "buy" else Decimal(before["bids"][0][0]) * Decimal("0.97"))
        order = day.order(pair, side, amount, price, tif="poc")
        try:
            row = day.note(day.call(day.spot.create_order, order))
        except gate_api.exceptions.GateApiException as error:
            return error
        day.judge.orders += 1
        stood_still = day.stood_still(pair, before, 1)
        cancel_or_read(day, row)
        return row if stood_still else None

    what = f"a post-only {side} that would take"
    answer = market.asked_again(what, once)
    if isinstance(answer, dict):
        day.judge.differs(f"{what}: was accepted, expected POC_FILL_IMMEDIATELY")
    else:
        day.judge.refusal(what, answer, gate_api.exceptions.GateApiException, ("POC_FILL_IMMEDIATELY",))
        status_is(day, answer, 400)


def cancel_or_read(day, row):
    """Ends an order that may be done."""
    try:
        day.cancel(row)
    except gate_api.exceptions.GateApiException as error:
        day.judge.must(error.label in DONE, f"cancelling an order that may be done: {error.label}")
        day.read(row)


def ending(day):
    """Cancels and amendments of orders that are not open; a text that is used twice."""
    spot, pair = day.spot, "ETH_USDT"
    status_is(day, day.refused("cancelling an unknown order", ("ORDER_NOT_FOUND",), spot.cancel_order, "123456789012", pair), 404)
    day.placing.wait(pair)
    patch = gate_api.OrderPatch(amount="1")
    day.refused("amending an unknown order", ("ORDER_NOT_FOUND",), spot.amend_order, "123456789012", patch, currency_pair=pair)
    done, _ = day.taking(pair, "buy", 30)
    status_is(day, day.refused("cancelling a filled order", DONE, spot.cancel_order, done["id"], pair), 400)
    day.placing.wait(pair)
    day.refused("amending a filled order", DONE, spot.amend_order, done["id"], gate_api.OrderPatch(amount="1"), currency_pair=pair)
    row = day.resting(pair)
    gone = day.cancel(row)
    day.refused("cancelling a cancelled order", DONE + ("ORDER_NOT_FOUND",), spot.cancel_order, gone["id"], pair)
    row = day.resting(pair)
    for what, labels, patch in (
        ("an amendment of nothing", MISSING, {}),
        ("an amendment that changes nothing", ("NO_CHANGE",), {"price": row["price"]}),
        ("an amendment with too many decimals", ("INVALID_PRECISION",), {"price": row["price"] + "123"}),
        ("an amendment beyond the balance", ("BALANCE_NOT_ENOUGH",), {"amount": day.beyond(pair)}),
        ("an amendment below the least notional", ("INVALID_PARAM_VALUE", "AMOUNT_TOO_LITTLE"), {"amount": "0.0001"}),
    ):
        day.placing.wait(pair)
        day.refused(what, labels, spot.amend_order, row["id"], gate_api.OrderPatch(**patch), currency_pair=pair)
    day.judge.equal(day.read(row)["status"], "open", "an order after refused amendments")
    day.refused("an order asked for under another pair", ("ORDER_NOT_FOUND",), spot.get_order, row["id"], "BTC_USDT")
    # A text is no key of idempotency: the later order shadows the earlier one.
    twin = day.resting(pair, away="0.04", text=row["text"])
    day.judge.equal(day.call(spot.get_order, row["text"], pair)["id"], twin["id"], "the order found by a text that was used twice")
    day.cancel(twin)
    day.cancel(row)


def batching(day):
    """Batches of a wrong shape are refused as a whole."""
    spot, pair = day.spot, "XRP_USDT"
    low = day.price(pair, day.touch(pair)[0] * Decimal("0.95"))
    amount = day.amount(pair, 20, low)
    time.sleep(1.2)
    eleven = [day.order(pair, "buy", amount, low) for _ in range(11)]
    status_is(day, day.refused("eleven orders of one market", ("TOO_MANY_ORDERS",), spot.create_batch_orders, eleven), 400)
    five = [day.order(name, "buy", amount, low) for name in (*day.pairs, "GT_USDT")]
    day.refused("five markets in a batch", ("TOO_MANY_CURRENCY_PAIRS", "INVALID_CURRENCY_PAIR"), spot.create_batch_orders, five)
    mixed = [day.order(pair, "buy", amount, low), day.order(pair, "buy", amount, low, account="margin")]
    day.refused("two account types in a batch", ("MIXED_ACCOUNT_TYPE",), spot.create_batch_orders, mixed)
    textless = [day.order(pair, "buy", amount, low)]
    textless[0].text = None
    day.refused("a batch without texts", MISSING + ("INVALID_CLIENT_ORDER_ID",), spot.create_batch_orders, textless)
    cancels = [gate_api.CancelBatchOrder(currency_pair=pair, id=str(number)) for number in range(1, 22)]
    day.refused("21 cancels", ("TOO_MANY_ORDERS",) + WRONG_VALUE, spot.cancel_batch_orders, cancels)
    amendments = [gate_api.BatchAmendItem(order_id=str(number), currency_pair=pair, amount="1") for number in range(1, 7)]
    day.refused("six amendments", ("TOO_MANY_ORDERS",) + WRONG_VALUE, spot.amend_batch_orders, amendments)
    for timeout in (1, 4, -1):
        task = gate_api.CountdownCancelAllSpotTask(timeout=timeout)
        day.refused(f"a switch of {timeout} s", WRONG_VALUE, spot.countdown_cancel_all_spot, task)
    nowhere = gate_api.CountdownCancelAllSpotTask(timeout=30, currency_pair="NOPE_USDT")
    day.refused("a switch of an unknown market", ("INVALID_CURRENCY_PAIR",), spot.countdown_cancel_all_spot, nowhere)
    day.judge.equal(day.call(spot.list_all_open_orders), [], "open orders after refused batches")


def rate_limits(day):
    """429 with its headers, keyed by user and market; nothing that was refused was executed."""
    spot, judge = day.spot, day.judge
    low = {pair: day.price(pair, day.touch(pair)[0] * Decimal("0.95")) for pair in ("XRP_USDT", "SOL_USDT")}
    placed = market.asked_again("14 orders within a second", lambda: burst(day, low["XRP_USDT"]))
    # Another market has a limit of its own.
    other = day.place("SOL_USDT", "buy", day.amount("SOL_USDT", 10, low["SOL_USDT"]), low["SOL_USDT"])
    day.rested.add(other["id"])
    # Cancels have another one.
    for row in placed + [other]:
        day.cancel(row)
    time.sleep(1.2)
    day.cancel(day.resting("XRP_USDT"))
    seen = market.asked_again("210 reads within ten seconds", lambda: reads_at_once(day))
    judge.equal(seen, [None] * 200 + [429] * 10, "statuses of 210 reads at once, where 200 are allowed")
    # Another endpoint has a limit of its own.
    day.call(spot.list_currency_pairs)


def burst(day, price):
    """Fourteen orders at once; those that were placed. None where that took more than a second, and none was one too many."""
    judge, placed, refused = day.judge, [], []
    time.sleep(1.5)
    began = time.monotonic()
    for _ in range(14):
        order = day.order("XRP_USDT", "buy", day.amount("XRP_USDT", 10, price), price)
        bracket = market.Bracket()
        try:
            placed.append(day.note(day.call(day.spot.create_order, order)))
            day.rested.add(placed[-1]["id"])
        except gate_api.exceptions.ApiException as error:
            judge.refusal("the eleventh order of a second", error, gate_api.exceptions.GateApiException, ("TOO_MANY_REQUESTS",))
            refused.append(error)
            status_is(day, error, 429)
            headers = {name.lower(): value for name, value in error.headers.items()}
            judge.equal(headers.get("x-gate-ratelimit-limit"), "10", "the limit that a 429 tells")
            judge.equal(headers.get("x-gate-ratelimit-requests-remain", "0"), "0", "what remains after a 429")
            reset = int(headers.get("x-gate-ratelimit-reset-timestamp", "0"))
            inside = bracket.before / 1000 <= reset + 1 and reset <= time.time() + 2
            judge.must(inside, f"a 429 is reset at {reset}, now is {time.time():.0f}")
    took = time.monotonic() - began
    judge.orders += len(placed)
    judge.must(len(placed) >= 10, f"of 14 orders at once {len(placed)} were placed, ten a second are allowed")
    if not refused and took >= 1:
        for row in placed:
            day.cancel(row)
        return None
    judge.must(refused, f"14 orders were placed within {took:.1f} s, ten a second are allowed")
    return placed


def reads_at_once(day):
    """What became of 210 reads: None or the status of a refusal. None at all where they took longer than the limit's ten seconds."""
    time.sleep(10.5)
    began, seen = time.monotonic(), []
    for _ in range(210):
        try:
            day.spot.get_system_time()
            seen.append(None)
        except gate_api.exceptions.ApiException as error:
            day.judge.refusal("the 201st request of ten seconds", error, gate_api.exceptions.GateApiException, ("TOO_MANY_REQUESTS",))
            seen.append(error.status)
    return seen if time.monotonic() - began < 10 or seen[:200] != [None] * 200 else None


PARTS = (authentication, reading, placing, ending, batching, rate_limits)
