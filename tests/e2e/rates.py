"""How often one agent may ask: a flood is refused, counted, and disturbs nobody.

`rates.py [--binary PATH] [--json FILE]`. Must never count what is written by any other way than the record.
"""

import argparse
import contextlib
import json
import pathlib

import lib
from door import ok_text, upstream
from gate import PERMIT_ALL, Gate
from lib import require

CALLS, OTHERS, FLOOD = 40, 20, 300
# Streams that one agent may have open.
STREAMS = 64
FORBID = """
@id("test.words")
forbid (principal, action == plain::Action::"echo", resource)
when { context.args has text && context.args.text == "forbidden" };
"""


def floods(door):
    """name → (one request of the flood, the requests that its bound lets write)."""
    return {
        "permitted-calls": (lambda: door.call("plain__echo", {"text": "x"}), CALLS),
        "lists": (lambda: door.modern("tools/list"), OTHERS),
        "denied-calls": (lambda: door.call("plain__echo", {"text": "forbidden"}), OTHERS),
        "unknown-tools": (lambda: door.call("plain__none"), OTHERS),
        "malformed": (lambda: door.session().request("tools/call", {"name": 7}), OTHERS),
        "unknown-methods": (lambda: door.modern("no/such"), OTHERS),
        "another-door": (lambda: door.at("/mcp/plain").modern("tools/list"), OTHERS),
    }


def check(results, gate):
    bob = gate.door(gate.add_agent("bob"))
    for name in floods(gate.door()):
        agent = f"flood-{name}"
        ask, most = floods(gate.door(gate.add_agent(agent)))[name]
        with results.check(f"a-flood-writes-no-more-than-its-bound/{name}"):
            replies = [ask() for _ in range(FLOOD)]
            mine = [e for e in gate.log(2000) if e.get("agent") == agent and e["kind"] != "outcome"]
            # While the flood runs, the bound refills.
            require(0 < len(mine) <= most + most // 2, f"{len(mine)} entries of {FLOOD} requests: {mine[-1:]}")
            last = json.dumps(replies[-1].last())
            require("limit_exceeded" in last and "try again in" in last, f"{replies[-1]!r}")
        with results.check(f"others-are-not-disturbed/{name}"):
            ok_text(bob.call("plain__echo", {"text": "bob"}), "echo: bob")
    with results.check("streams-beyond-the-most-are-refused"), contextlib.ExitStack() as open_ones:
        door = gate.door(gate.add_agent("listener"))
        for _ in range(STREAMS):
            stream = open_ones.enter_context(contextlib.closing(door.listen({"toolsListChanged": True})))
            require(stream.status == 200, stream.status)
        for _ in range(3):
            reply = door.modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
            require(reply.status == 429, f"{reply!r}")
    with results.check("what-was-refused-is-counted-by-agent"):
        gate.restart()
        counted = {}
        for entry in gate.log(2000):
            for pair in entry["detail"].split() if entry.get("what") == "noise" else ():
                what, number = pair.rsplit("=", 1)
                counted[what] = counted.get(what, 0) + int(number)
        for name, (_, most) in floods(gate.door()).items():
            found = counted.get(f"limit_exceeded:flood-{name}", 0)
            require(FLOOD - most - most // 2 <= found < FLOOD, f"{name}: {found} of {counted}")
        require(counted.get("limit_exceeded:listener") == 3, f"streams: {counted}")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", default=lib.default_binary(), type=pathlib.Path)
    options.add_argument("--json", type=pathlib.Path)
    options = options.parse_args()
    results = lib.Results("rates")
    limits = {"calls_per_minute_max": CALLS, "lists_and_refusals_per_minute_max": OTHERS}
    gate = Gate(options.binary, lib.scratch("rates") / "gate", {"plain": {"command": upstream("stdio")}},
                PERMIT_ALL + FORBID, {"limits": limits})
    gate.start()
    gate.certify_all(["plain"])
    check(results, gate)
    results.add("stops-cleanly", gate.stop() == 0, gate.output()[-1500:])
    return results.finish(options.json)


if __name__ == "__main__":
    raise SystemExit(main())
