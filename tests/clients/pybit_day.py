#!/usr/bin/env python3
"""Bybit's official SDK, `pybit`, trades a scripted day against `crossgate sim`, only its base URLs changed.

    pybit_day.py CROSSGATE [--seed N]

REST, public and private streams, and order entry over WebSocket; orders of every kind, amendments, cancels, batches, look-ups, lists by
pages, refusals. Afterwards executions of REST, executions of the stream, orders and balances are compared to the last digit. Exit code 0:
all equal. 1: not, said in one sentence. Needs: pip install -r requirements.txt
"""

import json
import logging
import sys
import threading
import time
from collections import defaultdict
from decimal import Decimal
from functools import partial

import pybit._websocket_trading
import pybit.unified_trading as bybit
from pybit.exceptions import FailedRequestError, InvalidRequestError

import ledger
import market
from judge import Pace, text_of
from simulated import check_unmodified, run_day

VERSION = "5.17.0"
SYMBOLS = {"BTCUSDT": ("BTC", "USDT"), "ETHUSDT": ("ETH", "USDT"), "SOLUSDT": ("SOL", "USDT"), "XRPUSDT": ("XRP", "USDT")}
ENDS = ("Filled", "Cancelled", "PartiallyFilledCanceled", "Rejected")
# What a stream tells is looked for so often, every five milliseconds: a slow machine looks for a longer time.
PATIENCE_LOOKS, PATIENCE_BEAT_SECONDS = 1000, 0.005
# Orders at the touch until one of them was filled there.
MAKERS, MAKERS_MAX = 10, 60
# Below the venue's limits: 20 orders and 10 amendments a second, 5 questions about fees.
PLACING, AMENDING, SLOW = Pace(17, 1.1), Pace(8, 1.1), Pace(4, 1.1)


def point_at(venue):
    """Changes the SDK's base URLs and nothing else."""
    base = venue["ws"].split("/v5/")[0]
    bybit.PUBLIC_WSS = base + "/v5/public/{CHANNEL_TYPE}"
    bybit.PRIVATE_WSS = base + "/v5/private"
    pybit._websocket_trading.TRADE_WSS = base + "/v5/trade"


class Book:
    """A book kept by the documented rules from the frames as they came, to hold against the SDK's own copy."""

    def __init__(self, judge, topic):
        self.judge, self.topic, self.number, self.gaps = judge, topic, None, 0
        self.sides = {"b": {}, "a": {}}

    def apply(self, frame):
        data = frame["data"]
        if frame["type"] == "snapshot":
            self.sides = {"b": {}, "a": {}}
        elif data["u"] != self.number + 1 and data["u"] != 1:
            self.judge.differs(f"{self.topic}: u {data['u']} after {self.number}")
        self.number = data["u"]
        for side, levels in self.sides.items():
            for price, size in data[side]:
                if ledger.exact(size) == 0:
                    levels.pop(ledger.exact(price), None)
                else:
                    levels[ledger.exact(price)] = ledger.exact(size)
        bids, asks = self.sides["b"], self.sides["a"]
        self.judge.must(not bids or not asks or max(bids) < min(asks), f"{self.topic}: crossed at {self.number}")


def wait_for(name, noted):
    """Waits, a bounded time, until the SDK has noted what it asked for."""
    for _ in range(PATIENCE_LOOKS):
        if name in noted:
            break
        time.sleep(PATIENCE_BEAT_SECONDS)


class CountedStream(bybit.WebSocket):
    """The SDK's stream, with its frames looked at before the SDK does.

    It notes what it subscribed to only after it has sent that: an acknowledgement or a push that comes sooner would end its connection.
    So its reader waits for its sender; and so it does in `Entry`.
    """

    def __init__(self, judge, keep, channel, **settings):
        self._judge, self._keep = judge, keep
        super().__init__(channel_type=channel, **settings)

    def _on_message(self, message):
        self._judge.frames += 1
        frame = json.loads(message)
        self._keep(frame)
        if frame.get("op") == "subscribe":
            wait_for(frame.get("req_id"), self.subscriptions)
        elif "topic" in frame:
            wait_for(frame["topic"], self.callback_directory)
        super()._on_message(message)


