#!/usr/bin/env python3
"""A scripted day of `ccxt` and `ccxt.pro` for Bybit against `crossgate sim`, only their base URLs changed.

    bybit_ccxt_day.py CROSSGATE [--seed N]

The common day of `ccxt_spot`, with orders and batches over the socket of order entry added. Exit code 0: all equal. 1: not, said in one
sentence. Needs: pip install -r requirements.txt

What is Bybit's own: an answer to an order means that it was received, so a post-only order that would take is accepted and then cancelled.
"""

import asyncio
import sys
from collections import defaultdict

import ccxt
import ccxt.pro

import ledger
from ccxt_client import Counting, CountingPro, soon
from ccxt_spot import SYMBOLS, SpotDay
from judge import text_of
from simulated import check_unmodified, run_day

VERSION = "4.5.90"
BASES = {symbol.replace("/", ""): tuple(symbol.split("/")) for symbol in SYMBOLS}
ENDS = ("Filled", "Cancelled", "PartiallyFilledCanceled", "Rejected")
# What the client itself lets be chosen: spot, and that look-ups know the last 500 orders only.
OPTIONS = {"defaultType": "spot", "fetchOrder": {"acknowledged": True}}


def point_at(exchange, venue):
    """Changes base URLs and nothing else."""
    api = exchange.urls["api"]
    for name in ("spot", "futures", "v2", "public", "private"):
        api[name] = venue["rest"]
    if "ws" in api:
        base = venue["ws"].split("/v5/")[0]
        api["ws"]["public"] = {name: f"{base}/v5/public/{name}" for name in api["ws"]["public"]}
        api["ws"]["private"]["spot"]["unified"] = api["ws"]["private"]["contract"] = f"{base}/v5/private"
        api["ws"]["private"]["trade"] = f"{base}/v5/trade"


class Counted(Counting, ccxt.bybit):
    """The synchronous client; counts."""


class CountedPro(CountingPro, ccxt.pro.bybit):
    """The asynchronous client with its streams; counts, and keeps private rows."""

    kept = None

    def handle_message(self, client, message):
        self.judge.frames += 1
        if self.kept is not None and isinstance(message, dict) and message.get("topic") in ("order", "execution", "wallet"):
            self.kept.rows[message["topic"]] += message["data"]
        elif self.kept is not None and client.url.endswith("/v5/private") and message.get("op") == "subscribe" and message.get("success"):
            self.kept.subscribed += 1
        return super().handle_message(client, message)


