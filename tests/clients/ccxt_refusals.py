"""Every common error, as `ccxt` sees it: the right exception class of its own table, over REST and over WebSocket.

Parts of `ccxt_day.py`; start at `PARTS`. Which class a label becomes is the client's business: a wrong label shows as a wrong
class.
"""

import asyncio
import time
from decimal import Decimal

import ccxt

import market
from ccxt_client import connect_pro, soon

UNKNOWN_KEY = ("INVALID_KEY", "INVALID_CREDENTIALS", "AUTHENTICATION_FAILED")
DONE = ("ORDER_CLOSED", "ORDER_CANCELLED", "ORDER_FINISHED")
# `ORDER_FINISHED` is an `ExchangeError` in the client's table, the other two are `InvalidOrder`.
DONE_CLASSES = (ccxt.InvalidOrder, ccxt.ExchangeError)


async def authentication(day):
    """Wrong key, wrong secret, wrong clock, a missing right; over REST, private channels and the login of order entry."""
    for what, changes, labels in (
        ("a wrong key", {"key": "no-such-key"}, UNKNOWN_KEY),
        ("a wrong secret", {"secret": "wrong"}, ("INVALID_SIGNATURE",)),
    ):
        other = connect_pro(day.judge, {**day.venue, **changes})
        try:
            await day.refused(what, ccxt.AuthenticationError, labels, other.privateSpotGetAccounts())
            await soon(other.load_markets(), 30)
            for name in ("watch_orders", "watch_my_trades", "watch_balance"):
                await day.refused(f"{name} with {what}", ccxt.AuthenticationError, labels, getattr(other, name)())
            await day.refused(f"the login with {what}", ccxt.AuthenticationError, labels, other.fetch_order_ws("1", "BTC/USDT"))
        finally:
            await other.close()
    for off in (-120_000, 120_000):
        late = connect_pro(day.judge, day.venue, options={"timeDifference": off})
        try:
            await day.refused(f"a clock off by {off} ms", ccxt.AuthenticationError, ("REQUEST_EXPIRED",), late.privateSpotGetAccounts())
        finally:
            await late.close()
    withdrawal = day.pro.privateWithdrawalsPostWithdrawals({"currency": "USDT", "amount": "1", "address": "nowhere", "chain": "ETH"})
    await day.refused("a withdrawal without the right", ccxt.PermissionDenied, ("FORBIDDEN", "READ_ONLY"), withdrawal)
    silent = connect_pro(day.judge, day.venue)
    try:
        url = silent.urls["api"]["spot"]
        asked = silent.request_private(url, {"order_id": "1", "currency_pair": "BTC_USDT"}, "spot.order_status")
        await day.refused("order entry without a login", ccxt.AuthenticationError, UNKNOWN_KEY, asked)
    finally:
        await silent.close()


async def subscriptions(day):
    """Subscriptions that are refused, with the code of the channel error."""
    pro = connect_pro(day.judge, day.venue)
    try:
        url = pro.urls["api"]["spot"]
        for number, (what, channel, payload) in enumerate(
            (
                ("trades of an unknown pair", "spot.trades", ["NOPE_USDT"]),
                ("tickers of an unknown pair", "spot.tickers", ["BTC_USDT", "NOPE_USDT"]),
                ("book_ticker of an unknown pair", "spot.book_ticker", ["NOPE_USDT"]),
                ("candles of an unknown pair", "spot.candlesticks", ["1m", "NOPE_USDT"]),
                ("candles of an unknown interval", "spot.candlesticks", ["3m", "BTC_USDT"]),
                ("updates of an unknown pair", "spot.order_book_update", ["NOPE_USDT", "100ms"]),
                ("updates at an unknown interval", "spot.order_book_update", ["BTC_USDT", "1000ms"]),
                ("a book of an unknown depth", "spot.order_book", ["BTC_USDT", "7", "100ms"]),
                ("an unknown channel", "spot.nothing", ["BTC_USDT"]),
            )
        ):
            asked = pro.subscribe_public(url, f"probe{number}", payload, channel, {}, {"probe": True})
            error = await day.refused(what, ccxt.BadRequest, (), asked)
            day.judge.must(error is None or '"code":2' in str(error).replace(" ", ""), f"{what}: the code is not 2: {error}")
        # A second subscription of the same book is refused; the first goes on.
        await soon(pro.load_markets(), 30)
        first = await soon(pro.watch_order_book("BTC/USDT"))
        twice = pro.subscribe_public(url, "twice", ["ob.BTC_USDT.50"], "spot.obu", {}, {"probe": True})
        await day.refused("the same book twice", ccxt.BadRequest, (), twice)
        after = await soon(pro.watch_order_book("BTC/USDT"))
        day.judge.must(after["nonce"] >= first["nonce"], "a book after its second subscription was refused")
    finally:
        await pro.close()