class Entry(bybit.WebSocketTrading):
    """The SDK's order entry. It notes whom to call back only after it has sent a request: a reply that comes sooner would be dropped."""

    def _handle_incoming_message(self, message):
        if message.get("reqId") and message.get("op") != "auth":
            wait_for(message["reqId"], self.callback_directory)
        super()._handle_incoming_message(message)


class Day:
    """One trader's day."""

    def __init__(self, simulated, judge, seed):
        self.simulated, self.judge, self.seed, self.names = simulated, judge, seed, 0
        venue = simulated.venues[0]
        point_at(venue)
        keys = {"api_key": venue["key"], "api_secret": venue["secret"], "testnet": True}
        self.http = bybit.HTTP(**keys)
        self.http.endpoint = venue["rest"]
        self.stranger = bybit.HTTP(api_key="nobody", api_secret="x")
        self.forger = bybit.HTTP(api_key=venue["key"], api_secret="wrong")
        for other in (self.stranger, self.forger):
            other.endpoint = venue["rest"]
        self.rows, self.books, self.seen = defaultdict(list), {}, defaultdict(int)
        self.lock, self.orders = threading.Lock(), {}
        self.subscribed = 0
        # Orders of this part that are to rest.
        self.rested = set()
        self.private = CountedStream(judge, self.keep_private, "private", **keys)
        self.public = CountedStream(judge, self.keep, "spot", testnet=True)
        self.entry = Entry(recv_window=5000, **keys)

    def keep(self, frame):
        """Every frame of the streams comes here first."""
        topic = frame.get("topic", "")
        with self.lock:
            self.seen[topic] += 1
            if topic.startswith("orderbook."):
                self.books.setdefault(topic, Book(self.judge, topic)).apply(frame)
            elif topic in ("order", "execution", "execution.fast", "wallet"):
                self.rows[topic] += frame["data"]

    def keep_private(self, frame):
        """The same for the private stream, whose subscriptions are counted as they are acknowledged."""
        self.keep(frame)
        if frame.get("op") == "subscribe" and frame.get("success"):
            with self.lock:
                self.subscribed += 1

    def call(self, method, **arguments):
        """A REST call; its `result`."""
        self.judge.count_http()
        answer = method(**arguments)
        self.judge.equal(answer["retCode"], 0, f"retCode of {method.__name__}")
        self.judge.must(isinstance(answer["time"], int), f"{method.__name__}: no time in the envelope")
        return answer["result"]

    def refused(self, what, code, method, **arguments):
        """The call must be refused with this code."""
        self.judge.count_http()
        try:
            answer = method(**arguments)
        except (InvalidRequestError, FailedRequestError) as error:
            self.judge.errors[type(error).__name__] += 1
            self.judge.labels[str(error.status_code)] += 1
            self.judge.equal(error.status_code, code, f"{what}: the code of {text_of(error)}")
            return
        self.judge.differs(f"{what}: was accepted ({str(answer)[:100]})")

    def name(self):
        self.names += 1
        return f"py{self.seed}-{self.names}"

    def until(self, what, holds):
        """Waits until something has come by a stream."""
        for _ in range(PATIENCE_LOOKS):
            with self.lock:
                found = holds()
            if found:
                return found
            time.sleep(PATIENCE_BEAT_SECONDS)
        self.judge.differs(f"{what}: nothing came within {PATIENCE_LOOKS} looks")
        return None

    def price(self, symbol, side, factor):
        return self.rounded(symbol, Decimal(self.whole(symbol)["a" if side == "Buy" else "b"][0][0]) * Decimal(factor))

    def rounded(self, symbol, price):
        tick = Decimal(self.rules[symbol]["priceFilter"]["tickSize"])
        return (price / tick).quantize(Decimal(1)) * tick

    def book(self, symbol, limit):
        return self.call(self.http.get_orderbook, category="spot", symbol=symbol, limit=limit)

    def whole(self, symbol, limit=1):
        """A book with both sides; one that was sold out is waited for."""
        return market.looked(f"{symbol}: a book with both sides", partial(self.book, symbol, limit), lambda book: book["b"] and book["a"])

    def deep(self, symbol, side, quote):
        """A book that offers so much quote to take from."""

        def enough(book):
            return market.offers(book["b"], book["a"], side == "Buy", quote)

        return market.looked(f"{symbol}: {quote} to {side}", partial(self.book, symbol, 50), enough)

    def taking(self, symbol, side, quote, place, took=lambda row: row["orderStatus"] == "Filled"):
        """An order through the touch, made by `place(price)`, as it ended: it took all, or nobody else came in between.

        `took`: whether that end is one of an order that did what it was meant to.
        """

        def once():
            PLACING.wait("user")
            before = self.deep(symbol, side, quote)
            order = place(self.rounded(symbol, market.through(before["b"], before["a"], side == "Buy")))
            after = self.book(symbol, 1)["u"]
            row = self.end_of(order)
            if row["orderStatus"] == "none" or took(row):
                return row
            with self.lock:
                own = {told["execId"] for told in self.rows["execution"] if told["orderId"] == order}
            return row if market.stood_still(before["u"], after, len(own)) else None

        return market.asked_again(f"{symbol}: an order to {side} through the touch", once)

    def terms(self, symbol, side, worth, price, **more):
        """A limit order of about this worth."""
        lot = Decimal(self.rules[symbol]["lotSizeFilter"]["basePrecision"])
        quantity = (Decimal(worth) / price / lot).quantize(Decimal(1)) * lot
        return {
            "category": "spot", "symbol": symbol, "side": side, "orderType": "Limit", "qty": str(quantity), "price": str(price),
            "orderLinkId": self.name(), **more,
        }  # fmt: skip

    def place(self, terms, paced=False):
        """Places an order over REST: its answer is ids and nothing else. `paced`: its turn was waited for before."""
        if not paced:
            PLACING.wait("user")
        result = self.call(self.http.place_order, **terms)
        return self.note(terms, result)

    def note(self, terms, result):
        self.judge.orders += 1
        self.judge.equal(set(result), {"orderId", "orderLinkId"}, "the fields of an acknowledgement")
        self.judge.equal(result["orderLinkId"], terms.get("orderLinkId", ""), "orderLinkId of a new order")
        self.orders[result["orderId"]] = terms["symbol"]
        if terms.get("timeInForce") == "GTC":
            self.rested.add(result["orderId"])
        return result["orderId"]

    def taken(self):
        """The orders of this part that were to rest, and that the market took."""
        rows = by_pages(self, self.http.get_executions, limit=100) if self.rested else []
        with self.lock:
            rows += self.rows["execution"]
        return sorted({row["orderId"] for row in rows} & self.rested)

    def clear(self):
        """Nothing of a part is left, so that it may be run anew."""
        self.call(self.http.cancel_all_orders, category="spot")
        self.rested = set()

    def end_of(self, order):
        """The state in which the stream says that an order ended."""
        row = self.until(f"the end of order {order}", lambda: next((r for r in self.rows["order"] if r["orderId"] == order and r["orderStatus"] in ENDS), None))
        return row or {"orderStatus": "none", "rejectReason": "none", "cancelType": "none"}

    def ask(self, method, **arguments):
        """One request of order entry over WebSocket; its reply, refused or not."""
        self.judge.ws += 1
        replies = []
        method(replies.append, error_callback=replies.append, **arguments)
        return self.until(f"a reply to {method.__name__}", lambda: replies and replies[0]) or {"retCode": None, "data": {}}


