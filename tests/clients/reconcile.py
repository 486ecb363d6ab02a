#!/usr/bin/env python3
"""Compares the engine's report with the venues' own accounts and executions, read by other people's clients.

    reconcile.py CROSSGATE [--venues gate:ws,binance:rest] [--seed N] [--for 20s] [--plant run|venue] [--expect-mismatch]

For every two kinds of venues (or the two that are named, each with the way that orders take there): starts `CROSSGATE sim` with them as
a process of its own, runs `CROSSGATE run --live` against it over loopback, and reads every venue's account and every execution afterwards
with two clients each, unmodified: the maker's own (`gate-api`, `binance-sdk-spot`, `pybit`) and `ccxt`. There must have been deals, with
orders on both venues. Then, as decimals, to the last digit:

- every balance of `run --json` is what the venue says;
- the executions are as many as `run --json` tells;
- they move each account from what it held to what it holds, and their fees are those that `run --json` tells.

A comparison that can't fail proves nothing, so every run also plants an error of one unit in each single balance, on either side, and in
one execution, and demands that it is found. `--plant` does so end to end: `run` changes the last digit of one balance in the engine's
answer, `venue` trades a little with `ccxt` behind the engine's back. With `--expect-mismatch` the script succeeds only if a difference is
found; so it does with a binary built with `--features mutants` under `CROSSGATE_MUTANT=16` (the ledger off by one unit).

Exit code 0: as expected. 1: not. Needs: pip install -r requirements.txt
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from decimal import Decimal, getcontext

import readers

getcontext().prec = 60

PAIRS = ["BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT"]
# Every two kinds; each kind once with orders over a logged-in link and once over REST.
EVERY_TWO = ("gate:ws,binance:rest", "bybit:ws,gate:rest", "binance:ws,bybit:rest")
# A quiet pair's executions may be told late by a list.
SETTLE_SECONDS = 1


class Failed(Exception):
    """What was expected, and what was found."""


def start_sim(binary, seed, kinds, log):
    """The simulated venues as a process of their own; returns it and what its first line says."""
    command = [binary, "sim", "--seed", str(seed), "--listen", "127.0.0.1:0", "--json"]
    for kind in kinds:
        command += ["--venue", f"{kind}:{kind}"]
    sim = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
    watchdog = threading.Timer(30, sim.kill)
    watchdog.start()
    line = sim.stdout.readline()
    watchdog.cancel()
    if not line:
        raise Failed(f"`crossgate sim` printed nothing and ended with {sim.wait(10)}")
    return sim, json.loads(line)["venues"]


def key_of(venue, way):
    """The account's key: over a link one that logs in, where the account has such a key."""
    more = venue.get("more_keys", [])
    return next((key for key in more if way == "ws" and key["type"] == "ed25519"), venue)


def write_config(folder, venues, ways):
    """A live configuration that points at loopback hosts; returns its path and the variables that hold the keys."""
    lines = ['mode = "live"', "[state]", f'dir = "{folder}/state"', "[ops]", 'listen = "127.0.0.1:0"']
    environment = {}
    for number, (venue, way) in enumerate(zip(venues, ways)):
        key, secret = f"RECONCILE_KEY_{number}", f"RECONCILE_SECRET_{number}"
        signing = key_of(venue, way)
        environment |= {key: signing["key"], secret: signing["secret"]}
        lines += ["[[venue]]", f'id = "{venue["id"]}"', f'kind = "{venue["kind"]}"']
        lines += [f'{name} = "{venue[name]}"' for name in ("rest", "ws", "private_ws")]
        lines += [f'key_env = "{key}"', f'secret_env = "{secret}"', f'order_entry = "{way}"']
    for symbol in PAIRS:
        lines += ["[[pair]]", f'symbol = "{symbol}"']
    lines += ["[execution]", 'reconcile_every = "5s"']
    lines += ["[risk]", 'order_value_max = "2500"', 'deal_value_max = "2500"', 'unhedged_value_max = "10000"']
    lines += ["open_deals_max = 4", "orders_per_second_max = 20", 'daily_loss_max = "1000"']
    path = os.path.join(folder, "loopback.toml")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return path, environment


