#!/usr/bin/env python3
"""A scripted day of Binance's own Python SDK against `crossgate sim`, only its base URLs changed.

    binance_sdk_day.py CROSSGATE [--seed N]

REST with the HMAC key; the WebSocket API with the Ed25519 key, logged on as a session, with the user data stream; public streams.
Afterwards balances, trades and the private stream are compared to the last digit. Exit code 0: all equal. 1: not, said in one sentence.
Needs: pip install -r requirements.txt
"""

import asyncio
import logging
import sys
from collections import defaultdict
from decimal import Decimal
from functools import partial

from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketAPI, ConfigurationWebSocketStreams
from binance_common.errors import BadRequestError, UnauthorizedError
from binance_sdk_spot.rest_api.models import NewOrderNewOrderRespTypeEnum as RespType
from binance_sdk_spot.rest_api.models import NewOrderSideEnum as Side
from binance_sdk_spot.rest_api.models import NewOrderTimeInForceEnum as Tif
from binance_sdk_spot.rest_api.models import NewOrderTypeEnum as Type
from binance_sdk_spot.rest_api.models import TickerWindowSizeEnum as Window
from binance_sdk_spot.spot import Spot

import ledger
import market
from judge import text_of
from simulated import check_unmodified, run_day

VERSION = "13.3.0"
SYMBOLS = {"BTCUSDT": 5, "ETHUSDT": 3, "SOLUSDT": 2, "XRPUSDT": 0}
PATIENCE_SECONDS = 15