def loading(day):
    """Everything public."""
    judge, http = day.judge, day.http
    bracket = market.Bracket()
    judge.must(bracket.holds(int(day.call(http.get_server_time)["timeNano"]) / 1e6), "the venue's clock is off")
    rows = day.call(http.get_instruments_info, category="spot")["list"]
    day.rules = {row["symbol"]: row for row in rows}
    judge.must(set(SYMBOLS) <= set(day.rules), "a symbol of the day is not listed")
    for category in ("linear", "inverse", "option"):
        judge.equal(day.call(http.get_instruments_info, category=category)["list"], [], f"instruments of {category}")
    for symbol in SYMBOLS:
        book = day.whole(symbol, 50)
        judge.must(Decimal(book["b"][0][0]) < Decimal(book["a"][0][0]), f"{symbol}: the book is crossed")
        judge.must(book["cts"] <= book["ts"], f"{symbol}: cts is after ts")
        ticker = day.call(http.get_tickers, category="spot", symbol=symbol)["list"][0]
        judge.must(Decimal(ticker["lowPrice24h"]) <= Decimal(ticker["lastPrice"]) <= Decimal(ticker["highPrice24h"]), f"{symbol}: its day")
        trades = day.call(http.get_public_trade_history, category="spot", symbol=symbol, limit=60)["list"]
        judge.must(all(row["side"] in ("Buy", "Sell") and Decimal(row["size"]) > 0 for row in trades), f"{symbol}: trades")
        for interval in ("1", "5", "D"):
            candles = day.call(http.get_kline, category="spot", symbol=symbol, interval=interval, limit=5)["list"]
            judge.must(all(Decimal(low) <= min(Decimal(o), Decimal(c)) for _, o, _, low, c, _, _ in candles), f"{symbol}: candles")
    day.refused("an unknown symbol", 10001, http.get_orderbook, category="spot", symbol="NOPEUSDT")


