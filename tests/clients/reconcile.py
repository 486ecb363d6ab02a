#!/usr/bin/env python3
"""Compares the engine's ledger with the venues' own accounts, read by somebody else's client.

    reconcile.py CROSSGATE [--seed N] [--for 20s] [--plant run|venue] [--expect-mismatch]

Starts `CROSSGATE sim` as a process of its own, runs `CROSSGATE run --live` against it over loopback, and reads every venue's
account afterwards with the official `gate-api` SDK, only its host changed. Every balance of `run --json` must equal
available + locked, as decimals, to the last digit; and there must have been deals.

A comparison that can't fail proves nothing, so every run also plants an error of one unit in each single balance, on either side,
and demands that it is found. `--plant` does so end to end: `run` changes the last digit of one balance in the engine's answer,
`venue` trades a little with the SDK behind the engine's back. With `--expect-mismatch` the script succeeds only if a difference
is found; so it does with a binary built with `--features mutants` under `CROSSGATE_MUTANT=16` (the ledger off by one unit).

Exit code 0: as expected. 1: not. Needs: pip install gate-api
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from decimal import Decimal, getcontext

import gate_api

getcontext().prec = 60

PAIRS = ["BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT"]


class Failed(Exception):
    """What was expected, and what was found."""


def start_sim(binary, seed, log):
    """The simulated venues as a process of their own; returns it and what its first line says."""
    command = [binary, "sim", "--seed", str(seed), "--listen", "127.0.0.1:0", "--json"]
    sim = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
    watchdog = threading.Timer(30, sim.kill)
    watchdog.start()
    line = sim.stdout.readline()
    watchdog.cancel()
    if not line:
        raise Failed(f"`crossgate sim` printed nothing and ended with {sim.wait(10)}")
    return sim, json.loads(line)["venues"]


def write_config(folder, venues):
    """A live configuration that points at loopback hosts; returns its path and the variables that hold the keys."""
    lines = ['mode = "live"', "[state]", f'dir = "{folder}/state"', "[ops]", 'listen = "127.0.0.1:0"']
    environment = {}
    for number, venue in enumerate(venues):
        key, secret = f"RECONCILE_KEY_{number}", f"RECONCILE_SECRET_{number}"
        environment |= {key: venue["key"], secret: venue["secret"]}
        lines += ["[[venue]]", f'id = "{venue["id"]}"', f'kind = "{venue["kind"]}"']
        lines += [f'{name} = "{venue[name]}"' for name in ("rest", "ws", "private_ws")]
        lines += [f'key_env = "{key}"', f'secret_env = "{secret}"']
    for symbol in PAIRS:
        lines += ["[[pair]]", f'symbol = "{symbol}"']
    lines += ["[execution]", 'reconcile_every = "5s"']
    lines += ["[risk]", 'order_value_max = "2500"', 'deal_value_max = "2500"', 'unhedged_value_max = "10000"']
    lines += ["open_deals_max = 4", 'daily_loss_max = "1000"']
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


def client(venue):
    """The SDK of one venue account: as its makers ship it, but for the host."""
    settings = gate_api.Configuration(host=f'{venue["rest"]}/api/v4', key=venue["key"], secret=venue["secret"])
    return gate_api.SpotApi(gate_api.ApiClient(settings))


def account_of(venue):
    """Asset → available + locked."""
    rows = client(venue).list_spot_accounts()
    return {row.currency: Decimal(row.available) + Decimal(row.locked) for row in rows}


def read_accounts(venues):
    return {venue["id"]: account_of(venue) for venue in venues}


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


def plant_at_venue(venue):
    """A small order that the engine never heard of."""
    order = gate_api.Order(
        currency_pair="ETH_USDT", side="buy", type="limit", account="spot", time_in_force="ioc", amount="0.01", price="1000000"
    )
    book = client(venue).list_order_book("ETH_USDT", limit=1)
    order.price = str(Decimal(book.asks[0][0]) * 2)
    answer = client(venue).create_order(order)
    print(f'planted an order at {venue["id"]}: {answer.id} {answer.status}, filled {answer.filled_total} USDT')
    time.sleep(1)


def check_run(run, args):
    if run["deals"] <= 0:
        raise Failed(f'no deal was made: {json.dumps(run["verdicts"])}')
    if run["reconciled"] is not True:
        raise Failed("the engine itself says that it is not reconciled")
    if sum(run["verdicts"].values()) != run["opportunities"]:
        raise Failed(f'verdicts do not add up to {run["opportunities"]} opportunities: {run["verdicts"]}')
    if run["orders_unknown"] != 0:
        raise Failed(f'{run["orders_unknown"]} orders are unknown at the end')
    print(f'{run["deals"]} deals, {run["fills"]} fills in {run["duration_s"]} s, profit {run["pnl_quote"]} (seed {args.seed})')


def reconcile(args, folder, log):
    sim, venues = start_sim(args.binary, args.seed, log)
    try:
        config, environment = write_config(folder, venues)
        run = run_engine(args.binary, config, environment, args.span, log, args.expect_mismatch)
        if not args.expect_mismatch:
            check_run(run, args)
        if args.plant == "run":
            plant_in_run(run)
        elif args.plant == "venue":
            plant_at_venue(venues[0])
        accounts = read_accounts(venues)
        ledger = ledger_of(run)
        found = differences(ledger, accounts)
        if not found:
            check_that_comparison_bites(ledger, accounts)
        return found, len(ledger)
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
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--for", dest="span", default="20s", help="how long the engine runs")
    parser.add_argument("--plant", choices=["run", "venue"], help="plant an error")
    parser.add_argument("--expect-mismatch", action="store_true", help="succeed only if a difference is found")
    args = parser.parse_args()
    args.binary = os.path.abspath(args.binary)
    with tempfile.TemporaryDirectory(prefix="crossgate-reconcile-") as folder, open(os.path.join(folder, "log"), "w+", encoding="utf-8") as log:
        try:
            found, balances = reconcile(args, folder, log)
        except Exception as error:  # told with what the processes said, whatever it was
            log.seek(0)
            sys.stderr.write("".join(log.readlines()[-40:]))
            print(f"FAILED: {error!r}")
            return 1
    for line in found:
        print(f"differs: {line}")
    if bool(found) != args.expect_mismatch:
        print("FAILED: " + ("the ledger differs from the venues' accounts" if found else "a planted difference was not found"))
        return 1
    print("a planted difference was found, as it must be" if found else f"{balances} balances equal to the last digit")
    return 0


if __name__ == "__main__":
    sys.exit(main())
