"""What other people's clients say of an account: two for every kind of venue, each as its makers ship it, only base URLs changed.

Start at `READERS`: by kind, the maker's own SDK and `ccxt`. Either tells the account (asset → total) and every execution, as
`Execution`; all numbers are read from text. `plant` trades a little behind the engine's back.
"""

from collections import namedtuple
from decimal import Decimal

import ccxt
import gate_api
import pybit.unified_trading as bybit
from binance_common.configuration import ConfigurationRestAPI
from binance_sdk_spot.spot import Spot

import binance_ccxt_day
import bybit_ccxt_day
import ccxt_client
import market
from ledger import exact

PAGE = {"gate": 1000, "binance": 1000, "bybit": 100}

# One execution: `order` is the client's own id of its order where a list of executions tells it, else None.
Execution = namedtuple("Execution", "id order base quote side amount price fee fee_asset")


def moved(execution):
    """What an execution does to the account: (asset, change) pairs."""
    sign = 1 if execution.side == "buy" else -1
    return (
        (execution.base, sign * execution.amount),
        (execution.quote, -sign * execution.amount * execution.price),
        (execution.fee_asset, -execution.fee),
    )


def gate_execution(row):
    base, quote = row["currency_pair"].split("_")
    if exact(row["gt_fee"]) or exact(row["point_fee"]):
        raise ValueError(f"a fee in a token was not asked for: {row}")
    fee_asset = row.get("fee_currency") or (base if row["side"] == "buy" else quote)
    return Execution(
        row["id"], row["text"], base, quote, row["side"], exact(row["amount"]), exact(row["price"]), exact(row["fee"]), fee_asset
    )


def binance_execution(row, assets):
    base, quote = assets
    side = "buy" if row["isBuyer"] else "sell"
    numbers = [exact(row[key]) for key in ("qty", "price", "commission")]
    return Execution(f'{row["symbol"]} {row["id"]}', None, base, quote, side, *numbers, row["commissionAsset"])


def bybit_execution(row, assets):
    base, quote = assets
    numbers = [exact(row[key]) for key in ("execQty", "execPrice", "execFee")]
    return Execution(row["execId"], row["orderLinkId"], base, quote, row["side"].lower(), *numbers, row["feeCurrency"])


def pages(ask, size):
    """Numbered pages, from 1 on, until one is short."""
    rows = []
    for page in range(1, 1000):
        got = ask(page)
        rows += got
        if len(got) < size:
            return rows
    raise ValueError("the pages do not end")


class Venue:
    """One account at one venue, by its address and keys."""

    def __init__(self, venue, symbols):
        self.venue, self.symbols = venue, symbols
        self.keys = {"apiKey": venue["key"], "secret": venue["secret"]}
        self.ccxt = self.ccxt_client()

    def assets(self, name):
        """The assets of a market that the venue writes without a separator."""
        return next(symbol.split("/") for symbol in self.symbols if symbol.replace("/", "") == name)

    def names(self):
        return [symbol.replace("/", "") for symbol in self.symbols]

    def plant(self):
        """A small order that the engine never heard of; what the venue says became of it."""
        symbol = "ETH/USDT"
        self.ccxt.load_markets()

        def enough(book):
            return market.offers(book["bids"], book["asks"], True, 40)

        def once():
            """Its id, once it took something: an order that found nothing to take plants nothing."""
            book = market.looked(f"{symbol}: a book to buy from", lambda: self.ccxt.fetch_order_book(symbol, 50), enough)
            price = self.ccxt.price_to_precision(symbol, float(market.through(book["bids"], book["asks"], True)))
            order = self.ccxt.create_order(symbol, "limit", "buy", 0.01, float(price), {"timeInForce": "IOC"})["id"]
            return order if self.ccxt.fetch_my_trades(symbol, None, 500, self.of_order(order)) else None

        return market.asked_again("an order behind the engine's back", once)

    @staticmethod
    def of_order(order):
        """What makes the client ask for the trades of one order."""
        return {"orderId": order}


class Gate(Venue):
    """`gate-api` and `ccxt`."""

    @staticmethod
    def of_order(order):
        return {"order_id": order}

    def ccxt_client(self):
        exchange = ccxt.gate(self.keys)
        ccxt_client.point_at(exchange, self.venue)
        return exchange

    def sdk(self):
        settings = gate_api.Configuration(host=f'{self.venue["rest"]}/api/v4', key=self.venue["key"], secret=self.venue["secret"])
        return gate_api.SpotApi(gate_api.ApiClient(settings))

    def sdk_account(self):
        return {row.currency: exact(row.available) + exact(row.locked) for row in self.sdk().list_spot_accounts()}

    def sdk_executions(self):
        size, sdk = PAGE["gate"], self.sdk()
        rows = pages(lambda page: sdk.list_my_trades(limit=size, page=page), size)
        return [gate_execution(row.to_dict()) for row in rows]

    def ccxt_account(self):
        return {row["currency"]: exact(row["available"]) + exact(row["locked"]) for row in self.ccxt.privateSpotGetAccounts()}

    def ccxt_executions(self):
        size = PAGE["gate"]
        return [gate_execution(row) for row in pages(lambda page: self.ccxt.privateSpotGetMyTrades({"limit": size, "page": page}), size)]