async def reading(day):
    """Reads with unknown names and missing parameters."""
    pro = day.pro
    nowhere = pro.publicSpotGetOrderBook({"currency_pair": "NOPE_USDT"})
    await day.refused("the book of an unknown pair", ccxt.BadSymbol, ("INVALID_CURRENCY_PAIR",), nowhere)
    await day.refused("an unknown currency", ccxt.BadSymbol, ("INVALID_CURRENCY",), pro.publicSpotGetCurrenciesCurrency({"currency": "NOPE"}))
    lower = pro.publicSpotGetTickers({"currency_pair": "btc_usdt"})
    await day.refused("a pair in lower case", ccxt.BadSymbol, ("INVALID_CURRENCY_PAIR",), lower)
    missing = (ccxt.ArgumentsRequired, ccxt.BadRequest)
    labels = ("MISSING_REQUIRED_PARAM", "INVALID_PARAM_VALUE")
    await day.refused("orders without a status", missing, labels, pro.privateSpotGetOrders({"currency_pair": "BTC_USDT"}))
    await day.refused("a book without a pair", missing, labels, pro.publicSpotGetOrderBook())
    await day.refused("an unknown interval", ccxt.BadRequest, (), pro.publicSpotGetCandlesticks({"currency_pair": "BTC_USDT", "interval": "3m"}))
    await day.refused("an unknown status", ccxt.BadRequest, (), pro.privateSpotGetOrders({"currency_pair": "BTC_USDT", "status": "lost"}))
    await day.refused("an unknown order", ccxt.OrderNotFound, ("ORDER_NOT_FOUND",), pro.fetch_order("123456789012", "BTC/USDT"))
    unknown = pro.fetch_order(None, "BTC/USDT", {"clientOrderId": "t-never-sent"})
    await day.refused("an unknown text", ccxt.OrderNotFound, ("ORDER_NOT_FOUND", "CLIENT_ID_NOT_FOUND"), unknown)
    swap = pro.fetch_balance({"type": "swap"})
    await day.refused("a futures account that was never funded", ccxt.AccountNotEnabled, ("USER_NOT_FOUND",), swap)
    try:
        await pro.fetch_ticker("NOPE/USDT")
        day.judge.differs("the client knows NOPE/USDT")
    except ccxt.BadSymbol:
        pass


