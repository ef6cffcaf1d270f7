"""Lists in pages at both doors: cursors of ours, lists of several servers as one, and how what is listed is found again.

`lists.py [--binary PATH] [--json FILE]`. Must never follow a cursor but as a client does: unread.
"""

import argparse
import contextlib
import json
import pathlib
import re
import sys
import time

import lib
from door import error_is
from gate import PERMIT_ALL, Gate
from lib import require

sys.path.insert(0, str(lib.E2E / "servers"))
from paged import CURSORS  # noqa: E402

FORBID_TWO = """
@id("test.two")
forbid (principal, action in Callgate::Action::"server:two", resource);
"""
UNLISTED = """
@id("test.unlisted")
forbid (principal, action == one::Action::"mcp:{method}", resource);
"""
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


def check_all_servers(results, world):
    """At the door of all servers their lists are one, and what it shows can be asked for there."""
    door = world.door
    for era, ask in eras(door).items():
        with results.check(f"all/capabilities-are-those-of-any/{era}"):
            hello = door.modern("server/discover").result() if era == "modern" else door.session().hello.result()
            require({"tools", "prompts", "resources", "completions"} <= set(hello["capabilities"]), hello)
        with results.check(f"all/prompts-of-all-in-pages/{era}"):
            found = pages(ask, "prompts/list")
            require([len(page["prompts"]) for page in found] == [4, 4, 4], found)
            require(all("_meta" not in page or "dev.callgate/left_out" not in page["_meta"] for page in found), found)
            names = [prompt["name"] for page in found for prompt in page["prompts"]]
            require({"one__one-p0", "two__two-p3", "one__same", "two__same"} <= set(names), names)
            require(len(set(names)) == 12 and all(re.fullmatch("[A-Za-z0-9_-]{1,64}", name) for name in names), names)
        with results.check(f"all/every-prompt-listed-is-found-again/{era}"):
            for prompt in items(ask, "prompts/list"):
                server = prompt["_meta"]["dev.callgate/server"]
                reply = ask("prompts/get", {"name": prompt["name"], "arguments": {"who": "x"}})
                require(reply.result() is not None, f"{prompt['name']}: {reply!r}")
                last = [entry for entry in world.journal(server) if entry["method"] == "prompts/get"][-1]["params"]
                require(last["arguments"] == {"who": "x"}, last)
                own = {p["name"] for p in items(eras(door.at(f"/mcp/{server}"))[era], "prompts/list")}
                require(last["name"] in own, f"{last['name']} is none of {own}")
                require(prompt["name"].endswith(last["name"]) or len(last["name"]) > 40, (prompt, last))
        with results.check(f"all/an-argument-of-a-prompt-is-completed/{era}"):
            params = {"ref": {"type": "ref/prompt", "name": "two__two-p1"}, "argument": {"name": "who", "value": "a"}}
            reply = ask("completion/complete", params)
            require(reply.result()["completion"]["values"] == ["two", "two-p1"], f"{reply!r}")
        with results.check(f"all/resources-of-all/{era}"):
            found = {(r["uri"], r["_meta"]["dev.callgate/server"]) for r in items(ask, "resources/list")}
            require(len(found) == 12 and ("note://two/4", "two") in found, found)
            require({("note://everybody", "one"), ("note://everybody", "two")} <= found, found)
            require(len(items(ask, "resources/templates/list")) == 4, "templates")
        for name, uri, server in (("listed-late", "note://two/4", "two"), ("of-a-template", "one://of/gr%C3%BC%C3%9Fe", "one")):
            with results.check(f"all/a-uri-leads-to-its-server/{name}/{era}"):
                reply = ask("resources/read", {"uri": uri})
                require(reply.result() and reply.result()["contents"][0]["text"] == f"{server} has it", f"{reply!r}")
                require(reply.result()["contents"][0]["uri"] == uri, f"{reply!r}")
        with results.check(f"all/an-argument-of-a-template-is-completed/{era}"):
            params = {"ref": {"type": "ref/resource", "uri": "two://of/{who}"}, "argument": {"name": "who", "value": "a"}}
            reply = ask("completion/complete", params)
            require(reply.result()["completion"]["values"] == ["two", "two://of/{who}"], f"{reply!r}")
        for name, uri, words in (("listed-by-two", "note://everybody", "`one` and `two` have it"),
                                 ("made-by-two", "all://of/a/b", "`one` and `two` have it"),
                                 ("of-nobody", "note://nobody", "no server here lists it")):
            with results.check(f"all/a-uri-{name}-is-refused/{era}"):
                read = [[e for e in world.journal(s) if e["method"] == "resources/read"] for s in ("one", "two")]
                reply = ask("resources/read", {"uri": uri})
                error_is(reply, 200, -32602)
                require(words in reply.error()["message"] and "/mcp/NAME" in reply.error()["message"], f"{reply!r}")
                require(reply.error()["data"]["uri"] == uri, f"{reply!r}")
                now = [[e for e in world.journal(s) if e["method"] == "resources/read"] for s in ("one", "two")]
                require(now == read, "it was read somewhere")
        for name in ("same", "three__same", "hidden__same", "", "one_same"):
            with results.check(f"all/prompt-{name or 'empty'}-is-unknown/{era}"), world.nothing_forwarded():
                reply = ask("prompts/get", {"name": name})
                error_is(reply, 200, -32602)
                require(reply.error()["message"] == f"Unknown prompt: {name}", f"{reply!r}")
    with results.check("all/each-servers-list-is-a-call-of-its-own"):
        door.modern("prompts/list")
        intents = [e for e in world.gate.log(50) if e["kind"] == "intent" and e["tool"] == "mcp:prompts/list"]
        require([e["server"] for e in intents[-2:]] in (["one", "two"], ["two", "one"]), intents[-2:])


