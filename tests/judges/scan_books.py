#!/usr/bin/env python3
"""The judge of `scan --books`: full books walked against each other in exact arithmetic, sharing no code with crossgate.

It prints the JSON object that `crossgate scan --books FILE --fee-bps F --json` has to print.

    scan_books.py FILE FEE_BPS
"""

import json
import sys
from fractions import Fraction


def number(value):
    if isinstance(value, dict):
        return Fraction(int(value["numerator"]), int(value["denominator"]))
    return Fraction(value)


def levels(side):
    pairs = (level if isinstance(level, list) else (level["price"], level["qty"]) for level in side)
    return [(number(price), number(qty)) for price, qty in pairs]


def text(value):
    """A finite decimal as one, any other fraction as n/d."""
    twos = fives = 0
    rest = value.denominator
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    places = max(twos, fives)
    digits = str(int(value * 10**places)).rjust(places + 1, "0")
    whole, fraction = digits[: len(digits) - places], digits[len(digits) - places :].rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


def walk(asks, bids, fee):
    """Every piece of the two books is a step of a staircase: what is paid for at most this much, what is received for at least it."""
    quantity = profit = Fraction(0)
    i = j = 0
    left_ask, left_bid = (asks[0][1] if asks else 0), (bids[0][1] if bids else 0)
    while i < len(asks) and j < len(bids):
        margin = bids[j][0] * (1 - fee) - asks[i][0] * (1 + fee)
        if margin <= 0:
            break
        step = min(left_ask, left_bid)
        quantity += step
        profit += step * margin
        left_ask -= step
        left_bid -= step
        if left_ask == 0:
            i += 1
            left_ask = asks[i][1] if i < len(asks) else 0
        if left_bid == 0:
            j += 1
            left_bid = bids[j][1] if j < len(bids) else 0
    return quantity, profit


def main():
    path, fee = sys.argv[1], Fraction(sys.argv[2]) / 10_000
    with open(path, encoding="utf-8") as file:
        books = json.load(file, parse_float=str)
    edges = []
    for buy in books:
        for sell in books:
            if (buy["base"], buy["quote"]) != (sell["base"], sell["quote"]) or buy["venue"] == sell["venue"]:
                continue
            quantity, profit = walk(levels(buy["asks"]), levels(sell["bids"]), fee)
            if quantity > 0:
                edges.append(
                    {
                        "buy": {"venue": buy["venue"]},
                        "sell": {"venue": sell["venue"]},
                        "base": buy["base"],
                        "quote": buy["quote"],
                        "quantity": text(quantity),
                        "profit_quote": text(profit),
                    }
                )
    print(json.dumps({"edges": edges}))


if __name__ == "__main__":
    main()
