"""Lists in pages at both doors: cursors of ours, lists of several servers as one, and how what is listed is found again.

`lists.py [--binary PATH] [--json FILE]`. Must never follow a cursor but as a client does: unread.
"""

import argparse
import contextlib
import json
import pathlib
import sys

import lib
from door import error_is
from gate import PERMIT_ALL, Gate
from lib import require

sys.path.insert(0, str(lib.E2E / "servers"))
from paged import CURSORS  # noqa: E402

LISTS = {"prompts/list": "prompts", "resources/list": "resources", "resources/templates/list": "resourceTemplates"}


class World:
    """Servers with pages behind one door, two keys, and a journal for each server."""

    def __init__(self, binary, directory):
        self.directory = directory
        names = ("one", "two")
        servers = {name: {"command": self.paged(name)} for name in names}
        self.gate = Gate(binary, directory / "gate", servers, PERMIT_ALL)
        self.gate.start()
        self.gate.certify_all(names)
        self.key, self.other = self.gate.add_agent("e2e"), self.gate.add_agent("other")
        self.door = self.gate.door(self.key)

    def paged(self, name, *more):
        journal = self.directory / f"{name}.journal"
        journal.touch()
        return [sys.executable, lib.E2E / "servers" / "paged.py", name, "--journal", journal, *more]

    def journal(self, name):
        return [json.loads(line) for line in (self.directory / f"{name}.journal").read_text().splitlines()]

    @contextlib.contextmanager
    def nothing_forwarded(self):
        before = [len(self.journal(name)) for name in ("one", "two")]
        yield
        require([len(self.journal(name)) for name in ("one", "two")] == before, "something was forwarded")


def eras(door):
    """era → how a request is made."""
    return {"modern": door.modern, "legacy": door.session().request}


def pages(ask, method):
    """All pages of a list, as a client gets them; at most twenty."""
    found, params = [], {}
    for _ in range(20):
        reply = ask(method, params)
        require(reply.result() is not None, f"{method} {params}: {reply!r}")
        found.append(reply.result())
        if "nextCursor" not in found[-1]:
            return found
        params = {"cursor": found[-1]["nextCursor"]}
    raise AssertionError(f"{method} does not end")


def items(ask, method):
    return [item for page in pages(ask, method) for item in page[LISTS[method]]]


def check_one_server(results, world):
    """At the door of one server its pages come through whole, and its own cursors stay here."""
    for era, ask in eras(world.door.at("/mcp/one")).items():
        with results.check(f"cursors/pages-of-one-server/{era}"):
            before = len(world.journal("one"))
            found = pages(ask, "prompts/list")
            require([len(page["prompts"]) for page in found] == [2, 2, 2], found)
            cursors = [page.get("nextCursor") for page in found[:-1]]
            require(all(cursor.startswith("cgh1_") for cursor in cursors), cursors)
            require(len(set(cursors)) == len(cursors) and not set(cursors) & set(CURSORS), cursors)
            seen = [entry["params"] for entry in world.journal("one")[before:]]
            require(seen == [{}, {"cursor": CURSORS[0]}, {"cursor": CURSORS[1]}], f"the server saw {seen}")
        with results.check(f"cursors/names-and-uris-of-one-server-stay/{era}"):
            require("one-p0" in [p["name"] for p in items(ask, "prompts/list")], "a name changed")
            require("note://one/0" in [r["uri"] for r in items(ask, "resources/list")], "a URI changed")


def check_bound(results, world):
    """S31: a cursor is good for its agent, door and method, and for nobody and nothing else."""
    given = world.door.at("/mcp/one").modern("prompts/list").result()["nextCursor"]
    middle = len(given) // 2
    changed = given[:middle] + ("A" if given[middle] != "A" else "B") + given[middle + 1:]
    wrong = {
        "of-the-server": CURSORS[1], "empty": "", "invented": "cgh1_AAAA", "long": "cgh1_" + "A" * 20000,
        "changed": changed, "shorter": given[:-1], "longer": given + "A", "prefix": given.replace("cgh1_", "cgh2_"),
        "number": 7,
    }
    for era, ask in eras(world.door.at("/mcp/one")).items():
        for name, cursor in wrong.items():
            with results.check(f"cursors/{name}-is-refused/{era}"), world.nothing_forwarded():
                error_is(ask("prompts/list", {"cursor": cursor}), 200, -32602)
        for method in ("resources/list", "resources/templates/list"):
            with results.check(f"cursors/of-another-method-is-refused/{era}/{method}"), world.nothing_forwarded():
                error_is(ask(method, {"cursor": given}), 200, -32602)
    elsewhere = {"another-server": world.door.at("/mcp/two"), "all-servers": world.door,
                 "no-server": world.door.at("/mcp/nosuch"), "another-agent": world.gate.door(world.other, "/mcp/one")}
    for name, door in elsewhere.items():
        for era, ask in eras(door).items():
            with results.check(f"cursors/at-or-of-{name}-is-refused/{era}"), world.nothing_forwarded():
                error_is(ask("prompts/list", {"cursor": given}), 200, -32602)
    with results.check("cursors/used-twice-shows-the-same"):
        ask = world.door.at("/mcp/one").modern
        first, second = (ask("prompts/list", {"cursor": given}).result()["prompts"] for _ in range(2))
        require(first == second and len(first) == 2, (first, second))
    with results.check("cursors/survive-a-restart"):
        world.gate.restart()
        reply = world.door.at("/mcp/one").modern("prompts/list", {"cursor": given})
        require(reply.result() and reply.result()["prompts"] == first, f"{reply!r}")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", default=lib.default_binary(), type=pathlib.Path)
    options.add_argument("--json", type=pathlib.Path)
    options = options.parse_args()
    results = lib.Results("lists")
    world = World(options.binary, lib.scratch("lists"))
    check_one_server(results, world)
    check_bound(results, world)
    results.add("stops-cleanly", world.gate.stop() == 0, world.gate.output()[-1500:])
    return results.finish(options.json)


if __name__ == "__main__":
    raise SystemExit(main())
