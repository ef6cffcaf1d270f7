"""Kills Callgate under load, again and again, and checks what the record says afterwards (promise 1).

`kill.py [--kills N] [--seed S] [--binary PATH] [--json FILE]`. A seed gives the same moments again.
Must never count a call as covered by another call's entry: each worker has tools of its own and one call at a time.
"""

import argparse
import collections
import http.client
import json
import pathlib
import random
import signal
import sys
import threading
import time

import lib
import wire
from gate import Gate
from lib import require

WORKERS = 12
SERVES_WITHIN = 1.0


def definitions():
    names = ["probe", *(f"t{number}" for number in range(WORKERS))]
    schema = {"type": "object", "properties": {"text": {"type": "string"}}}
    return [{"name": name, "description": f"Test tool {name}.", "inputSchema": schema,
             "annotations": {"readOnlyHint": True}} for name in names]


class Journals:
    """What really arrived upstream, by round and tool."""

    def __init__(self, paths):
        self.paths = paths

    def seen(self):
        counts = collections.Counter()
        for path in self.paths:
            for line in path.read_bytes().splitlines():
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue  # the upstream child was killed while it wrote
                if entry.get("call", "probe") != "probe":
                    counts[entry["call"], int(entry["arguments"]["text"].split("-")[0])] += 1
        return counts


class Worker(threading.Thread):
    """Calls one tool, one call after the other, until the connection breaks."""

    def __init__(self, number, round_number, gate, key):
        super().__init__(daemon=True)
        self.tool, self.round = f"t{number}", round_number
        self.server = "http" if number % 2 else "stdio"
        self.modern = number % 4 < 2
        self.door = gate.door(key, f"/mcp/{self.server}", 10)
        self.sent, self.answered, self.refused = 0, 0, []

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.door.port, timeout=10)
        try:
            session = None if self.modern else self.door.session()
            while True:
                params = {"name": self.tool, "arguments": {"text": f"{self.round}-{self.sent}"}}
                body, headers = self.request(session, params)
                self.sent += 1
                reply = wire.send_on(connection, body, headers, path=self.door.path)
                if reply.result() and not reply.result().get("isError"):
                    self.answered += 1
                else:
                    self.refused.append(repr(reply))
        except (OSError, http.client.HTTPException):
            return  # Callgate was killed
        finally:
            connection.close()

    def request(self, session, params):
        if session is None:
            return self.door.modern_request("tools/call", params)
        request = {"jsonrpc": "2.0", "id": self.sent, "method": "tools/call", "params": params}
        return json.dumps(request).encode(), session.headers()


class World:
    def __init__(self, binary, directory, rng):
        self.rng = rng
        tools = directory / "tools.json"
        tools.write_text(json.dumps(definitions()))
        script = [sys.executable, lib.E2E / "servers" / "upstream.py"]
        port = lib.free_port()
        journals = [directory / "http.journal", directory / "stdio.journal"]
        for journal in journals:
            journal.touch()
        self.journals = Journals(journals)
        upstream = lib.Process([*script, f"http:{port}", "--tools", tools, "--journal", journals[0]], directory / "http.log")
        upstream.wait_port(port)
        servers = {
            "http": {"url": f"http://127.0.0.1:{port}/mcp", "shareable": True},
            "stdio": {"command": [*script, "stdio", "--tools", tools, "--journal", journals[1]], "shareable": True},
        }
        self.gate = Gate(binary, directory / "gate", servers)
        self.gate.start()
        self.gate.certify_all(list(servers))
        self.key = self.gate.add_agent("load")
        self.next_index = self.last_index() + 1
        self.intents, self.outcomes, self.unknown = collections.Counter(), {}, 0
        self.answered = collections.Counter()

    def last_index(self):
        entries = self.gate.json("log", "tail", "--limit", "1")["entries"]
        return entries[-1]["index"] if entries else -1

    def load(self, round_number):
        """Runs the workers and kills Callgate at a random moment; returns the workers."""
        workers = [Worker(number, round_number, self.gate, self.key) for number in range(WORKERS)]
        moment = self.rng.uniform(0.02, 1.2)
        for worker in workers:
            worker.start()
        lib.wait_for("the load", lambda: any(worker.answered for worker in workers), 20)
        threading.Event().wait(moment)  # the moment of death is what the seed decides, nothing waits for it
        self.gate.process.kill9()
        for worker in workers:
            worker.join(20)
            require(not worker.is_alive(), "a client still hangs after the kill")
        return workers

    def restart(self):
        """Starts again, sometimes killing it while it recovers; returns the seconds until the first call was served."""
        self.gate.process.stop(1)
        for _ in range(self.rng.choice((0, 0, 0, 1, 2))):
            self.launch()
            threading.Event().wait(self.rng.uniform(0.0, 0.06))
            self.gate.process.kill9()
            self.gate.process.stop(1)
        began = time.monotonic()
        self.launch()
        lib.wait_for("the first call", self.serves, 20)
        return time.monotonic() - began

    def launch(self):
        self.gate.starts += 1
        log = self.gate.directory / f"up-{self.gate.starts}.log"
        self.gate.process = lib.Process([self.gate.binary, "--config", self.gate.config, "up"], log)

    def serves(self):
        require(self.gate.process.alive(), f"callgate ended: {self.gate.process.text()[-2000:]}")
        try:
            reply = self.gate.door(self.key, seconds=5).call("http__probe", {"text": "probe"})
        except (OSError, http.client.HTTPException):
            return False
        return bool(reply.result()) and not reply.result().get("isError")

    def read_record(self):
        """Reads what is new in the record; returns the intents of the load by tool and the calls."""
        fresh = self.gate.log_from(self.next_index)
        require([e["index"] for e in fresh] == list(range(self.next_index, self.next_index + len(fresh))),
                "the record has gaps")
        self.next_index += len(fresh)
        calls = {}
        for entry in (e["leaf"] for e in fresh):
            if entry["kind"] == "intent":
                calls[entry["call"]] = entry["tool"]
            elif entry["kind"] == "outcome":
                self.outcomes.setdefault(entry["call"], []).append(entry)
        return calls