class Binance(Venue):
    """`binance-sdk-spot` and `ccxt`."""

    def ccxt_client(self):
        exchange = ccxt.binance({**self.keys, "options": binance_ccxt_day.OPTIONS})
        binance_ccxt_day.point_at(exchange, self.venue)
        return exchange

    def sdk(self):
        venue = self.venue
        return Spot(ConfigurationRestAPI(api_key=venue["key"], api_secret=venue["secret"], base_path=venue["rest"], retries=0)).rest_api

    def sdk_account(self):
        return {row.asset: exact(row.free) + exact(row.locked) for row in self.sdk().get_account().data().balances}

    def sdk_executions(self):
        sdk = self.sdk()

        def ask(name, start):
            rows = sdk.my_trades(symbol=name, limit=PAGE["binance"], from_id=start).data()
            return [row.to_dict() for row in rows]

        return self.by_ids(ask)

    def ccxt_account(self):
        rows = self.ccxt.privateGetAccount()["balances"]
        return {row["asset"]: exact(row["free"]) + exact(row["locked"]) for row in rows}

    def ccxt_executions(self):
        size = PAGE["binance"]
        return self.by_ids(lambda name, start: self.ccxt.privateGetMyTrades({"symbol": name, "limit": size, "fromId": start}))

    def by_ids(self, ask):
        """Every market's executions, page after page by their ids."""
        found = []
        for name in self.names():
            start = 0
            while True:
                rows = ask(name, start)
                found += [binance_execution(row, self.assets(name)) for row in rows]
                if len(rows) < PAGE["binance"]:
                    break
                start = int(rows[-1]["id"]) + 1
        return found


class Bybit(Venue):
    """`pybit` and `ccxt`."""

    def ccxt_client(self):
        exchange = ccxt.bybit({**self.keys, "options": bybit_ccxt_day.OPTIONS})
        bybit_ccxt_day.point_at(exchange, self.venue)
        return exchange

    def sdk(self):
        session = bybit.HTTP(api_key=self.venue["key"], api_secret=self.venue["secret"])
        session.endpoint = self.venue["rest"]
        return session

    @staticmethod
    def account_of(answer):
        return {row["coin"]: exact(row["walletBalance"]) for row in answer["result"]["list"][0]["coin"]}

    def executions_of(self, ask):
        rows, cursor = [], ""
        while True:
            named = {"category": "spot", "limit": PAGE["bybit"], **({"cursor": cursor} if cursor else {})}
            page = ask(named)["result"]
            rows += [bybit_execution(row, self.assets(row["symbol"])) for row in page["list"]]
            cursor = page["nextPageCursor"]
            if not cursor:
                return rows

    def sdk_account(self):
        return self.account_of(self.sdk().get_wallet_balance(accountType="UNIFIED"))

    def sdk_executions(self):
        sdk = self.sdk()
        return self.executions_of(lambda named: sdk.get_executions(**named))

    def ccxt_account(self):
        return self.account_of(self.ccxt.privateGetV5AccountWalletBalance({"accountType": "UNIFIED"}))

    def ccxt_executions(self):
        return self.executions_of(self.ccxt.privateGetV5ExecutionList)


READERS = {"gate": Gate, "binance": Binance, "bybit": Bybit}


def account_of(venue):
    """Asset → total, which both clients must tell alike."""
    accounts = venue.sdk_account(), venue.ccxt_account()
    owned = [{asset: total for asset, total in account.items() if total != Decimal(0)} for account in accounts]
    if owned[0] != owned[1]:
        raise ValueError(f"two clients of {venue.venue['id']} read different accounts: {owned}")
    return accounts[0]


def executions_of(venue):
    """Every execution by its id, which both clients must tell alike."""
    told = [{execution.id: execution for execution in rows} for rows in (venue.sdk_executions(), venue.ccxt_executions())]
    if told[0] != told[1]:
        differing = [at for at in told[0].keys() | told[1].keys() if told[0].get(at) != told[1].get(at)]
        raise ValueError(f"two clients of {venue.venue['id']} read different executions: {differing[:5]}")
    return told[0]