class BybitDay(SpotDay):
    """The common day in Bybit's words."""

    REFUSALS = {
        "unknown": (ccxt.InvalidOrder, "170142"),
        "funds": (ccxt.InsufficientFunds, "170131"),
        "notional": (ccxt.InvalidOrder, "170140"),
        "no such order": (ccxt.OrderNotFound, "not found"),
        "duplicate": (ccxt.InvalidOrder, "170141"),
        "signature": (ccxt.AuthenticationError, "10004"),
        "key": (ccxt.AuthenticationError, "10003"),
    }
    PARTS = SpotDay.PARTS[:-1] + ("over_websocket", "in_batches", "closing")
    SUBSCRIPTIONS = 3

    def made(self, cls):
        exchange = cls({"apiKey": self.venue["key"], "secret": self.venue["secret"], "options": OPTIONS})
        exchange.judge = self.judge
        point_at(exchange, self.venue)
        return exchange

    def connect(self):
        return self.made(Counted)

    def connect_pro(self):
        exchange = self.made(CountedPro)
        exchange.kept = self.kept
        return exchange

    def totals(self, balance):
        return {row["coin"]: ledger.exact(row["walletBalance"]) for row in balance["result"]["list"][0]["coin"]}

    def locked(self, balance):
        return {row["coin"]: ledger.exact(row["locked"]) for row in balance["result"]["list"][0]["coin"]}

    def trade(self, row):
        base, quote = BASES[row["symbol"]]
        return {
            "id": row["execId"], "order": row["orderId"], "base": base, "quote": quote, "side": row["side"].lower(), "amount": row["execQty"],
            "price": row["execPrice"], "fee": row["execFee"], "fee_asset": row["feeCurrency"], "maker": row["isMaker"],
        }  # fmt: skip

    def order(self, row):
        return {
            "id": row["orderId"], "text": row["orderLinkId"], "status": row["orderStatus"], "amount": row["qty"], "filled": row["cumExecQty"],
            "total": row["cumExecValue"],
        }  # fmt: skip

    def streamed_trades(self):
        return [self.trade(row) for row in self.kept.rows["execution"]]

    def streamed_balances(self):
        last = {}
        for account in self.kept.rows["wallet"]:
            last.update({row["coin"]: ledger.exact(row["walletBalance"]) for row in account["coin"]})
        return last

    def streamed_ends(self):
        ends = defaultdict(int)
        for row in self.kept.rows["order"]:
            ends[row["orderId"]] += row["orderStatus"] in ENDS
        return ends

    async def numbered(self, symbol, limit):
        """As the venue tells it: the client reads no number out of this answer."""
        asked = {"category": "spot", "symbol": self.pro.market_id(symbol), "limit": limit}
        book = (await self.pro.publicGetV5MarketOrderbook(asked))["result"]
        return {"bids": book["b"], "asks": book["a"], "nonce": int(book["u"])}

    async def by_text(self, order):
        """An order that has ended, by its client id alone."""
        found = await soon(self.pro.fetch_closed_orders(order["symbol"], None, None, {"orderLinkId": order["clientOrderId"]}))
        return found[0]

    async def all_trades(self, symbol):
        return await soon(self.pro.fetch_my_trades(symbol, None, None, {"paginate": True, "paginationCalls": 50}), 60)

    def judge_post_only(self, what, answer):
        """It was accepted, and cancelled at once."""
        if isinstance(answer, Exception):
            self.judge.differs(f"{what}: {text_of(answer)}")
        else:
            row = answer["info"]
            self.judge.equal((row["orderStatus"], row["rejectReason"]), ("Cancelled", "EC_PostOnlyWillTakeLiquidity"), what)

    async def making(self):
        """Post-only orders near the touch, until some were filled as makers."""
        for number in range(12):
            symbol = SYMBOLS[number % 4]
            bid, _ = await self.touch(symbol)
            order = await self.place(symbol, "limit", "buy", 60, float(bid), postOnly=True)
            await asyncio.sleep(0.7)
            try:
                await soon(self.pro.cancel_order(order["id"], symbol))
            except ccxt.InvalidOrder as error:
                self.judge.must("170139" in str(error) or "170142" in str(error), f"a cancel that came late: {text_of(error)}")
            self.judge.must((await self.read(order))["status"] in ("closed", "canceled"), "a post-only order that was cancelled")

    async def over_websocket(self):
        """Orders over the socket of order entry, by the client's own calls."""
        pro = self.pro

        async def send(symbol, *arguments):
            # The answer is ids alone, and the client adds no symbol to it.
            return {**await pro.create_order_ws(symbol, *arguments), "symbol": symbol}

        for number in range(8):
            symbol, side = SYMBOLS[number % 4], ("buy", "sell")[number // 4]

            def made(price, symbol=symbol, side=side):
                return self.place(symbol, "limit", side, 60, price, send, timeInForce="IOC")

            _, again = await self.through("an IOC over WebSocket", symbol, side, 60, made)
            self.judge.equal(again["status"], "closed", "an IOC over WebSocket")
        symbol = "BTC/USDT"
        order = await self.place(symbol, "limit", "buy", 60, await self.away(symbol, "buy"), send, timeInForce="GTC")
        edited = await soon(pro.edit_order_ws(order["id"], symbol, "limit", "buy", None, await self.away(symbol, "buy", "0.04")))
        self.judge.equal(edited["id"], order["id"], "an amended order keeps its id")
        await soon(pro.cancel_order_ws(order["id"], symbol))
        self.judge.equal((await self.read(order))["status"], "canceled", "a cancel over WebSocket")

    async def in_batches(self):
        """Orders of one request, of which one is refused."""
        symbol = "SOL/USDT"
        price = await self.away(symbol, "buy", "0.05")
        amount = self.amount(symbol, 40, price)
        wanted = [{"symbol": symbol, "type": "limit", "side": "buy", "amount": amount, "price": price, "params": {"clientOrderId": self.text()}} for _ in range(3)]
        wanted[1]["params"]["clientOrderId"] = wanted[0]["params"]["clientOrderId"]
        made = await soon(self.pro.create_orders(wanted))
        self.judge.equal([order["status"] for order in made], [made[0]["status"], "rejected", made[0]["status"]], "the orders of a batch")
        for order in (made[0], made[2]):
            self.judge.orders += 1
            self.rested[order["id"]] = symbol
            self.orders[order["id"]] = symbol
        await soon(self.pro.cancel_orders([made[0]["id"], made[2]["id"]], symbol))
        self.judge.equal(await soon(self.pro.fetch_open_orders(symbol)), [], "open orders after a batch of cancels")


def day(simulated, judge, seed):
    """The day, from the first read to the last digit."""
    check_unmodified("ccxt", VERSION)
    asyncio.run(BybitDay(simulated, judge, seed).run())


if __name__ == "__main__":
    sys.exit(run_day(__doc__, day, calls=250, kinds=("bybit", "bybit")))
