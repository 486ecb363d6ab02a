#!/usr/bin/env python3
"""A scripted day of `ccxt` and `ccxt.pro` against `crossgate sim`, only their base URLs changed.

    ccxt_day.py CROSSGATE [--seed N]

Synchronous and asynchronous REST, every stream, order entry over WebSocket, every common error; afterwards balances, trades,
orders, streams and the account book are compared to the last digit, on the raw `info` of the client's answers, never on its
floats. Exit code 0: all equal. 1: not, said in one sentence. Needs: pip install -r requirements.txt

What `ccxt` refuses for spot on its own (`create_orders_ws`, `fetch_open_orders_ws`, `fetch_closed_orders_ws`) is seen to be
refused as `NotSupported`, and then asked through the client's own `request_private`, which signs and correlates as the rest.
"""

import asyncio
import random
import sys
import time
from collections import defaultdict
from decimal import Decimal
from functools import partial

import ccxt

import ccxt_refusals
import ledger
import market
import shapes
from ccxt_client import PRIVATE, Frames, connect, connect_pro, soon
from judge import Pace, text_of
from simulated import check_unmodified, run_day

VERSION = "4.5.90"
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT")
PATIENCE_SECONDS, PATIENCE_ROUNDS = 12, 30
# Copies of a book that are held against the client's own, and how many are read at most to get them.
COPIES, COPIES_MAX = 6, 200


class Day:
    """One trader's day."""

    def __init__(self, simulated, judge, seed):
        self.simulated, self.judge, self.seed = simulated, judge, seed
        self.venue = simulated.venues[0]
        self.random = random.Random(seed)
        self.frames = Frames(judge)
        # Below Gate's limits. Whether order entry over WebSocket is limited per market is an open question: it is paced for the user.
        self.placing = Pace(9, 1.1)
        self.pro, self.other, self.single = connect_pro(judge, self.venue, self.frames), None, None
        self.orders, self.texts, self.seen, self.tasks = {}, 0, {}, []
        # Orders of this part that are to rest, with their symbols.
        self.rested = {}

    async def step(self, function):
        """Runs one part of the day; an exception ends the part, not the day."""
        self.judge.step, self.rested = function.__name__, {}
        await market.undisturbed_soon(
            self.judge, lambda: self.guarded(lambda: function(self)), lambda: self.guarded(self.taken), lambda: self.guarded(self.clear)
        )
        self.simulated.check_alive()

    async def guarded(self, part):
        """Awaits it; what it raises is a difference."""
        try:
            return await part()
        except Exception as error:
            self.judge.differs(f"ended early by {type(error).__name__}: {text_of(error)}")
            return None

    async def taken(self):
        """The orders of this part that were to rest, and that the market took."""
        own = []
        for symbol in sorted(set(self.rested.values())):
            own += await self.pro.privateSpotGetMyTrades({"currency_pair": self.pro.market_id(symbol), "limit": 1000})
        return sorted({trade["order_id"] for trade in own if trade["role"] == "maker"} & self.rested.keys())

    async def clear(self):
        """Nothing of a part is left, so that it may be run anew."""
        await self.pro.cancel_all_orders()
        for name, symbol in self.rested.items():
            await self.read({"id": name, "symbol": symbol})
        self.rested = {}

    def rests(self, order):
        """Notes that an order is to rest."""
        self.rested[order["id"]] = order["symbol"]
        return order

    async def refused(self, what, kind, labels, awaitable):
        """The call must raise exactly this class of the client, with one of these labels."""
        try:
            answer = await soon(awaitable)
        except Exception as error:
            self.judge.refusal(what, error, kind, labels)
            return error
        self.judge.differs(f"{what}: was accepted ({str(answer)[:100]})")
        return None

    # ------------------------------------------------------------------------------------------------------------- placing

    def text(self):
        self.texts += 1
        return f"t-cx{self.seed}.{self.texts}"

    def note(self, order, shape=None):
        """Keeps the latest raw state of an order."""
        row = order["info"]
        if shape is not None:
            self.judge.all_of(f"order entry: {fault}" for fault in shapes.faults(row, shape))
        row = {**row, "filled_amount": row.get("filled_amount", order_filled(row))}
        self.judge.all_of(ledger.check_order(row))
        self.orders[row["id"]] = row
        return row

    async def touch(self, symbol):
        """Best bid and ask; a side that was sold out is waited for."""
        what = f"{symbol}: a book with both sides"
        book = await market.looked_soon(what, lambda: self.pro.fetch_order_book(symbol, 5), market.both_sides)
        return Decimal(str(book["bids"][0][0])), Decimal(str(book["asks"][0][0]))

    def worth(self, symbol, quote, price):
        return float(self.pro.amount_to_precision(symbol, float(Decimal(quote) / Decimal(price))))

    async def turn(self, symbol, ws=False):
        """Waits until one more order is below the limits."""
        await asyncio.sleep(self.placing.delay("all" if ws else symbol))

    async def place(self, symbol, kind, side, quote, price=None, ws=False, paced=False, **params):
        """One order over REST or WebSocket, by worth in quote; `paced`: its turn was waited for before the look that it was made of."""
        if not paced:
            await self.turn(symbol, ws)
        if price is None or kind == "market":
            bid, ask = await self.touch(symbol)
        reference = Decimal(price) if price is not None else (bid + ask) / 2
        params.setdefault("text", self.text())
        amount = self.worth(symbol, quote, reference)
        if kind == "market" and side == "buy":
            params["cost"] = float(quote)
        send = self.pro.create_order_ws if ws else self.pro.create_order
        limit = None if kind == "market" else float(price)
        order = await soon(send(symbol, kind, side, amount, limit, params))
        self.judge.orders += 1
        row = self.note(order, shapes.WS_ORDER if ws else None)
        self.judge.equal((row["text"], row["side"], row["type"]), (params["text"], side, kind), "a new order")
        self.judge.equal(order["clientOrderId"], params["text"], "clientOrderId of a new order")
        return order

    async def resting(self, symbol, side="buy", quote=40, away="0.03", ws=False, **params):
        bid, ask = await self.touch(symbol)
        price = bid * (1 - Decimal(away)) if side == "buy" else ask * (1 + Decimal(away))
        order = self.rests(await self.place(symbol, "limit", side, quote, self.pro.price_to_precision(symbol, float(price)), ws, **params))
        self.judge.equal(order["status"], "open", "status of a resting order")
        return order

    async def read(self, order, ws=False):
        fetch = self.pro.fetch_order_ws if ws else self.pro.fetch_order
        return self.note(await soon(fetch(order["id"], order["symbol"])), shapes.WS_ORDER if ws else None)

    async def taking(self, symbol, side, quote, kind=None, ws=False):
        """An order through the touch: filled whole, or what the venue made of it where nobody else came in between.

        `kind`: `market`, or a time in force (none: good till cancelled).
        """

        async def once():
            await self.turn(symbol, ws)
            before = await self.deep(symbol, side, quote)
            price = self.pro.price_to_precision(symbol, float(market.through(before["bids"], before["asks"], side == "buy")))
            try:
                if kind == "market":
                    order = await self.place(symbol, "market", side, quote, None, ws, True)
                else:
                    order = await self.place(symbol, "limit", side, quote, price, ws, True, **({"timeInForce": kind} if kind else {}))
            except ccxt.ExchangeError as error:
                # A fill-or-kill that is not filled, and a market order that finds nobody.
                unfilled = any(label in str(error) for label in ("FOK_NOT_FILL", "ORDER_BOOK_NOT_FOUND"))
                if not unfilled or market.stood_still(before["nonce"], await self.number(symbol)):
                    raise
                return None
            if order["info"]["finish_as"] == "filled":
                return order
            after = await self.number(symbol)
            own = await self.pro.fetch_order_trades(order["id"], symbol)
            rests = order["info"]["status"] == "open"
            if market.stood_still(before["nonce"], after, len(own) + rests):
                return order
            if rests:
                await self.cancel_or_read(order)
            return None

        return await market.asked_again_soon(f"{symbol}: a {kind} {side}", once)

    async def deep(self, symbol, side, quote):
        """A book that offers so much quote to take from."""

        def enough(book):
            return market.offers(book["bids"], book["asks"], side == "buy", quote)

        return await market.looked_soon(f"{symbol}: {quote} to {side}", lambda: self.pro.fetch_order_book(symbol, 50), enough)

    async def number(self, symbol):
        """The number of a book now."""
        return (await self.pro.fetch_order_book(symbol, 5))["nonce"]

    async def cancel_or_read(self, order):
        """Ends an order that may be done."""
        try:
            self.note(await soon(self.pro.cancel_order(order["id"], order["symbol"])))
        except ccxt.InvalidOrder:
            await self.read(order)

    async def accounts(self):
        return await self.pro.privateSpotGetAccounts()

    # ------------------------------------------------------------------------------------------------------------- streams

    def follow(self, name, method, *arguments):
        """Watches a stream all day."""
        self.seen[name] = 0

        async def watching():
            while True:
                try:
                    answer = await method(*arguments)
                except ccxt.ExchangeClosedByUser:
                    return
                except Exception as error:
                    self.judge.differs(f"{name}: raised {type(error).__name__}: {text_of(error)}")
                    return
                self.seen[name] += 1
                looks_right(self.judge, name, answer)

        self.tasks.append(asyncio.ensure_future(watching()))


