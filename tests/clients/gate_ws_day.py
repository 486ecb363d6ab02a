#!/usr/bin/env python3
"""The official WebSocket SDK, `gate-ws`, against `crossgate sim`, only its host changed; read back with the official REST SDK.

    gate_ws_day.py CROSSGATE [--seed N]

Every public and private channel and every request of order entry that the SDK names. Afterwards the private streams, the trades
of REST and the balances are compared to the last digit. Exit code 0: all equal. 1: not, said in one sentence.
Needs: pip install -r requirements.txt

The SDK logs in before each single request, sends an object where other clients send no payload, and puts blanks into the JSON
that it signs: all of that is its own doing, and must be served.
"""

import asyncio
import sys
from collections import defaultdict
from decimal import Decimal
from functools import partial

import gate_api
import gate_ws
from gate_ws import spot as channels

import ledger
import market
import shapes
from judge import Pace, raw
from simulated import check_unmodified, run_day

VERSION = "0.5.6"
REST_VERSION = "7.2.161"
PAIRS = ("BTC_USDT", "ETH_USDT", "SOL_USDT", "XRP_USDT")
PLACING = Pace(9, 1.1)
# A reply is looked for so often, every five milliseconds: a slow machine looks for a longer time.
REPLY_LOOKS, REPLY_BEAT_SECONDS = 1000, 0.005


class Connection(gate_ws.Connection):
    """The SDK's connection, counting what it is given to send."""

    judge = None

    def send(self, msg):
        self.judge.ws += 1
        super().send(msg)


