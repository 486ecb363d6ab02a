"""The ledger, to the digit: balances, trades, orders and account book must tell the same story.

Only decimals that were read from text take part; a float is refused. Start at `check_balances`. All functions return a list of
sentences, one for each difference.
"""

import re
from collections import defaultdict
from decimal import Decimal, getcontext

getcontext().prec = 80

PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?")
# What `avg_deal_price` may be rounded by, relatively: it is a quotient and has no exact form.
AVERAGE_TOLERANCE = Decimal("1e-5")


def exact(text):
    """A decimal from its text; anything but plain digits is refused."""
    if type(text) is not str or not PLAIN.fullmatch(text):
        raise ValueError(f"{text!r} is no plain decimal text")
    return Decimal(text)


def effect(trade):
    """What one own trade does to the account, by asset: base, quote, and the fee in whichever asset it was taken."""
    base, quote = trade["currency_pair"].split("_")
    amount, price = exact(trade["amount"]), exact(trade["price"])
    sign = {"buy": 1, "sell": -1}[trade["side"]]
    moved = defaultdict(Decimal)
    moved[base] += sign * amount
    moved[quote] -= sign * amount * price
    moved[trade.get("fee_currency") or (base if sign > 0 else quote)] -= exact(trade["fee"])
    moved["GT"] -= exact(trade["gt_fee"])
    moved["POINT"] -= exact(trade["point_fee"])
    return moved


def totals(accounts):
    """Asset → available + locked, of rows of `/spot/accounts`."""
    return {row["currency"]: exact(row["available"]) + exact(row["locked"]) for row in accounts}


def moved_by(trades):
    """Asset → what all these trades moved."""
    moved = defaultdict(Decimal)
    for trade in trades:
        for asset, change in effect(trade).items():
            moved[asset] += change
    return moved


def check_balances(start, moved, final):
    """start + moved == final, per asset, exactly. An asset that one side does not name counts as zero there."""
    found = []
    for asset in sorted(start.keys() | moved.keys() | final.keys()):
        expected = start.get(asset, Decimal(0)) + moved.get(asset, Decimal(0))
        stated = final.get(asset, Decimal(0))
        if expected != stated:
            found.append(f"{asset}: the trades make {expected}, the account says {stated} (difference {stated - expected})")
    return found


def check_idle(accounts):
    """With all orders closed nothing may be locked."""
    return [f"{row['currency']}: {row['locked']} is locked though no order is open" for row in accounts if exact(row["locked"]) != 0]


def check_account_book(rows, start, final):
    """The changes of the account book sum to the difference of the balances; its last balance is the final one."""
    found = check_balances(start, sums(rows), final)
    ids = [row["id"] for row in rows]
    if len(set(ids)) != len(ids):
        found.append("an id stands twice in the account book")
    return found


def sums(rows):
    """Asset → sum of the changes."""
    changed = defaultdict(Decimal)
    for row in rows:
        changed[row["currency"]] += exact(row["change"])
    return changed


COMPARED = ("currency_pair", "side", "role", "amount", "price", "fee", "gt_fee", "point_fee", "text")


def check_streamed_trades(rest, streamed):
    """The trades of the private stream are those of `my_trades`: ids, orders, amounts, prices, fees."""
    found = []
    by_id = {trade["id"]: trade for trade in rest}
    told = {}
    for trade in streamed:
        name = str(trade["id"])
        if name in told:
            found.append(f"trade {name} was streamed twice")
        told[name] = trade
    for name in sorted(by_id.keys() - told.keys()):
        found.append(f"trade {name} was never streamed")
    for name in sorted(told.keys() - by_id.keys()):
        found.append(f"trade {name} was streamed but is not in my_trades")
    for name in sorted(by_id.keys() & told.keys()):
        ours, theirs = by_id[name], told[name]
        for key in COMPARED + ("order_id",):
            if as_value(ours.get(key)) != as_value(theirs.get(key)):
                found.append(f"trade {name}: {key} is {ours.get(key)!r} over REST and {theirs.get(key)!r} in the stream")
    return found


def as_value(value):
    """Decimal texts compare by value, everything else as it is."""
    return Decimal(value) if type(value) is str and PLAIN.fullmatch(value) else value


