"""The conformance suite of MCP, on one server directly and through Callgate: every check must end the same way.

`conformance.py [--binary PATH] [--json FILE] [--counts FILE] [--only PATTERN]`. Client and server each speak the
revisions with sessions (legacy) or the one without (modern); the server stands behind HTTP or is a child process.
Each scenario of each combination is one named result, `http/legacy-on-modern/ping` for a legacy client, a modern
server. Must never count a scenario that did not run, and must never excuse a scenario that passes.
"""

import argparse
import collections
import concurrent.futures
import fnmatch
import json
import pathlib
import re

import lib
from gate import Gate

SUITE = lib.TEST / "conformance" / "node_modules" / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
HERE = lib.E2E / "conformance"
REVISIONS = {"legacy": "2025-11-25", "modern": "2026-07-28"}
WAYS = ("http", "stdio")
COUNTED = ("SUCCESS", "FAILURE", "WARNING", "SKIPPED")
AT_ONCE = 2
# The check that every message is one of its revision. No scenario is excused from that.
MESSAGES = "wire-schema-valid"
# What falls short of direct, by the reason why: patterns of results, `RESULT:CHECK` when the rest of the scenario must
# be equal. What is named here and passes is a failure, and so is a pattern that names nothing: this can only shrink.
KNOWN_SHORT = {
    "servers with sessions ask one thing at a time, and give it no name": (
        "*/modern-on-legacy/input-required-result-basic-elicitation",
        "*/modern-on-legacy/input-required-result-multiple-input-requests",
    ),
    "an answer counts only for what was asked before": (
        "*/modern-on-*/input-required-result-ignore-extra-params",
    ),
    "a child process of its own is started for what a client declares first; the suite waits 0.6 s": (
        "stdio/modern-on-*/server-stateless:sep-2575-http-server-no-independent-requests-on-stream",
    ),
    "servers with sessions have no code for a capability that a client lacks": (
        "*/modern-on-legacy/server-stateless:sep-2575-server-rejects-undeclared-capability",
        "*/modern-on-legacy/server-stateless:sep-2575-missing-capability-http-400",
    ),
    "an answer that nothing precedes is one JSON text; streams cannot be resumed": (
        "*/legacy-on-*/server-sse-multiple-streams",
        "*/legacy-on-*/server-sse-polling",
    ),
}


def excuses(name):
    """Why a result may fall short, by check; by "" when it is the whole scenario."""
    found = {}
    for reason, patterns in KNOWN_SHORT.items():
        for pattern in patterns:
            scenario, _, check = pattern.partition(":")
            if fnmatch.fnmatchcase(name, scenario):
                found[check] = reason
    return found


class Seen:
    """What the suite found in one scenario."""

    def __init__(self, checks):
        self.checks = [check for check in checks if check["status"] in COUNTED]
        self.counts = collections.Counter((check["id"], check["status"]) for check in self.checks)

    def bad(self):
        return [check for check in self.checks if check["status"] == "FAILURE"]

    def differing(self, other):
        """The checks, with how they end, that are not as many in the other."""
        return [name for name in self.counts | other.counts if self.counts[name] != other.counts[name]]

    def equal(self, other):
        """How many checks end the same way in the other."""
        names = {name for name, _ in self.counts}
        same = {name for name in names if all(self.counts[name, how] == other.counts[name, how] for how in COUNTED)}
        return sum(count for (name, _), count in self.counts.items() if name in same)

    def words(self):
        """What is not a success, and what the suite says about it."""
        odd = [check for check in self.checks if check["status"] != "SUCCESS"]
        return "; ".join(f"{check['id']} {check['status']}: {check.get('errorMessage')}" for check in odd)


def run_suite(era, url, directory, key=None):
    """All scenarios of an era against a URL, by name."""
    directory.mkdir(parents=True)
    env = lib.clean_env(HOME=directory, **({"CALLGATE_TEST_KEY": key} if key else {}))
    argv = [lib.node22(), "--require", lib.LOOPBACK, "--require", HERE / "bearer.cjs", SUITE, "server", "--url", url,
            "--requirements", REVISIONS[era], "--timeout", "30000", "-o", directory / "checks"]
    code, out, err = lib.run(argv, 300, env)
    (directory / "suite.log").write_text(out + err)
    lib.require(code in (0, 1), f"the suite ended with {code}: {(out + err)[-1500:]}")
    found = {}
    for file in sorted((directory / "checks").glob("*/checks.json")):
        scenario = re.fullmatch(r"server-(.+?)-\d{4}-\d\d-\d\dT.*", file.parent.name).group(1)
        found[scenario] = Seen(json.loads(file.read_text()))
    lib.require(found, f"the suite left no checks: {(out + err)[-1500:]}")
    return found


def fixture(directory, name):
    """The fixture server behind HTTP; its port."""
    port = lib.free_port()
    argv = [lib.PY_NEW / "python", "-B", HERE / "fixture.py", port]
    lib.Process(argv, directory / f"{name}.log").wait_port(port)
    return port


def tables(port):
    """The same server for Callgate, once for each era and way."""
    child = [lib.PY_NEW / "python", "-B", HERE / "fixture.py"]
    return {**{f"http-{era}": {"url": f"http://127.0.0.1:{port}/{era}"} for era in REVISIONS},
            **{f"stdio-{era}": {"command": [*child, f"stdio-{era}"], "era": era} for era in REVISIONS}}


class Counted:
    """How much of one combination equals direct, whatever is excused: what the bar counts."""

    def __init__(self):
        self.scenarios, self.checks, self.tasks = [0, 0], [0, 0], [0, 0]

    def count(self, scenario, direct, seen, same):
        kinds = (self.scenarios, self.tasks) if scenario.startswith("tasks-") else (self.scenarios,)
        for kind in kinds:
            kind[0] += same
            kind[1] += 1
        self.checks[0] += direct.equal(seen)
        self.checks[1] += len(direct.checks)