class Day:
    """One connection of the SDK, and what it was told."""

    def __init__(self, simulated, judge, seed):
        venue = simulated.venues[0]
        self.judge, self.seed, self.requests = judge, seed, 0
        self.pushes, self.acks, self.replies = defaultdict(list), {}, {}
        settings = gate_ws.Configuration(
            app="spot", host=venue["ws"], api_key=venue["key"], api_secret=venue["secret"], ping_interval=2, default_callback=self.hear
        )
        self.connection = Connection(settings)
        self.connection.judge = judge
        rest = gate_api.Configuration(host=f'{venue["rest"]}/api/v4', key=venue["key"], secret=venue["secret"])
        self.client = gate_api.ApiClient(rest)
        self.rest = gate_api.SpotApi(self.client)
        self.final = {}
        # Orders of this part that are to rest.
        self.rested = []
        # Orders as REST told them: one that was cancelled without a fill is forgotten after a minute.
        self.orders = {}

    def read_all(self):
        """Reads over REST what was placed; what had a fill anew, the rest once."""
        for name, row in self.final.items():
            if name not in self.orders or Decimal(self.orders[name]["filled_total"]) > 0:
                self.orders[name] = self.call(self.rest.get_order, name, row["currency_pair"])

    def taken(self):
        """The orders of this part that were to rest, and that the market took."""
        own = [trade for pair in PAIRS for trade in self.call(self.rest.list_my_trades, currency_pair=pair, limit=1000)]
        return sorted({trade["order_id"] for trade in own if trade["role"] == "maker"} & {row["id"] for row in self.rested})

    def clear(self):
        """Nothing of a part is left, so that it may be run anew."""
        self.call(self.rest.cancel_orders)
        self.read_all()
        self.rested = []

    def rests(self, row):
        """Notes an order that is to rest."""
        self.rested.append(row)
        self.final[row["id"]] = row
        return row

    def call(self, method, *arguments, **named):
        """A REST call; the JSON that the SDK read."""
        self.judge.count_http()
        method(*arguments, **named)
        return raw(self.client.last_response.data)

    async def hear(self, _connection, response):
        """Every frame comes here."""
        self.judge.frames += 1
        frame = raw(str(response))
        header = frame.get("header")
        if header is not None:
            if header["channel"] != "spot.login":
                (self.acks if frame.get("ack") else self.replies)[frame["request_id"]] = frame
            else:
                self.judge.must(header["status"] == "200", f"the login was answered with {frame}")
            return
        if frame.get("event") == "update":
            self.pushes[frame["channel"]].append(frame["result"])
        elif frame.get("event") in ("subscribe", "unsubscribe"):
            self.acks[(frame["channel"], frame["event"])] = frame
        elif frame.get("channel") == "spot.pong":
            self.pushes["spot.pong"].append(frame)

    async def ask(self, kind, payload, paced=False):
        """One request of order entry; its final reply. `paced`: its turn was waited for before the look that it was made of."""
        if kind in (channels.SpotOrderPlaceChannel, channels.SpotOrderAmendChannel) and not paced:
            await asyncio.sleep(PLACING.delay("user"))
        self.requests += 1
        name = f"{kind.__name__}-{self.requests}"
        kind(self.connection).api_request(payload, req_id=name)
        for _ in range(REPLY_LOOKS):
            if name in self.replies:
                break
            await asyncio.sleep(REPLY_BEAT_SECONDS)
        reply = self.replies.get(name)
        self.judge.must(reply is not None, f"{kind.name} was never answered: {payload}")
        return reply or {"header": {"status": "none"}, "data": {}}

    async def done(self, kind, payload, shape=None):
        """A request that must succeed; its result."""
        return self.succeeded(kind, payload, await self.ask(kind, payload), shape)

    def succeeded(self, kind, payload, reply, shape=None):
        """The result of a reply that must be one of success."""
        if kind in (channels.SpotOrderPlaceChannel, channels.SpotOrderAmendChannel):
            names = [name for name in reply["header"] if name.startswith(("x_gate_ratelimit", "x_gat_ratelimit"))]
            self.judge.must(len(names) >= 2, f"{kind.name}: the rate limit is not in the header of the reply: {reply['header']}")
        if kind is channels.SpotOrderPlaceChannel:
            ack = self.acks.get(reply.get("request_id"))
            self.judge.must(ack is not None and ack["header"]["status"] == "200", f"{kind.name}: no acknowledgement came before the reply, but {ack}")
        self.judge.must(reply["header"]["status"][0] == "2" and "errs" not in reply["data"], f"{kind.name} {payload}: {reply}")
        result = reply["data"].get("result")
        if shape is not None and result is not None:
            self.judge.all_of(f"{kind.name}: {fault}" for fault in shapes.faults(result, shape))
        return result

    async def refused(self, what, status, labels, kind, payload):
        """A request that must fail with this status and one of these labels."""
        self.was_refused(what, status, labels, await self.ask(kind, payload))

    def was_refused(self, what, status, labels, reply):
        """A reply must be a refusal with this status and one of these labels."""
        label = reply["data"].get("errs", {}).get("label")
        self.judge.labels[label] += 1
        self.judge.errors["errs"] += 1
        found = reply["header"]["status"]
        self.judge.must(label in labels and found == status, f"{what}: {found} {reply['data']}, expected {status} {labels}")

    def order(self, pair, side, quote, price, tif="gtc", **more):
        rule = self.rules[pair]
        amount = (Decimal(quote) / Decimal(price)).quantize(Decimal(1).scaleb(-rule["amount_precision"]))
        return {
            "text": f"t-ws{self.seed}.{self.requests}", "currency_pair": pair, "type": "limit", "account": "spot", "side": side,
            "amount": str(amount), "price": str(price), "time_in_force": tif, **more,
        }  # fmt: skip

    def price(self, pair, side, factor):
        book = market.looked(f"{pair}: a book with both sides", lambda: self.book(pair, 1), market.both_sides)
        touch = Decimal(book["asks" if side == "buy" else "bids"][0][0])
        return self.rounded(pair, touch * Decimal(factor))

    def rounded(self, pair, price):
        return price.quantize(Decimal(1).scaleb(-self.rules[pair]["precision"]))

    def book(self, pair, limit):
        return self.call(self.rest.list_order_book, pair, limit=limit, with_id=True)

    async def deep(self, pair, side, quote):
        """A book that offers so much quote to take from."""

        async def read():
            return self.book(pair, 50)

        def enough(book):
            return market.offers(book["bids"], book["asks"], side == "buy", quote)

        return await market.looked_soon(f"{pair}: {quote} to {side}", read, enough)

    async def taking(self, what, pair, side, quote, order):
        """An order through the touch, made by `order(price)`: filled whole, or what became of it where nobody else came in between."""

        async def once():
            await asyncio.sleep(PLACING.delay("user"))
            before = await self.deep(pair, side, quote)
            payload = order(self.rounded(pair, market.through(before["bids"], before["asks"], side == "buy")))
            reply = await self.ask(channels.SpotOrderPlaceChannel, payload, paced=True)
            after = self.book(pair, 1)
            # A fill-or-kill that is not filled, and a market order that finds nobody.
            label = reply["data"].get("errs", {}).get("label")
            if label in ("FOK_NOT_FILL", "ORDER_BOOK_NOT_FOUND") and not market.stood_still(before["id"], after["id"]):
                return None
            row = self.succeeded(channels.SpotOrderPlaceChannel, payload, reply, shapes.WS_ORDER)
            self.judge.orders += 1
            self.final[row["id"]] = row
            if row["finish_as"] == "filled":
                return row
            own = self.call(self.rest.list_my_trades, currency_pair=pair, order_id=row["id"])
            if market.stood_still(before["id"], after["id"], len(own) + (row["status"] == "open")):
                return row
            if row["status"] == "open":
                await self.ask(channels.SpotOrderCancelChannel, {"order_id": row["id"], "currency_pair": pair})
            return None

        return await market.asked_again_soon(what, once)