def order_filled(row):
    """Executed base where a reply does not name it (fact sheet, decision rule 1)."""
    if row["type"] == "market" and row["side"] == "buy":
        average = Decimal(row.get("avg_deal_price", "0"))
        return str(Decimal(row["filled_total"]) / average) if average else "0"
    return str(Decimal(row["amount"]) - Decimal(row["left"]))


def looks_right(judge, name, answer):
    """What a stream's value must be, whatever the market does."""
    kind = name.split(" ")[0]
    if kind == "book":
        if answer["bids"] and answer["asks"]:
            judge.must(answer["bids"][0][0] < answer["asks"][0][0], f"{name}: the client's book is crossed")
        judge.must(answer["nonce"] is not None, f"{name}: the client's book has no id")
    elif kind in ("tickers", "bids_asks"):
        for symbol, ticker in answer.items():
            # A side that is sold out has no price.
            crossed = ticker["bid"] is not None and ticker["ask"] is not None and ticker["bid"] >= ticker["ask"]
            judge.must(symbol in SYMBOLS and not crossed, f"{name}: {symbol} bid {ticker['bid']}, ask {ticker['ask']}")
    elif kind == "trades":
        judge.must(all(trade["price"] > 0 and trade["side"] in ("buy", "sell") for trade in answer), f"{name}: a trade without price or side")
    elif kind == "candles":
        inside = all(low <= min(open_, close) <= max(open_, close) <= high for _, open_, high, low, close, _ in answer)
        judge.must(inside, f"{name}: a candle beyond its high or low")