def count(direct, judge):
    """Pairs of numbers: failing checks and all directly; what equals direct and all there is, by combination."""
    checks = {era: [sum(len(seen.bad()) for seen in scenarios.values()),
                    sum(len(seen.checks) for seen in scenarios.values())] for era, scenarios in direct.items()}
    return {"direct": checks, "through": {name: vars(one) for name, one in judge.counted.items()}}


class Judge:
    """Compares what was seen through Callgate with what was seen directly."""

    def __init__(self, results, direct, only):
        self.results, self.direct, self.only = results, direct, only
        self.names, self.short, self.counted = [], 0, {}

    def odd(self, way, client, upstream, through):
        """The scenarios that end otherwise than directly, and have no excuse."""
        found = []
        for scenario, direct in self.direct[client].items():
            differing = {check for check, _ in direct.differing(through.get(scenario, Seen([])))}
            excused = excuses(f"{way}/{client}-on-{upstream}/{scenario}")
            if applies(scenario, upstream) and "" not in excused and differing - excused.keys():
                found.append(scenario)
        return found

    def say(self, name, differing, detail):
        """`differing` names the checks that end otherwise than directly."""
        self.names.append(name)
        if not fnmatch.fnmatchcase(name, self.only):
            return
        excused = excuses(name)
        self.short += bool(excused)
        unexcused = differing - excused.keys() if "" not in excused else differing & {MESSAGES}
        if "" not in excused or unexcused:
            self.results.add(name, not unexcused, detail)
        for check, reason in excused.items():
            still = check in differing or (check == "" and differing)
            full = f"{name}/{check}" if check else name
            self.results.add(f"{full}/known-short", still, f"it passes: take it off the list ({reason})")

    def combination(self, way, client, upstream, through):
        equal = self.counted[f"{way}/{client}-on-{upstream}"] = Counted()
        for scenario, direct in self.direct[client].items():
            if not applies(scenario, upstream):
                continue
            seen = through.get(scenario, Seen([]))
            counts = [(name, direct.counts[name], seen.counts[name]) for name in direct.differing(seen)]
            words = ", ".join(f"{check} {status} {a} -> {b}" for (check, status), a, b in sorted(counts))
            differing = {check for (check, _), _, _ in counts}
            equal.count(scenario, direct, seen, not differing)
            self.say(f"{way}/{client}-on-{upstream}/{scenario}", differing, f"{words} | {seen.words()}")

    def known_short_names_results(self):
        patterns = [pattern for patterns in KNOWN_SHORT.values() for pattern in patterns]
        idle = [pattern for pattern in patterns if not fnmatch.filter(self.names, pattern.partition(":")[0])]
        self.results.add("known-short-names-results", not idle, f"these name no result: {', '.join(idle)}")
        lib.say(f"{self.short} of {len(self.names)} results through Callgate are known to fall short")


def applies(scenario, upstream):
    """Whether a server of that era has what the scenario is about: tasks came with the revision without sessions."""
    return upstream == "modern" or not scenario.startswith("tasks-")


def look_directly(results, directory):
    port = fixture(directory, "direct")
    direct = {era: run_suite(era, f"http://127.0.0.1:{port}/{era}", directory / f"direct-{era}") for era in REVISIONS}
    for era, scenarios in direct.items():
        for scenario, seen in scenarios.items():
            results.add(f"direct/{era}/{scenario}", not seen.bad() and seen.counts, seen.words() or "no checks")
    return direct


def look_through(gate, key, judge, directory):
    combinations = [(way, client, upstream) for way in WAYS for client in REVISIONS for upstream in REVISIONS]

    def one(way, client, upstream, look="first"):
        url = f"http://127.0.0.1:{gate.port}/mcp/{way}-{upstream}"
        return run_suite(client, url, directory / f"{way}-{client}-on-{upstream}-{look}", key)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        running = [(combination, pool.submit(one, *combination)) for combination in combinations]
        looked = [(combination, done.result()) for combination, done in running]
    # Two combinations at once meet the tools that the other changes, and on one server: what differs is looked at once more,
    # alone. Said each time, for it is nothing that a client would not meet.
    for combination, through in looked:
        odd = judge.odd(*combination, through)
        if odd:
            lib.say(f"once more, alone, in {combination}: {', '.join(odd)}")
            again = one(*combination, look="second")
            through.update({scenario: again[scenario] for scenario in odd if scenario in again})
        judge.combination(*combination, through)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", default=lib.default_binary(), type=pathlib.Path)
    options.add_argument("--json", type=pathlib.Path)
    options.add_argument("--counts", type=pathlib.Path, help="write how much equals direct here")
    options.add_argument("--only", default="*", help="report results whose name matches, as `http/*/ping`")
    options = options.parse_args()
    directory = lib.scratch("conformance")
    results = lib.Results("conformance")
    direct = look_directly(results, directory)
    servers = tables(fixture(directory, "behind"))
    gate = Gate(options.binary, directory / "gate", servers).start()
    judge = Judge(results, direct, options.only)
    gate.certify_all(servers)
    look_through(gate, gate.add_agent("conformance"), judge, directory)
    judge.known_short_names_results()
    if options.counts:
        options.counts.write_text(json.dumps(count(direct, judge), indent=1) + "\n")
    results.add("stops-cleanly", gate.stop() == 0, gate.output()[-1500:])
    return results.finish(options.json)


if __name__ == "__main__":
    raise SystemExit(main())