async def subscribe(day):
    """Every channel that the SDK names, in its own way."""
    wanted = [
        (channels.SpotTickerChannel, list(PAIRS)), (channels.SpotPublicTradeChannel, list(PAIRS)), (channels.SpotBookTickerChannel, list(PAIRS)),
        (channels.SpotCandlesticksChannel, ["10s", "BTC_USDT"]), (channels.SpotOrderBookUpdateChannel, ["BTC_USDT", "100ms"]),
        (channels.SpotOrderBookChannel, ["ETH_USDT", "20", "100ms"]), (channels.SpotOrderChannel, ["!all"]),
        (channels.SpotUserTradesChannel, ["!all"]),
    ]  # fmt: skip
    for kind, payload in wanted:
        kind(day.connection).subscribe(payload)
    # Its own default: an object where the channel has no payload.
    channels.SpotBalanceChannel(day.connection).subscribe()
    kinds = [kind for kind, _ in wanted] + [channels.SpotBalanceChannel]
    for _ in range(market.WAITS):
        if day.pushes["spot.pong"] and all((kind.name, "subscribe") in day.acks for kind in kinds):
            break
        await asyncio.sleep(market.WAIT_SECONDS)
    for kind in kinds:
        ack = day.acks.get((kind.name, "subscribe"))
        if day.judge.must(ack is not None, f"{kind.name}: the subscription was never acknowledged"):
            day.judge.must(not ack.get("error") and ack["result"] == {"status": "success"}, f"{kind.name}: the acknowledgement is {ack}")
    day.judge.must(day.pushes["spot.pong"], "no spot.ping was answered")