async def subscribe(day):
    """Every stream that the client has, before anything happens."""
    pro = day.pro
    await soon(pro.load_markets(), 30)
    day.judge.must(set(SYMBOLS) <= set(pro.symbols), "a symbol of the day is not among the markets")
    day.follow("orders", pro.watch_orders)
    day.follow("my_trades", pro.watch_my_trades)
    day.follow("balance", pro.watch_balance)
    for symbol in SYMBOLS:
        day.follow(f"book {symbol}", pro.watch_order_book, symbol)
    day.follow("ticker BTC/USDT", pro.watch_ticker, "BTC/USDT")
    day.follow("tickers all", pro.watch_tickers, list(SYMBOLS))
    day.follow("bids_asks all", pro.watch_bids_asks, list(SYMBOLS))
    day.follow("trades BTC/USDT", pro.watch_trades, "BTC/USDT")
    day.follow("trades others", pro.watch_trades_for_symbols, list(SYMBOLS[1:]))
    day.follow("candles 1m", pro.watch_ohlcv, "BTC/USDT", "1m")
    day.follow("candles 10s", pro.watch_ohlcv, "ETH/USDT", "10s")
    # A second connection that asks for one market only.
    day.single = Frames(day.judge)
    day.other = connect_pro(day.judge, day.venue, day.single)
    await soon(day.other.load_markets(), 30)
    day.follow("orders BTC/USDT", day.other.watch_orders, "BTC/USDT")
    day.follow("my_trades BTC/USDT", day.other.watch_my_trades, "BTC/USDT")
    # What happens before a private channel is subscribed is never told there.
    for _ in range(market.WAITS):
        if set(PRIVATE) <= day.frames.subscribed and set(PRIVATE[:2]) <= day.single.subscribed:
            break
        await asyncio.sleep(market.WAIT_SECONDS)
    heard = (sorted(day.frames.subscribed & set(PRIVATE)), sorted(day.single.subscribed & set(PRIVATE)))
    day.judge.equal(heard, (sorted(PRIVATE), sorted(PRIVATE[:2])), "private channels that acknowledged")


# ------------------------------------------------------------------------------------------------------------------ reading


def synchronous(day):
    """REST reads with the synchronous client, in a thread of its own, while the rest of the day goes on."""
    judge = day.judge
    exchange = connect(judge, day.venue)
    markets = exchange.load_markets()
    judge.must(set(SYMBOLS) <= set(markets), "a symbol of the day is not among the synchronous client's markets")
    bracket = market.Bracket()
    judge.must(bracket.holds(exchange.fetch_time()), "the venue's clock is more than two seconds off")
    codes = exchange.fetch_currencies()
    judge.must({"USDT", "BTC"} <= set(codes), "an asset is not among the currencies")
    exchange.fetch_deposit_withdraw_fees(["USDT", "BTC"])
    exchange.fetch_transaction_fees(["USDT"])
    fees = exchange.fetch_trading_fees()
    for symbol in SYMBOLS:
        judge.equal(exchange.fetch_trading_fee(symbol)["taker"], fees[symbol]["taker"], f"taker fee of {symbol}")
    for round_ in range(8):
        judge.must(set(SYMBOLS) <= set(exchange.fetch_tickers()), "a symbol has no ticker")
        for symbol in SYMBOLS:
            ticker = market.looked(f"{symbol}: a ticker with both prices", partial(exchange.fetch_ticker, symbol), market.both_prices)
            judge.must(ticker["bid"] < ticker["ask"], f"{symbol}: the ticker is crossed")
            read = partial(exchange.fetch_order_book, symbol, (5, 20, 50, 100)[round_ % 4])
            book = market.looked(f"{symbol}: a book with both sides", read, market.both_sides)
            judge.must(book["nonce"] is not None and book["bids"][0][0] < book["asks"][0][0], f"{symbol}: the book has no id or is crossed")
            trades = exchange.fetch_trades(symbol, limit=50)
            judge.must(all(trade["timestamp"] for trade in trades), f"{symbol}: a trade without a time")
            frame = ("1m", "5m", "15m", "30m", "1h", "4h", "1d", "10s")[round_]
            rows = exchange.fetch_ohlcv(symbol, frame, limit=10)
            judge.must(len(rows) <= 10 and rows == sorted(rows), f"{symbol} {frame}: candles out of order")
            since = exchange.milliseconds() - 600_000
            exchange.fetch_ohlcv(symbol, "1m", since)
            exchange.fetch_trades(symbol, since, 20, {"until": exchange.milliseconds()})
        balance = exchange.fetch_balance()
        judge.must(balance["USDT"]["total"] > 0, "the account holds no USDT")
        exchange.fetch_ledger(limit=20)
        exchange.fetch_open_orders()
        exchange.fetch_my_trades(limit=20)
        exchange.privateAccountGetDetail()
        exchange.privateSpotGetBatchFee({"currency_pairs": "BTC_USDT,ETH_USDT"})
        exchange.privateWalletGetTotalBalance()
        exchange.publicWalletGetCurrencyChains({"currency": "USDT"})
    return True


