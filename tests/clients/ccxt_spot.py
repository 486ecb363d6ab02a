"""A day that any spot venue of `ccxt` must stand, with the venue's own words kept apart.

Start at `SpotDay`. A venue subclasses it with its client, its way to point it at a simulator, and how its raw rows are read; what is
asked, and what must then be true, is the same for all: markets, books, trades, candles; limit, IOC, FOK, post-only and market orders, by
base and by quote; cancels, look-ups, lists, refusals; private and public streams. Afterwards balances, trades, orders and streams are
compared to the last digit, on raw `info` alone, never on the client's floats.
"""

import asyncio
import random
from collections import defaultdict
from decimal import Decimal
from functools import partial

import ccxt

import ledger
import market
from ccxt_client import soon
from judge import text_of

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT")


class Kept:
    """What a private stream said, as it came."""

    def __init__(self, judge):
        self.judge = judge
        self.rows = defaultdict(list)
        # Private subscriptions that were acknowledged.
        self.subscribed = 0


class SpotDay:
    """One trader's day. Subclasses say how their venue is reached and read."""

    # What a refusal is called by the client, and the venue's code.
    REFUSALS = {}
    # What the venue calls an order that was filled whole.
    FILLED = ("FILLED", "Filled")
    # How many private subscriptions the client makes for orders, trades and balances.
    SUBSCRIPTIONS = 1

    def __init__(self, simulated, judge, seed):
        self.simulated, self.judge, self.seed = simulated, judge, seed
        self.venue = simulated.venues[0]
        self.random = random.Random(seed)
        self.kept = Kept(judge)
        self.texts, self.orders, self.tasks, self.seen = 0, {}, [], {}
        # Orders of this part that are to rest, with their symbols.
        self.rested = {}
        self.single = self.connect()
        self.pro = self.connect_pro()

    # ------------------------------------------------------------------------------------------------- the venue's own words

    def connect(self):
        """The synchronous client."""
        raise NotImplementedError

    def connect_pro(self):
        """The asynchronous client with its streams; what private streams say goes to `self.kept`."""
        raise NotImplementedError

    def totals(self, balance):
        """Asset → free + locked, of a raw balance."""
        raise NotImplementedError

    def locked(self, balance):
        """Asset → locked, of a raw balance."""
        raise NotImplementedError

    def trade(self, row):
        """A raw own trade as `{id, order, base, quote, side, amount, price, fee, fee_asset, maker}`; figures as text."""
        raise NotImplementedError

    def order(self, row):
        """A raw order as `{id, text, status, amount, filled, total}`; figures as text."""
        raise NotImplementedError

    def streamed_trades(self):
        """Own trades as the private stream told them, like `trade`."""
        raise NotImplementedError

    def streamed_balances(self):
        """Asset → the last total that the private stream told."""
        raise NotImplementedError

    def streamed_ends(self):
        """Order → how often the private stream told its end."""
        raise NotImplementedError

    # -------------------------------------------------------------------------------------------------------------- helpers

    def text(self):
        self.texts += 1
        return f"cx{self.seed}-{self.texts}"

    async def step(self, function):
        """Runs one part of the day; an exception ends the part, not the day."""
        self.judge.step, self.rested = function.__name__, {}
        await market.undisturbed_soon(
            self.judge, lambda: self.guarded(function), lambda: self.guarded(self.taken), lambda: self.guarded(self.clear)
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
        found = []
        for name, symbol in self.rested.items():
            row = self.order((await self.read({"id": name, "symbol": symbol}))["info"])
            found += [name] if ledger.exact(row["filled"]) else []
        return found

    async def clear(self):
        """Nothing of a part is left, so that it may be run anew."""
        for symbol in SYMBOLS:
            if await soon(self.pro.fetch_open_orders(symbol)):
                await soon(self.pro.cancel_all_orders(symbol))
        self.rested = {}

    def rests(self, order):
        """Notes that an order is to rest."""
        self.rested[str(order["id"])] = order["symbol"]
        return order

    async def refused(self, what, name, awaitable):
        """The call must raise exactly the class that the venue's table names, with its code in the text."""
        kind, code = self.REFUSALS[name]
        try:
            answer = await soon(awaitable)
        except Exception as error:
            self.judge_refusal(what, error, kind, code)
            return
        self.judge.differs(f"{what}: was accepted ({str(answer)[:100]})")

    def judge_refusal(self, what, error, kind, code):
        """A refusal must be of exactly this class, with its code in the text."""
        self.judge.errors[type(error).__name__] += 1
        self.judge.labels[code] += 1
        self.judge.equal(type(error).__name__, kind.__name__, f"{what}: the class of {text_of(error)}")
        self.judge.must(code in str(error), f"{what}: {text_of(error)} does not name {code}")

    async def touch(self, symbol):
        """Best bid and ask; a side that was sold out is waited for."""
        read = partial(self.pro.fetch_order_book, symbol, 5)
        book = await market.looked_soon(f"{symbol}: a book with both sides", read, market.both_sides)
        return Decimal(str(book["bids"][0][0])), Decimal(str(book["asks"][0][0]))

    async def deep(self, symbol, side, quote):
        """A book that offers so much quote to take from."""

        def enough(book):
            return market.offers(book["bids"], book["asks"], side == "buy", quote)

        return await market.looked_soon(f"{symbol}: {quote} to {side}", partial(self.numbered, symbol, 50), enough)

    async def numbered(self, symbol, limit):
        """A book with its number as `nonce`."""
        return await self.pro.fetch_order_book(symbol, limit)

    async def number(self, symbol):
        """The number of a book now."""
        return (await self.numbered(symbol, 5))["nonce"]

    def limit_through(self, symbol, before, side):
        """A price through the touch of a book."""
        return float(self.pro.price_to_precision(symbol, float(market.through(before["bids"], before["asks"], side == "buy"))))

    async def through(self, what, symbol, side, quote, order, whole=True):
        """An order through the touch, made by `order(price)`, and what became of it: filled, or what it is where nobody else came in between.

        One by its cost is not filled `whole` where the cost is no multiple of a lot.
        """

        async def once():
            before = await self.deep(symbol, side, quote)
            made = await order(self.limit_through(symbol, before, side))
            after = await self.number(symbol)
            again = await self.read(made)
            row = self.order(again["info"])
            filled = ledger.exact(row["filled"])
            if filled and (row["status"] in self.FILLED or not whole):
                return made, again
            own = await soon(self.pro.fetch_order_trades(made["id"], symbol)) if filled else []
            return (made, again) if market.stood_still(before["nonce"], after, len(own)) else None

        return await market.asked_again_soon(what, once)

    def amount(self, symbol, quote, price):
        return float(self.pro.amount_to_precision(symbol, float(Decimal(quote) / Decimal(price))))

    async def away(self, symbol, side, by="0.03"):
        bid, ask = await self.touch(symbol)
        return float(self.pro.price_to_precision(symbol, float(bid * (1 - Decimal(by)) if side == "buy" else ask * (1 + Decimal(by)))))

    def note(self, order):
        self.orders[str(order["id"])] = order["symbol"]
        return order

    async def place(self, symbol, kind, side, quote, price=None, send=None, id_name="clientOrderId", **params):
        """One order by its worth in quote; whatever becomes of it is noted."""
        params.setdefault(id_name, self.text())
        reference = price if price is not None else float((await self.touch(symbol))[1])
        send = send or self.pro.create_order
        order = await soon(send(symbol, kind, side, self.amount(symbol, quote, reference), price, params))
        self.judge.orders += 1
        self.judge.equal(order["clientOrderId"], params[id_name], "clientOrderId of a new order")
        if params.get("timeInForce") == "GTC":
            self.rests(order)
        return self.note(order)

    async def read(self, order):
        return await soon(self.pro.fetch_order(order["id"], order["symbol"]))

    async def by_text(self, order):
        """An order by its client id alone."""
        text = order["clientOrderId"]
        return await soon(self.pro.fetch_order(None, order["symbol"], {"clientOrderId": text, "origClientOrderId": text}))

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
                if name.startswith("book") and answer["bids"] and answer["asks"]:
                    self.judge.must(answer["bids"][0][0] < answer["asks"][0][0], f"{name}: the client's book is crossed")

        self.tasks.append(asyncio.ensure_future(watching()))

    # ---------------------------------------------------------------------------------------------------------------- parts

    async def loading(self):
        markets = await soon(self.pro.load_markets(), 30)
        self.judge.must(set(SYMBOLS) <= set(markets), "a symbol of the day is not among the markets")
        for symbol in SYMBOLS:
            market = markets[symbol]
            self.judge.must(market["active"] and market["spot"], f"{symbol} is no active spot market")
            self.judge.must(market["precision"]["price"] and market["limits"]["amount"]["min"], f"{symbol} has no rules")

    async def subscribing(self):
        self.follow("orders", self.pro.watch_orders)
        self.follow("my_trades", self.pro.watch_my_trades)
        self.follow("balance", self.pro.watch_balance)
        for symbol in SYMBOLS:
            self.follow(f"book {symbol}", self.pro.watch_order_book, symbol)
        self.follow("trades", self.pro.watch_trades, "BTC/USDT")
        self.follow("ticker", self.pro.watch_ticker, "ETH/USDT")
        self.follow("candles", self.pro.watch_ohlcv, "BTC/USDT", "1m")
        # What happens before a private stream is subscribed is never told there.
        for _ in range(market.WAITS):
            if self.kept.subscribed >= self.SUBSCRIPTIONS:
                break
            await asyncio.sleep(market.WAIT_SECONDS)
        self.judge.equal(self.kept.subscribed, self.SUBSCRIPTIONS, "private subscriptions that were acknowledged")

    async def reading(self):
        """The synchronous client reads everything public and private, in a thread of its own."""
        await soon(asyncio.to_thread(self.read_all), 120)

    def read_all(self):
        client, judge = self.single, self.judge
        client.load_markets()
        for round_ in range(3):
            for symbol in SYMBOLS:
                ticker = market.looked(f"{symbol}: a ticker with both prices", partial(client.fetch_ticker, symbol), market.both_prices)
                judge.must(ticker["bid"] < ticker["ask"], f"{symbol}: the ticker is crossed")
                book = market.looked(f"{symbol}: a book with both sides", partial(client.fetch_order_book, symbol, 50), market.both_sides)
                judge.must(book["bids"][0][0] < book["asks"][0][0], f"{symbol}: the book is crossed")
                trades = client.fetch_trades(symbol, limit=50)
                judge.must(all(trade["timestamp"] and trade["price"] > 0 for trade in trades), f"{symbol}: a trade without time or price")
                rows = client.fetch_ohlcv(symbol, ("1m", "5m", "1h")[round_], limit=10)
                judge.must(rows == sorted(rows) and all(low <= min(o, c) <= max(o, c) <= high for _, o, high, low, c, _ in rows), f"{symbol}: candles")
            judge.must(set(SYMBOLS) <= set(client.fetch_tickers(list(SYMBOLS))), "a symbol has no ticker")
        judge.must(client.fetch_balance()["USDT"]["total"] > 0, "the account holds no USDT")
        bracket = market.Bracket()
        judge.must(bracket.holds(client.fetch_time()), "the venue's clock is more than two seconds off")

    async def taking(self):
        """Orders that take, looked up by every key."""
        for number in range(24):
            symbol, side = SYMBOLS[number % 4], ("buy", "sell")[(number // 4) % 2]
            kind = ("IOC", "FOK", "market")[(number // 8) % 3]
            quote = self.random.randint(20, 250)

            def send(price, symbol=symbol, side=side, kind=kind, quote=quote):
                if kind == "market":
                    return self.place(symbol, "market", side, quote)
                return self.place(symbol, "limit", side, quote, price, timeInForce=kind)

            what = f"a {kind} {side} through the touch"
            order, again = await self.through(what, symbol, side, quote, send)
            self.judge.equal(again["status"], "closed", what)
            self.judge.equal((await self.by_text(order))["id"], order["id"], "the order found by its client id")

    async def by_quote(self):
        """Market orders by quote."""
        for symbol in SYMBOLS[:2]:

            async def send(_, symbol=symbol):
                self.judge.orders += 1
                return self.note(await soon(self.pro.create_market_buy_order_with_cost(symbol, 77.5)))

            _, again = await self.through("a market buy for 77.5", symbol, "buy", "77.5", send, whole=False)
            filled = self.order(again["info"])
            self.judge.must(0 < ledger.exact(filled["total"]) <= Decimal("77.5"), f"a market buy for 77.5 spent {filled['total']}")

    async def resting(self):
        """Orders that rest: listed, cancelled one by one and all together."""
        placed = []
        for symbol in SYMBOLS:
            for side in ("buy", "sell"):
                order = await self.place(symbol, "limit", side, 40, await self.away(symbol, side), timeInForce="GTC")
                placed.append(order)
        for symbol in SYMBOLS:
            listed = {order["id"] for order in await soon(self.pro.fetch_open_orders(symbol))}
            self.judge.equal(listed, {order["id"] for order in placed if order["symbol"] == symbol}, f"open orders of {symbol}")
        first = placed[0]
        await soon(self.pro.cancel_order(first["id"], first["symbol"]))
        self.judge.equal((await self.read(first))["status"], "canceled", "a cancelled order")
        await self.refused("a cancel of what is gone", "unknown", self.pro.cancel_order(first["id"], first["symbol"]))
        for symbol in SYMBOLS:
            await soon(self.pro.cancel_all_orders(symbol))
            self.judge.equal(await soon(self.pro.fetch_open_orders(symbol)), [], f"open orders of {symbol} after the sweep")

    async def making(self):
        """Post-only orders near the touch, until some were filled as makers."""
        for number in range(12):
            symbol = SYMBOLS[number % 4]
            bid, _ = await self.touch(symbol)
            try:
                order = await self.place(symbol, "limit", "buy", 60, float(bid), postOnly=True)
            except ccxt.ExchangeError as error:
                self.judge.must("immediately match" in str(error) or "PostOnly" in str(error), f"a post-only order: {text_of(error)}")
                continue
            await asyncio.sleep(0.7)
            try:
                await soon(self.pro.cancel_order(order["id"], symbol))
            except ccxt.OrderNotFound:
                self.judge.equal((await self.read(order))["status"], "closed", "a post-only order that could not be cancelled")

    async def refusing(self):
        """Every common refusal by its class and code."""
        symbol = "BTC/USDT"
        far = await self.away(symbol, "buy", "0.2")
        create = self.pro.create_order
        await self.refused("more than is owned", "funds", create(symbol, "limit", "buy", 50.0, far))
        await self.post_only(symbol)
        await self.refused("too small a value", "notional", create(symbol, "limit", "buy", 0.00002, far))
        await self.refused("an order that does not exist", "no such order", self.pro.fetch_order("1", symbol))
        text = self.text()
        order = await self.place(symbol, "limit", "buy", 40, far, clientOrderId=text, timeInForce="GTC")
        await self.refused("a client id that is in use", "duplicate", create(symbol, "limit", "buy", 0.01, far, {"clientOrderId": text}))
        await soon(self.pro.cancel_order(order["id"], symbol))
        secret, self.pro.secret = self.pro.secret, "wrong"
        await self.refused("a wrong signature", "signature", self.pro.fetch_balance())
        self.pro.secret = secret
        key, self.pro.apiKey = self.pro.apiKey, "nobody"
        await self.refused("a key that nobody has", "key", self.pro.fetch_balance())
        self.pro.apiKey = key

    async def post_only(self, symbol):
        """A post-only order that would take is refused; one that came when the other side was empty rests, and is asked again."""
        what = "a post-only order that takes"

        async def once():
            before = await self.deep(symbol, "buy", 40)
            price = self.limit_through(symbol, before, "buy")
            try:
                order = await soon(self.pro.create_order(symbol, "limit", "buy", 0.01, price, {"postOnly": True}))
            except ccxt.ExchangeError as error:
                return error
            after = await self.number(symbol)
            self.judge.orders += 1
            self.note({**order, "symbol": symbol})
            row = await self.read({"id": order["id"], "symbol": symbol})
            if row["status"] == "open":
                await self.cancel_or_not({"id": order["id"], "symbol": symbol})
            elif not ledger.exact(self.order(row["info"])["filled"]):
                return row
            return row if market.stood_still(before["nonce"], after, 1) else None

        self.judge_post_only(what, await market.asked_again_soon(what, once))

    async def cancel_or_not(self, order):
        """Ends an order that may have been filled meanwhile."""
        try:
            await soon(self.pro.cancel_order(order["id"], order["symbol"]))
        except (ccxt.OrderNotFound, ccxt.InvalidOrder) as error:
            self.judge.equal((await self.read(order))["status"], "closed", f"an order that could not be cancelled: {text_of(error)}")

    def judge_post_only(self, what, answer):
        """What became of a post-only order that would take: it was refused."""
        if isinstance(answer, Exception):
            self.judge_refusal(what, answer, *self.REFUSALS["post only"])
        else:
            self.judge.differs(f"{what}: was accepted ({str(answer)[:100]})")

    async def closing(self):
        """All orders closed: ledger and streams must be exact."""
        for symbol in SYMBOLS:
            if await soon(self.pro.fetch_open_orders(symbol)):
                await soon(self.pro.cancel_all_orders(symbol))
        judge = self.judge
        trades = []
        for symbol in SYMBOLS:
            trades += [self.trade(trade["info"]) for trade in await self.all_trades(symbol)]
        await self.streams_end(trades)
        trades = judge.told(trades)
        balance = (await soon(self.pro.fetch_balance()))["info"]
        final, moved = self.totals(balance), defaultdict(Decimal)
        for trade in trades:
            sign = 1 if trade["side"] == "buy" else -1
            amount = ledger.exact(trade["amount"])
            moved[trade["base"]] += sign * amount
            moved[trade["quote"]] -= sign * amount * ledger.exact(trade["price"])
            moved[trade["fee_asset"]] -= ledger.exact(trade["fee"])
        judge.assets = len(final)
        judge.all_of(ledger.check_balances(self.start, moved, final))
        judge.all_of(f"{asset}: {amount} is locked though no order is open" for asset, amount in self.locked(balance).items() if amount)
        judge.all_of(ledger.check_that_comparison_bites(self.start, moved, final) if not judge.differences else [])
        by_order = defaultdict(list)
        for trade in trades:
            by_order[trade["order"]].append(trade)
        for name, symbol in self.orders.items():
            row = self.order((await soon(self.pro.fetch_order(name, symbol)))["info"])
            own = by_order.pop(name, [])
            filled = sum((ledger.exact(trade["amount"]) for trade in own), Decimal(0))
            total = sum((ledger.exact(trade["amount"]) * ledger.exact(trade["price"]) for trade in own), Decimal(0))
            judge.equal((ledger.exact(row["filled"]), ledger.exact(row["total"])), (filled, total), f"order {name}: what was filled, the trades make")
        judge.must(not by_order, f"trades name orders that were never placed: {sorted(by_order)}")
        self.check_streams(trades, final)

    async def streams_end(self, trades):
        """Waits until the private streams told every trade, and the end of every order that they told of."""

        def is_complete():
            ended = {name for name, count in self.streamed_ends().items() if count}
            return {trade["id"] for trade in trades} <= {trade["id"] for trade in self.streamed_trades()} and self.orders.keys() <= ended

        await market.caught_up_soon(lambda: sum(map(len, self.kept.rows.values())), is_complete)

    async def all_trades(self, symbol):
        """Own trades of a symbol, oldest first."""
        return await soon(self.pro.fetch_my_trades(symbol, None, 500))

    def check_streams(self, trades, final):
        judge = self.judge
        told = {trade["id"]: trade for trade in self.streamed_trades()}
        for trade in trades:
            name = trade["id"]
            if not judge.must(name in told, f"trade {name} was never streamed"):
                continue
            for key, value in trade.items():
                judge.equal(ledger.as_value(told[name][key]), ledger.as_value(value), f"trade {name}: {key} in the stream")
        if not judge.plant:
            judge.equal(set(told), {trade["id"] for trade in trades}, "the streamed trades")
        for name, count in self.streamed_ends().items():
            judge.equal(count, 1, f"order {name}: ends told")
        for asset, total in self.streamed_balances().items():
            judge.equal(total, final.get(asset), f"the last streamed total of {asset}")
        for name in [name for name, times in self.seen.items() if not times]:
            judge.differs(f"{name}: the stream never said anything")

    PARTS = ("loading", "subscribing", "reading", "taking", "by_quote", "resting", "making", "refusing", "closing")

    async def run(self):
        """The day, from the first read to the last digit."""
        # A refusal also rejects watchers that were given up: they have nobody left to tell.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        try:
            self.start = self.totals((await soon(self.pro.fetch_balance(), 30))["info"])
            for part in self.PARTS:
                await self.step(getattr(self, part))
        finally:
            for task in self.tasks:
                task.cancel()
            await self.pro.close()