async def trade(day):
    """Orders of every kind; amendments, lookups, cancels."""
    judge = day.judge
    for number in range(24):
        pair, side, tif = PAIRS[number % 4], ("buy", "sell")[number % 2], ("ioc", "fok", "gtc")[number % 3]
        what = f"a {tif} {side} through the touch"
        row = await day.taking(what, pair, side, 40 + number, partial(day.order, pair, side, 40 + number, tif=tif))
        judge.equal((row["status"], row["finish_as"]), ("closed", "filled"), what)
        seen = await day.done(channels.SpotOrderStatusChannel, {"order_id": row["id"], "currency_pair": pair}, shapes.WS_ORDER)
        judge.equal(seen["filled_total"], row["filled_total"], "filled_total by order_status")

    def spend(_):
        return {**day.order("SOL_USDT", "buy", 33, 1, "ioc"), "type": "market", "amount": "33.3"}

    spent = await day.taking("a market buy", "SOL_USDT", "buy", "33.3", spend)
    judge.equal(Decimal(spent["amount"]) - Decimal(spent["left"]), Decimal(spent["filled_total"]), "what a market buy spent")
    textless = day.order("SOL_USDT", "buy", 30, day.price("SOL_USDT", "buy", "0.97"))
    del textless["text"]
    row = day.rests(await day.done(channels.SpotOrderPlaceChannel, textless, shapes.WS_ORDER))
    judge.orders += 1
    judge.equal(row["text"], "apiv4-ws", "text of an order that was placed without one")
    day.final[row["id"]] = await day.done(channels.SpotOrderCancelChannel, {"order_id": row["id"], "currency_pair": "SOL_USDT"})
    rows = []
    for pair in PAIRS:
        for factor in ("0.96", "0.95"):
            order = day.order(pair, "buy", 30, day.price(pair, "buy", factor), text=f"t-rest{day.requests}")
            rows.append(day.rests(await day.done(channels.SpotOrderPlaceChannel, order, shapes.WS_ORDER)))
            judge.orders += 1
    for row in rows[:4]:
        more = str(Decimal(row["amount"]) * 2)
        wanted = {"order_id": row["id"], "currency_pair": row["currency_pair"], "amount": more}
        new = await day.done(channels.SpotOrderAmendChannel, wanted, shapes.WS_ORDER)
        judge.equal(Decimal(new["amount"]), Decimal(more), "the amount of an amended order")
    gone = await day.done(channels.SpotOrderCancelChannel, {"order_id": rows[0]["id"], "currency_pair": rows[0]["currency_pair"]}, shapes.WS_ORDER)
    judge.equal(gone["status"], "cancelled", "a cancelled order")
    by_text = {"order_id": rows[1]["text"], "currency_pair": rows[1]["currency_pair"]}
    judge.equal((await day.done(channels.SpotOrderCancelChannel, by_text))["id"], rows[1]["id"], "the order cancelled by its text")
    some = [{"id": row["id"], "currency_pair": row["currency_pair"]} for row in rows[2:4]] + [{"id": "1", "currency_pair": "ETH_USDT"}]
    results = await day.done(channels.SpotOrderCancelIdsChannel, some)
    judge.equal([row.get("succeeded", False) for row in results], [True, True, False], "succeeded of order_cancel_ids")
    for pair in PAIRS[2:]:
        swept = await day.done(channels.SpotOrderCancelCpChannel, {"currency_pair": pair}, [shapes.WS_ORDER])
        expected = {row["id"] for row in rows if row["currency_pair"] == pair}
        judge.equal({row["id"] for row in swept}, expected, f"what order_cancel_cp cancelled in {pair}")
    for row in rows:
        day.final[row["id"]] = await day.done(channels.SpotOrderStatusChannel, {"order_id": row["id"], "currency_pair": row["currency_pair"]})
        judge.equal(day.final[row["id"]]["status"], "cancelled", "a cancelled order by order_status")
    day.read_all()


async def refusals(day):
    """Errors of order entry: label and status."""
    low = day.price("SOL_USDT", "buy", "0.97")
    good = day.order("SOL_USDT", "buy", 40, low)
    place, cancel, status = channels.SpotOrderPlaceChannel, channels.SpotOrderCancelChannel, channels.SpotOrderStatusChannel
    await day.refused("an unknown pair", "400", ("INVALID_CURRENCY_PAIR",), place, {**good, "currency_pair": "NOPE_USDT"})
    await day.refused("too large", "400", ("BALANCE_NOT_ENOUGH",), place, {**good, "amount": "20000"})
    await day.refused("too small", "400", ("INVALID_PARAM_VALUE", "AMOUNT_TOO_LITTLE"), place, {**good, "amount": "0.01"})
    await day.refused("too precise", "400", ("INVALID_PRECISION",), place, {**good, "price": f"{low}111"})
    await post_only(day, {**good, "time_in_force": "poc"})
    await day.refused("fill or kill", "400", ("FOK_NOT_FILL",), place, {**good, "time_in_force": "fok"})
    await day.refused("no side", "400", ("MISSING_REQUIRED_PARAM", "INVALID_PARAM_VALUE"), place, {k: v for k, v in good.items() if k != "side"})
    for kind in (cancel, status):
        await day.refused("an unknown order", "404", ("ORDER_NOT_FOUND",), kind, {"order_id": "123456789", "currency_pair": "SOL_USDT"})