async def copies(day):
    """REST copies of the book equal the streamed book with the same id, to the digit."""
    for symbol in SYMBOLS:
        name = f"ob.{day.pro.market_id(symbol)}.50"
        equal, behind = 0, []
        for number in range(25 + market.LOOKS):
            # After the last copy the stream only has to come as far.
            if number < 25:
                behind.append(await day.pro.publicSpotGetOrderBook({"currency_pair": day.pro.market_id(symbol), "limit": "20", "with_id": "true"}))
            await asyncio.sleep(0.15 if number < 25 else market.BEAT_SECONDS)
            streamed = day.frames.books.get(name)
            if streamed is None:
                continue
            for copy in [copy for copy in behind if int(copy["id"]) <= streamed.id]:
                behind.remove(copy)
                state = streamed.states.get(int(copy["id"]))
                if not state:
                    continue
                sides = [[tuple(map(ledger.exact, level)) for level in copy[side]] for side in ("bids", "asks")]
                same = sides == [state[0][: len(sides[0])], state[1][: len(sides[1])]]
                day.judge.must(same, f"{name}: the REST copy {copy['id']} differs from the stream")
                equal += 1
            if equal >= 3 or number >= 24 and not behind:
                break
        day.judge.must(equal, f"{name}: no REST copy had the id of a streamed book")
        book = day.pro.orderbooks.get(symbol)
        streamed = day.frames.books.get(name)
        if book and streamed and book["nonce"] == streamed.id:
            ours = [float(price) for price, _ in streamed.states[streamed.id][0][:10]]
            day.judge.equal([price for price, _ in book["bids"][:10]], ours, f"{name}: the client's own bids")


async def updates(day):
    """`spot.order_book_update`, kept by the client's own recipe with a REST seed, and the whole books of `spot.order_book`."""
    frames = Frames(day.judge)
    pro = connect_pro(day.judge, day.venue, frames)
    try:
        await soon(pro.load_markets(), 30)
        url, symbol = pro.urls["api"]["spot"], "ETH/USDT"
        copies_, kept, subscription = {}, {}, {"symbol": symbol, "limit": 100}

        def keep(client):
            """The client's own book after each frame, by its number: a copy may be older or newer than the book is when it comes."""
            book = client.orderbooks.get(symbol)
            if book is not None and book["nonce"] is not None and book["nonce"] not in kept:
                kept[book["nonce"]] = {side: [list(level[:2]) for level in book[side][:10]] for side in ("bids", "asks")}

        frames.after = keep
        for number in range(60):
            watched = pro.subscribe_public(url, f"orderbook:{symbol}", ["ETH_USDT", "100ms"], "spot.order_book_update", {}, subscription)
            book = await soon(watched)
            looks_right(day.judge, "book by updates", book)
        # At any time between two updates: a copy has the id of the client's book where nothing changed since the last one.
        for _ in range(COPIES_MAX):
            await asyncio.sleep(day.random.uniform(0, 0.1))
            copy = await pro.publicSpotGetOrderBook({"currency_pair": pro.market_id(symbol), "limit": "10", "with_id": "true"})
            copies_[int(copy["id"])] = copy
            if len(copies_.keys() & kept.keys()) >= COPIES:
                break
        for _ in range(market.LOOKS):
            if max(kept, default=0) >= max(copies_):
                break
            await asyncio.sleep(market.BEAT_SECONDS)
        frames.after = None
        equal = sum(same_as_rest(day, symbol, kept, copy) for copy in copies_.values())
        day.judge.must(equal, f"{symbol}: no REST copy had the id of the book that the client keeps by updates")
        whole = asyncio.ensure_future(pro.subscribe_public(url, "whole", ["SOL_USDT", "20", "100ms"], "spot.order_book"))
        fast = asyncio.ensure_future(pro.subscribe_public(url, "fast", ["SOL_USDT", "20ms"], "spot.order_book_update"))
        deep = asyncio.ensure_future(pro.watch_order_book("BTC/USDT", 400))
        book = await soon(deep)
        looks_right(day.judge, "book of 400", book)
        await asyncio.sleep(2)
        for channel in ("spot.order_book", "spot.order_book_update", "spot.obu"):
            day.judge.must(frames.count[channel] > 5, f"{channel}: {frames.count[channel]} pushes in two seconds")
        for task in (whole, fast):
            task.cancel()
        await soon(pro.un_watch_order_book("BTC/USDT", {"limit": 400}))
        before = frames.count["spot.obu"]
        await asyncio.sleep(1)
        day.judge.must(frames.count["spot.obu"] - before <= 2, "spot.obu went on after it was unsubscribed")
        ticks = asyncio.ensure_future(pro.watch_trades("XRP/USDT"))
        await asyncio.sleep(0.5)
        await soon(pro.un_watch_trades("XRP/USDT"))
        ticks.cancel()
    finally:
        await pro.close()


def same_as_rest(day, symbol, kept, copy):
    """The client's own book equals a REST copy with the same id; false where it never had that id."""
    book = kept.get(int(copy["id"]))
    for side in ("bids", "asks") if book else ():
        theirs = [[float(value) for value in level] for level in copy[side]]
        day.judge.equal(book[side], theirs, f"{symbol}: {side} kept by updates")
    return book is not None


# ------------------------------------------------------------------------------------------------------------------ trading


