#!/usr/bin/env python3
"""A scripted day of `ccxt` and `ccxt.pro` for Binance against `crossgate sim`, only their base URLs changed.

    binance_ccxt_day.py CROSSGATE [--seed N]

The common day of `ccxt_spot`, with orders over the WebSocket API and by an Ed25519 key added. Exit code 0: all equal. 1: not, said in
one sentence. Needs: pip install -r requirements.txt
"""

import asyncio
import sys
from collections import defaultdict

import ccxt
import ccxt.pro

import ledger
from ccxt_client import Counting, CountingPro, soon
from ccxt_spot import SYMBOLS, SpotDay
from simulated import check_unmodified, run_day

VERSION = "4.5.90"
BASES = {symbol.replace("/", ""): tuple(symbol.split("/")) for symbol in SYMBOLS}
ENDS = ("FILLED", "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH", "REJECTED")
# The client loads spot and futures as it does by itself, and the options that it loads on request. The venue lists spot only.
OPTIONS = {"fetchMarkets": {"loadAllOptions": True}}


def point_at(exchange, venue):
    """Changes base URLs and nothing else."""
    api = exchange.urls["api"]
    for name in ("public", "private"):
        api[name] = f'{venue["rest"]}/api/v3'
    for name in ("sapi", "sapiV2", "sapiV3", "sapiV4"):
        api[name] = f'{venue["rest"]}/sapi/{"v1" if name == "sapi" else name[-2:].lower()}'
    for market in ("fapi", "dapi", "eapi"):
        api[f"{market}Public"] = f'{venue["rest"]}/{market}/v1'
    if "ws" in api:
        api["ws"]["spot"] = venue["ws"]
        api["ws"]["ws-api"]["spot"] = venue["private_ws"]


class Counted(Counting, ccxt.binance):
    """The synchronous client; counts."""


class CountedPro(CountingPro, ccxt.pro.binance):
    """The asynchronous client with its streams; counts, and keeps private events."""

    kept = None

    def handle_message(self, client, message):
        self.judge.frames += 1
        if self.kept is not None and isinstance(message, dict) and "event" in message:
            self.kept.rows[message["event"]["e"]].append(message["event"])
        elif self.kept is not None and isinstance(message, dict) and "subscriptionId" in (message.get("result") or {}):
            self.kept.subscribed += 1
        return super().handle_message(client, message)