async def post_only(day, order):
    """A post-only order that would take is refused; one that came when the other side was empty rests, and is asked again."""
    pair, place = order["currency_pair"], channels.SpotOrderPlaceChannel

    async def once():
        await asyncio.sleep(PLACING.delay("user"))
        before = await day.deep(pair, "buy", 40)
        price = day.rounded(pair, Decimal(before["asks"][0][0]) * 2)
        payload = {**order, "price": str(price)}
        reply = await day.ask(place, payload, paced=True)
        if "errs" in reply["data"] or reply["header"]["status"] == "none":
            return reply
        stood_still = market.stood_still(before["id"], day.book(pair, 1)["id"], 1)
        row = day.succeeded(place, payload, reply)
        day.judge.orders += 1
        day.final[row["id"]] = row
        await day.ask(channels.SpotOrderCancelChannel, {"order_id": row["id"], "currency_pair": pair})
        return reply if stood_still else None

    what = "a post-only order that takes"
    day.was_refused(what, "400", ("POC_FILL_IMMEDIATELY",), await market.asked_again_soon(what, once))


async def closing(day, start):
    """Streams, REST and balances tell the same."""
    judge = day.judge
    trades = [row for pair in PAIRS for row in day.call(day.rest.list_my_trades, currency_pair=pair, limit=1000)]
    await streams_end(day, trades)
    trades = judge.told(trades)
    streamed = [row for push in day.pushes["spot.usertrades"] for row in push]
    judge.all_of(ledger.check_streamed_trades(trades, streamed))
    accounts = day.call(day.rest.list_spot_accounts)
    final = ledger.totals(accounts)
    judge.assets = len(final)
    judge.all_of(ledger.check_idle(accounts))
    judge.all_of(ledger.check_balances(start, ledger.moved_by(trades), final))
    day.read_all()
    orders = day.orders
    judge.all_of(ledger.check_orders(orders, trades))
    balances = [row for push in day.pushes["spot.balances"] for row in push]
    judge.all_of(f"spot.balances: {line}" for line in ledger.check_balances(start, ledger.sums(balances), final))
    told = [row for push in day.pushes["spot.orders"] for row in push if row["event"] == "finish"]
    judge.equal({row["id"] for row in told}, set(orders), "the orders whose end was streamed")
    for channel in ("spot.tickers", "spot.trades", "spot.book_ticker", "spot.candlesticks", "spot.order_book_update", "spot.order_book"):
        judge.must(day.pushes[channel], f"{channel}: nothing was pushed")
    for channel, pushes in day.pushes.items():
        if channel in shapes.PUSH:
            judge.all_of(f"{channel}: {fault}" for push in pushes[:200] for fault in shapes.faults(push, shapes.PUSH[channel]))
    updates = [push for push in day.pushes["spot.order_book_update"] if push["s"] == "BTC_USDT"]
    judge.must(all(new["U"] == old["u"] + 1 for old, new in zip(updates, updates[1:])), "spot.order_book_update has a gap")


async def streams_end(day, trades):
    """Waits until the private streams told every trade and every order's end."""
    private = ("spot.orders", "spot.usertrades", "spot.balances")

    def rows(channel):
        return [row for push in day.pushes[channel] for row in push]

    def is_complete():
        ended = {row["id"] for row in rows("spot.orders") if row["event"] == "finish"}
        return day.final.keys() <= ended and {trade["id"] for trade in trades} <= {str(row["id"]) for row in rows("spot.usertrades")}

    await market.caught_up_soon(lambda: sum(len(day.pushes[channel]) for channel in private), is_complete)


async def run(simulated, judge, seed):
    day = Day(simulated, judge, seed)
    day.rules = {row["id"]: row for row in day.call(day.rest.list_currency_pairs)}
    start = ledger.totals(day.call(day.rest.list_spot_accounts))
    running = asyncio.ensure_future(day.connection.run())

    async def close(day):
        await closing(day, start)

    for part in (subscribe, trade, refusals, close):
        judge.step, day.rested = part.__name__, []

        async def guarded(part=part):
            try:
                await part(day)
            except Exception as error:
                judge.differs(f"ended early by {type(error).__name__}: {str(error)[:300]}")

        async def taken():
            return day.taken() if day.rested else []

        async def clear():
            day.clear()

        await market.undisturbed_soon(judge, guarded, taken, clear)
        simulated.check_alive()
    day.connection.close()
    await asyncio.wait([running], timeout=5)


def day(simulated, judge, seed):
    """The day, from the first subscription to the last digit."""
    check_unmodified("gate-ws", VERSION)
    check_unmodified("gate-api", REST_VERSION)
    asyncio.run(run(simulated, judge, seed))


if __name__ == "__main__":
    sys.exit(run_day(__doc__, day, calls=200))