async def rest_orders(day):
    """Every order type over REST, looked up by every key."""
    pro, judge = day.pro, day.judge
    for number in range(32):
        symbol, side = SYMBOLS[number % 4], ("buy", "sell")[(number // 4) % 2]
        tif = ("IOC", "FOK", None, "market")[(number // 8) % 4]
        quote = day.random.randint(10, 250)
        order = await day.taking(symbol, side, quote, tif)
        judge.equal(order["status"], "closed" if order["info"]["status"] == "closed" else order["status"], f"status of a {tif} order")
        judge.equal(order["info"]["finish_as"], "filled", f"finish_as of a {tif} {side} through the touch")
        again = await day.read(order)
        judge.equal(again["filled_total"], order["info"]["filled_total"], "filled_total of the order read again")
        by_text = await pro.fetch_order(None, symbol, {"clientOrderId": order["clientOrderId"]})
        judge.equal(by_text["id"], order["id"], "the order found by its text")
        own = await pro.fetch_order_trades(order["id"], symbol)
        judge.all_of(ledger.check_orders({order["id"]: again}, [trade["info"] for trade in own]))

    async def by_cost():
        before = await day.deep("BTC/USDT", "buy", "77.5")
        try:
            return await pro.create_market_buy_order_with_cost("BTC/USDT", 77.5)
        except ccxt.ExchangeError as error:
            # It found nobody.
            if "ORDER_BOOK_NOT_FOUND" not in str(error) or market.stood_still(before["nonce"], await day.number("BTC/USDT")):
                raise
            return None

    cost = await market.asked_again_soon("a market buy by its cost", by_cost)
    judge.orders += 1
    judge.equal(day.note(cost)["amount"].rstrip("0").rstrip("."), "77.5", "amount of a market buy, in quote")


async def rest_resting(day):
    """Resting orders over REST: listings, edits, batches, cancels of every kind, the dead-man switch."""
    pro, judge = day.pro, day.judge
    rows = [await day.resting(symbol, side, away=f"0.0{2 + rung}") for rung in range(2) for symbol in SYMBOLS for side in ("buy", "sell")]
    listed = await pro.fetch_open_orders()
    judge.equal({order["id"] for order in listed}, {order["id"] for order in rows}, "open orders")
    for symbol in SYMBOLS:
        own = await pro.fetch_open_orders(symbol)
        judge.equal({order["id"] for order in own}, {order["id"] for order in rows if order["symbol"] == symbol}, f"open orders of {symbol}")
    for number, order in enumerate(rows[:8]):
        price = float(pro.price_to_precision(order["symbol"], order["price"] * (0.99 if order["side"] == "buy" else 1.01)))
        amount = float(pro.amount_to_precision(order["symbol"], order["amount"] * (2 if number % 2 else 0.5)))
        await asyncio.sleep(day.placing.delay(order["symbol"]))
        edited = await pro.edit_order(order["id"], order["symbol"], "limit", order["side"], amount, price)
        judge.equal((edited["id"], edited["price"], edited["amount"]), (order["id"], price, amount), "an edited order")
        day.note(edited)
        day.judge.equal((await day.read(order))["status"], "open", "an edited order read again")
    gone = await pro.cancel_order(rows[0]["id"], rows[0]["symbol"])
    judge.equal(gone["status"], "canceled", "a cancelled order")
    day.note(gone)
    for results in (
        await pro.cancel_orders([rows[1]["id"]], rows[1]["symbol"]),
        await pro.cancel_orders_for_symbols([{"id": order["id"], "symbol": order["symbol"]} for order in rows[2:6]]),
    ):
        judge.must(all(order["status"] != "rejected" for order in results), "a batch cancel was rejected")
    swept = await pro.cancel_all_orders(SYMBOLS[3])
    swept += await pro.cancel_all_orders()
    judge.equal({order["id"] for order in swept}, {order["id"] for order in rows[6:]}, "what the sweeps cancelled")
    for order in rows:
        judge.equal((await day.read(order))["status"], "cancelled", "an order after the sweeps")
    await batches(day)
    await switch(day)


async def batches(day):
    """`create_orders`: good rows and one that the balance does not allow."""
    pro, judge = day.pro, day.judge
    wanted = []
    for symbol in SYMBOLS[:3]:
        bid, _ = await day.touch(symbol)
        price = float(pro.price_to_precision(symbol, float(bid * Decimal("0.95"))))
        for _ in range(3):
            order = {"symbol": symbol, "type": "limit", "side": "buy", "amount": day.worth(symbol, 20, price), "price": price}
            wanted.append({**order, "params": {"text": day.text()}})
    wanted[4]["amount"] = day.worth(wanted[4]["symbol"], 2_000_000, wanted[4]["price"])
    # The whole batch counts when it is sent: a second of its own.
    await asyncio.sleep(1.1)
    for symbol in SYMBOLS[:3]:
        day.placing.delay(symbol, 3)
    by_text = {order["info"]["text"]: order for order in await pro.create_orders(wanted)}
    orders = [by_text[order["params"]["text"]] for order in wanted]
    judge.equal([order["status"] for order in orders], ["rejected" if number == 4 else "open" for number in range(9)], "statuses of a batch")
    judge.equal(orders[4]["info"].get("label"), "BALANCE_NOT_ENOUGH", "label of the row that is too large")
    good = [order for order in orders if order["status"] == "open"]
    judge.orders += len(good)
    for order in good:
        day.note(day.rests(order))
    results = await pro.cancel_orders_for_symbols([{"id": order["id"], "symbol": order["symbol"]} for order in good])
    judge.equal(len(results), len(good), "rows of a batch cancel")
    for order in good:
        judge.equal((await day.read(order))["status"], "cancelled", "an order of a cancelled batch")


async def switch(day):
    """The dead-man switch through the client: armed again, disarmed, fired."""
    arm = day.pro.privateSpotPostCountdownCancelAll
    order = await day.resting("SOL/USDT")
    for timeout in (5, 30, 0):
        answer = await arm({"timeout": timeout})
        day.judge.must("triggerTime" in answer, "the switch tells no triggerTime")

    async def before_it_fires():
        armed = time.monotonic()
        answer = await arm({"timeout": 5})
        await asyncio.sleep(4)
        status = (await day.read(order))["status"]
        # Read so late that the switch was due, it says nothing: the order is made anew, and the switch armed again.
        late = time.monotonic() - armed >= 5
        return None if late and status != "open" else (status, answer)

    async def once():
        nonlocal order
        if day.orders[order["id"]]["status"] != "open":
            order = await day.resting("SOL/USDT")
        return await before_it_fires()

    status, answer = await market.asked_again_soon("an order read before the switch fires", once)
    day.judge.equal(status, "open", "an order before the switch fires")
    await asyncio.sleep(2.5)
    due = float(answer["triggerTime"]) + 500
    await market.looked_soon("the venue's clock past the switch", day.pro.fetch_time, lambda now: now > due)
    row = await day.read(order)
    day.judge.equal((row["status"], row["finish_as"]), ("cancelled", "cancelled"), "an order after the switch fired")


async def makers(day):
    """Post-only orders at the touch over WebSocket, edited after the market until they are filled."""
    pro, judge, rows = day.pro, day.judge, []
    for symbol in SYMBOLS:
        for side in ("buy", "sell"):
            bid, ask = await day.touch(symbol)
            try:
                rows.append(await day.place(symbol, "limit", side, 30, bid if side == "buy" else ask, True, postOnly=True))
            except ccxt.OrderImmediatelyFillable:
                pass
    # A slow machine goes round less often within the time.
    deadline, rounds = time.monotonic() + PATIENCE_SECONDS, 0
    while rows and (time.monotonic() < deadline or rounds < PATIENCE_ROUNDS):
        rounds += 1
        for order in list(rows):
            row = await day.read(order, ws=True)
            if row["status"] != "open":
                rows.remove(order)
                continue
            bid, ask = await day.touch(order["symbol"])
            better = bid if order["side"] == "buy" else ask
            if better != Decimal(row["price"]):
                await asyncio.sleep(day.placing.delay("all"))
                try:
                    edited = await soon(pro.edit_order_ws(order["id"], order["symbol"], "limit", order["side"], None, float(better)))
                    day.note(edited, shapes.WS_ORDER)
                except (ccxt.OrderImmediatelyFillable, ccxt.InvalidOrder, ccxt.OrderNotFound) as error:
                    judge.must("NOT_FOUND" not in str(error), f"editing a post-only order at the touch: {text_of(error)}")
    for order in rows:
        try:
            day.note(await soon(pro.cancel_order_ws(order["id"], order["symbol"])), shapes.WS_ORDER)
        except ccxt.InvalidOrder:
            await day.read(order)
    filled = [row for row in day.orders.values() if row["time_in_force"] == "poc" and row["status"] == "closed"]
    judge.must(filled, "no post-only order at the touch was ever filled")


async def ws_orders(day):
    """Order entry over WebSocket: every type, edits, cancels, lookups."""
    pro, judge = day.pro, day.judge
    for number in range(32):
        symbol, side = SYMBOLS[number % 4], ("buy", "sell")[(number // 4) % 2]
        tif = ("IOC", "FOK", None, "market")[(number // 8) % 4]
        quote = day.random.randint(10, 250)
        order = await day.taking(symbol, side, quote, tif, True)
        judge.equal(order["info"]["finish_as"], "filled", f"finish_as of a {tif} {side} over WebSocket")
        again = await day.read(order, ws=True)
        judge.equal(again["filled_total"], order["info"]["filled_total"], "filled_total of the order read over WebSocket")
    rows = [await day.resting(symbol, side, ws=True) for symbol in SYMBOLS for side in ("buy", "sell")]
    for order in rows[:4]:
        price = float(pro.price_to_precision(order["symbol"], order["price"] * (0.99 if order["side"] == "buy" else 1.01)))
        await asyncio.sleep(day.placing.delay("all"))
        edited = await soon(pro.edit_order_ws(order["id"], order["symbol"], "limit", order["side"], order["amount"] * 2, price))
        judge.equal((edited["price"], edited["amount"]), (price, order["amount"] * 2), "an order edited over WebSocket")
        day.note(edited, shapes.WS_ORDER)
    by_text = await soon(pro.fetch_order_ws(None, rows[5]["symbol"], {"clientOrderId": rows[5]["clientOrderId"]}))
    judge.equal(by_text["id"], rows[5]["id"], "the order found by its text over WebSocket")
    gone = await soon(pro.cancel_order_ws(rows[0]["id"], rows[0]["symbol"]))
    judge.equal(day.note(gone, shapes.WS_ORDER)["status"], "cancelled", "an order cancelled over WebSocket")
    swept = await soon(pro.cancel_all_orders_ws("ETH/USDT"))
    for order in swept:
        # Cancelled without a fill it is soon forgotten: this is the last that is asked of it.
        day.note(order)
    judge.equal({order["id"] for order in swept}, {order["id"] for order in rows if order["symbol"] == "ETH/USDT"}, "what order_cancel_cp cancelled")
    for name in ("create_orders_ws", "fetch_open_orders_ws", "fetch_closed_orders_ws"):
        argument = [{"symbol": "BTC/USDT", "type": "limit", "side": "buy", "amount": 1, "price": 1}] if "create" in name else "BTC/USDT"
        try:
            await soon(getattr(pro, name)(argument))
            judge.differs(f"{name}: the client takes it for spot now; use it here")
        except ccxt.NotSupported as error:
            judge.errors[type(error).__name__] += 1
    await asked_directly(day, [order for order in rows[1:] if order["symbol"] != "ETH/USDT"])


async def asked_directly(day, rows):
    """Batches and listings that the client has for futures only, through its own signing and correlation."""
    pro, judge = day.pro, day.judge
    url = pro.urls["api"]["spot"]
    listed = await soon(pro.request_private(url, {"currency_pair": "SOL_USDT", "status": "open"}, "spot.order_list"))
    judge.all_of(f"order_list: {fault}" for fault in shapes.faults(listed, [shapes.WS_ORDER]))
    judge.equal({row["id"] for row in listed}, {order["id"] for order in rows if order["symbol"] == "SOL/USDT"}, "spot.order_list of open orders")
    done = await soon(pro.request_private(url, {"currency_pair": "SOL_USDT", "status": "finished", "limit": 5}, "spot.order_list"))
    judge.must(0 < len(done) <= 5 and all(row["status"] != "open" for row in done), "spot.order_list of finished orders")
    cancels = [{"currency_pair": order["info"]["currency_pair"], "id": order["id"]} for order in rows]
    cancels.append({"currency_pair": "SOL_USDT", "id": "1"})
    results = await soon(pro.request_private(url, cancels, "spot.order_cancel_ids"))
    judge.equal([row["id"] for row in results], [row["id"] for row in cancels], "ids of order_cancel_ids")
    judge.equal([row.get("succeeded", False) for row in results], [True] * len(rows) + [False], "succeeded of order_cancel_ids")
    judge.equal(results[-1].get("label"), "ORDER_NOT_FOUND", "label of the unknown order in order_cancel_ids")
    for order in rows:
        judge.equal((await day.read(order, ws=True))["status"], "cancelled", "an order cancelled over WebSocket")
    bid, _ = await day.touch("XRP/USDT")
    price = pro.price_to_precision("XRP/USDT", float(bid * Decimal("0.95")))
    await asyncio.sleep(1.2)
    batch = [
        {"text": day.text(), "currency_pair": "XRP_USDT", "type": "limit", "account": "spot", "side": "buy", "amount": amount, "price": price}
        for amount in ("20", "3000000", "30")
    ]
    rows = await soon(pro.request_private(url, batch, "spot.order_place"))
    judge.equal([row.get("succeeded") for row in rows], [True, False, True], "succeeded of a batch over WebSocket")
    judge.equal(rows[1].get("label"), "BALANCE_NOT_ENOUGH", "label of the row that is too large")
    for row in rows[0], rows[2]:
        judge.orders += 1
        day.rests({"id": row["id"], "symbol": "XRP/USDT"})
        day.note({"info": row}, shapes.WS_ORDER)
    for order in await soon(pro.cancel_all_orders_ws("XRP/USDT")):
        day.note(order)
    acks = sum(reply.get("ack") is True for reply in day.frames.replies)
    judge.must(acks, "no order was ever acknowledged before its final reply")


async def fees_in_gt(day):
    """The GT switch, seen by REST and by the stream."""
    pro, judge = day.pro, day.judge
    await pro.privateAccountPostDebitFee({"enabled": True})
    for side in ("buy", "sell") * 2:
        order = await day.taking("ETH/USDT", side, 120, "IOC", side == "sell")
        row = await day.read(order)
        judge.must(Decimal(row["fee"]) == 0 and Decimal(row["gt_fee"]) > 0, f"fee {row['fee']}, gt_fee {row['gt_fee']} with the GT switch on")
    fees = [fee for trade in await pro.fetch_order_trades(order["id"], "ETH/USDT") for fee in trade["fees"] if fee["cost"]]
    judge.equal({fee["currency"] for fee in fees}, {"GT"}, "the client's fee currencies with the GT switch on")
    await pro.privateAccountPostDebitFee({"enabled": False})


# ---------------------------------------------------------------------------------------------------------------- the ledger


async def paged(fetch, limit):
    rows, page = [], 1
    while True:
        part = await fetch(page, limit)
        rows += [row["info"] for row in part]
        if len(part) < limit:
            return rows
        page += 1


async def closing(day, start, began, opening):
    """All orders closed: ledger and streams must be exact."""
    pro, judge = day.pro, day.judge
    await pro.cancel_all_orders()
    judge.equal(await pro.fetch_open_orders(), [], "open orders at the end")
    trades = await paged(lambda page, limit: pro.fetch_my_trades(None, None, limit, {"page": page, "from": began}), 50)
    await streams_end(day, trades)
    trades = judge.told(trades)
    judge.equal(len({trade["id"] for trade in trades}), len(trades), "distinct trades")
    for row in list(day.orders.values()):
        if Decimal(row["filled_amount"]) > 0 or row["status"] == "open":
            final = await day.read({"id": row["id"], "symbol": row["currency_pair"].replace("_", "/")})
            judge.must(final["status"] != "open", f"order {row['id']} is open at the end")
    judge.all_of(ledger.check_orders(day.orders, trades))
    closed = await paged(lambda page, limit: pro.fetch_closed_orders(None, None, limit, {"page": page}), 100)
    judge.must({row["id"] for row in closed} <= set(day.orders), "an order is listed as finished, but was never placed")
    accounts = await day.accounts()
    final, moved = ledger.totals(accounts), ledger.moved_by(trades)
    judge.assets = len(final)
    judge.all_of(ledger.check_idle(accounts))
    judge.all_of(ledger.check_balances(start, moved, final))
    judge.all_of(ledger.check_that_comparison_bites(start, moved, final) if not judge.differences else [])
    book = await paged(lambda page, limit: pro.fetch_ledger(None, None, limit, {"page": page, "from": began}), 100)
    book = [row for row in book if row["id"] not in opening]
    judge.all_of(f"account book: {line}" for line in ledger.check_account_book(book, start, final))
    judge.all_of(ledger.check_streamed_trades(trades, day.frames.rows["spot.usertrades"]))
    check_streamed_orders(day)
    check_single_market(day)
    check_streamed_balances(day, start, final)
    balance = pro.balance
    for asset, total in final.items():
        if asset in balance:
            judge.equal(balance[asset]["total"], float(total), f"the client's own balance of {asset}")
    for name in [name for name, times in day.seen.items() if not times]:
        judge.differs(f"{name}: the stream never said anything")


async def streams_end(day, trades):
    """Waits until the private streams told every trade and every order's end, on both connections."""
    rows, single = day.frames.rows, day.single.rows

    def is_complete():
        ended = {row["id"] for row in rows["spot.orders"] if row["event"] == "finish"}
        told = {str(row["id"]) for row in rows["spot.usertrades"]}
        only = [len([row for row in rows[channel] if row["currency_pair"] == "BTC_USDT"]) for channel in PRIVATE[:2]]
        return day.orders.keys() <= ended and {trade["id"] for trade in trades} <= told and only == [len(single[channel]) for channel in PRIVATE[:2]]

    await market.caught_up_soon(lambda: sum(len(some[channel]) for some in (rows, single) for channel in PRIVATE), is_complete)


def check_streamed_orders(day):
    """One `finish` per order, fills that only grow, and an end that REST tells alike."""
    judge, by_id = day.judge, defaultdict(list)
    for row in day.frames.rows["spot.orders"]:
        by_id[row["id"]].append(row)
    for name, order in day.orders.items():
        rows = by_id.get(name, [])
        events = [row["event"] for row in rows]
        what = f"order {name} ({order['type']} {order['time_in_force']})"
        if not judge.must(rows and events.count("finish") == 1 and events[-1] == "finish", f"{what}: streamed events are {events}"):
            continue
        judge.must("put" not in events[1:], f"{what}: streamed events are {events}")
        totals = [ledger.exact(row["filled_total"]) for row in rows]
        judge.must(totals == sorted(totals), f"{what}: filled_total fell in the stream")
        for key in ("left", "filled_total", "filled_amount", "fee", "gt_fee", "point_fee", "finish_as", "text", "amount", "price"):
            judge.equal(ledger.as_value(rows[-1].get(key)), ledger.as_value(order[key]), f"{what}: {key} at the end of the stream")
    for name in by_id.keys() - day.orders.keys():
        judge.differs(f"order {name} was streamed, but was never placed")


def check_single_market(day):
    """The connection that asked for one market heard that market's rows and no others, and just what the other heard."""
    for channel in ("spot.orders", "spot.usertrades"):
        heard = day.single.rows[channel]
        wanted = [row for row in day.frames.rows[channel] if row["currency_pair"] == "BTC_USDT"]
        day.judge.must(heard == wanted, f"{channel}: {len(heard)} rows for one market, {len(wanted)} of it among those for all")


def check_streamed_balances(day, start, final):
    """Changes of the stream sum to the difference of the balances; its last totals are the final ones."""
    rows = day.frames.rows["spot.balances"]
    day.judge.all_of(f"spot.balances: {line}" for line in ledger.check_balances(start, ledger.sums(rows), final))
    last = {row["currency"]: ledger.exact(row["total"]) for row in rows}
    for asset, total in last.items():
        day.judge.equal(total, final.get(asset), f"spot.balances: the last total of {asset}")
    for row in rows:
        total = ledger.exact(row["available"]) + ledger.exact(row["freeze"])
        day.judge.equal(total, ledger.exact(row["total"]), f"spot.balances: available + freeze of {row['currency']}")


async def trade(simulated, judge, seed):
    today = Day(simulated, judge, seed)
    began = int(time.time()) - 1
    try:
        start = ledger.totals(await today.accounts())
        # What the account was opened with may stand in its book.
        opening = {row["id"] for row in await today.pro.privateSpotGetAccountBook({"limit": "1000"})}
        await today.step(subscribe)
        reads = asyncio.ensure_future(asyncio.to_thread(synchronous, today))
        for part in (rest_orders, copies, ws_orders, updates, makers, rest_resting, fees_in_gt):
            await today.step(part)
        for part in ccxt_refusals.PARTS:
            await today.step(part)

        async def synchronous_part(_):
            await soon(reads, 120)

        await today.step(synchronous_part)

        async def close(today):
            await closing(today, start, began, opening)

        await today.step(close)
    finally:
        for task in today.tasks:
            task.cancel()
        for exchange in (today.pro, today.other):
            if exchange is not None:
                await exchange.close()


def day(simulated, judge, seed):
    """The day, from the first read to the last digit."""
    check_unmodified("ccxt", VERSION)

    async def quiet():
        # A refusal also rejects watchers that were given up: they have nobody left to tell.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        await trade(simulated, judge, seed)

    asyncio.run(quiet())


if __name__ == "__main__":
    sys.exit(run_day(__doc__, day, calls=800))