class Day:
    """One trader's day."""

    def __init__(self, simulated, judge, seed):
        self.simulated, self.judge, self.seed = simulated, judge, seed
        self.spot = self.spot_of(simulated.venues[0]["key"])
        self.rest = self.spot.rest_api
        self.texts, self.orders, self.events = 0, {}, []
        # Orders placed since the private stream was subscribed.
        self.session = set()
        # Orders of this part that are to rest, with their symbols.
        self.rested = {}

    def spot_of(self, key):
        """A client with its defaults, whose REST has this key."""
        venue = self.simulated.venues[0]
        ed25519 = next(more for more in venue["more_keys"] if more["type"] == "ed25519")
        return Spot(
            ConfigurationRestAPI(api_key=key, api_secret=venue["secret"], base_path=venue["rest"], timeout=10_000, retries=0),
            ConfigurationWebSocketAPI(api_key=ed25519["key"], private_key=ed25519["secret"], stream_url=venue["private_ws"]),
            ConfigurationWebSocketStreams(stream_url=venue["ws"].removesuffix("/ws")),
        )

    def ask(self, method, **params):
        """One REST request; what it answered."""
        self.judge.count_http()
        return getattr(self.rest, method)(**params).data()

    def text(self):
        self.texts += 1
        return f"sdk{self.seed}-{self.texts}"

    def touch(self, symbol):
        """Best bid and ask; a side that was sold out is waited for."""
        book = market.looked(
            f"{symbol}: a book with both sides", lambda: self.ask("depth", symbol=symbol, limit=5), lambda book: book.bids and book.asks
        )
        return Decimal(book.bids[0][0]), Decimal(book.asks[0][0])

    def quantity(self, symbol, quote, price):
        return float(round(Decimal(quote) / price, SYMBOLS[symbol]))

    def deep(self, symbol, side, quote):
        """A book that offers so much quote to take from."""

        def enough(book):
            return market.offers(book.bids, book.asks, side == Side.BUY, quote)

        return market.looked(f"{symbol}: {quote} to {side.value}", lambda: self.ask("depth", symbol=symbol, limit=50), enough)

    def through(self, symbol, side, quote=100):
        """A price through the touch, and the number of the book that it was made of."""
        book = self.deep(symbol, side, quote)
        price = market.through(book.bids, book.asks, side == Side.BUY)
        return float(round(price, 1 if symbol == "BTCUSDT" else 2 if symbol != "XRPUSDT" else 4)), book.last_update_id

    def says_nothing(self, symbol, before, row):
        """An order that was not filled whole, while others changed the book since the look that it was made of."""
        if row.status == "FILLED":
            return False
        after = self.ask("depth", symbol=symbol, limit=5).last_update_id
        return not market.stood_still(before, after, len(self.ask("my_trades", symbol=symbol, order_id=row.order_id)))

    def taking(self, symbol, side, quote, place):
        """An order through the touch, made by `place(price)`: filled whole, or what became of it where nobody else came in between."""

        def once():
            price, before = self.through(symbol, side, quote)
            row = place(price)
            self.note(symbol, row.order_id)
            return None if self.says_nothing(symbol, before, row) else row

        return market.asked_again(f"{symbol}: an order to {side.value} through the touch", once)

    def refused(self, what, kind, code, method, **params):
        """The request must be refused with exactly this class and code."""
        try:
            answer = self.ask(method, **params)
        except Exception as error:
            self.judge.errors[type(error).__name__] += 1
            self.judge.labels[str(code)] += 1
            self.judge.equal((type(error).__name__, error.status_code), (kind.__name__, code), f"{what}: {text_of(error)}")
            return
        self.judge.differs(f"{what}: was accepted ({str(answer)[:100]})")

    def note(self, symbol, order_id, rests=False):
        self.judge.orders += 1
        self.orders[int(order_id)] = symbol
        if rests:
            self.rested[int(order_id)] = symbol

    def taken(self):
        """The orders of this part that were to rest, and that the market took."""
        told = {name: self.ask("get_order", symbol=symbol, order_id=name) for name, symbol in self.rested.items()}
        return [name for name, row in told.items() if ledger.exact(row.executed_qty)]

    def clear(self):
        """Nothing of a part is left, so that it may be run anew."""
        for symbol in set(self.rested.values()):
            if self.ask("get_open_orders", symbol=symbol):
                self.ask("delete_open_orders", symbol=symbol)
        self.rested = {}

    # -------------------------------------------------------------------------------------------------------------- REST

    def reading(self):
        judge = self.judge
        bracket = market.Bracket()
        judge.must(bracket.holds(self.ask("time").server_time), "the venue's clock is more than two seconds off")
        info = self.ask("exchange_info")
        judge.must(set(SYMBOLS) <= {row.symbol for row in info.symbols}, "a symbol of the day is not listed")
        for symbol in SYMBOLS:
            bid, ask = self.touch(symbol)
            judge.must(bid < ask, f"{symbol}: the book is crossed")
            judge.must(len(self.ask("klines", symbol=symbol, interval="1m", limit=5)) > 0, f"{symbol} has no candles")
            judge.must(self.ask("agg_trades", symbol=symbol, limit=10) is not None, f"{symbol} has no trades")
            commission = self.ask("account_commission", symbol=symbol)
            judge.equal(commission.standard_commission.taker, "0.00100000", f"taker fee of {symbol}")
            hour = self.ask("ticker", symbol=symbol, window_size=Window.WINDOW_SIZE_1h).actual_instance
            judge.equal(hour.open_time % 60_000, 0, f"the window of {symbol} opens within a minute")
            day = self.ask("ticker_trading_day", symbol=symbol).actual_instance
            judge.equal((day.open_time % 86_400_000, day.close_time - day.open_time), (0, 86_399_999), f"the trading day of {symbol}")

    def trading(self):
        judge = self.judge
        for number, symbol in enumerate(list(SYMBOLS) * 3):
            side = Side.BUY if number % 2 else Side.SELL

            def place(price, symbol=symbol, side=side, quote=50 + number):
                return self.ask(
                    "new_order", symbol=symbol, side=side, type=Type.LIMIT, time_in_force=Tif.IOC, price=price,
                    quantity=self.quantity(symbol, quote, Decimal(str(price))), new_client_order_id=self.text(),
                )

            row = self.taking(symbol, side, 50 + number, place)
            judge.equal(row.status, "FILLED", f"an IOC through the touch of {symbol}")
            judge.equal(sum(Decimal(fill.qty) for fill in row.fills), Decimal(row.executed_qty), "the fills of a FULL reply")
            again = self.ask("get_order", symbol=symbol, orig_client_order_id=row.client_order_id)
            judge.equal((again.order_id, again.status), (row.order_id, "FILLED"), "the order found by its client id")
        for side in (Side.BUY, Side.SELL):

            def place_market(_, side=side):
                return self.ask(
                    "new_order", symbol="BTCUSDT", side=side, type=Type.MARKET, quote_order_qty=99.5, new_order_resp_type=RespType.FULL
                )

            row = self.taking("BTCUSDT", side, "99.5", place_market)
            judge.equal(row.status, "FILLED", "a market order by quote")
            judge.must(Decimal(row.cummulative_quote_qty) <= Decimal("99.5"), "a market order by quote moved more than was asked for")

    def resting(self):
        judge = self.judge
        bid, _ = self.touch("ETHUSDT")
        price = float(round(bid * Decimal("0.97"), 2))
        placed = []
        for _ in range(3):
            row = self.ask("new_order", symbol="ETHUSDT", side=Side.BUY, type=Type.LIMIT_MAKER, price=price,
                           quantity=self.quantity("ETHUSDT", 40, Decimal(str(price))), new_client_order_id=self.text())
            self.note("ETHUSDT", row.order_id, rests=True)
            placed.append(row)
        self.refused("a client id that is in use", BadRequestError, -2010, "new_order", symbol="ETHUSDT", side=Side.BUY, type=Type.LIMIT_MAKER,
                     price=price, quantity=0.1, new_client_order_id=placed[0].client_order_id)
        listed = self.ask("get_open_orders", symbol="ETHUSDT")
        judge.equal({row.order_id for row in listed}, {row.order_id for row in placed}, "open orders")
        self.amending(placed[1])
        gone = self.ask("delete_order", symbol="ETHUSDT", order_id=placed[0].order_id)
        judge.equal((gone.status, gone.orig_client_order_id), ("CANCELED", placed[0].client_order_id), "a cancelled order")
        self.ask("delete_open_orders", symbol="ETHUSDT")
        judge.equal(self.ask("get_open_orders", symbol="ETHUSDT"), [], "open orders after the sweep")
        self.refused("a sweep of nothing", BadRequestError, -2011, "delete_open_orders", symbol="ETHUSDT")
        self.refused("an unknown order", BadRequestError, -2013, "get_order", symbol="ETHUSDT", order_id=1)
        self.refused("an unknown symbol", BadRequestError, -1121, "depth", symbol="NOPENOPE")
        self.refused("too small a value", BadRequestError, -1013, "new_order", symbol="BTCUSDT", side=Side.BUY, type=Type.LIMIT,
                     time_in_force=Tif.GTC, price=20000.0, quantity=0.0001)
        self.refused("more than is owned", BadRequestError, -2010, "new_order", symbol="BTCUSDT", side=Side.BUY, type=Type.LIMIT,
                     time_in_force=Tif.GTC, price=50000.0, quantity=50)
        rest, self.rest = self.rest, self.spot_of("nobody").rest_api
        self.refused("a key that nobody has", UnauthorizedError, -2015, "get_account")
        self.rest = rest

    def amending(self, order):
        """A resting order made smaller, once under a client id of the venue's making and once under its own."""
        judge, names = self.judge, [order.client_order_id]
        before = self.ask("get_order", symbol=order.symbol, order_id=order.order_id)
        quantity = Decimal(before.orig_qty)
        for name in (None, self.text()):
            quantity -= Decimal("0.001")
            amended = self.ask(
                "order_amend_keep_priority", symbol=order.symbol, new_qty=float(quantity), order_id=order.order_id, new_client_order_id=name
            ).amended_order
            judge.equal((Decimal(amended.qty), amended.orig_client_order_id), (quantity, names[-1]), "an amended order")
            judge.must(amended.client_order_id != names[-1], "an amended order kept its client id unasked")
            names.append(amended.client_order_id)
        judge.equal(names[2], name, "the client id that an amendment asked for")
        rows = self.ask("order_amendments", symbol=order.symbol, order_id=order.order_id)
        told = [(row.orig_client_order_id, row.new_client_order_id) for row in rows]
        judge.equal(told, list(zip(names, names[1:])), "the amendments of an order")

    # --------------------------------------------------------------------------------------------------- WebSocket, streams

    async def over_websocket(self):
        """A session by Ed25519, orders and private news on it."""
        judge, api = self.judge, self.spot.websocket_api
        await api.create_connection()
        self.opened.append(api)
        logon = (await api.session_logon()).data()
        judge.must(logon.result.api_key.endswith("ed25519"), "the session is not logged on with the Ed25519 key")
        stream = (await api.user_data_stream_subscribe()).stream
        stream.on("message", lambda event: self.events.append(event))
        judge.ws += 2
        for number, symbol in enumerate(SYMBOLS):
            side = Side.BUY if number % 2 else Side.SELL

            async def once(symbol=symbol, side=side):
                price, before = await asyncio.to_thread(self.through, symbol, side)
                reply = await api.order_place(symbol=symbol, side=side.value, type="LIMIT", time_in_force="IOC", price=price,
                                              quantity=self.quantity(symbol, 70, Decimal(str(price))), new_client_order_id=self.text())
                judge.ws += 1
                row = reply.data().result
                self.note(symbol, row.order_id)
                self.session.add(row.order_id)
                return None if await asyncio.to_thread(self.says_nothing, symbol, before, row) else row

            row = await market.asked_again_soon(f"{symbol}: an IOC over WebSocket", once)
            judge.equal(row.status, "FILLED", f"an IOC over WebSocket of {symbol}")
            again = (await api.order_status(symbol=symbol, order_id=row.order_id)).data().result
            judge.ws += 1
            judge.equal(again.executed_qty, row.executed_qty, "the order asked for over WebSocket")
        price, _ = await asyncio.to_thread(self.through, "ETHUSDT", Side.SELL)

        async def cancelled():
            """A resting order as it was cancelled; None where the market took it before."""
            reply = await api.order_place(symbol="ETHUSDT", side="BUY", type="LIMIT", time_in_force="GTC", price=round(price * 0.97, 2),
                                          quantity=0.05, new_client_order_id=self.text())
            name = reply.data().result.order_id
            self.note("ETHUSDT", name)
            self.session.add(name)
            try:
                return (await api.order_cancel(symbol="ETHUSDT", order_id=name)).data().result
            except Exception:
                told = await asyncio.to_thread(self.ask, "get_order", symbol="ETHUSDT", order_id=name)
                if told.status != "FILLED":
                    raise
                return None

        gone = await market.asked_again_soon("a cancel over WebSocket", cancelled)
        judge.equal(gone.status, "CANCELED", "a cancel over WebSocket")
        account = (await api.account_status(omit_zero_balances=True)).data().result
        judge.must(any(row.asset == "USDT" for row in account.balances), "no USDT over WebSocket")
        judge.ws += 3

    async def streaming(self):
        """Public streams: each must speak, and best prices must not cross."""
        judge, streams = self.judge, self.spot.websocket_streams
        await streams.create_connection()
        self.opened.append(streams)
        heard = defaultdict(int)

        def hear(name, check=None):
            def on(data):
                heard[name] += 1
                judge.frames += 1
                if check is not None:
                    check(data)

            return on

        def uncrossed(data):
            judge.must(Decimal(data.b) < Decimal(data.a), f"best prices cross: {data.b} and {data.a}")

        wanted = {
            "bookTicker": (await streams.book_ticker(symbol="btcusdt"), uncrossed),
            "depth": (await streams.diff_book_depth(symbol="btcusdt", update_speed="100ms"), None),
            "depth5": (await streams.partial_book_depth(symbol="ethusdt", levels="5", update_speed="100ms"), None),
            "trade": (await streams.trade(symbol="btcusdt"), None),
            "ticker_1h": (await streams.rolling_window_ticker(symbol="btcusdt", window_size="1h"), None),
        }
        judge.ws += len(wanted)
        for name, (stream, check) in wanted.items():
            stream.on("message", hear(name, check))
        for _ in range(PATIENCE_SECONDS * 2):
            if len(heard) == len(wanted):
                break
            await asyncio.sleep(0.5)
        judge.equal(set(heard), set(wanted), "the streams that spoke")

    # ----------------------------------------------------------------------------------------------------------- the ledger

    def balances(self):
        return {row.asset: ledger.exact(row.free) + ledger.exact(row.locked) for row in self.ask("get_account").balances}

    def closing(self):
        judge, trades = self.judge, []
        for symbol in SYMBOLS:
            trades += self.ask("my_trades", symbol=symbol, limit=1000)
        market.caught_up(lambda: len(self.events), lambda: self.session <= self.ends().keys())
        trades = judge.told(trades)
        final, moved, by_order = self.balances(), defaultdict(Decimal), defaultdict(Decimal)
        for row in trades:
            sign, base = 1 if row.is_buyer else -1, row.symbol.removesuffix("USDT")
            moved[base] += sign * ledger.exact(row.qty)
            moved["USDT"] -= sign * ledger.exact(row.qty) * ledger.exact(row.price)
            moved[row.commission_asset] -= ledger.exact(row.commission)
            by_order[row.order_id] += ledger.exact(row.qty)
        judge.assets = len(final)
        judge.all_of(ledger.check_balances(self.start, moved, final))
        judge.all_of(ledger.check_that_comparison_bites(self.start, moved, final) if not judge.differences else [])
        for order_id, symbol in self.orders.items():
            row = self.ask("get_order", symbol=symbol, order_id=order_id)
            judge.equal(ledger.exact(row.executed_qty), by_order.pop(order_id, Decimal(0)), f"order {order_id}: what was filled, the trades make")
        judge.must(not by_order, f"trades name orders that were never placed: {sorted(by_order)}")
        self.check_events(final)

    def check_events(self, final):
        """The private stream told each order of the session once to its end, and the last balances."""
        judge, ends, last = self.judge, self.ends(), {}
        for body in self.bodies():
            for row in getattr(body, "B", None) or []:
                last[row.a] = ledger.exact(row.f) + ledger.exact(row.l)
        once = ends.keys() == self.session and all(count == 1 for count in ends.values())
        judge.must(once and len(self.session) >= 5, f"ends told by the private stream: {ends}, orders of the session: {self.session}")
        for asset, total in last.items():
            judge.equal(total, final.get(asset), f"the last streamed total of {asset}")

    def bodies(self):
        return [event.actual_instance if hasattr(event, "actual_instance") else event for event in list(self.events)]

    def ends(self):
        """Order → how often the private stream told its end."""
        ends = defaultdict(int)
        for body in self.bodies():
            if getattr(body, "x", None) is not None and getattr(body, "X", None) is not None:
                ends[body.i] += body.X in ("FILLED", "CANCELED", "EXPIRED")
        return dict(ends)

    async def guarded(self, part):
        """Awaits it, or calls it on a thread of its own; what it raises is a difference."""
        try:
            return await (part() if asyncio.iscoroutinefunction(part) else asyncio.to_thread(part))
        except Exception as error:
            self.judge.differs(f"ended early by {type(error).__name__}: {text_of(error)}")
            return None

    async def run(self):
        self.opened = []
        self.start = await asyncio.to_thread(self.balances)
        try:
            for part in (self.reading, self.trading, self.resting, self.over_websocket, self.streaming, self.closing):
                self.judge.step, self.rested = part.__name__, {}
                await market.undisturbed_soon(
                    self.judge, partial(self.guarded, part), partial(self.guarded, self.taken), partial(self.guarded, self.clear)
                )
                self.simulated.check_alive()
        finally:
            for client in self.opened:
                await client.close_connection(close_session=True)


def day(simulated, judge, seed):
    """The day, from the first read to the last digit."""
    check_unmodified("binance-sdk-spot", VERSION)
    logging.disable(logging.INFO)
    asyncio.run(Day(simulated, judge, seed).run())


if __name__ == "__main__":
    sys.exit(run_day(__doc__, day, calls=90, kinds=("binance", "binance")))
