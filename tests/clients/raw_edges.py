#!/usr/bin/env python3
"""Requests and frames at the edges of HTTP and WebSocket against `crossgate sim`: every answer is JSON with a label and its status.

    raw_edges.py CROSSGATE [--seed N]

No client library stands between: HTTP goes out byte by byte, so that chunked bodies, HTTP/1.0, HEAD, pipelining, escapes and
broken bodies arrive as they are written here; frames go through `websockets` without compression. Nothing may hang, drop the
connection (what is too long apart) or stop the venue. Exit code 0: nothing did. 1: something, said in one sentence.
Needs: pip install websockets
"""

import asyncio
import hashlib
import hmac
import json
import socket
import sys
import time
from urllib.parse import urlparse

import websockets

from simulated import run_day

PAIR = "BTC_USDT"
PATIENCE_SECONDS = 5
API = "/api/v4"
JSON_BODY = "Content-Type: application/json\r\n"


class Wire:
    """One TCP connection that says exactly what it is told to."""

    def __init__(self, venue):
        address = urlparse(venue["rest"])
        self.socket = socket.create_connection((address.hostname, address.port), PATIENCE_SECONDS)
        self.file = self.socket.makefile("rb")

    def say(self, data):
        """Sends text as Latin-1, or bytes; a peer that has already refused may no longer read."""
        try:
            self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))
        except (BrokenPipeError, ConnectionResetError):
            pass

    def answer(self, without_body=False):
        """Status, headers and body of the next answer; interim answers (1xx) but 101 are skipped."""
        while True:
            status = int(self.file.readline().split()[1])
            headers = {}
            while (line := self.file.readline().decode("latin-1").strip()) != "":
                name, value = line.split(":", 1)
                headers[name.lower()] = value.strip()
            if status >= 200 or status == 101:
                break
        length = 0 if without_body else int(headers.get("content-length", "0"))
        return status, headers, self.file.read(length)

    def close(self):
        self.file.close()
        self.socket.close()


def ask(judge, venue, head, body=b"", without_body=False):
    """One request on a connection of its own: what stands in `head` needs no last empty line."""
    wire = Wire(venue)
    judge.count_http()
    wire.say(head.rstrip("\r\n") + "\r\nHost: simulated\r\n\r\n")
    wire.say(body)
    try:
        return wire.answer(without_body)
    finally:
        wire.close()


def signed(venue, method, path, query="", body=b"", stated_query=None):
    """Head of a signed request. `stated_query` is what goes into the signature, when that is not the query itself."""
    stamp = str(int(time.time()))
    stated = query if stated_query is None else stated_query
    text = "\n".join((method, API + path, stated, hashlib.sha512(body).hexdigest(), stamp))
    sign = hmac.new(venue["secret"].encode(), text.encode(), hashlib.sha512).hexdigest()
    target = f"{API}{path}?{query}" if query else API + path
    return f"{method} {target} HTTP/1.1\r\nKEY: {venue['key']}\r\nTimestamp: {stamp}\r\nSIGN: {sign}\r\n"