async def placing(day):
    """Orders that may not be, over REST and over WebSocket alike."""
    pro, pair, symbol = day.pro, "SOL_USDT", "SOL/USDT"
    url = pro.urls["api"]["spot"]
    bid, ask = await day.touch(symbol)
    low, high = (pro.price_to_precision(symbol, float(price)) for price in (bid * Decimal("0.97"), ask * Decimal("1.01")))
    base = {"currency_pair": pair, "type": "limit", "account": "spot", "side": "buy", "amount": "0.5", "price": low, "time_in_force": "gtc"}
    cases = (
        ("an unknown pair", ccxt.BadSymbol, ("INVALID_CURRENCY_PAIR",), {"currency_pair": "NOPE_USDT"}),
        ("a price with too many decimals", ccxt.InvalidOrder, ("INVALID_PRECISION",), {"price": low + "123"}),
        ("an amount with too many decimals", ccxt.InvalidOrder, ("INVALID_PRECISION",), {"amount": "0.50000001"}),
        ("less than the least notional", ccxt.BadRequest, ("INVALID_PARAM_VALUE",), {"amount": "0.01"}),
        ("a buy beyond the balance", ccxt.InsufficientFunds, ("BALANCE_NOT_ENOUGH",), {"amount": "20000"}),
        ("a sell beyond the balance", ccxt.InsufficientFunds, ("BALANCE_NOT_ENOUGH",), {"amount": "9000", "side": "sell", "price": high}),
        # The client has no class of its own for this label.
        ("a fill-or-kill below the market", ccxt.ExchangeError, ("FOK_NOT_FILL",), {"time_in_force": "fok"}),
        ("a text without its prefix", (ccxt.BadRequest, ccxt.ExchangeError), ("INVALID_PARAM_VALUE", "INVALID_CLIENT_ORDER_ID"), {"text": "day"}),
        ("a text of 31 bytes", (ccxt.BadRequest, ccxt.ExchangeError), ("INVALID_PARAM_VALUE", "INVALID_CLIENT_ORDER_ID"), {"text": "t-" + "x" * 29}),
        ("a market order that is good till cancelled", ccxt.BadRequest, (), {"type": "market", "side": "sell", "price": None}),
        ("an order without a price", (ccxt.BadRequest, ccxt.ArgumentsRequired), (), {"price": None}),
        ("an order without a side", (ccxt.BadRequest, ccxt.ArgumentsRequired), (), {"side": None}),
    )
    for what, kind, labels, changes in cases:
        for how in ("REST", "WebSocket"):
            order = {name: value for name, value in {"text": day.text(), **base, **changes}.items() if value is not None}
            await asyncio.sleep(max(day.placing.delay("all"), day.placing.delay(symbol)))
            if how == "REST":
                sent = pro.privateSpotPostOrders(order)
            else:
                sent = pro.request_private(url, order, "spot.order_place")
            await day.refused(f"{what}, over {how}", kind, labels, sent)
    for how in ("REST", "WebSocket"):
        await post_only(day, how, symbol, {**base, "time_in_force": "poc"})
    little = pro.create_order(symbol, "limit", "buy", 0.01, float(low))
    await day.refused("an order far below the least worth", ccxt.BadRequest, ("INVALID_PARAM_VALUE",), little)


async def post_only(day, how, symbol, base):
    """A post-only order that would take is refused; one that came when the other side was empty rests, and is asked again."""
    pro, what = day.pro, f"a post-only order that would take, over {how}"

    async def once():
        await asyncio.sleep(max(day.placing.delay("all"), day.placing.delay(symbol)))
        before = await day.deep(symbol, "buy", 40)
        order = {**base, "text": day.text(), "price": pro.price_to_precision(symbol, before["asks"][0][0] * 1.01)}
        sent = pro.privateSpotPostOrders(order) if how == "REST" else pro.request_private(pro.urls["api"]["spot"], order, "spot.order_place")
        try:
            row = day.note({"info": await soon(sent)})
        except Exception as error:
            return error
        day.judge.orders += 1
        stood_still = market.stood_still(before["nonce"], await day.number(symbol), 1)
        await day.cancel_or_read({"id": row["id"], "symbol": symbol})
        return row if stood_still else None

    answer = await market.asked_again_soon(what, once)
    if isinstance(answer, dict):
        day.judge.differs(f"{what}: was accepted ({str(answer)[:100]})")
    else:
        day.judge.refusal(what, answer, ccxt.OrderImmediatelyFillable, ("POC_FILL_IMMEDIATELY",))


