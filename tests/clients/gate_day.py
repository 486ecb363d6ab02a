#!/usr/bin/env python3
"""A scripted day of the official `gate-api` SDK against `crossgate sim`, only its host changed.

    gate_day.py CROSSGATE [--seed N]

Market data, every order type, amendments, cancels, batches, the dead-man switch, fees in GT, and every common error; afterwards
balances, trades, orders and the account book are compared to the last digit. Exit code 0: all equal. 1: not, said in one
sentence. Needs: pip install -r requirements.txt

The SDK is the published one (its files are compared with their own record). What is wrapped: the HTTP pool's `request`, to count,
and once the SDK's clock, for a caller whose clock is wrong.
"""

import random
import sys
import time
import types
from decimal import ROUND_DOWN, ROUND_UP, Decimal

import gate_api
from gate_api import api_client as sdk_client
from gate_api.exceptions import GateApiException

import gate_refusals
import ledger
import market
import shapes
from gate_market_data import market_data, public_since
from gate_refusals import cancel_or_read
from judge import Pace, raw
from simulated import check_unmodified, run_day

VERSION = "7.2.161"
GATEWAY_HEADERS = ("X-In-Time", "X-Out-Time", "X-Gate-Trace-Id")
RATE_HEADERS = ("X-Gate-RateLimit-Requests-Remain", "X-Gate-RateLimit-Limit", "X-Gate-RateLimit-Reset-Timestamp")
PATIENCE_SECONDS, PATIENCE_ROUNDS = 12, 30
# What a side that is bought up may be worth: the account has to last for the day.
WHOLE_LEVEL_MAX = 15_000
MEETING_PAIRS, MEETING_TRIES = ("SOL_USDT", "ETH_USDT", "BTC_USDT"), 4