def http_edges(judge, venue):
    """Each row: request line and headers, body, status, label (none: a success)."""
    body = b'{"currency_pair":"BTC_USDT"}'
    length = f"Content-Length: {len(body)}\r\n"
    book = f"{API}/spot/order_book?limit=2&currency_pair="
    two, escaped = "currency_pairs=BTC_USDT,ETH_USDT", "currency_pairs=BTC_USDT%2CETH_USDT"
    placing = signed(venue, "POST", "/spot/orders", body=body)
    missing = "MISSING_REQUIRED_HEADER"
    rows = [
        (f"GET {API}/spot/time HTTP/1.0", b"", 200, None),
        (f"GET {API}/spot/time HTTP/1.1\r\nAccept-Encoding: gzip, deflate, br", b"", 200, None),
        (f"GET {API}/spot/time HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c", b"", 200, None),
        (f"GET {API}/spot/time HTTP/1.1\r\nAccept: text/html", b"", 406, "NOT_ACCEPTABLE"),
        (f"GET {API}/spot/time HTTP/1.1\r\n{length}", body, 200, None),
        (f"OPTIONS {API}/spot/orders HTTP/1.1", b"", 405, "METHOD_NOT_ALLOWED"),
        (f"FOO {API}/spot/time HTTP/1.1", b"", 405, "METHOD_NOT_ALLOWED"),
        (f"PUT {API}/spot/orders HTTP/1.1\r\n{length}", body, 405, "METHOD_NOT_ALLOWED"),
        ("GET / HTTP/1.1", b"", 404, "NOT_FOUND"),
        ("GET /spot/time HTTP/1.1", b"", 404, "NOT_FOUND"),
        (f"GET {API} HTTP/1.1", b"", 400, missing),
        (f"GET {API}/spot/nothing HTTP/1.1", b"", 400, missing),
        (f"GET {API}/spot/time/ HTTP/1.1", b"", 400, missing),
        (f"GET {API}//spot/time HTTP/1.1", b"", 400, missing),
        (f"GET {book}{PAIR} HTTP/1.1", b"", 200, None),
        (f"GET {book}BTC%5FUSDT HTTP/1.1", b"", 200, None),
        (f"GET {book}{PAIR}&limit=3&&=&x HTTP/1.1", b"", 200, None),
        (f"GET {book}btc_usdt HTTP/1.1", b"", 400, "INVALID_CURRENCY_PAIR"),
        (f"GET {book}%ff%zz HTTP/1.1", b"", 400, "INVALID_CURRENCY_PAIR"),
        (f"GET {API}/spot/order_book HTTP/1.1", b"", 400, "MISSING_REQUIRED_PARAM"),
        (f"GET {API}/spot/order_book?currency_pair={PAIR}&limit=-1 HTTP/1.1", b"", 400, "INVALID_PARAM_VALUE"),
        (f"GET {API}/spot/currency_pairs/BTC%5FUSDT HTTP/1.1", b"", 200, None),
        (f"POST {API}/spot/orders HTTP/1.1\r\nContent-Length: 0", b"", 400, missing),
        (f"POST {API}/spot/orders HTTP/1.1\r\nTransfer-Encoding: chunked", b"3\r\nabc\r\n0\r\n\r\n", 400, missing),
        (f"POST {API}/spot/orders HTTP/1.1\r\nTransfer-Encoding: chunked", b"zz\r\n", 400, "INVALID_REQUEST_BODY"),
        (f"POST {API}/spot/orders HTTP/1.1\r\nContent-Length: 3000000", b"x" * 3_000_000, 413, "INVALID_REQUEST_BODY"),
        (f"GET {API}/spot/accounts HTTP/1.1\r\nKEY: k\r\nSIGN: s\r\nTimestamp: soon", b"", 403, "REQUEST_EXPIRED"),
        (f"GET {API}/spot/accounts HTTP/1.1\r\nKEY: k\r\nSIGN: s\r\nTimestamp: {int(time.time())}", b"", 401, "INVALID_KEY"),
        ("GET /ws/v4/ HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket", b"", 400, "BAD_REQUEST"),
        (f"GET {API}/spot/time HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket", b"", 404, "NOT_FOUND"),
        # Signed ones.
        (signed(venue, "GET", "/spot/accounts", "currency=BTC"), b"", 200, None),
        (signed(venue, "GET", "/spot/batch_fee", escaped, stated_query=two), b"", 200, None),
        (signed(venue, "GET", "/spot/batch_fee", escaped), b"", 401, "INVALID_SIGNATURE"),
        (signed(venue, "GET", "/spot/nothing"), b"", 404, "NOT_FOUND"),
        (signed(venue, "GET", "/spot/orders/"), b"", 400, "MISSING_REQUIRED_PARAM"),
        (signed(venue, "GET", "/wallet/deposit_address", "currency=usdt"), b"", 200, None),
        (signed(venue, "POST", "/spot/orders") + JSON_BODY + "Content-Length: 0", b"", 400, "INVALID_REQUEST_BODY"),
        (signed(venue, "POST", "/spot/orders", body=b"[1]") + JSON_BODY + "Content-Length: 3", b"[1]", 400, "INVALID_REQUEST_BODY"),
        (signed(venue, "POST", "/spot/orders", body=b"\xff{") + JSON_BODY + "Content-Length: 2", b"\xff{", 400, "INVALID_REQUEST_BODY"),
        (placing + JSON_BODY + length, body, 400, "MISSING_REQUIRED_PARAM"),
        (placing + JSON_BODY + "Expect: 100-continue\r\n" + length, body, 400, "MISSING_REQUIRED_PARAM"),
        (placing + "Content-Type: text/plain\r\n" + length, body, 400, "INVALID_CONTENT_TYPE"),
        (placing + JSON_BODY + "Transfer-Encoding: chunked", b"1c\r\n" + body + b"\r\n0\r\n\r\n", 400, "MISSING_REQUIRED_PARAM"),
    ]
    for head, sent, status, label in rows:
        what = head.split("\r\n", 1)[0]
        found, headers, answer = ask(judge, venue, head, sent)
        judge.equal(found, status, f"status of {what}")
        if judge.must(headers.get("content-type") == "application/json", f"{what}: the answer is no JSON but {answer[:80]!r}"):
            said = json.loads(answer)
            judge.equal(said.get("label") if isinstance(said, dict) else None, label, f"label of {what}")
            judge.labels[label or "none"] += 1
    status, headers, _ = ask(judge, venue, f"HEAD {API}/spot/currency_pairs HTTP/1.1\r\nConnection: close", without_body=True)
    judge.must(status == 200 and int(headers["content-length"]) > 100, f"HEAD answered {status} with {headers}")