async def ending(day):
    """Cancels and edits of orders that are unknown or done, over REST and over WebSocket."""
    pro, symbol = day.pro, "ETH/USDT"
    done = await day.taking(symbol, "buy", 30, "IOC")
    gone = await day.resting(symbol)
    day.note(await pro.cancel_order(gone["id"], symbol))
    live = await day.resting(symbol)
    for how, cancel, edit in (("REST", pro.cancel_order, pro.edit_order), ("WebSocket", pro.cancel_order_ws, pro.edit_order_ws)):
        await day.refused(f"cancelling an unknown order, over {how}", ccxt.OrderNotFound, ("ORDER_NOT_FOUND",), cancel("123456789012", symbol))
        await day.refused(f"cancelling a filled order, over {how}", DONE_CLASSES, DONE, cancel(done["id"], symbol))
        classes, labels = DONE_CLASSES + (ccxt.OrderNotFound,), DONE + ("ORDER_NOT_FOUND",)
        await day.refused(f"cancelling a cancelled order, over {how}", classes, labels, cancel(gone["id"], symbol))
        for what, kind, labels, identity, amount, price in (
            ("editing an unknown order", ccxt.OrderNotFound, ("ORDER_NOT_FOUND",), "123456789012", 0.02, live["price"]),
            ("editing a filled order", DONE_CLASSES, DONE, done["id"], 0.02, live["price"]),
            ("an edit that changes nothing", ccxt.InvalidOrder, ("NO_CHANGE",), live["id"], None, live["price"]),
            ("an edit beyond the balance", ccxt.InsufficientFunds, ("BALANCE_NOT_ENOUGH",), live["id"], 600.0, None),
        ):
            await asyncio.sleep(max(day.placing.delay("all"), day.placing.delay(symbol)))
            await day.refused(f"{what}, over {how}", kind, labels, edit(identity, symbol, "limit", "buy", amount, price))
    await day.refused("an unknown order, over WebSocket", ccxt.OrderNotFound, ("ORDER_NOT_FOUND",), pro.fetch_order_ws("123456789012", symbol))
    day.note(await soon(pro.cancel_order_ws(live["id"], symbol)))
    many = [{"currency_pair": "ETH_USDT", "id": str(number)} for number in range(1, 22)]
    await day.refused("21 cancels", (ccxt.InvalidOrder, ccxt.BadRequest), (), pro.privateSpotPostCancelBatchOrders(many))
    await asyncio.sleep(1.2)
    eleven = [{"text": day.text(), "currency_pair": "XRP_USDT", "side": "buy", "amount": "20", "price": "0.4"} for _ in range(11)]
    await day.refused("eleven orders of one market", ccxt.InvalidOrder, ("TOO_MANY_ORDERS",), pro.privateSpotPostBatchOrders(eleven))


async def rate_limits(day):
    """More than ten orders a second in one market: the rest is `RateLimitExceeded`, and nothing of it was executed."""
    judge, symbol = day.judge, "XRP/USDT"
    eager = connect_pro(judge, day.venue, day.frames, enableRateLimit=False)
    try:
        await soon(eager.load_markets(), 30)
        bid, _ = await day.touch(symbol)
        price = float(eager.price_to_precision(symbol, float(bid * Decimal("0.95"))))
        amount = day.worth(symbol, 10, price)
        for how, send in (("REST", eager.create_order), ("WebSocket", eager.create_order_ws)):
            await eager.authenticate(eager.urls["api"]["spot"], "spot")

            async def burst(how=how, send=send):
                """True; None where the orders took more than a second, and none of them was one too many."""
                await asyncio.sleep(2.2)
                began = time.monotonic()
                sent = [send(symbol, "limit", "buy", amount, price, {"text": day.text()}) for _ in range(16)]
                answers = await asyncio.gather(*sent, return_exceptions=True)
                took = time.monotonic() - began
                errors = [answer for answer in answers if isinstance(answer, Exception)]
                for error in errors:
                    judge.refusal(f"the eleventh order of a second, over {how}", error, ccxt.RateLimitExceeded, ("TOO_MANY_REQUESTS",))
                placed = [answer for answer in answers if not isinstance(answer, Exception)]
                judge.orders += len(placed)
                says = errors or took < 1
                judge.must(len(placed) >= 10, f"of 16 orders at once over {how} {len(placed)} were placed, ten a second are allowed")
                judge.must(errors or not says, f"16 orders over {how} were placed within {took:.1f} s, ten a second are allowed")
                for order in placed:
                    day.note(day.rests(order))
                told = {order["id"] for order in await day.pro.fetch_open_orders(symbol)}
                judge.equal(told, {order["id"] for order in placed}, f"open orders after the burst over {how}")
                await asyncio.sleep(1.2)
                for order in await day.pro.cancel_all_orders(symbol):
                    day.note(order)
                return True if says else None

            await market.asked_again_soon(f"16 orders over {how} within a second", burst)
        refused = [reply for reply in day.frames.replies if reply["header"]["status"] == "429"]
        for reply in refused:
            header = reply["header"]
            judge.equal(str(header.get("x_gate_ratelimit_limit")), "10", "the limit in the header of a refused reply")
            reset = header.get("x_gate_ratelimit_reset_timestamp", header.get("x_gat_ratelimit_reset_timestamp"))
            judge.must(reset is not None and abs(int(reset) - time.time()) < 20, f"the reset time in the header of a refused reply is {reset}")
    finally:
        await eager.close()


PARTS = (authentication, subscriptions, reading, placing, ending, rate_limits)