def account(day):
    """Everything about the account but its orders."""
    http, judge = day.http, day.judge
    key = day.call(http.get_api_key_information)
    judge.equal((key["uta"], key["readOnly"]), (1, 0), "the account of the key")
    judge.equal(key["permissions"]["Spot"], ["SpotTrade"], "rights of the key")
    judge.equal(day.call(http.get_account_info)["unifiedMarginStatus"], 6, "the account's kind")
    SLOW.wait("fees", 2)
    fees = day.call(http.get_fee_rates, category="spot", symbol="BTCUSDT")["list"][0]
    day.taker = ledger.exact(fees["takerFeeRate"])
    judge.must(len(day.call(http.get_fee_rates, category="spot")["list"]) >= 4, "fee rates of all symbols")
    coins = day.call(http.get_coin_info, coin="USDT")["rows"]
    judge.must(any(chain["contractAddress"].startswith("0x") for chain in coins[0]["chains"]), "USDT has no contract")
    fund = day.call(http.get_coins_balance, accountType="FUND")
    judge.must(all(Decimal(row["walletBalance"]) == 0 for row in fund["balance"]), "the funding account owns something")
    day.refused("a key that nobody has", 10003, day.stranger.get_account_info)
    day.refused("a wrong signature", 10004, day.forger.get_account_info)


def subscribe(day):
    """Every topic of the day, each by the SDK's own call."""
    private, public, told = day.private, day.public, day.seen

    def hear(frame):
        told["called back"] += 1

    private.order_stream(hear)
    private.execution_stream(hear)
    private.wallet_stream(hear)
    private.fast_execution_stream(hear)
    for depth in (1, 50, 200):
        public.orderbook_stream(depth, ["BTCUSDT", "ETHUSDT"], hear)
    public.trade_stream(list(SYMBOLS), hear)
    public.ticker_stream(list(SYMBOLS), hear)
    public.kline_stream(1, "BTCUSDT", hear)
    day.judge.ws += 10
    for topic in ("orderbook.1.BTCUSDT", "orderbook.50.BTCUSDT", "orderbook.200.ETHUSDT", "tickers.XRPUSDT"):
        day.until(topic, lambda topic=topic: day.seen[topic])
    # What happens before a private topic is subscribed is never told there.
    day.until("the private subscriptions", lambda: day.subscribed >= 4)