def run_engine(binary, config, environment, span, log, may_fail):
    """The engine against them; returns its one JSON object. One with a planted bug may notice and end with an error."""
    command = [binary, "run", "-c", config, "--live", "--for", span, "--no-tui", "--json"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, timeout=300, env={**os.environ, **environment}
    )
    if may_fail and done.stdout:
        print(f"`crossgate run` ended with exit code {done.returncode}")
    elif done.returncode != 0:
        raise Failed(f"`crossgate run` ended with exit code {done.returncode}: {done.stdout}")
    return json.loads(done.stdout)


def ledger_of(run):
    """(venue, asset) → total, as the engine tells it; its parts must add up."""
    ledger = {}
    for row in run["balances"]:
        at = (row["venue"], row["asset"])
        if at in ledger:
            raise Failed(f"{at} stands twice in `balances`")
        ledger[at] = Decimal(row["total"])
        if Decimal(row["available"]) + Decimal(row["reserved"]) != ledger[at]:
            raise Failed(f"{at}: available and reserved do not add up to the total: {row}")
    return ledger


def differences(ledger, accounts):
    """One line for every balance that is not equal on both sides. An asset that one side does not name counts as zero there."""
    stated = {(venue, asset): total for venue, account in accounts.items() for asset, total in account.items()}
    found = []
    for at in sorted(ledger.keys() | stated.keys()):
        ours, theirs = ledger.get(at, Decimal(0)), stated.get(at, Decimal(0))
        if ours != theirs:
            found.append(f"{at[0]} {at[1]}: the ledger says {ours}, the venue says {theirs} (difference {ours - theirs})")
    return found


def one_unit_more(value):
    """`value` with its last written digit one higher."""
    return value + Decimal((0, (1,), value.as_tuple().exponent))


def check_that_comparison_bites(ledger, accounts):
    """Plants one unit in each balance, on either side, and demands that exactly it is found."""
    for at in ledger:
        changed = {**ledger, at: one_unit_more(ledger[at])}
        if len(differences(changed, accounts)) != 1:
            raise Failed(f"one unit more in the ledger at {at} was not found")
    for venue, account in accounts.items():
        for asset in account:
            changed = {**accounts, venue: {**account, asset: one_unit_more(account[asset])}}
            if len(differences(ledger, changed)) != 1:
                raise Failed(f"one unit more on venue {venue} at {asset} was not found")


def plant_in_run(run):
    row = run["balances"][0]
    for part in ("available", "total"):
        row[part] = str(one_unit_more(Decimal(row[part])))
    print(f'planted one unit in the run\'s {row["venue"]} {row["asset"]}')


def executions_differ(run, before, accounts, executions):
    """One line for everything in which the executions are not those that the engine reports."""
    found = []
    if sum(len(rows) for rows in executions.values()) != run["fills"]:
        told = {venue: len(rows) for venue, rows in executions.items()}
        found.append(f'the run tells {run["fills"]} executions, the venues {told}')
    fees = defaultdict(Decimal)
    for venue, rows in executions.items():
        made = defaultdict(Decimal, before[venue])
        for row in rows.values():
            fees[row.fee_asset] += row.fee
            for asset, change in readers.moved(row):
                made[asset] += change
        for asset in sorted(made.keys() | accounts[venue].keys()):
            stated = accounts[venue].get(asset, Decimal(0))
            if made[asset] != stated:
                found.append(f"{venue} {asset}: the executions make {made[asset]}, the venue says {stated}")
    reported = {asset: Decimal(amount) for asset, amount in run["fees"].items()}
    for asset in sorted(fees.keys() | reported.keys()):
        if fees.get(asset, Decimal(0)) != reported.get(asset, Decimal(0)):
            found.append(f"fees in {asset}: the run tells {reported.get(asset)}, the executions make {fees.get(asset)}")
    return found


def check_that_executions_bite(run, before, accounts, executions):
    """Plants one unit in one execution of each venue, and demands that it is found; so is one that is left out."""
    for venue, rows in executions.items():
        at, row = next(iter(rows.items()))
        for wrong in ({**rows, at: row._replace(fee=one_unit_more(row.fee))}, {key: rows[key] for key in rows if key != at}):
            if not executions_differ(run, before, accounts, {**executions, venue: wrong}):
                raise Failed(f"an error in execution {at} of {venue} was not found")