def kept_alive(judge, venue):
    """Requests one after the other and at once on one connection; a refusal does not end it, and a head may come in pieces."""
    wire = Wire(venue)
    for path, status in (("/spot/time", 200), ("/spot/nothing", 400), ("/spot/time", 200)):
        judge.count_http()
        wire.say(f"GET {API}{path} HTTP/1.1\r\nHost: s\r\n\r\n")
        judge.equal(wire.answer()[0], status, f"status of {path} on a kept connection")
    for _ in range(20):
        judge.count_http()
        wire.say(f"GET {API}/spot/time HTTP/1.1\r\nHost: s\r\n\r\n")
    times = [json.loads(wire.answer()[2])["server_time"] for _ in range(20)]
    judge.must(times == sorted(times), "pipelined answers are out of order")
    judge.count_http()
    for piece in (f"GET {API}/spot", "/time HTT", "P/1.1\r\nHo", "st: s\r\n", "\r\n"):
        wire.say(piece)
        time.sleep(0.01)
    judge.equal(wire.answer()[0], 200, "status of a request in pieces")
    wire.close()


def frame(venue, channel, payload=None, event="subscribe", **more):
    """One frame, signed when its channel is private."""
    now = int(time.time())
    said = {"time": now, "channel": channel, "event": event, **more}
    if payload is not None:
        said["payload"] = payload
    if channel in ("spot.orders", "spot.balances"):
        sign = hmac.new(venue["secret"].encode(), f"channel={channel}&event={event}&time={now}".encode(), hashlib.sha512).hexdigest()
        said["auth"] = {"method": "api_key", "KEY": venue["key"], "SIGN": sign}
    return json.dumps(said)


async def heard(connection, event=None):
    """The next frame that is no push, or the next of this event."""
    while True:
        said = json.loads(await asyncio.wait_for(connection.recv(), PATIENCE_SECONDS))
        if said.get("event") == event if event else said.get("event") != "update":
            return said