class Day:
    """One trader's day: the SDK's APIs, and all that was placed."""

    def __init__(self, simulated, judge, seed):
        self.judge, self.seed = judge, seed
        self.venue, self.other_venue = simulated.venues[0], simulated.venues[1]
        self.random = random.Random(seed)
        self.client = self.connect(self.venue["key"], self.venue["secret"])
        self.spot, self.wallet, self.account = (kind(self.client) for kind in (gate_api.SpotApi, gate_api.WalletApi, gate_api.AccountApi))
        self.rules, self.pairs, self.orders, self.texts, self.versions = {}, [], {}, 0, {}
        # Orders of this part that are to rest.
        self.rested = set()
        # Below Gate's limits, so that no step is refused by chance: 10 a second per market, 200 in ten seconds per endpoint.
        self.placing, self.reading = Pace(9, 1.1), Pace(180, 10.5)

    def connect(self, key, secret, validate=True):
        """An SDK client of this venue, whose HTTP requests are counted."""
        settings = gate_api.Configuration(host=f'{self.venue["rest"]}/api/v4', key=key, secret=secret)
        settings.client_side_validation = validate
        client = gate_api.ApiClient(settings)
        pool = client.rest_client.pool_manager
        send = pool.request

        def counted(*arguments, **named):
            self.judge.count_http()
            return send(*arguments, **named)

        pool.request = counted
        return client

    def call(self, method, *arguments, shape=None, **named):
        """Calls the SDK; returns the JSON that it read, after a look at its types and at the gateway's headers."""
        name = method.__name__
        self.reading.wait(name)
        method(*arguments, **named)
        answer = method.__self__.api_client.last_response
        for header in GATEWAY_HEADERS + RATE_HEADERS:
            self.judge.must(answer.getheader(header) is not None, f"{name}: the answer has no header {header}")
        value = raw(answer.data) if answer.data else None
        if shape is not None:
            self.judge.all_of(f"{name}: {fault}" for fault in shapes.faults(value, shape))
        return value

    def refused(self, what, labels, method, *arguments, **named):
        """The call must fail with the SDK's own exception and one of these labels; returns the exception."""
        try:
            method(*arguments, **named)
        except Exception as error:
            self.judge.refusal(what, error, GateApiException, labels)
            return error
        self.judge.differs(f"{what}: was accepted, expected {' or '.join(labels) or 'a refusal'}")
        return None

    def step(self, function):
        """Runs one part of the day; an exception ends the part, not the day."""
        self.judge.step, self.rested = function.__name__, set()

        def part():
            self.guarded(function, self)

        market.undisturbed(self.judge, part, lambda: self.guarded(self.taken) if self.rested else [], lambda: self.guarded(self.clear))

    def guarded(self, function, *arguments):
        """Calls it; what it raises is a difference."""
        try:
            return function(*arguments)
        except GateApiException as error:
            self.judge.differs(f"ended early by {error.status} {error.label}: {error.message}")
        except Exception as error:
            self.judge.differs(f"ended early by {type(error).__name__}: {str(error)[:300]}")
        return None

    def taken(self):
        """The orders of this part that were to rest, and that the market took."""
        own = [trade for pair in self.pairs for trade in self.call(self.spot.list_my_trades, currency_pair=pair, limit=1000)]
        return sorted({trade["order_id"] for trade in own if trade["role"] == "maker"} & self.rested)

    def clear(self):
        """Nothing of a part is left, so that it may be run anew."""
        self.call(self.spot.cancel_orders)
        for name in self.rested:
            self.read(self.orders[name])
        self.rested = set()

    # ------------------------------------------------------------------------------------------------------------- placing

    def text(self):
        self.texts += 1
        return f"t-day{self.seed}.{self.texts}"

    def price(self, pair, value, rounding=ROUND_DOWN):
        return str(Decimal(value).quantize(Decimal(1).scaleb(-self.rules[pair]["precision"]), rounding))

    def amount(self, pair, quote, price):
        """The base amount worth about so much quote."""
        return str((Decimal(quote) / Decimal(price)).quantize(Decimal(1).scaleb(-self.rules[pair]["amount_precision"]), ROUND_UP))

    def order(self, pair, side, amount, price=None, tif="gtc", kind="limit", **more):
        more.setdefault("text", self.text())
        return gate_api.Order(currency_pair=pair, side=side, amount=amount, price=price, time_in_force=tif, type=kind, **more)

    def place(self, *arguments, paced=False, **named):
        """Places one order and notes the answer; `paced`: its turn was waited for before the look that it was made of."""
        order = self.order(*arguments, **named)
        if not paced:
            self.placing.wait(order.currency_pair)
        row = self.call(self.spot.create_order, order, shape=shapes.ORDER)
        self.judge.orders += 1
        for key in ("currency_pair", "side", "type", "time_in_force", "text"):
            wanted = getattr(order, key)
            self.judge.must(wanted is None or row[key] == wanted, f"{key} of a new order is {row[key]}, not {wanted}")
        self.judge.must(order.type == "limit" or Decimal(row["price"]) == 0, f"price of a market order is {row['price']}, not 0")
        for key in ("amount", "price"):
            wanted = getattr(order, key)
            self.judge.must(wanted is None or Decimal(row[key]) == Decimal(wanted), f"{key} of a new order is {row[key]}, not {wanted}")
        return self.note(row)

    def note(self, row):
        """Keeps the latest state of an order."""
        self.judge.all_of(ledger.check_order(row))
        self.orders[row["id"]] = row
        return row

    def read(self, row):
        """The order as the venue sees it now."""
        return self.note(self.call(self.spot.get_order, row["id"], row["currency_pair"], shape=shapes.ORDER))

    def cancel(self, row):
        gone = self.note(self.call(self.spot.cancel_order, row["id"], row["currency_pair"], shape=shapes.ORDER))
        self.judge.must(gone["update_time_ms"] > gone["create_time_ms"], "update_time_ms of a cancelled order is that of its creation")
        return gone

    def book(self, pair, limit=20):
        book = self.call(self.spot.list_order_book, pair, limit=limit, with_id=True, shape=shapes.ORDER_BOOK_WITH_ID)
        bids, asks = ([Decimal(price) for price, _ in book[side]] for side in ("bids", "asks"))
        self.judge.must(bids == sorted(bids, reverse=True) and asks == sorted(asks), f"{pair}: the book is not sorted")
        self.judge.must(not bids or not asks or bids[0] < asks[0], f"{pair}: the book is crossed")
        self.judge.must(len(bids) <= limit and len(asks) <= limit, f"{pair}: more levels than asked for")
        return book

    def whole(self, pair, limit=20):
        """A book with both sides; one that was sold out is waited for."""
        return market.looked(f"{pair}: a book with both sides", lambda: self.book(pair, limit), market.both_sides)

    def touch(self, pair):
        """Best bid and ask."""
        book = self.whole(pair)
        return Decimal(book["bids"][0][0]), Decimal(book["asks"][0][0])

    def deep(self, pair, side, quote):
        """A book that offers so much quote to take from."""

        def enough(book):
            return market.offers(book["bids"], book["asks"], side == "buy", quote)

        return market.looked(f"{pair}: {quote} to {side}", lambda: self.book(pair, 100), enough)

    def stood_still(self, pair, before, own=0):
        """Nobody but the day itself changed a pair's book since the look `before`."""
        return market.stood_still(before["id"], self.book(pair, 1)["id"], own)

    def taking(self, pair, side, quote, kind="ioc", place=None, **more):
        """An order through the touch, with its limit price: filled whole, or what the venue made of it where nobody else came in between."""

        def once():
            self.placing.wait(pair)
            before = self.deep(pair, side, quote)
            price = self.price(pair, market.through(before["bids"], before["asks"], side == "buy"))
            try:
                row = (place or self.place_taking)(pair, side, quote, kind, price, **more)
            except GateApiException as error:
                # A fill-or-kill that is not filled, and a market order that finds nobody.
                if error.label not in ("FOK_NOT_FILL", "ORDER_BOOK_NOT_FOUND") or self.stood_still(pair, before):
                    raise
                return None
            if row.get("finish_as", "filled") == "filled":
                return row, price
            after = self.book(pair, 1)
            own = self.call(self.spot.list_my_trades, currency_pair=pair, order_id=row["id"], shape=[shapes.TRADE])
            if market.stood_still(before["id"], after["id"], len(own) + (row["status"] == "open")):
                return row, price
            if row["status"] == "open":
                cancel_or_read(self, row)
            return None

        return market.asked_again(f"{pair}: a {kind} {side}", once)

    def place_taking(self, pair, side, quote, kind, price, tif=None):
        """An order that takes, of its kind: `market`, or a time in force at this price."""
        if kind == "market" and side == "buy":
            return self.place(pair, side, f"{quote}.37", tif=tif or "ioc", kind="market", paced=True)
        if kind == "market":
            return self.place(pair, side, self.amount(pair, quote, price), tif=tif or "ioc", kind="market", paced=True)
        return self.place(pair, side, self.amount(pair, quote, price), price, tif=kind, paced=True)

    def resting(self, pair, side="buy", quote=40, away="0.03", **more):
        """An order far from the touch."""
        bid, ask = self.touch(pair)
        price = self.price(pair, bid * (1 - Decimal(away)) if side == "buy" else ask * (1 + Decimal(away)))
        row = self.place(pair, side, self.amount(pair, quote, price), price, **more)
        self.rested.add(row["id"])
        self.judge.equal(row["status"], "open", "status of a resting order")
        return row

    def beyond(self, pair):
        """A base amount that the quote balance does not pay for, though the pair's own rules allow it."""
        return self.amount(pair, 2_000_000, self.touch(pair)[0])

    def accounts(self):
        rows = self.call(self.spot.list_spot_accounts, shape=[shapes.ACCOUNT])
        for row in rows:
            before = self.versions.get(row["currency"], 0)
            self.judge.must(row["update_id"] >= before, f"{row['currency']}: update_id fell from {before} to {row['update_id']}")
            self.versions[row["currency"]] = row["update_id"]
        return rows