def check_run(run, args):
    if run["deals"] <= 0:
        raise Failed(f'no deal was made: {json.dumps(run["verdicts"])}')
    if run["reconciled"] is not True:
        raise Failed("the engine itself says that it is not reconciled")
    if sum(run["verdicts"].values()) != run["opportunities"]:
        raise Failed(f'verdicts do not add up to {run["opportunities"]} opportunities: {run["verdicts"]}')
    if run["orders_unknown"] != 0:
        raise Failed(f'{run["orders_unknown"]} orders are unknown at the end')
    if run["unvalued"]:
        raise Failed(f'fees in a token were not asked for: {run["unvalued"]}')
    print(f'{run["deals"]} deals, {run["fills"]} fills in {run["duration_s"]} s, profit {run["pnl_quote"]} (seed {args.seed})')


def reconcile(args, kinds_and_ways, folder, log):
    """One run of two venues; what differs, and how many balances and executions were compared."""
    kinds, ways = zip(*(one.split(":") for one in kinds_and_ways.split(",")))
    sim, venues = start_sim(args.binary, args.seed, kinds, log)
    try:
        clients = {venue["id"]: readers.READERS[venue["kind"]](venue, PAIRS) for venue in venues}
        before = {venue: readers.account_of(client) for venue, client in clients.items()}
        config, environment = write_config(folder, venues, ways)
        run = run_engine(args.binary, config, environment, args.span, log, args.expect_mismatch)
        if not args.expect_mismatch:
            check_run(run, args)
        if args.plant == "run":
            plant_in_run(run)
        elif args.plant == "venue":
            at = next(iter(clients))
            print(f"planted an order at {at}: {clients[at].plant()}")
        time.sleep(SETTLE_SECONDS)
        accounts = {venue: readers.account_of(client) for venue, client in clients.items()}
        executions = {venue: readers.executions_of(client) for venue, client in clients.items()}
        if not args.expect_mismatch:
            idle = [venue for venue, rows in executions.items() if not rows]
            if idle:
                raise Failed(f"nothing was executed on {idle}")
        ledger = ledger_of(run)
        found = differences(ledger, accounts) + executions_differ(run, before, accounts, executions)
        if not found:
            check_that_comparison_bites(ledger, accounts)
            check_that_executions_bite(run, before, accounts, executions)
        return found, len(ledger), {venue: len(rows) for venue, rows in executions.items()}
    finally:
        sim.terminate()
        try:
            sim.wait(10)
        except subprocess.TimeoutExpired:
            sim.kill()
            sim.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("binary", metavar="CROSSGATE", help="path of the binary")
    parser.add_argument("--venues", help="two kinds and the ways of their orders, as gate:ws,binance:rest; default: every two")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--for", dest="span", default="20s", help="how long the engine runs")
    parser.add_argument("--plant", choices=["run", "venue"], help="plant an error")
    parser.add_argument("--expect-mismatch", action="store_true", help="succeed only if a difference is found")
    args = parser.parse_args()
    args.binary = os.path.abspath(args.binary)
    logging.getLogger("pybit").setLevel(logging.CRITICAL)
    # One after the other: each run has the machine to itself.
    return max(judged(args, kinds_and_ways) for kinds_and_ways in ([args.venues] if args.venues else EVERY_TWO))


def judged(args, kinds_and_ways):
    """The exit code of one run of two venues; says what was found."""
    with tempfile.TemporaryDirectory(prefix="crossgate-reconcile-") as folder, open(os.path.join(folder, "log"), "w+", encoding="utf-8") as log:
        try:
            found, balances, executions = reconcile(args, kinds_and_ways, folder, log)
        except Exception as error:  # told with what the processes said, whatever it was
            log.seek(0)
            sys.stderr.write("".join(log.readlines()[-40:]))
            print(f"{kinds_and_ways}: FAILED: {error!r}")
            return 1
    for line in found:
        print(f"differs: {line}")
    if bool(found) != args.expect_mismatch:
        print(f"{kinds_and_ways}: FAILED: " + ("the report differs from the venues" if found else "a planted difference was not found"))
        return 1
    equal = f"{balances} balances and the executions {executions} equal to the last digit"
    print(f"{kinds_and_ways}: " + ("a planted difference was found, as it must be" if found else equal))
    return 0


if __name__ == "__main__":
    sys.exit(main())