async def frames(judge, venue):
    """Each row: frame, error code (none: success), channel echoed."""
    rows = [
        ("hello", 1, ""), ("", 1, ""), ("[1]", 1, ""), ("null", 1, ""), ("[" * 20_000, 1, ""), (b"\x00\xff", 1, ""),
        (json.dumps({"id": 1, "method": "server.ping", "params": []}), 1, ""),
        (frame(venue, "spot.nope", [PAIR]), 2, "spot.nope"),
        (frame(venue, "spot.trades", [PAIR], "shout"), 2, "spot.trades"),
        (frame(venue, "spot.trades", ["NOPE_USDT"]), 2, "spot.trades"),
        (frame(venue, "spot.trades", [PAIR, "NOPE_USDT"]), 2, "spot.trades"),
        (frame(venue, "spot.trades", ["btc_usdt"]), 2, "spot.trades"),
        (frame(venue, "spot.trades"), 2, "spot.trades"),
        (frame(venue, "spot.trades", PAIR), 1, "spot.trades"),
        (frame(venue, "spot.trades", {"a": 1}), 1, "spot.trades"),
        (frame(venue, "spot.order_book", [PAIR, 20, "100ms"]), 1, "spot.order_book"),
        (frame(venue, "spot.order_book", [PAIR, "7", "100ms"]), 2, "spot.order_book"),
        (frame(venue, "spot.order_book_update", [PAIR, "1000ms"]), 2, "spot.order_book_update"),
        (frame(venue, "spot.candlesticks", [PAIR, "1m"]), 2, "spot.candlesticks"),
        (frame(venue, "spot.trades", [PAIR], time=5), 2, "spot.trades"),
        (frame(venue, "spot.trades", [PAIR], time="soon"), 1, "spot.trades"),
        (frame(venue, "spot.orders"), 2, "spot.orders"),
        (frame(venue, "spot.orders", ["!all"]), None, "spot.orders"),
        (frame(venue, "spot.balances", {}), None, "spot.balances"),
        (frame(venue, "spot.trades", [PAIR], id="text"), None, "spot.trades"),
        (frame(venue, "spot.trades", [PAIR]).encode(), None, "spot.trades"),
        (frame(venue, "spot.trades", [PAIR], "unsubscribe"), None, "spot.trades"),
        (frame(venue, "spot.tickers", [PAIR], "unsubscribe"), None, "spot.tickers"),
        (frame(venue, "spot.obu", ["ob.BTC_USDT.50"]), None, "spot.obu"),
        (frame(venue, "spot.obu", ["ob.BTC_USDT.50"]), 2, "spot.obu"),
    ]
    # All on one connection: nothing here may end it.
    async with websockets.connect(venue["ws"], compression=None) as connection:
        for said, code, channel in rows:
            judge.ws += 1
            await connection.send(said)
            reply = await heard(connection)
            what = said[:90] if isinstance(said, str) else repr(said[:90])
            judge.equal((reply.get("error") or {}).get("code"), code, f"error code of {what}")
            judge.equal(reply["channel"], channel, f"channel of the answer to {what}")
            judge.equal(reply["result"]["status"], "fail" if code else "success", f"status of {what}")
        whole = frame(venue, "spot.tickers", ["ETH_USDT"], id=77)
        judge.ws += 1
        await connection.send(whole[at : at + 9] for at in range(0, len(whole), 9))
        judge.equal((await heard(connection))["id"], 77, "id of the answer to a fragmented frame")
        judge.ws += 3
        await asyncio.wait_for(await connection.ping(b"x" * 125), PATIENCE_SECONDS)
        await connection.pong(b"nobody asked")
        await connection.send('{"channel":"spot.ping","id":3}')
        reply = await heard(connection)
        judge.equal((reply["channel"], reply["event"], reply["result"], reply["id"]), ("spot.pong", "", None, 3), "answer to spot.ping")


async def endings(judge, venue):
    """What is too long ends its own connection, and says so; the testnet's path works, one without its slash does not exist."""
    for path, status in (("/ws/v4", 404), ("/", 404), ("/v4/ws/spot", None)):
        judge.ws += 1
        try:
            async with websockets.connect(venue["ws"].replace("/ws/v4/", path), compression=None):
                judge.equal(None, status, f"status of an upgrade on {path}")
        except websockets.exceptions.InvalidStatus as error:
            judge.equal(error.response.status_code, status, f"status of an upgrade on {path}")
    async with websockets.connect(venue["ws"], compression=None) as connection:
        judge.ws += 1
        try:
            await connection.send("x" * 400_000)
            await heard(connection)
            judge.differs("an oversized frame was answered")
        except websockets.exceptions.ConnectionClosed as closed:
            # Without a close frame when the system drops what was sent while the client was still sending.
            judge.must(closed.rcvd is None or closed.rcvd.code == 1009, f"an oversized frame ended with {closed.rcvd}")


def day(simulated, judge, _seed):
    """The edges, and then the same venue once more."""
    venue = simulated.venues[0]
    for part in (http_edges, kept_alive):
        judge.step = part.__name__
        part(judge, venue)
    for part in (frames, endings):
        judge.step = part.__name__
        asyncio.run(part(judge, venue))
    judge.step = "after"
    judge.equal(ask(judge, venue, f"GET {API}/spot/time HTTP/1.1")[0], 200, "status of the last request")


if __name__ == "__main__":
    sys.exit(run_day(__doc__, day, calls=90))