class BinanceDay(SpotDay):
    """The common day in Binance's words."""

    # The client picks some classes by the host that it was made for; at any other it has these. Three it words without the code.
    REFUSALS = {
        "unknown": (ccxt.OrderNotFound, "-2011"),
        "funds": (ccxt.InsufficientFunds, "Account has insufficient balance"),
        "post only": (ccxt.OrderImmediatelyFillable, "Order would immediately match and take"),
        "notional": (ccxt.BadRequest, "-1013"),
        "no such order": (ccxt.OrderNotFound, "-2013"),
        "duplicate": (ccxt.InvalidOrder, "-2010"),
        "signature": (ccxt.AuthenticationError, "-1022"),
        "key": (ccxt.DDoSProtection, "-2015"),
    }
    PARTS = SpotDay.PARTS[:-1] + ("over_websocket", "by_ed25519", "closing")

    def made(self, cls, key=None, secret=None, **more):
        keys = {"apiKey": key or self.venue["key"], "secret": secret or self.venue["secret"]}
        exchange = cls({**keys, "options": OPTIONS, **more})
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
        return {row["asset"]: ledger.exact(row["free"]) + ledger.exact(row["locked"]) for row in balance["balances"]}

    def locked(self, balance):
        return {row["asset"]: ledger.exact(row["locked"]) for row in balance["balances"]}

    def trade(self, row):
        base, quote = BASES[row["symbol"]]
        return {
            "id": f'{row["symbol"]} {row["id"]}', "order": str(row["orderId"]), "base": base, "quote": quote,
            "side": "buy" if row["isBuyer"] else "sell", "amount": row["qty"], "price": row["price"],
            "fee": row["commission"], "fee_asset": row["commissionAsset"], "maker": row["isMaker"],
        }

    def order(self, row):
        return {
            "id": str(row["orderId"]), "text": row["clientOrderId"], "status": row["status"], "amount": row["origQty"],
            "filled": row["executedQty"], "total": row["cummulativeQuoteQty"],
        }

    def reports(self):
        return self.kept.rows["executionReport"]

    def streamed_trades(self):
        rows = []
        for row in self.reports():
            if row["x"] == "TRADE":
                base, quote = BASES[row["s"]]
                rows.append({
                    "id": f'{row["s"]} {row["t"]}', "order": str(row["i"]), "base": base, "quote": quote, "side": row["S"].lower(),
                    "amount": row["l"], "price": row["L"], "fee": row["n"], "fee_asset": row["N"], "maker": row["m"],
                })
        return rows

    def streamed_balances(self):
        last = {}
        for event in self.kept.rows["outboundAccountPosition"]:
            for row in event["B"]:
                last[row["a"]] = ledger.exact(row["f"]) + ledger.exact(row["l"])
        return last

    def streamed_ends(self):
        ends = defaultdict(int)
        for row in self.reports():
            ends[str(row["i"])] += row["X"] in ENDS
        return ends

    async def over_websocket(self):
        """Orders over the WebSocket API, by the client's own calls."""
        # Here the client sends `clientOrderId` on beside its translation, which Binance refuses as unread.
        pro, named = self.pro, "newClientOrderId"
        for number in range(8):
            symbol, side = SYMBOLS[number % 4], ("buy", "sell")[number // 4]

            def send(price, symbol=symbol, side=side):
                return self.place(symbol, "limit", side, 60, price, pro.create_order_ws, named, timeInForce="IOC")

            order, _ = await self.through("an IOC over WebSocket", symbol, side, 60, send)
            self.judge.equal((await soon(pro.fetch_order_ws(order["id"], symbol)))["status"], "closed", "an IOC over WebSocket, read there")
        symbol = "BTC/USDT"
        price = await self.away(symbol, "buy")
        order = await self.place(symbol, "limit", "buy", 60, price, pro.create_order_ws, named, timeInForce="GTC")
        self.judge.equal([row["id"] for row in await soon(pro.fetch_open_orders_ws(symbol))], [order["id"]], "open orders over WebSocket")
        price = await self.away(symbol, "buy", "0.04")
        edited = self.note(self.rests(await soon(pro.edit_order_ws(order["id"], symbol, "limit", "buy", order["amount"], price))))
        self.judge.orders += 1
        self.judge.must(edited["id"] != order["id"], "an edited order is cancelled and placed anew")
        cancelled = await soon(pro.cancel_order_ws(edited["id"], symbol))
        self.judge.equal(cancelled["status"], "canceled", "a cancel over WebSocket")
        balance = await soon(pro.fetch_balance_ws())
        # The client reads no spot assets out of this answer; they are there.
        self.judge.must(self.totals(balance["info"])["USDT"] > 0, "no USDT over WebSocket")
        self.judge.must(len(await soon(pro.fetch_my_trades_ws(symbol))) > 0, "no trades over WebSocket")

    async def by_ed25519(self):
        """The account's Ed25519 key signs REST and WebSocket alike."""
        key = next(more for more in self.venue["more_keys"] if more["type"] == "ed25519")
        other = self.made(CountedPro, key["key"], key["secret"])
        try:
            await soon(other.load_markets(), 30)
            mine = await soon(other.fetch_balance())
            self.judge.must(mine["USDT"]["total"] > 0, "the Ed25519 key sees no USDT")
            for create in (other.create_order, other.create_order_ws):

                async def send(price, create=create):
                    self.judge.orders += 1
                    return self.note(await soon(create("ETH/USDT", "limit", "buy", self.amount("ETH/USDT", 50, price), price, {"timeInForce": "IOC"})))

                what = "an order of the Ed25519 key"
                _, again = await self.through(what, "ETH/USDT", "buy", 50, send)
                self.judge.equal(again["status"], "closed", what)
        finally:
            await other.close()


def day(simulated, judge, seed):
    """The day, from the first read to the last digit."""
    check_unmodified("ccxt", VERSION)
    asyncio.run(BinanceDay(simulated, judge, seed).run())


if __name__ == "__main__":
    sys.exit(run_day(__doc__, day, calls=250, kinds=("binance", "gate")))
