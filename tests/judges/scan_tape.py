#!/usr/bin/env python3
"""The judge of `scan --tape`: the definitions of docs/interface.md once more, from the raw recordings, in exact arithmetic.

It shares no code with crossgate and reads frames by itself: Binance and Gate, in plain hftbacktest and cryptofeed files. It prints
the JSON object that `crossgate scan --tape … --json` has to print, value for value.

    scan_tape.py [--thresholds-bps 5,10,15] [--latency-ms 100] venue=KIND[:ID],pair=SYMBOL,format=FORMAT[,fee_bps=F]:FILE…
"""

import json
import re
import sys
from fractions import Fraction

DOLLARS = {"USD", "USDT", "USDC", "FDUSD", "TUSD", "BUSD", "DAI", "USDD", "USDP", "GUSD", "PYUSD", "USDE", "USD1", "USDG", "RLUSD"}
DECIMALS = 18


def decimal_text(value):
    """Half to even at DECIMALS decimals, no trailing zeros. `round` of a Fraction is half to even."""
    units = round(value * 10**DECIMALS)
    sign, units = ("-" if units < 0 else ""), abs(units)
    whole, fraction = divmod(units, 10**DECIMALS)
    digits = f"{fraction:0{DECIMALS}d}".rstrip("0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


def seconds_text(nanos):
    return decimal_text(Fraction(nanos, 10**9))


class Book:
    """A book from a snapshot and changes, and the best prices of it."""

    def __init__(self):
        self.bids, self.asks, self.id, self.held, self.snapshot = {}, {}, None, [], None

    def set(self, side, levels):
        for price, qty in levels:
            if Fraction(qty) == 0:
                side.pop(Fraction(price), None)
            else:
                side[Fraction(price)] = True

    def apply(self, first, last, bids, asks):
        if last <= self.id:
            return
        assert first <= self.id + 1, f"a gap: {self.id} then {first}"
        self.set(self.bids, bids)
        self.set(self.asks, asks)
        self.id = last

    def begin(self):
        """A copy connects once a change of the stream came."""
        if self.snapshot is None or not self.held:
            return
        self.id, bids, asks = self.snapshot
        self.bids, self.asks = {}, {}
        self.set(self.bids, bids)
        self.set(self.asks, asks)
        held, self.held = self.held, []
        for change in held:
            self.apply(*change)

    def on_snapshot(self, last, bids, asks):
        if self.id is None:
            self.snapshot = (last, bids, asks)
            self.begin()

    def on_change(self, first, last, bids, asks):
        if self.id is None:
            self.held.append((first, last, bids, asks))
            self.begin()
        else:
            self.apply(first, last, bids, asks)

    def top(self):
        if self.id is None or not self.bids or not self.asks:
            return None
        return max(self.bids), min(self.asks)


def venue_name(kind, pair):
    """The venue's own name of an instrument."""
    spot, _, settle = pair.partition(":")
    base, quote = spot.split("/")
    if kind == "gate":
        return f"{base}_{quote}"
    return f"{base}{quote}" if settle in ("", quote) else f"{base}{quote}_PERP"


def binance_frame(frame, name):
    """What a frame is of: (kind, payload); None for other instruments and channels."""
    if "lastUpdateId" in frame:
        return "snapshot", (frame["lastUpdateId"], frame["bids"], frame["asks"])
    stream, data = frame.get("stream", ""), frame.get("data", {})
    if not isinstance(data, dict) or data.get("s") != name:
        return None
    channel = stream.split("@")[1] if "@" in stream else ""
    if channel == "bookTicker":
        return "top", (data["b"], data["a"])
    if channel == "depth":
        # Changes of futures name what they continue; the ids between are not this book's.
        first = data["pu"] + 1 if "pu" in data else data["U"]
        return "change", (first, data["u"], data["b"], data["a"])
    if channel in ("trade", "aggTrade"):
        return "trade", None
    return None


def gate_frame(frame, name):
    channel, result = frame.get("channel"), frame.get("result", {})
    if frame.get("event") != "update" or not isinstance(result, dict):
        return None
    if channel == "spot.order_book_update" and result.get("s") == name:
        return "change", (result["U"], result["u"], result["b"], result["a"])
    if channel == "spot.book_ticker" and result.get("s") == name:
        return "top", (result["b"], result["a"])
    if channel == "spot.trades" and result.get("currency_pair") == name:
        return "trade", None
    return None


FRAMES = {"binance": binance_frame, "gate": gate_frame}


def seconds_to_nanos(text):
    whole, _, fraction = text.partition(".")
    return int(whole) * 10**9 + int(fraction.ljust(9, "0"))


def rest_of(kind, name, url, body):
    if kind == "gate" and "/spot/order_book?" in url and f"currency_pair={name}" in re.split("[?&]", url):
        body = json.loads(body)
        return "snapshot", (body["id"], body["bids"], body["asks"])
    if kind == "binance" and "/depth?" in url and f"symbol={name}" in re.split("[?&]", url):
        body = json.loads(body)
        return "snapshot", (body["lastUpdateId"], body["bids"], body["asks"])
    return None


def read_hftbacktest(path, kind, name):
    """Every line is of the file's only instrument."""
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            at, _, frame = line.rstrip("\n").partition(" ")
            yield int(at), FRAMES[kind](json.loads(frame), name) or ("other", None)


def read_cryptofeed(path, kind, name):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            line = line.rstrip("\n")
            if re.match(r"\d", line):
                at, _, frame = line.partition(": ")
                found = FRAMES[kind](json.loads(frame), name)
            elif " -> " in line.split("{")[0].split("[")[0]:
                url, _, rest = line.partition(" -> ")
                at, _, body = rest.partition(": ")
                found = rest_of(kind, name, url, body)
            else:
                continue
            if found:
                yield seconds_to_nanos(at), found


READERS = {"hftbacktest": read_hftbacktest, "cryptofeed": read_cryptofeed}


def parse_tape(text):
    keys, _, path = re.match(r"(.*?(?:format|fee_bps)=[^,:]*)(:)(.*)", text).groups()
    fields = dict(part.split("=", 1) for part in keys.split(","))
    kind, _, identity = fields["venue"].partition(":")
    return kind, identity or kind, fields["pair"], fields["format"], fields.get("fee_bps"), path


class Stream:
    def __init__(self, kind, identity, pair):
        self.kind, self.venue, self.pair = kind, identity, pair
        self.fee, self.events = None, []

    def tops(self):
        """(time, best prices after every frame of that time, or None)."""
        self.events.sort(key=lambda event: event[0])
        ticker = any(what == "top" for _, (what, _) in self.events)
        book, top, found = Book(), None, []
        for at, (what, data) in self.events:
            if what == "top" and ticker:
                top = tuple(Fraction(price or 0) for price in data)
            elif what == "snapshot" and not ticker:
                book.on_snapshot(*data)
                top = book.top()
            elif what == "change" and not ticker:
                book.on_change(*data)
                top = book.top()
            usable = top if top and 0 < top[0] < top[1] else None
            if found and found[-1][0] == at:
                found[-1] = (at, usable)
            else:
                found.append((at, usable))
        return found


def samples(a, b):
    """(time, top of a, top of b) at each distinct time of either, once both are usable."""
    i = j = 0
    top_a = top_b = None
    while i < len(a) or j < len(b):
        at = min(a[i][0] if i < len(a) else b[j][0], b[j][0] if j < len(b) else a[i][0])
        if i < len(a) and a[i][0] == at:
            top_a, i = a[i][1], i + 1
        if j < len(b) and b[j][0] == at:
            top_b, j = b[j][1], j + 1
        if top_a and top_b:
            yield at, top_a, top_b


def runs(found, holds):
    """Maximal runs as lists of indices, and their nanoseconds."""
    episodes, nanos, inside = [], 0, False
    for index, sample in enumerate(found):
        if inside:
            nanos += sample[0] - found[index - 1][0]
        if holds[index] and not inside:
            episodes.append(index)
        inside = holds[index]
    return episodes, nanos


def total(fractions):
    """The sum, halves first."""
    while len(fractions) > 1:
        fractions = [
            (x[0] * y[1] + y[0] * x[1], x[1] * y[1]) for x, y in zip(fractions[::2], fractions[1::2])
        ] + fractions[len(fractions) // 2 * 2 :]
    return fractions[0]


def mean_basis(found):
    elapsed = found[-1][0] - found[0][0]
    by_mid = {}
    for (at, a, b), (after, _, _) in zip(found, found[1:]):
        mid = a[0] + a[1]
        by_mid[mid] = by_mid.get(mid, 0) + (after - at) * (b[0] + b[1] - mid)
    numerator, denominator = total([(weighted, mid) for mid, weighted in by_mid.items()])
    return Fraction(10_000 * numerator, denominator * elapsed)


def verdict(a, b, found, net):
    if ":" in a.pair or ":" in b.pair:
        return "not_tradable_kind"
    if a.pair.split("/")[1] != b.pair.split("/")[1]:
        return "quote_differs"
    if not found:
        return "untrusted"
    return "balance" if net else "below_fees"


def compare(a, b, tops_a, tops_b, thresholds, latency):
    # Whole numbers compare faster than fractions: one common denominator for all prices of the two streams.
    scale = 1
    for _, top in tops_a + tops_b:
        for price in top or ():
            if scale % price.denominator:
                scale *= price.denominator
    whole = lambda top: tuple(int(price * scale) for price in top)
    found = [(at, whole(x), whole(y)) for at, x, y in samples(tops_a, tops_b)]
    edges = [max((x[0], y[1]), (y[0], x[1]), key=lambda e: Fraction(*e)) for _, x, y in found]
    above = {}
    for name, threshold in thresholds:
        n, d = (1 + threshold / 10_000).as_integer_ratio()
        above[name] = runs(found, [bid * d > ask * n for bid, ask in edges])
    (keep_a, one_a), (pay_a, _) = (1 - a.fee).as_integer_ratio(), (1 + a.fee).as_integer_ratio()
    (keep_b, one_b), (pay_b, _) = (1 - b.fee).as_integer_ratio(), (1 + b.fee).as_integer_ratio()
    # The denominators of 1 − f and 1 + f are the same.
    sell_a = [x[0] * keep_a * one_b > y[1] * pay_b * one_a for _, x, y in found]
    sell_b = [y[0] * keep_b * one_a > x[1] * pay_a * one_b for _, x, y in found]
    episodes, nanos = runs(found, [p or q for p, q in zip(sell_a, sell_b)])
    captured = 0
    for start in episodes:
        later = next((k for k in range(start, len(found)) if found[k][0] >= found[start][0] + latency), None)
        if later is not None:
            captured += (sell_a[start] and sell_a[later]) or (sell_b[start] and sell_b[later])
    elapsed = found[-1][0] - found[0][0] if found else 0
    best = max((Fraction(*edge) for edge in set(edges)), default=None)
    return {
        "a": {"venue": a.venue, "pair": a.pair},
        "b": {"venue": b.venue, "pair": b.pair},
        "seconds": seconds_text(elapsed),
        "mean_basis_bps": decimal_text(mean_basis(found)) if elapsed else None,
        "edge_bps": {
            "max": None if best is None else decimal_text((best - 1) * 10_000),
            "episodes": {name: len(starts) for name, (starts, _) in above.items()},
            "seconds": {name: seconds_text(nanos) for name, (_, nanos) in above.items()},
        },
        "net": {"captured": int(captured), "episodes": len(episodes), "seconds": seconds_text(nanos)},
        "verdict": verdict(a, b, found, episodes),
    }


def main():
    arguments, thresholds, latency, streams = sys.argv[1:], "5,10,15", 100, []
    while arguments:
        argument = arguments.pop(0)
        if argument == "--thresholds-bps":
            thresholds = arguments.pop(0)
        elif argument == "--latency-ms":
            latency = int(arguments.pop(0))
        else:
            kind, identity, pair, form, fee, path = parse_tape(argument)
            stream = next((s for s in streams if (s.venue, s.pair) == (identity, pair)), None)
            if stream is None:
                stream = Stream(kind, identity, pair)
                streams.append(stream)
            if fee is not None:
                stream.fee = Fraction(fee) / 10_000
            stream.events += READERS[form](path, kind, venue_name(kind, pair))
    for stream in streams:
        if stream.fee is None:
            stream.fee = Fraction(5 if ":" in stream.pair else 10, 10_000)
    tops = [stream.tops() for stream in streams]
    named = [(text, Fraction(text)) for text in thresholds.split(",")]
    pairs = []
    for i, a in enumerate(streams):
        for j in range(i + 1, len(streams)):
            b = streams[j]
            (base_a, quote_a), (base_b, quote_b) = (s.pair.split(":")[0].split("/") for s in (a, b))
            if base_a == base_b and (quote_a == quote_b or {quote_a, quote_b} <= DOLLARS):
                pairs.append(compare(a, b, tops[i], tops[j], named, latency * 10**6))
    print(json.dumps({"pairs": pairs}))


if __name__ == "__main__":
    main()
