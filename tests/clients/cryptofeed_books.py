#!/usr/bin/env python3
"""`cryptofeed`'s Gate feed against `crossgate sim`, only its endpoints changed: books kept from updates, held against REST copies.

    cryptofeed_books.py CROSSGATE [--seed N]

Run by hand, not in CI: cryptofeed is compiled on installation. For half a minute it keeps four books from
`spot.order_book_update` and its own REST seed, beside trades, tickers and candles; every REST copy that carries the id of a kept
book must equal it to the digit, and the feed must never have missed an update. The feed takes `wss` only, so this is also a
client of the simulator's TLS. Exit code 0: so it is. 1: not.
Needs: pip install cryptofeed==2.4.1
"""

import asyncio
import json
import logging
import os
import sys
import urllib.request
from collections import Counter
from decimal import Decimal

from simulated import check_unmodified, run_day

VERSION = "2.4.1"
SYMBOLS = ("BTC-USDT", "ETH-USDT", "SOL-USDT", "XRP-USDT")
WATCHED_SECONDS = 30
DEPTH = 20


class Warnings(logging.Handler):
    """What the feed itself complains of."""

    def __init__(self, judge):
        super().__init__(logging.WARNING)
        self.judge = judge

    def emit(self, record):
        self.judge.differs(f"the feed says: {record.getMessage()}")


def copy_of(venue, symbol):
    """A REST copy of a book with its id."""
    url = f'{venue["rest"]}/api/v4/spot/order_book?currency_pair={symbol.replace("-", "_")}&limit={DEPTH}&with_id=true'
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


async def watch(venue, judge):
    """Runs the feed and compares."""
    # Not before the authority is known: `aiohttp` makes its TLS context when it is imported.
    from cryptofeed import FeedHandler
    from cryptofeed.connection import RestEndpoint, WebsocketEndpoint
    from cryptofeed.defines import CANDLES, L2_BOOK, TICKER, TRADES
    from cryptofeed.exchanges import Gateio

    heard, states = Counter(), {symbol: {} for symbol in SYMBOLS}
    # The endpoints are attributes of the class; its routes stay what they are.
    Gateio.websocket_endpoints = [WebsocketEndpoint(venue["ws"], options=Gateio.websocket_endpoints[0].options)]
    Gateio.rest_endpoints = [RestEndpoint(venue["rest"], routes=Gateio.rest_endpoints[0].routes)]

    async def on_book(book, _):
        heard["books"] += 1
        number = book.sequence_number or feed.last_update_id.get(book.symbol)
        sides = [
            [(Decimal(price), Decimal(levels[price])) for price in sorted(levels.keys(), reverse=down)[:DEPTH]]
            for levels, down in ((book.book.bids, True), (book.book.asks, False))
        ]
        # A side may be sold out for a beat.
        judge.must(not sides[0] or not sides[1] or sides[0][0][0] < sides[1][0][0], f"{book.symbol}: crossed at {number}")
        states[book.symbol][number] = sides

    async def on_trade(trade, _):
        heard["trades"] += 1
        judge.must(trade.price > 0 and trade.amount > 0 and trade.side in ("buy", "sell"), f"a trade of {trade.symbol}: {trade}")

    async def on_ticker(ticker, _):
        heard["tickers"] += 1
        judge.must(ticker.bid < ticker.ask, f"{ticker.symbol}: the ticker is crossed")

    async def on_candle(candle, _):
        heard["candles"] += 1
        judge.must(candle.low <= min(candle.open, candle.close) <= candle.high, f"a candle of {candle.symbol}: {candle}")

    callbacks = {L2_BOOK: on_book, TRADES: on_trade, TICKER: on_ticker, CANDLES: on_candle}
    feed = Gateio(symbols=list(SYMBOLS), channels=list(callbacks), callbacks=callbacks, candle_interval="1m")
    logging.getLogger("feedhandler").addHandler(Warnings(judge))
    handler = FeedHandler(config={"log": {"disabled": True}})
    handler.add_feed(feed)
    handler.run(start_loop=False, install_signal_handlers=False)
    await asyncio.sleep(3)
    equal = Counter()
    for _ in range(WATCHED_SECONDS * 2):
        for symbol in SYMBOLS:
            copy = await asyncio.to_thread(copy_of, venue, symbol)
            judge.count_http()
            await asyncio.sleep(0.12)
            kept = states[symbol].get(copy["id"])
            if kept is not None:
                stated = [[(Decimal(price), Decimal(amount)) for price, amount in copy[side]] for side in ("bids", "asks")]
                judge.must(kept == stated, f"{symbol}: the book kept at {copy['id']} differs from its REST copy")
                equal[symbol] += 1
    judge.frames = sum(heard.values())
    for kind in ("books", "trades", "tickers", "candles"):
        judge.must(heard[kind] > 0, f"no {kind} were heard")
    for symbol in SYMBOLS:
        judge.must(equal[symbol] > 0, f"{symbol}: no REST copy had the id of a kept book")
    print(f"{dict(heard)} heard; equal copies: {dict(equal)}")
    await handler.stop_async(loop=asyncio.get_running_loop())


def day(simulated, judge, _seed):
    """Half a minute of books."""
    check_unmodified("cryptofeed", VERSION)
    # The simulator's own authority; TLS contexts and `requests` read it from here.
    os.environ["SSL_CERT_FILE"] = os.environ["REQUESTS_CA_BUNDLE"] = simulated.venues[0]["ca_file"]
    asyncio.run(watch(simulated.venues[0], judge))


if __name__ == "__main__":
    sys.exit(run_day(__doc__, day, calls=100, tls=True))