# ------------------------------------------------------------------------------------------------------------------ reading


def reference(day):
    """What every client reads when it starts."""
    judge, spot = day.judge, day.spot
    bracket = market.Bracket()
    server = day.call(spot.get_system_time, shape=shapes.TIME)["server_time"]
    judge.must(bracket.holds(server), "the venue's clock is more than two seconds off")
    day.rules = {row["id"]: row for row in day.call(spot.list_currency_pairs, shape=[shapes.PAIR])}
    day.pairs = [name for name in ("BTC_USDT", "ETH_USDT", "SOL_USDT", "XRP_USDT") if name in day.rules]
    judge.equal(len(day.pairs), 4, "the number of pairs of the day")
    currencies = {row["currency"]: row for row in day.call(spot.list_currencies, shape=[shapes.CURRENCY])}
    for name, rule in day.rules.items():
        judge.equal(day.call(spot.get_currency_pair, name, shape=shapes.PAIR), rule, f"{name} alone")
        judge.must({rule["base"], rule["quote"]} <= currencies.keys(), f"{name}: an asset is not among the currencies")
    for name, row in currencies.items():
        judge.equal(day.call(spot.get_currency, name, shape=shapes.CURRENCY), row, f"currency {name} alone")
        chains = day.call(day.wallet.list_currency_chains, name, shape=shapes.CHAINS)
        judge.must({chain["name"] for chain in row["chains"]} <= {chain["chain"] for chain in chains}, f"{name}: its chains differ")
    # Cancelled without a fill, this order is forgotten before the day ends.
    day.early = day.cancel(day.resting("BTC_USDT", away="0.06"))
    day.early_at = time.monotonic()


def private_facts(day):
    """Who the key is and what it may."""
    judge, user = day.judge, None
    user = day.call(day.account.get_account_detail, shape=shapes.DETAIL)["user_id"]
    keys = day.call(day.account.get_account_main_keys)
    judge.all_of(f"main_keys: {fault}" for fault in shapes.faults(keys if isinstance(keys, list) else [keys], shapes.KEYS))
    day.call(day.account.get_account_rate_limit)
    day.call(day.account.get_debit_fee, shape=shapes.DEBIT_FEE)
    fee = day.call(day.spot.get_fee, shape=shapes.SPOT_FEE)
    judge.equal(fee["user_id"], user, "user_id of the fee")
    one = day.call(day.wallet.get_trade_fee, shape=shapes.WALLET_FEE)
    batch = day.call(day.spot.get_batch_spot_fee, ",".join(day.pairs))
    judge.equal(sorted(batch), sorted(day.pairs), "the pairs of batch_fee")
    for pair in day.pairs:
        own = (day.call(day.spot.get_fee, currency_pair=pair), day.call(day.wallet.get_trade_fee, currency_pair=pair))
        for row in (*own, batch[pair], one):
            judge.all_of(shapes.faults(row, {"taker_fee": shapes.decimal, "maker_fee": shapes.decimal}, f"fee of {pair}"))
            judge.equal(row["taker_fee"], fee["taker_fee"], f"taker fee of {pair}")
    statuses = day.call(day.wallet.list_withdraw_status, shape=shapes.WITHDRAW_STATUS)
    for row in statuses[:3]:
        alone = day.call(day.wallet.list_withdraw_status, currency=row["currency"])
        judge.equal([entry["currency"] for entry in alone], [row["currency"]], "the asset asked for")
    day.call(day.wallet.get_total_balance, shape=shapes.TOTAL_BALANCE)
    day.call(day.wallet.get_total_balance, currency="BTC", shape=shapes.TOTAL_BALANCE)
    day.call(day.wallet.list_deposits, shape=[{}])
    day.call(day.wallet.list_withdrawals, shape=[{}])
    day.call(day.wallet.get_deposit_address, "USDT", shape={"currency": shapes.text})
    unified, margin = gate_api.UnifiedApi(day.client), gate_api.MarginApi(day.client)
    judge.equal(day.call(unified.get_unified_mode)["mode"], "classic", "the account mode")
    # Nothing outside the spot account of a classic account: empty answers, no refusals.
    for method in (margin.list_margin_accounts, margin.list_funding_accounts, unified.list_unified_loans, day.account.list_stp_groups):
        judge.equal(day.call(method), [], f"{method.__name__} of a classic account")
    judge.equal(day.call(day.spot.list_spot_price_triggered_orders, "open"), [], "trigger orders")
    for row in day.accounts():
        alone = day.call(day.spot.list_spot_accounts, currency=row["currency"], shape=[shapes.ACCOUNT])
        judge.equal([entry["currency"] for entry in alone], [row["currency"]], "the account asked for")


# ------------------------------------------------------------------------------------------------------------------ trading