def check_order(order):
    """What one order's own fields must say, whatever happened to it (fact sheet, order response)."""
    name = f"order {order['id']} ({order['type']} {order['side']} {order['time_in_force']})"
    found = []
    amount, left = exact(order["amount"]), exact(order["left"])
    base, quote = exact(order["filled_amount"]), exact(order["filled_total"])
    in_quote = order["type"] == "market" and order["side"] == "buy"
    # The remainder stands in the unit of the amount: quote for a market buy.
    done = quote if in_quote else base
    # An amendment below what is filled ends the order with the amount that was asked for.
    if amount - left != done and not (amount < done and left == 0):
        found.append(f"{name}: amount {amount} − left {left} is not what was filled, {done}")
    if "fill_price" in order and exact(order["fill_price"]) != quote:
        found.append(f"{name}: fill_price {order['fill_price']} is an alias of filled_total {quote}")
    # An order without fills may lack its average.
    average = exact(order.get("avg_deal_price", "0"))
    if base == 0:
        if quote != 0 or average != 0:
            found.append(f"{name}: nothing is filled, but filled_total is {quote} and avg_deal_price {average}")
    elif abs(average * base - quote) > quote * AVERAGE_TOLERANCE:
        found.append(f"{name}: avg_deal_price {average} is not {quote} / {base}")
    status, finish = order.get("status"), order.get("finish_as")
    if status == "open" and finish not in ("open", "-", None):
        found.append(f"{name}: open, but finish_as is {finish}")
    if status == "closed" and finish != "filled":
        found.append(f"{name}: closed, but finish_as is {finish}")
    if status == "closed" and not in_quote and left != 0:
        found.append(f"{name}: closed, but {left} is left")
    if status == "cancelled" and finish in ("open", "filled"):
        found.append(f"{name}: cancelled, but finish_as is {finish}")
    return found


def check_orders(orders, trades):
    """Every order's filled amounts and fees are the sums of its trades; every trade belongs to a known order."""
    found = []
    by_order = defaultdict(list)
    for trade in trades:
        by_order[trade["order_id"]].append(trade)
    for name in sorted(by_order.keys() - orders.keys()):
        found.append(f"trades name order {name}, which was never placed")
    for name, order in orders.items():
        found += check_order(order)
        own = by_order.get(name, [])
        expected = {
            "filled_amount": sum((exact(t["amount"]) for t in own), Decimal(0)),
            "filled_total": sum((exact(t["amount"]) * exact(t["price"]) for t in own), Decimal(0)),
            "fee": sum((exact(t["fee"]) for t in own), Decimal(0)),
            "gt_fee": sum((exact(t["gt_fee"]) for t in own), Decimal(0)),
            "point_fee": sum((exact(t["point_fee"]) for t in own), Decimal(0)),
        }
        for key, value in expected.items():
            if exact(order[key]) != value:
                found.append(f"order {name}: {key} is {order[key]}, its {len(own)} trades sum to {value}")
        for trade in own:
            if (trade["currency_pair"], trade["side"]) != (order["currency_pair"], order["side"]):
                found.append(f"trade {trade['id']}: {trade['side']} {trade['currency_pair']} is not its order's")
            if order["time_in_force"] == "poc" and trade["role"] != "maker":
                found.append(f"trade {trade['id']}: {trade['role']}, though its order is post-only")
            if order["time_in_force"] in ("ioc", "fok") and trade["role"] != "taker":
                found.append(f"trade {trade['id']}: {trade['role']}, though its order never rests")
    return found


def check_locked(accounts, orders):
    """What is locked is exactly what the open orders may still cost: price × left of a buy, left of a sell."""
    owed = defaultdict(Decimal)
    for order in orders:
        base, quote = order["currency_pair"].split("_")
        left = exact(order["left"])
        owed[quote if order["side"] == "buy" else base] += left * exact(order["price"]) if order["side"] == "buy" else left
    locked = {row["currency"]: exact(row["locked"]) for row in accounts}
    return [
        f"{asset}: {locked.get(asset, 0)} is locked, the open orders hold {owed[asset]}"
        for asset in sorted(locked.keys() | owed.keys())
        if locked.get(asset, Decimal(0)) != owed[asset]
    ]


# A fee is a product that the venue may round to the decimals of its asset.
FEE_TOLERANCE = Decimal("1e-8")
# The price of GT at which a fee was converted is the venue's own, of some moment of the day.
GT_TOLERANCE = Decimal("0.25")


def check_fee_rates(trades, fees, gt_price):
    """Fees are those of the account's own rates: of what was received, or its worth in GT."""
    found = []
    for trade in trades:
        amount, price = exact(trade["amount"]), exact(trade["price"])
        received = amount if trade["side"] == "buy" else amount * price
        if exact(trade["gt_fee"]) == 0:
            expected = received * exact(fees[f"{trade['role']}_fee"])
            if abs(exact(trade["fee"]) - expected) > FEE_TOLERANCE:
                found.append(f"trade {trade['id']}: fee {trade['fee']}, {expected} by the {trade['role']} rate")
        elif gt_price:
            expected = amount * price * exact(fees[f"gt_{trade['role']}_fee"]) / gt_price
            if abs(exact(trade["gt_fee"]) - expected) > expected * GT_TOLERANCE:
                found.append(f"trade {trade['id']}: gt_fee {trade['gt_fee']}, about {expected} by the {trade['role']} rate")
    return found


def check_that_comparison_bites(start, moved, final):
    """Plants one unit in each final balance, and demands that exactly it is found: a check that can't fail proves nothing."""
    found = []
    for asset, value in final.items():
        one_more = {**final, asset: value + Decimal((0, (1,), value.as_tuple().exponent))}
        if len(check_balances(start, moved, one_more)) != 1:
            found.append(f"one unit more of {asset} was not found")
    return found