def trade(day):
    """Orders of every kind over REST; what becomes of them is told by the stream."""
    judge = day.judge
    for number in range(16):
        symbol, side = list(SYMBOLS)[number % 4], ("Buy", "Sell")[number // 4 % 2]
        tif = ("IOC", "FOK")[number % 2]

        def place(price, symbol=symbol, side=side, worth=30 + number, tif=tif):
            return day.place(day.terms(symbol, side, worth, price, timeInForce=tif), paced=True)

        judge.equal(day.taking(symbol, side, 30 + number, place)["orderStatus"], "Filled", f"a {tif} {side} through the touch")
    markets = (("Buy", None, "50"), ("Buy", "quoteCoin", "41.5"), ("Buy", "baseCoin", "0.02"), ("Sell", None, "0.02"), ("Sell", "quoteCoin", "33"))
    for side, unit, size in markets:
        terms = {"category": "spot", "symbol": "ETHUSDT", "side": side, "orderType": "Market", "qty": size, **({"marketUnit": unit} if unit else {})}

        def place_market(_, terms=terms):
            return day.place({**terms, "orderLinkId": day.name()}, paced=True)

        def took(row):
            return Decimal(row["cumExecQty"]) > 0

        row = day.taking("ETHUSDT", side, 70, place_market, took)
        judge.must(row["orderStatus"] in ("Filled", "PartiallyFilledCanceled"), f"a market {side} by {unit}: {row['orderStatus']}")
        by_quote = unit == "quoteCoin" or (unit is None and side == "Buy")
        judge.must(not by_quote or 0 < Decimal(row["cumExecValue"]) <= Decimal(terms["qty"]), f"a market {side} by {unit} moved {row['cumExecValue']}")
    post_only = post_only_that_takes(day)
    judge.equal((post_only["orderStatus"], post_only["rejectReason"]), ("Cancelled", "EC_PostOnlyWillTakeLiquidity"), "a post-only order that takes")
    low = day.price("SOLUSDT", "Buy", "0.97")
    for tif in ("IOC", "FOK"):
        row = day.end_of(day.place(day.terms("SOLUSDT", "Buy", 40, low, timeInForce=tif)))
        judge.equal(row["orderStatus"], "Cancelled", f"a {tif} that finds nothing")


def post_only_that_takes(day):
    """A post-only order through the touch as it ended; one that came when the other side was empty rests, and is asked again."""
    symbol, side = "SOLUSDT", "Buy"

    def once():
        PLACING.wait("user")
        before = day.deep(symbol, side, 40)
        price = day.rounded(symbol, market.through(before["b"], before["a"], True))
        order = day.place(day.terms(symbol, side, 40, price, timeInForce="PostOnly"), paced=True)
        after = day.book(symbol, 1)["u"]
        # It is cancelled at once, or else it rests now; a cancel of what is gone changes nothing.
        cancel_or_not(day, symbol, order)
        row = day.end_of(order)
        done = row["rejectReason"] == "EC_PostOnlyWillTakeLiquidity" or row["orderStatus"] == "none"
        return row if done or market.stood_still(before["u"], after, 1) else None

    return market.asked_again("a post-only order that takes", once)


def cancel_or_not(day, symbol, order):
    """Cancels an order that may have ended meanwhile."""
    try:
        day.call(day.http.cancel_order, category="spot", symbol=symbol, orderId=order)
    except InvalidRequestError as error:
        day.judge.must(error.status_code in (170139, 170142), f"a cancel that came late: {text_of(error)}")


def rest(day):
    """Orders that rest: amended, looked up, listed by pages, cancelled one by one, together and in batches."""
    judge, http = day.judge, day.http
    terms = [day.terms(symbol, "Buy", 30, day.price(symbol, "Buy", factor), timeInForce="GTC") for symbol in SYMBOLS for factor in ("0.97", "0.96", "0.95")]
    orders = [day.place(one) for one in terms]
    for one, order in list(zip(terms, orders))[:4]:
        AMENDING.wait("user")
        day.call(http.amend_order, category="spot", symbol=one["symbol"], orderId=order, qty=str(Decimal(one["qty"]) * 2))
    listed, cursor = [], None
    while True:
        page = day.call(http.get_open_orders, category="spot", limit=5, cursor=cursor)
        listed += page["list"]
        cursor = page["nextPageCursor"]
        if not cursor:
            break
    judge.equal([row["orderId"] for row in listed], orders[::-1], "open orders by pages, the newest first")
    judge.equal([Decimal(row["qty"]) for row in listed[::-1]][:4], [Decimal(one["qty"]) * 2 for one in terms[:4]], "amended quantities")
    wallet = {row["coin"]: row for row in day.call(http.get_wallet_balance, accountType="UNIFIED")["list"][0]["coin"]}
    held = sum((ledger.exact(row["leavesQty"]) * ledger.exact(row["price"]) for row in listed), Decimal(0))
    judge.equal(ledger.exact(wallet["USDT"]["locked"]), held, "what is locked is what the open orders hold")
    found = day.call(http.get_open_orders, category="spot", orderLinkId=terms[5]["orderLinkId"])["list"]
    judge.equal([row["orderId"] for row in found], [orders[5]], "an order found by its client id")
    day.call(http.cancel_order, category="spot", symbol=terms[0]["symbol"], orderId=orders[0])
    day.call(http.cancel_order, category="spot", symbol=terms[1]["symbol"], orderLinkId=terms[1]["orderLinkId"])
    row = day.end_of(orders[0])
    judge.equal((row["orderStatus"], row["cancelType"]), ("Cancelled", "CancelByUser"), "a cancelled order")
    day.refused("a cancel of what is gone", 170142, http.cancel_order, category="spot", symbol=terms[0]["symbol"], orderId=orders[0])
    gone = day.call(http.cancel_batch_order, category="spot", request=[{"symbol": one["symbol"], "orderId": order} for one, order in list(zip(terms, orders))[2:5]])
    judge.equal(len(gone["list"]), 3, "orders of a batch of cancels")
    swept = day.call(http.cancel_all_orders, category="spot", symbol="SOLUSDT")["list"]
    judge.equal({row["orderId"] for row in swept}, set(orders[6:9]), "what a sweep of one symbol cancelled")
    day.call(http.cancel_all_orders, category="spot")
    judge.equal(day.call(http.get_open_orders, category="spot")["list"], [], "open orders after the sweep")
    closed = day.call(http.get_open_orders, category="spot", openOnly=1, limit=50)["list"]
    judge.must(set(orders) <= {row["orderId"] for row in closed}, "cancelled orders are among the recent ones")
    PLACING.wait("user", 3)
    batch = [day.terms("XRPUSDT", "Buy", 20, day.price("XRPUSDT", "Buy", "0.95")) for _ in range(3)]
    batch[1]["qty"] = "0.001"
    for one in batch:
        del one["category"]
    judge.count_http()
    answer = http.place_batch_order(category="spot", request=batch)
    judge.equal([row["code"] for row in answer["retExtInfo"]["list"]], [0, 170137, 0], "codes of a batch")
    for one, row in zip(batch, answer["result"]["list"]):
        if row["orderId"]:
            judge.orders += 1
            day.orders[row["orderId"]] = one["symbol"]
            day.rested.add(row["orderId"])
    day.call(http.cancel_all_orders, category="spot", symbol="XRPUSDT")


def make(day):
    """Resting orders at the touch, until some were filled as makers."""
    for number in range(MAKERS_MAX):
        with day.lock:
            was_maker = any(row["isMaker"] for row in day.rows["execution"])
        if number >= MAKERS and was_maker:
            break
        symbol = list(SYMBOLS)[number % 4]
        order = day.place(day.terms(symbol, "Buy", 50, Decimal(day.whole(symbol)["b"][0][0]), timeInForce="PostOnly"))
        time.sleep(0.5)
        cancel_or_not(day, symbol, order)
        day.end_of(order)


def entry(day):
    """Order entry over WebSocket."""
    judge = day.judge
    for number in range(12):
        symbol, side = list(SYMBOLS)[number % 4], ("Buy", "Sell")[number % 2]

        def place(price, symbol=symbol, side=side, worth=30 + number):
            terms = day.terms(symbol, side, worth, price, timeInForce="IOC")
            reply = day.ask(day.entry.place_order, **terms)
            judge.equal(reply["retCode"], 0, "an order over WebSocket")
            judge.must("X-Bapi-Limit-Status" in reply.get("header", {}), "the limit is not in the header of a reply")
            return day.note(terms, reply["data"])

        judge.equal(day.taking(symbol, side, 30 + number, place)["orderStatus"], "Filled", "an IOC through the touch over WebSocket")
    terms = day.terms("BTCUSDT", "Buy", 40, day.price("BTCUSDT", "Buy", "0.96"), timeInForce="GTC")
    order = day.note(terms, day.ask(day.entry.place_order, **terms)["data"])
    more = {"category": "spot", "symbol": "BTCUSDT", "orderId": order}
    judge.equal(day.ask(day.entry.amend_order, qty=str(Decimal(terms["qty"]) * 3), **more)["retCode"], 0, "an amendment over WebSocket")
    judge.equal(day.ask(day.entry.cancel_order, **more)["retCode"], 0, "a cancel over WebSocket")
    judge.equal(Decimal(day.end_of(order)["qty"]), Decimal(terms["qty"]) * 3, "the quantity of an amended order")
    judge.equal(day.ask(day.entry.cancel_order, **more)["retCode"], 170142, "a cancel of what is gone")
    PLACING.wait("user")
    judge.equal(day.ask(day.entry.place_order, **terms)["retCode"], 170141, "a client id once more")


def refuse(day):
    """Errors: each with its code."""
    http = day.http
    low = day.price("SOLUSDT", "Buy", "0.97")
    good = day.terms("SOLUSDT", "Buy", 40, low)
    rows = [
        ("an unknown symbol", 170121, {"symbol": "NOPEUSDT"}), ("too large", 170131, {"qty": "20000"}), ("too small", 170136, {"qty": "0.001"}),
        ("too small a value", 170140, {"qty": "0.01"}), ("too precise a price", 170134, {"price": f"{low}11"}), ("no price", 10001, {"price": None}),
        ("an unknown side", 170117, {"side": "Long"}), ("a conditional order", 170227, {"triggerPrice": "100"}), ("borrowed money", 170036, {"isLeverage": 1}),
    ]  # fmt: skip
    for what, code, changes in rows:
        PLACING.wait("user")
        day.refused(what, code, http.place_order, **{**good, **changes})
    day.refused("an unknown order", 170213, http.cancel_order, category="spot", symbol="SOLUSDT", orderId="123456789")
    day.refused("an amendment without terms", 10001, http.amend_order, category="spot", symbol="SOLUSDT", orderId="123456789")
    # `max_retries` of the SDK would hide a refusal for rate: it is asked for by many requests of which one must be refused.
    session = bybit.HTTP(api_key=http.api_key, api_secret=http.api_secret, max_retries=1, retry_codes={1})
    session.endpoint = http.endpoint

    def burst():
        """The codes of what was refused. None where the requests took more than a second, and none of them was one too many."""
        began, codes = time.monotonic(), []
        for _ in range(8):
            day.judge.count_http()
            try:
                session.get_fee_rates(category="spot", symbol="BTCUSDT")
            except InvalidRequestError as error:
                codes.append(error.status_code)
        return codes if codes or time.monotonic() - began < 1 else None

    day.judge.equal(set(market.asked_again("8 requests within a second", burst)), {10006}, "what too many requests are refused with")


def by_pages(day, method, **arguments):
    rows, cursor = [], None
    while True:
        page = day.call(method, category="spot", cursor=cursor, **arguments)
        rows += page["list"]
        cursor = page["nextPageCursor"]
        if not cursor:
            return rows


def totals(day):
    """Coin → what is owned, exactly."""
    account = day.call(day.http.get_wallet_balance, accountType="UNIFIED")["list"][0]
    return {row["coin"]: ledger.exact(row["walletBalance"]) for row in account["coin"]}, account


def streams_end(day, trades):
    """Waits until the private stream told every execution, on both topics, and every order's end."""

    def count():
        with day.lock:
            return sum(map(len, day.rows.values()))

    def is_complete():
        with day.lock:
            ended = {row["orderId"] for row in day.rows["order"] if row["orderStatus"] in ENDS}
            told = [{row["execId"] for row in day.rows[topic]} for topic in ("execution", "execution.fast")]
        return day.orders.keys() <= ended and all({row["execId"] for row in trades} <= ids for ids in told)

    market.caught_up(count, is_complete)


def closing(day):
    """Streams, lists and balances tell the same."""
    judge, http = day.judge, day.http
    trades = by_pages(day, http.get_executions, limit=100)
    streams_end(day, trades)
    trades = judge.told(trades)
    final, wallet = totals(day)
    judge.assets = len(final)
    moved = defaultdict(Decimal)
    for row in trades:
        base, quote = SYMBOLS[row["symbol"]]
        sign = 1 if row["side"] == "Buy" else -1
        size, price, fee = ledger.exact(row["execQty"]), ledger.exact(row["execPrice"]), ledger.exact(row["execFee"])
        judge.equal(ledger.exact(row["execValue"]), size * price, f"execution {row['execId']}: its value")
        judge.equal(row["feeCurrency"], base if sign > 0 else quote, f"execution {row['execId']}: the coin of its fee")
        moved[base] += sign * size
        moved[quote] -= sign * size * price
        moved[row["feeCurrency"]] -= fee
    judge.all_of(ledger.check_balances(day.start, moved, final))
    judge.all_of(ledger.check_that_comparison_bites(day.start, moved, final) if not judge.differences else [])
    for row in wallet["coin"]:
        judge.equal(ledger.exact(row["locked"]), Decimal(0), f"{row['coin']}: locked though no order is open")
    with day.lock:
        told, fast, orders = list(day.rows["execution"]), list(day.rows["execution.fast"]), list(day.rows["order"])
        last = {}
        for account in day.rows["wallet"]:
            last.update({row["coin"]: ledger.exact(row["walletBalance"]) for row in account["coin"]})
    by_id = {row["execId"]: row for row in told}
    judge.equal(len(by_id), len(told), "executions streamed, each once")
    judge.equal({row["execId"] for row in fast}, set(by_id), "executions of the fast topic")
    for row in trades:
        streamed = by_id.get(row["execId"])
        if not judge.must(streamed is not None, f"trade {row['execId']} was never streamed"):
            continue
        for key in ("orderId", "orderLinkId", "symbol", "side", "execPrice", "execQty", "execFee", "feeCurrency", "isMaker", "leavesQty", "orderType"):
            judge.equal(streamed[key], row[key], f"trade {row['execId']}: {key} in the stream")
    if not judge.plant:
        judge.equal(set(by_id), {row["execId"] for row in trades}, "the streamed executions")
        judge.must(any(row["isMaker"] for row in trades), "no order was ever filled as a maker")
    for coin, total in last.items():
        judge.equal(total, final.get(coin), f"the last streamed balance of {coin}")
    ends = defaultdict(list)
    for row in orders:
        if row["orderStatus"] in ENDS:
            ends[row["orderId"]].append(row)
    judge.equal(set(ends), set(day.orders), "the orders whose end was streamed")
    listed = {row["orderId"]: row for row in by_pages(day, http.get_order_history, limit=50)}
    by_order = defaultdict(list)
    for row in trades:
        by_order[row["orderId"]].append(row)
    for name in day.orders:
        judge.equal(len(ends[name]), 1, f"order {name}: ends told")
        row = listed.get(name)
        if not judge.must(row is not None, f"order {name} is not in the history"):
            continue
        sums = [sum((ledger.exact(t[key]) for t in by_order[name]), Decimal(0)) for key in ("execQty", "execValue", "execFee")]
        judge.equal([ledger.exact(row[key]) for key in ("cumExecQty", "cumExecValue", "cumExecFee")], sums, f"order {name}: what was filled, the trades make")
        for key in ("orderStatus", "cumExecQty", "cumExecValue", "qty", "price", "rejectReason", "cancelType"):
            judge.equal(ends[name][0][key] if ends[name] else None, row[key], f"order {name}: {key} in the stream")
    judge.equal(set(by_order) - set(day.orders), set(), "orders of trades that were never placed")
    for symbol, (base, _) in SYMBOLS.items():
        judge.must(any(row["symbol"] == symbol for row in trades), f"{base} was never traded")
    for topic in ("publicTrade.BTCUSDT", "tickers.ETHUSDT", "kline.1.BTCUSDT", "orderbook.1.ETHUSDT", "orderbook.50.ETHUSDT", "called back"):
        judge.must(day.seen[topic], f"{topic}: nothing was pushed")


def day(simulated, judge, seed):
    """The day, from the first read to the last digit."""
    check_unmodified("pybit", VERSION)
    logging.getLogger("pybit").setLevel(logging.CRITICAL)
    trader = Day(simulated, judge, seed)
    trader.start, _ = totals(trader)
    for part in (loading, account, subscribe, trade, rest, make, entry, refuse, closing):
        judge.step, trader.rested = part.__name__, set()

        def guarded(function, *arguments):
            try:
                return function(*arguments)
            except Exception as error:
                judge.differs(f"ended early by {type(error).__name__}: {text_of(error)}")
                return None

        market.undisturbed(judge, partial(guarded, part, trader), partial(guarded, trader.taken), partial(guarded, trader.clear))
        simulated.check_alive()
    for stream in (trader.private, trader.public, trader.entry):
        stream.exit()


if __name__ == "__main__":
    sys.exit(run_day(__doc__, day, calls=200, kinds=("bybit", "bybit")))