def takers(day):
    """Orders that take, of every type, looked up by every key."""
    for number in range(48):
        pair = day.pairs[number % 4]
        side = ("buy", "sell")[(number // 4) % 2]
        kind = ("ioc", "fok", "gtc", "market")[(number // 8) % 4]
        quote = day.random.randint(10, 250)
        row, price = day.taking(pair, side, quote, kind, **({"tif": ("ioc", "fok")[number % 2]} if (kind, side) == ("market", "sell") else {}))
        day.judge.equal((row["status"], row["finish_as"]), ("closed", "filled"), f"a {kind} {side} through the touch of {pair}")
        if kind != "market":
            worst = Decimal(row["avg_deal_price"])
            day.judge.must(worst <= Decimal(price) if side == "buy" else worst >= Decimal(price), f"{pair}: filled beyond its limit")
        again = day.read(row)
        for key in ("status", "filled_total", "left"):
            day.judge.equal(again[key], row[key], f"{key} of the order read again")
        by_text = day.call(day.spot.get_order, row["text"], pair, shape=shapes.ORDER)
        day.judge.equal(by_text["id"], row["id"], "the order found by its text")
        own = day.call(day.spot.list_my_trades, currency_pair=pair, order_id=row["id"], shape=[shapes.TRADE])
        day.judge.all_of(ledger.check_orders({row["id"]: again}, own))
        day.judge.must(own and all(trade["role"] == "taker" and trade["text"] == row["text"] for trade in own), "trades of a taker")
    for pair in day.pairs:
        mine = day.call(day.spot.list_my_trades, currency_pair=pair, limit=5, shape=[shapes.TRADE])
        told = public_since(day, pair, min(int(trade["id"]) for trade in mine))
        for trade in mine:
            public = told.get(trade["id"])
            if day.judge.must(public is not None, f"{pair}: own trade {trade['id']} is not among the public trades"):
                same = all(public[key] == trade[key] for key in ("amount", "price", "side", "sequence_id"))
                day.judge.must(same, f"{pair}: the public trade {public} differs from the own trade {trade}")


def modes(day):
    """What an answer holds by `action_mode`, and the text of an order without one."""
    pair = "XRP_USDT"
    for mode, names in (("ACK", {"id", "text", "amend_text"}), ("RESULT", None), ("FULL", None)):
        said = {}

        def with_mode(pair, side, quote, tif, price, mode=mode, said=said):
            order = day.order(pair, side, day.amount(pair, quote, price), price, tif, action_mode=mode)
            # The SDK's own model refuses an answer that lacks the pair: it is asked for the plain answer.
            said["row"] = day.call(day.spot.create_order, order, _preload_content=False)
            day.judge.orders += 1
            return day.read({"id": said["row"]["id"], "currency_pair": pair})

        again, _ = day.taking(pair, "buy", 20, place=with_mode)
        row = said["row"]
        day.judge.must(names is None or set(row) == names, f"action_mode {mode}: the answer names {sorted(row)}")
        if mode == "FULL":
            day.judge.all_of(shapes.faults(row, shapes.ORDER))
        if mode != "ACK":
            day.judge.equal(row["finish_as"], "filled", f"finish_as with action_mode {mode}")
        day.judge.equal(again["finish_as"], "filled", f"the order placed with {mode}")
    bid, _ = day.touch(pair)
    row = day.place(pair, "buy", day.amount(pair, 20, bid), day.price(pair, bid * Decimal("0.97")), text=None)
    day.rested.add(row["id"])
    day.judge.equal(row["text"], "apiv4", "text of an order that was placed without one")
    day.cancel(row)


def remainders(day):
    """Orders that take a part: the rest of an IOC is cancelled, the rest of a GTC rests."""
    for pair in day.pairs:
        price, first = best_ask(day, pair)
        much = str(Decimal(first) * 3 + Decimal(day.rules[pair]["min_base_amount"] or "0"))
        row = day.place(pair, "buy", much, price, tif="ioc")
        if row["status"] == "cancelled":
            day.judge.equal(row["finish_as"], "ioc", "finish_as of an IOC with a remainder")
        row = partly_filled(day, pair)
        if row is None:
            continue
        filled = Decimal(row["filled_amount"])
        less = str((filled * Decimal("0.8")).quantize(Decimal(1).scaleb(-day.rules[pair]["amount_precision"]), ROUND_UP))
        try:
            day.placing.wait(pair)
            patch = gate_api.OrderPatch(amount=less)
            row = day.note(day.call(day.spot.amend_order, row["id"], patch, currency_pair=pair, shape=shapes.ORDER))
            day.judge.must(row["status"] != "open", "amending below the filled amount must end the order")
        except GateApiException as error:
            # The market may have filled the rest meanwhile.
            day.judge.must(error.label in ("ORDER_CLOSED", "ORDER_FINISHED"), f"amending below the filled amount: {error.label}")
            day.read(row)


def best_ask(day, pair):
    """The best ask and its amount; one that is worth too much for the account is let go."""

    def small(book):
        return book["asks"] and Decimal(book["asks"][0][0]) * Decimal(book["asks"][0][1]) <= WHOLE_LEVEL_MAX

    return market.looked(f"{pair}: a best ask that the account can pay for", lambda: day.book(pair), small)["asks"][0]


def partly_filled(day, pair):
    """A resting order with a part filled that is worth more than the least notional; None if the market never leaves one."""
    for _ in range(6):
        price, first = best_ask(day, pair)
        row = day.read(day.place(pair, "buy", str(Decimal(first) * 2), price))
        if row["status"] == "open" and Decimal(row["filled_total"]) > 10:
            return row
        if row["status"] == "open":
            cancel_or_read(day, row)
    return None


def makers(day):
    """Post-only orders at the touch, amended after the market until they are filled."""
    rows = []
    for pair in day.pairs:
        for side in ("buy", "sell"):
            bid, ask = day.touch(pair)
            price = day.price(pair, bid if side == "buy" else ask)
            try:
                rows.append(day.place(pair, side, day.amount(pair, 30, price), price, tif="poc"))
            except GateApiException as error:
                day.judge.equal(error.label, "POC_FILL_IMMEDIATELY", "a post-only order at a touch that moved")
    # A slow machine goes round less often within the time.
    deadline, rounds = time.monotonic() + PATIENCE_SECONDS, 0
    while rows and (time.monotonic() < deadline or rounds < PATIENCE_ROUNDS):
        rounds += 1
        for row in list(rows):
            row = day.read(row)
            if row["status"] != "open":
                rows = [other for other in rows if other["id"] != row["id"]]
                continue
            bid, ask = day.touch(row["currency_pair"])
            better = day.price(row["currency_pair"], bid if row["side"] == "buy" else ask)
            if Decimal(better) != Decimal(row["price"]):
                follow(day, row, better)
    for row in rows:
        cancel_or_read(day, row)
    filled = [row for row in day.orders.values() if row["time_in_force"] == "poc" and row["status"] == "closed"]
    day.judge.must(filled, "no post-only order at the touch was ever filled")


def follow(day, row, price):
    """Amends a post-only order; it may have ended, or the new price may take."""
    try:
        day.placing.wait(row["currency_pair"])
        patch = gate_api.OrderPatch(price=price)
        day.note(day.call(day.spot.amend_order, row["id"], patch, currency_pair=row["currency_pair"], shape=shapes.ORDER))
    except GateApiException as error:
        allowed = ("POC_FILL_IMMEDIATELY", "ORDER_CLOSED", "ORDER_FINISHED", "ORDER_CANCELLED", "NO_CHANGE")
        day.judge.must(error.label in allowed, f"amending a post-only order at the touch: {error.label} {error.message}")


def resting(day):
    """A ladder of resting orders: listings, amendments, icebergs, single and collective cancels."""
    judge, spot = day.judge, day.spot
    places = [(rung, pair, side) for rung in range(4) for pair in day.pairs for side in ("buy", "sell")]
    rows = [day.resting(pair, side, quote=40 + 5 * rung, away=f"0.0{2 + rung}") for rung, pair, side in places]
    listed = day.call(spot.list_all_open_orders, shape=shapes.OPEN_ORDERS)
    judge.equal(sorted(row["id"] for group in listed for row in group["orders"]), sorted(row["id"] for row in rows), "open_orders")
    judge.all_of(ledger.check_locked(day.accounts(), rows))
    book = day.book(rows[0]["currency_pair"], 100)
    shown = {Decimal(price): Decimal(amount) for price, amount in book["bids"]}
    judge.must(shown.get(Decimal(rows[0]["price"]), 0) >= Decimal(rows[0]["left"]), "an own resting order is not in the book")
    for group in listed:
        judge.equal(group["total"], len(group["orders"]), "total of open_orders")
    for pair in day.pairs:
        own = {row["id"] for row in rows if row["currency_pair"] == pair}
        seen = [row for page in (1, 2, 3) for row in day.call(spot.list_orders, pair, "open", page=page, limit=3, shape=[shapes.ORDER])]
        judge.equal({row["id"] for row in seen}, own, f"open orders of {pair} by pages")
        judge.equal(len(seen), len(own), f"open orders of {pair} by pages, none twice")
    for number, row in enumerate(rows[:16]):
        amend(day, row, number)
    iceberg(day)
    judge.all_of(ledger.check_locked(day.accounts(), [day.orders[row["id"]] for row in rows]))
    for row in rows[:8]:
        gone = day.cancel(row)
        judge.equal((gone["status"], gone["finish_as"]), ("cancelled", "cancelled"), "a cancelled order")
        judge.equal(day.read(row)["status"], "cancelled", "a cancelled order read again")
    by_text = rows[8]
    gone = day.note(day.call(spot.cancel_order, by_text["text"], by_text["currency_pair"]))
    judge.equal(gone["id"], by_text["id"], "the order cancelled by its text")
    left = [row for row in rows[9:]]
    first = day.pairs[0]
    swept = day.call(spot.cancel_orders, currency_pair=first, side="buy", shape=[{**shapes.ORDER, "succeeded": shapes.flag}])
    expected = {row["id"] for row in left if row["currency_pair"] == first and row["side"] == "buy"}
    judge.equal({row["id"] for row in swept}, expected, f"cancel all buys of {first}")
    swept += day.call(spot.cancel_orders, currency_pair=first)
    swept += day.call(spot.cancel_orders, shape=[{**shapes.ORDER, "succeeded": shapes.flag}])
    judge.equal({row["id"] for row in swept}, {row["id"] for row in left}, "what all the sweeps cancelled")
    for row in swept:
        judge.equal(row["succeeded"], True, "succeeded of a sweep")
        judge.must(row["update_time_ms"] > row["create_time_ms"], "update_time_ms of a swept order is that of its creation")
        day.note(row)
    judge.equal(day.call(spot.list_all_open_orders, shape=shapes.OPEN_ORDERS), [], "open orders after the sweep")
    judge.all_of(ledger.check_idle(day.accounts()))


def amend(day, row, number):
    """Price, amount up, amount down, or both; the locked balance follows."""
    pair, price, amount = row["currency_pair"], Decimal(row["price"]), Decimal(row["amount"])
    away = Decimal("0.995") if row["side"] == "buy" else Decimal("1.005")
    wanted = [
        {"price": day.price(pair, price * away)},
        {"amount": str(amount * 2)},
        {"amount": day.amount(pair, 20, price)},
        {"price": day.price(pair, price * away), "amount": str(amount * 3), "amend_text": "t-amended"},
    ][number % 4]
    day.placing.wait(pair)
    if number % 2:
        patch = gate_api.OrderPatch(currency_pair=pair, account="spot", **wanted)
        new = day.call(day.spot.amend_order, row["id"], patch, shape=shapes.ORDER)
    else:
        new = day.call(day.spot.amend_order, row["id"], gate_api.OrderPatch(**wanted), currency_pair=pair, shape=shapes.ORDER)
    for key, value in wanted.items():
        if key == "amend_text":
            day.judge.equal(new[key], value, "amend_text of an amended order")
        else:
            day.judge.equal(Decimal(new[key]), Decimal(value), f"{key} of an amended order")
    day.judge.must(new["update_time_ms"] > new["create_time_ms"], "update_time_ms of an amended order is that of its creation")
    day.judge.equal((new["id"], new["status"], new["text"]), (row["id"], "open", row["text"]), "an amended order")
    again = day.read(row)
    day.judge.equal((again["price"], again["amount"]), (new["price"], new["amount"]), "an amended order read again")


def iceberg(day):
    """Only the visible part stands in the book. The market may fill it, or come to stand at its price, too: then it is asked again."""
    pair = "ETH_USDT"
    tick = Decimal(1).scaleb(-day.rules[pair]["precision"])

    def once():
        before = market.looked(f"{pair}: a gap between two bids", lambda: day.book(pair), lambda book: gap_of(book, tick) is not None)
        price = gap_of(before, tick)
        row = day.place(pair, "buy", "0.5", str(price), iceberg="0.05")
        day.judge.equal(Decimal(row["iceberg"]), Decimal("0.05"), "the visible part of an iceberg")
        book = day.book(pair, 100)
        shown = {Decimal(level): Decimal(amount) for level, amount in book["bids"]}.get(price)
        cancel_or_read(day, row)
        alone = shown == Decimal("0.05")
        return shown if alone or market.stood_still(before["id"], book["id"], 1) else None

    shown = market.asked_again(f"{pair}: an iceberg", once)
    day.judge.equal(shown, Decimal("0.05"), "what the book shows of an iceberg whose visible part is 0.05")


def gap_of(book, tick):
    """A price between two bids behind the third, one tick below the upper; None without one."""
    bids = [Decimal(price) for price, _ in book["bids"]]
    return next((bids[n] - tick for n in range(3, len(bids) - 1) if bids[n] - bids[n + 1] > tick), None)


def batches(day):
    """Batch orders in four markets with one bad row, batch amendments, batch cancels."""
    judge, spot = day.judge, day.spot
    orders = []
    for pair in day.pairs:
        bid, _ = day.touch(pair)
        for rung in range(4):
            price = day.price(pair, bid * (1 - Decimal(4 + rung) / 100))
            orders.append(day.order(pair, "buy", day.amount(pair, 25, price), price))
    orders[5].amount = day.beyond(orders[5].currency_pair)
    # The whole batch counts when it is sent: a second of its own.
    time.sleep(1.1)
    for pair in day.pairs:
        day.placing.wait(pair, 4)
    rows = day.call(spot.create_batch_orders, orders, shape=[shapes.BATCH_ROW])
    judge.equal([row["text"] for row in rows], [order.text for order in orders], "texts of a batch, in order")
    judge.equal([row["succeeded"] for row in rows], [number != 5 for number in range(16)], "succeeded of a batch")
    judge.equal(rows[5].get("label"), "BALANCE_NOT_ENOUGH", "label of the row that is too large")
    good = [row for row in rows if row["succeeded"]]
    judge.orders += len(good)
    for row in good:
        judge.all_of(f"batch_orders: {fault}" for fault in shapes.faults(row, shapes.ORDER))
        day.rested.add(day.note(row)["id"])
    day.placing.wait(good[0]["currency_pair"], 5)
    items = [
        gate_api.BatchAmendItem(order_id=row["id"], currency_pair=row["currency_pair"], amount=str(Decimal(row["amount"]) * 2)) for row in good[:4]
    ] + [gate_api.BatchAmendItem(order_id="1", currency_pair=day.pairs[0], amount="1")]
    amended = day.call(spot.amend_batch_orders, items, shape=[{"succeeded": shapes.flag}])
    judge.equal([row["succeeded"] for row in amended], [True] * 4 + [False], "succeeded of a batch amendment")
    judge.equal(amended[4].get("label"), "ORDER_NOT_FOUND", "label of the unknown order in a batch amendment")
    for row, old in zip(amended, good[:4]):
        judge.equal(Decimal(row["amount"]), Decimal(old["amount"]) * 2, "amount of a batch amendment")
        day.note(row)
    wanted = [gate_api.CancelBatchOrder(currency_pair=row["currency_pair"], id=row["id"]) for row in good]
    wanted[0].id = good[0]["text"]
    wanted.append(gate_api.CancelBatchOrder(currency_pair=day.pairs[0], id="1"))
    results = day.call(spot.cancel_batch_orders, wanted, shape=[shapes.CANCEL_RESULT])
    judge.equal([row["succeeded"] for row in results], [True] * len(good) + [False], "succeeded of a batch cancel")
    judge.equal(results[-1].get("label"), "ORDER_NOT_FOUND", "label of the unknown order in a batch cancel")
    for row in good:
        judge.equal(day.read(row)["status"], "cancelled", "an order of a cancelled batch")


def countdown(day):
    """The dead-man switch: armed, armed again, disarmed, fired for one market, fired for all."""
    judge = day.judge

    def arm(timeout, **named):
        bracket = market.Bracket()
        answer = day.call(day.spot.countdown_cancel_all_spot, gate_api.CountdownCancelAllSpotTask(timeout=timeout, **named))
        at = int(answer["triggerTime"])
        if timeout:
            judge.must(bracket.holds(at - timeout * 1000), f"triggerTime is {at}, {timeout} s from now were asked for")
        return at

    def fire(at):
        """Waits until the switch is due by the venue's own clock, and a while longer."""
        watch(day, 6.5)
        market.looked("the venue's clock past the switch", lambda: day.call(day.spot.get_system_time)["server_time"], lambda now: now > at + 500)

    # What an earlier try armed.
    arm(0)
    arm(0, currency_pair=day.pairs[0])
    rows = [day.resting(pair) for pair in day.pairs]
    arm(5)
    arm(30)
    watch(day, 6)
    judge.equal({day.read(row)["status"] for row in rows}, {"open"}, "orders under a switch that was armed again")
    arm(0)
    fire(arm(5, currency_pair=day.pairs[0]))
    judge.equal([day.read(row)["status"] for row in rows], ["cancelled", "open", "open", "open"], "orders after the switch of one market")
    fire(arm(5))
    judge.equal({day.read(row)["status"] for row in rows}, {"cancelled"}, "orders after the switch of all markets")
    judge.equal({day.orders[row["id"]]["finish_as"] for row in rows}, {"cancelled"}, "finish_as after the switch")
    judge.all_of(ledger.check_idle(day.accounts()))


def watch(day, span):
    """Reads market data for some seconds, as an idle trader does."""
    until = time.monotonic() + span
    last = {}
    while time.monotonic() < until:
        for pair in day.pairs:
            book = day.book(pair)
            day.judge.must(book["id"] >= last.get(pair, 0), f"{pair}: the book id fell")
            last[pair] = book["id"]
            day.call(day.spot.list_tickers, currency_pair=pair, shape=[shapes.ONE_TICKER])
            day.call(day.spot.list_trades, pair, limit=20, shape=[shapes.PUBLIC_TRADE])
        day.call(day.spot.list_all_open_orders)
        day.accounts()
        time.sleep(0.05)


def fees_in_gt(day):
    """The GT switch: fees leave the GT balance, and the fee in kind is zero."""
    judge, pair = day.judge, "ETH_USDT"

    def one(side):
        return day.taking(pair, side, 120)[0]

    before = ledger.totals(day.accounts())
    judge.must(before.get("GT", 0) > 0, "the account holds no GT, so fees can't be paid in it")
    day.call(day.account.set_debit_fee, gate_api.DebitFee(enabled=True))
    judge.equal(day.call(day.account.get_debit_fee, shape=shapes.DEBIT_FEE)["enabled"], True, "debit_fee after it was switched on")
    fee = day.call(day.wallet.get_trade_fee, shape=shapes.WALLET_FEE)
    judge.equal((fee["gt_discount"], fee["debit_fee"]), (True, 1), "gt_discount and debit_fee after the switch")
    for side in ("buy", "sell") * 3:
        row = one(side)
        judge.must(Decimal(row["fee"]) == 0 and Decimal(row["gt_fee"]) > 0, f"fee {row['fee']}, gt_fee {row['gt_fee']} with the switch on")
    day.call(day.account.set_debit_fee, gate_api.DebitFee(enabled=False))
    judge.equal(day.call(day.account.get_debit_fee)["enabled"], False, "debit_fee after it was switched off")
    for side in ("buy", "sell"):
        row = one(side)
        judge.must(Decimal(row["fee"]) > 0 and Decimal(row["gt_fee"]) == 0, f"fee {row['fee']}, gt_fee {row['gt_fee']} with the switch off")


def forgotten(day):
    """An order that was cancelled without a fill is forgotten after about a minute; one with a fill is not."""
    watch(day, max(0.0, 66 - (time.monotonic() - day.early_at)))
    unknown = ("ORDER_NOT_FOUND", "CLIENT_ID_NOT_FOUND")
    for name in (day.early["id"], day.early["text"]):
        day.refused("an order cancelled without a fill a minute ago", unknown, day.spot.get_order, name, day.early["currency_pair"])
    day.refused("cancelling it", unknown, day.spot.cancel_order, day.early["id"], day.early["currency_pair"])
    now = int(time.time())
    for side in ("buy", "sell"):
        rows = day.call(day.spot.list_orders, "SOL_USDT", "finished", side=side, _from=now - 3600, to=now, limit=50, shape=[shapes.ORDER])
        day.judge.must(rows and all(row["side"] == side and row["status"] != "open" for row in rows), f"finished {side} orders by side and time")
    none = day.call(day.spot.list_orders, "SOL_USDT", "finished", _from=now - 7200, to=now - 3600)
    day.judge.equal(none, [], "orders that finished before the day began")


def self_trades(day):
    """Self-trade prevention in a group: the newest, the oldest or both are cancelled as `stp`, and nothing trades with itself."""
    group = day.call(day.account.create_stp_group, gate_api.StpGroup(name="day"))
    day.judge.equal([row["id"] for row in day.call(day.account.list_stp_groups)], [group["id"]], "the listed groups")
    ends = {"cn": ("open", "stp"), "co": ("stp", "ioc"), "cb": ("stp", "stp")}
    for act, expected in ends.items():
        rows = meeting(day, act)
        if day.judge.must(rows is not None, f"no book was thin enough to sell through it ({act})"):
            found = tuple(row["finish_as"] for row in rows)
            day.judge.equal(found, expected, f"finish_as of the resting and the taking order with {act}")
            day.judge.equal(rows[0]["stp_act"], act, "stp_act of an order")
            day.judge.equal(Decimal(rows[0]["filled_amount"]), Decimal(0), f"what an order bought from its own account ({act})")
            day.judge.must(Decimal(rows[1]["filled_amount"]) > 0, f"the taking order took nothing before it met the own one ({act})")
            if rows[0]["status"] == "open":
                cancel_or_read(day, rows[0])


def meeting(day, act):
    """An own bid one per cent down, and a sale through all bids above it; both as they ended. None where every book was too deep.

    The market quotes on between the look at the book and the sale, the more so into a book that the last sale emptied. A sale that
    the market's own bids took whole says nothing; nor does an own bid that stood alone in the emptied book, and that somebody else
    took. It is cancelled, and the book is looked at again.
    """
    for pair in MEETING_PAIRS * MEETING_TRIES:
        held = ledger.totals(day.accounts())
        book = day.whole(pair, 100)
        price = Decimal(day.price(pair, Decimal(book["bids"][0][0]) * Decimal("0.99")))
        depth = sum(Decimal(amount) for level, amount in book["bids"] if Decimal(level) >= price)
        if depth * 2 > held[pair.split("_")[0]]:
            continue
        first = day.place(pair, "buy", day.amount(pair, 20, price), str(price), stp_act=act)
        second = day.place(pair, "sell", str(depth * 2), str(price), tif="ioc", stp_act=act)
        first = day.read(first)
        if Decimal(first["filled_amount"]) == 0 and second["finish_as"] == "filled":
            cancel_or_read(day, first)
            continue
        if Decimal(first["filled_amount"]) > 0:
            # A trade of the account with itself stands under both orders.
            both = [{trade["id"] for trade in day.call(day.spot.list_my_trades, currency_pair=pair, order_id=row["id"])} for row in (first, second)]
            if not both[0] & both[1]:
                if first["status"] == "open":
                    cancel_or_read(day, first)
                continue
        return first, second
    return None


# ---------------------------------------------------------------------------------------------------------------- the ledger


def paged(day, method, limit, **named):
    """All rows of a paged listing."""
    rows, page = [], 1
    while True:
        part = day.call(method, page=page, limit=limit, **named)
        rows += part
        if len(part) < limit:
            return rows
        page += 1


def closing(day, start, began, opening):
    """All orders closed: the ledger must be exact."""
    judge, spot = day.judge, day.spot
    day.call(spot.cancel_orders)
    judge.equal(day.call(spot.list_all_open_orders), [], "open orders at the end")
    trades = paged(day, spot.list_my_trades, 50, _from=began, to=int(time.time()) + 1)
    judge.all_of(fault for trade in trades for fault in shapes.faults(trade, shapes.TRADE, "my_trades"))
    judge.equal(len({trade["id"] for trade in trades}), len(trades), "distinct trades")
    by_pair = [trade for pair in day.pairs for trade in paged(day, spot.list_my_trades, 1000, currency_pair=pair)]
    judge.equal({trade["id"] for trade in by_pair}, {trade["id"] for trade in trades}, "trades by pair")
    trades = judge.told(trades)
    for row in list(day.orders.values()):
        if Decimal(row["filled_amount"]) > 0 or row["status"] == "open":
            judge.must(day.read(row)["status"] != "open", f"order {row['id']} is open at the end")
    judge.all_of(ledger.check_orders(day.orders, trades))
    for pair in day.pairs:
        for row in paged(day, spot.list_orders, 100, currency_pair=pair, status="finished"):
            judge.must(row["id"] in day.orders, f"order {row['id']} is listed as finished, but was never placed")
            judge.equal(row["filled_total"], day.orders.get(row["id"], row)["filled_total"], f"filled_total of the finished order {row['id']}")
    fees = day.call(day.wallet.get_trade_fee)
    gt = [row for row in day.call(spot.list_tickers) if row["currency_pair"] == "GT_USDT"]
    judge.all_of(ledger.check_fee_rates(trades, fees, Decimal(gt[0]["last"]) if gt else None))
    accounts = day.accounts()
    final, moved = ledger.totals(accounts), ledger.moved_by(trades)
    judge.assets = len(final)
    judge.all_of(ledger.check_idle(accounts))
    judge.all_of(ledger.check_balances(start, moved, final))
    judge.all_of(ledger.check_that_comparison_bites(start, moved, final) if not judge.differences else [])
    book = [row for row in paged(day, spot.list_spot_account_book, 100, _from=began, to=int(time.time()) + 1) if row["id"] not in opening]
    judge.all_of(fault for row in book for fault in shapes.faults(row, shapes.BOOK_ENTRY, "account_book"))
    judge.all_of(f"account book: {line}" for line in ledger.check_account_book(book, start, final))
    for asset in final:
        own = [row for row in paged(day, spot.list_spot_account_book, 1000, currency=asset, _from=began) if row["id"] not in opening]
        judge.equal({row["id"] for row in own}, {row["id"] for row in book if row["currency"] == asset}, f"account book of {asset}")


def day(simulated, judge, seed):
    """The day, from the first read to the last digit."""
    check_unmodified("gate-api", VERSION)
    today = Day(simulated, judge, seed)
    began = int(time.time()) - 1
    start = ledger.totals(today.accounts())
    # What the account was opened with may stand in its book.
    opening = {row["id"] for row in paged(today, today.spot.list_spot_account_book, 100, _from=began - 3600)}
    for part in (reference, private_facts, market_data, takers, modes, remainders, makers, resting, batches, fees_in_gt, countdown):
        today.step(part)
        simulated.check_alive()
    for part in gate_refusals.PARTS:
        today.step(part)
        simulated.check_alive()
    judge.must(isinstance(sdk_client.time, types.ModuleType), "the SDK's clock was left wrong")

    def close(today):
        closing(today, start, began, opening)

    today.step(self_trades)
    today.step(forgotten)
    today.step(close)


if __name__ == "__main__":
    sys.exit(run_day(__doc__, day, calls=1200))