def check_round(results, world, number, pending):
    """One kill. `pending` are calls of earlier rounds that must have their outcome by now."""
    name = f"kill-{number:03}"
    workers = world.load(number)
    for worker in workers:
        world.answered[worker.tool, number] = worker.answered
    with results.check(f"{name}/no-call-was-refused"):
        refused = [text for worker in workers for text in worker.refused]
        require(not refused, f"{len(refused)} refused, first {refused[:1]}")
    with results.check(f"{name}/serves-within-{SERVES_WITHIN}-s"):
        seconds = world.restart()
        require(seconds < SERVES_WITHIN, f"served after {seconds:.2f} s")
    calls = world.read_record()
    pending.update(calls)
    intents = collections.Counter((tool, number) for tool in calls.values() if tool != "probe")
    world.intents.update(intents)
    with results.check(f"{name}/each-forwarded-call-has-its-intent"):
        seen = world.journals.seen()
        bare = {key: (count, world.intents[key]) for key, count in seen.items() if count > world.intents[key]}
        require(not bare, f"forwarded without intent, (tool, round): (seen, intents): {bare}")
    with results.check(f"{name}/each-intent-has-one-outcome"):
        wrong = {call: len(world.outcomes.get(call, [])) for call, tool in pending.items()
                 if tool != "probe" and len(world.outcomes.get(call, [])) != 1}
        require(not wrong, f"{len(wrong)} intents without exactly one outcome: {dict(list(wrong.items())[:3])}")
    unknown = [call for call, tool in calls.items() if tool != "probe"
               and any(e["outcome"] == "unknown" for e in world.outcomes.get(call, []))]
    with results.check(f"{name}/what-clients-got-is-recorded"):
        completed = collections.Counter(tool for call, tool in calls.items()
                                        if any(e["outcome"] == "completed" for e in world.outcomes.get(call, [])))
        lost = {w.tool: (w.answered, completed[w.tool]) for w in workers if w.answered > completed[w.tool]}
        require(not lost, f"answered but not recorded as completed, tool: (answered, recorded): {lost}")
    with results.check(f"{name}/at-most-one-unknown-per-worker"):
        require(len(unknown) <= WORKERS, f"{len(unknown)} unknown outcomes for {WORKERS} workers")
    world.unknown += len(unknown)
    print(f"     {name}: {sum(w.answered for w in workers)} answered, {sum(intents.values())} intents, "
          f"{len(unknown)} unknown, served again after {seconds * 1000:.0f} ms", flush=True)


def check_children(results, world):
    """Children of killed lives are gone: their input closed with their parent."""
    def script_children():
        _, out, _ = lib.run(["ps", "-eo", "pid,args"])
        mark = str(world.journals.paths[1])
        return [line for line in out.splitlines() if mark in line and "stdio" in line]
    with results.check("no-orphans"):
        lib.wait_for("children of killed lives to end", lambda: len(script_children()) <= 2, 10)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--kills", type=int, default=10)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--binary", default=lib.default_binary(), type=pathlib.Path)
    options.add_argument("--json", type=pathlib.Path)
    options = options.parse_args()
    print(f"kill: {options.kills} kills, seed {options.seed}", flush=True)
    results = lib.Results("kill")
    world = World(options.binary, lib.scratch("kill"), random.Random(options.seed))
    pending = {}
    for number in range(options.kills):
        with results.check(f"kill-{number:03}/ran"):
            check_round(results, world, number, pending)
    with results.check("all/each-forwarded-call-has-its-intent"):
        seen = world.journals.seen()
        require(sum(seen.values()) > 0, "nothing reached the upstream")
        require(all(count <= world.intents[key] for key, count in seen.items()), "forwarded without intent")
        short = {key: (count, seen[key]) for key, count in world.answered.items() if count > seen[key]}
        require(not short, f"answered without reaching the upstream: {short}")
    check_children(results, world)
    world.gate.process.child.send_signal(signal.SIGTERM)
    results.add("stops-cleanly", world.gate.stop() == 0, world.gate.process.text()[-1500:])
    print(f"kill: {sum(world.intents.values())} intents, {world.unknown} unknown after {options.kills} kills", flush=True)
    return results.finish(options.json)


if __name__ == "__main__":
    raise SystemExit(main())
