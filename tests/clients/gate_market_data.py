"""Market data of Gate as the official SDK reads it: tickers, books, trades and candlesticks, by every parameter.

A part of `gate_day.py`; start at `market_data`.
"""

import time
from decimal import Decimal

import market
import shapes

INTERVALS = ("1s", "10s", "1m", "5m", "15m", "30m", "1h", "4h", "8h", "1d", "7d", "30d")


def market_data(day):
    """Tickers, books, trades, candlesticks: every parameter."""
    judge, spot = day.judge, day.spot
    tickers = day.call(spot.list_tickers, shape=[shapes.TICKER])
    judge.equal(sorted(row["currency_pair"] for row in tickers), sorted(day.rules), "the pairs of the tickers")
    for zone in ("utc0", "utc8", "all"):
        day.call(spot.list_tickers, timezone=zone, shape=[shapes.TICKER])
    for pair in day.pairs:
        ticker = market.looked(
            f"{pair}: a ticker with both prices",
            lambda: day.call(spot.list_tickers, currency_pair=pair, shape=[shapes.ONE_TICKER])[0],
            lambda row: row["highest_bid"] and row["lowest_ask"],
        )
        judge.must(Decimal(ticker["highest_bid"]) < Decimal(ticker["lowest_ask"]), f"{pair}: the ticker is crossed")
        for limit in (1, 2, 5, 10, 50, 100):
            day.book(pair, limit)
        # Both sides may be thinner than that for a beat, but none is ever longer.
        plain = market.looked(
            f"{pair}: ten levels by default",
            lambda: day.call(spot.list_order_book, pair, shape=shapes.ORDER_BOOK),
            lambda book: max(len(book["bids"]), len(book["asks"])) >= 10,
        )
        judge.must("id" not in plain, f"{pair}: the book has an id that was not asked for")
        judge.equal(max(len(plain["bids"]), len(plain["asks"])), 10, f"{pair}: levels by default")
        ids = [day.book(pair, 5)["id"] for _ in range(3)]
        judge.equal(ids, sorted(ids), f"{pair}: book ids in order")
        tick = Decimal(1).scaleb(1 - day.rules[pair]["precision"])
        grouped = day.call(spot.list_order_book, pair, interval=str(tick), limit=10, shape=shapes.ORDER_BOOK)
        for price, _ in grouped["bids"] + grouped["asks"]:
            judge.must(Decimal(price) % tick == 0, f"{pair}: {price} is not grouped by {tick}")
        for interval in INTERVALS:
            candles(day, pair, interval)
        trades(day, pair)


def candles(day, pair, interval):
    """Candlesticks by count and by time."""
    rows = day.call(day.spot.list_candlesticks, pair, interval=interval, limit=20, shape=[shapes.CANDLE])
    times = [int(row[0]) for row in rows]
    day.judge.must(times == sorted(set(times)) and len(times) <= 20, f"{pair} {interval}: candles out of order")
    for row in rows:
        close, high, low, open_ = map(Decimal, row[2:6])
        day.judge.must(low <= min(open_, close) and high >= max(open_, close), f"{pair} {interval}: a candle beyond its high or low: {row}")
    if interval == "1m":
        now = int(time.time())
        rows = day.call(day.spot.list_candlesticks, pair, interval=interval, _from=now - 600, to=now, shape=[shapes.CANDLE])
        for row in rows:
            day.judge.must(now - 660 <= int(row[0]) <= now, f"{pair}: a candle outside the time asked for")


def trades(day, pair):
    """Public trades: newest first, paged, by time."""
    rows = day.call(day.spot.list_trades, pair, limit=100, shape=[shapes.PUBLIC_TRADE])
    ids = [int(row["id"]) for row in rows]
    day.judge.must(ids == sorted(set(ids), reverse=True), f"{pair}: trades are not newest first")
    day.judge.must(len(day.call(day.spot.list_trades, pair, limit=5)) <= 5, f"{pair}: more trades than asked for")
    # Until a second that is over by any clock: a trade that came between the two calls would move a row to the next page.
    until = int(time.time()) - 3
    first = day.call(day.spot.list_trades, pair, limit=10, page=1, _from=until - 3600, to=until, shape=[shapes.PUBLIC_TRADE])
    second = day.call(day.spot.list_trades, pair, limit=10, page=2, _from=until - 3600, to=until, shape=[shapes.PUBLIC_TRADE])
    day.judge.must(not {row["id"] for row in first} & {row["id"] for row in second}, f"{pair}: a trade stands on two pages")
    if ids:
        later = day.call(day.spot.list_trades, pair, last_id=str(ids[-1]), limit=100, shape=[shapes.PUBLIC_TRADE])
        day.judge.must(all(int(row["id"]) != ids[-1] for row in later), f"{pair}: last_id is part of its own answer")


def public_since(day, pair, first):
    """Public trades by their ids, page after page, until one is older than the trade `first`."""
    told = {}
    for page in range(1, 11):
        rows = day.call(day.spot.list_trades, pair, limit=1000, page=page, shape=[shapes.PUBLIC_TRADE])
        told |= {row["id"]: row for row in rows}
        if len(rows) < 1000 or int(rows[-1]["id"]) <= first:
            break
    return told