def check_unlisted(results, world):
    """A server that may be read from and not listed might have a URI that another lists: nobody reads it there."""
    servers = {name: {"command": world.paged(name)} for name in ("one", "two")}
    for method, uri in (("resources/list", "note://two/4"), ("resources/templates/list", "two://of/ada")):
        world.gate.write(servers, PERMIT_ALL + UNLISTED.format(method=method))
        world.gate.restart()
        for era, ask in eras(world.door).items():
            with results.check(f"unlisted/a-uri-that-may-be-its-own-is-refused/{method}/{era}"):
                read = [e for e in world.journal("two") if e["method"] == "resources/read"]
                reply = ask("resources/read", {"uri": uri})
                error_is(reply, 200, -32602)
                words = f"you may not ask `one` for its `{method}`"
                require(words in reply.error()["message"] and "/mcp/NAME" in reply.error()["message"], f"{reply!r}")
                require([e for e in world.journal("two") if e["method"] == "resources/read"] == read, "it was read")
        with results.check(f"unlisted/its-own-door-reads-it/{method}"):
            reply = world.door.at("/mcp/two").modern("resources/read", {"uri": uri})
            require(reply.result() is not None, f"{reply!r}")


def check_large(results, world):
    """A list that is larger than what one request looks through is none that was looked through."""
    servers = {"one": {"command": world.paged("one")}, "two": {"command": world.paged("two", "--padding", str(1 << 20))}}
    world.gate.write(servers, PERMIT_ALL)
    world.gate.restart()
    for era, ask in eras(world.door).items():
        with results.check(f"large/a-uri-that-may-be-its-own-is-refused/{era}"):
            reply = ask("resources/read", {"uri": "note://one/0"}, seconds=30)
            error_is(reply, 200, -32602)
            require("did not answer (limit_exceeded)" in reply.error()["message"], f"{reply!r}")


def check_slow(results, world):
    """A slow or dead server is left out, seen, in bounded time; nobody waits for it."""
    servers = {"one": {"command": world.paged("one")}, "two": {"command": world.paged("two")},
               "slow": {"command": world.paged("slow", "--slow", "60")}}
    world.gate.write(servers, PERMIT_ALL + FORBID_TWO)
    world.gate.restart()
    world.gate.certify_all(["slow"])
    for era, ask in eras(world.door).items():
        with results.check(f"slow/is-left-out-in-time/{era}"):
            began = time.monotonic()
            found = ask("prompts/list", seconds=30).result()
            took = time.monotonic() - began
            require(took < 8, f"took {took:.1f} s")
            require({p["_meta"]["dev.callgate/server"] for p in found["prompts"]} == {"one"}, found)
            require(found["_meta"]["dev.callgate/left_out"] == [{"server": "slow", "reason": "upstream_timeout"}], found)
        with results.check(f"slow/others-go-on-without-it/{era}"):
            cursor = ask("prompts/list", seconds=30).result()["nextCursor"]
            began = time.monotonic()
            found = ask("prompts/list", {"cursor": cursor}).result()
            require(time.monotonic() - began < 3 and len(found["prompts"]) == 2, found)
        with results.check(f"slow/a-uri-that-may-be-its-own-is-refused/{era}"):
            reply = ask("resources/read", {"uri": "note://one/0"}, seconds=30)
            error_is(reply, 200, -32602)
            require("`slow` did not answer" in reply.error()["message"], f"{reply!r}")
        with results.check(f"hidden/no-trace-of-a-server-that-policy-forbids/{era}"):
            seen = json.dumps([ask("prompts/list", seconds=30).last(), ask("prompts/get", {"name": "two__same"}).last()])
            require("two-p" not in seen and '"two"' not in seen and "Unknown prompt: two__same" in seen, seen)


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
    check_all_servers(results, world)
    check_bound(results, world)
    check_unlisted(results, world)
    check_large(results, world)
    check_slow(results, world)
    results.add("stops-cleanly", world.gate.stop() == 0, world.gate.output()[-1500:])
    return results.finish(options.json)


if __name__ == "__main__":
    raise SystemExit(main())
