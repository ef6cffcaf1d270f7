"""Subscriptions: what servers tell of their own accord reaches who subscribed and may hear of it, and nobody else.

`subscriptions.py [--binary PATH] [--json FILE]`. Must never take what comes late for what does not come: what is not told is
shown by what is told after it.
"""

import argparse
import contextlib
import pathlib
import sys

import lib
import world
from gate import PERMIT_ALL, Gate
from lib import require

UPDATED = "notifications/resources/updated"
PROMPTS = "notifications/prompts/list_changed"
TOLD = lib.ROOT / "crates" / "upstream" / "tests" / "servers" / "told.py"
SERVERS = ("legacy", "modern", "everything", "everything-http")
NO_OTHERS = """
@id("test.others")
forbid (principal, action in Callgate::Action::"read_resource", resource)
unless { principal in Callgate::AgentGroup::"readers" };
"""


class World:
    def __init__(self, binary, directory):
        servers = {
            "legacy": {"command": [sys.executable, TOLD]},
            "modern": {"command": [sys.executable, TOLD, "modern"]},
            "everything": world.everything().table,
            "everything-http": world.everything_http(directory).table,
        }
        self.servers = servers
        self.gate = Gate(binary, directory / "gate", servers, PERMIT_ALL)
        self.gate.start()
        self.gate.certify_all(SERVERS)
        self.key = self.gate.add_agent("e2e")
        self.door = self.gate.door(self.key)

    def load(self, policy):
        """Other policies are in force from here on."""
        self.gate.write(self.servers, policy)
        self.gate.json("policy", "reload")


def updated(uri, about=None):
    params = {"uri": uri} if about is None else {"_meta": subscription(about), "uri": uri}
    return {"jsonrpc": "2.0", "method": UPDATED, "params": params}


def subscription(about):
    return {"io.modelcontextprotocol/subscriptionId": about}


def say(door, text):
    reply = door.session().call("say", {"text": text})
    require(reply.result() is not None, f"{reply!r}")


def check_declared(results, world):
    with results.check("declared/what-the-caller-has"):
        for server in SERVERS:
            for capabilities in (world.door.at(f"/mcp/{server}").session().hello.result()["capabilities"],
                                 world.door.at(f"/mcp/{server}").modern("server/discover").result()["capabilities"]):
                require(capabilities["tools"] == {"listChanged": True}, f"{server}: {capabilities}")
                require(capabilities.get("resources", {}) in ({}, {"subscribe": True, "listChanged": True}),
                        f"{server}: {capabilities}")


def check_session(results, world):
    """A session subscribes, is told on its stream, and is told no more once it does not want to be."""
    for server in ("legacy", "modern"):
        door = world.door.at(f"/mcp/{server}")
        with results.check(f"session/{server}"):
            session = door.session()
            for uri in ("a:/one", "a:/two"):
                reply = session.request("resources/subscribe", {"uri": uri})
                require(reply.result() == {}, f"{reply!r}")
            with contextlib.closing(session.listen()) as stream:
                session.call("say", {"text": "a:/none"})
                session.call("say", {"text": "a:/two"})
                require(stream.next() == updated("a:/two"), "not told")
                session.call("say", {"text": "a:/one/below"})
                require(stream.next() == updated("a:/one/below"), "not told of what is below")
                reply = session.request("resources/unsubscribe", {"uri": "a:/one"})
                require(reply.result() == {}, f"{reply!r}")
                session.call("say", {"text": "a:/one"})
                session.call("say", {"text": "a:/two"})
                require(stream.next() == updated("a:/two"), "told of what it does not want any more")
        with results.check(f"session/{server}/kept-until-it-listens"):
            session.call("say", {"text": "a:/two"})
            with contextlib.closing(session.listen()) as stream:
                require(stream.next() == updated("a:/two"), "lost")
        with results.check(f"session/{server}/refused-by-the-server"):
            reply = session.request("resources/subscribe", {"uri": "none:x"})
            require(reply.code() == -32602, f"{reply!r}")
        with results.check(f"session/{server}/ends-with-it"):
            session.delete()
            lib.wait_for("the server to be told", lambda: ended(door, server), 20)
    with results.check("session/at-the-door-of-all-servers"):
        session = world.door.session()
        uri = next(item["uri"] for item in session.request("resources/list").result()["resources"]
                   if item["uri"].startswith("demo:"))
        reply = session.request("resources/subscribe", {"uri": uri})
        # Two servers here list it: nobody guesses which is meant.
        require(reply.code() == -32602, f"{reply!r}")


def ended(door, server):
    text = door.session().call("asked").result()["content"][0]["text"]
    return '["unsubscribe", "a:/two"]' in text if server == "legacy" else text.rstrip("]").endswith('["ended"')


def check_listen(results, world):
    """A request that listens is granted what it may have, and told under its own id."""
    for server in ("legacy", "modern"):
        door = world.door.at(f"/mcp/{server}")
        with results.check(f"listen/{server}"):
            wanted = {"promptsListChanged": True, "resourcesListChanged": True,
                      "resourceSubscriptions": ["a:/one", "none:x", "a:/two"]}
            with contextlib.closing(door.listen(wanted, "l-7")) as stream:
                first = stream.next()
                require(first["method"] == "notifications/subscriptions/acknowledged", f"{first}")
                # These servers list neither prompts nor resources to anybody, but declare that they do.
                granted = {**wanted, "resourceSubscriptions": ["a:/one", "a:/two"]}
                require(first["params"] == {"_meta": subscription("l-7"), "notifications": granted}, f"{first}")
                say(door, "a:/one")
                require(stream.next() == updated("a:/one", "l-7"), "not told")
                say(door, "prompts/list_changed")
                told = stream.next()
                require(told == {"jsonrpc": "2.0", "method": PROMPTS, "params": {"_meta": subscription("l-7")}}, f"{told}")


def check_real(results, world):
    """A real server, by both transports: it tells at once when it is asked to, and every five seconds."""
    uri = "demo://resource/static/document/architecture.md"
    for server in ("everything", "everything-http"):
        with results.check(f"real/{server}"):
            door = world.door.at(f"/mcp/{server}")
            session = door.session()
            reply = session.request("resources/subscribe", {"uri": uri})
            require(reply.result() == {}, f"{reply!r}")
            with contextlib.closing(session.listen()) as stream:
                require(session.call("toggle-subscriber-updates").result() is not None, "not toggled")
                told = iter(stream.next, None)
                require(next(line for line in told if line["method"] == UPDATED) == updated(uri), "not told")
            with contextlib.closing(door.listen({"resourceSubscriptions": [uri]}, 3)) as stream:
                require(stream.next()["params"]["notifications"] == {"resourceSubscriptions": [uri]}, "not granted")
                require(stream.next() == updated(uri, 3), "not told")
            session.call("toggle-subscriber-updates")


def check_ends(results, world):
    """What would not be permitted any more is told no more, at once."""
    gate, door = world.gate, world.door.at("/mcp/legacy")
    reader = gate.door(gate.add_agent("reader", "--group", "readers"), "/mcp/legacy")
    with results.check("ends/policy"):
        with contextlib.closing(door.listen({"resourceSubscriptions": ["a:/e"]}, "mine")) as mine, contextlib.closing(
                reader.listen({"resourceSubscriptions": ["a:/e"]}, "theirs")) as theirs:
            mine.next(), theirs.next()
            say(door, "a:/e")
            say(reader, "a:/e")
            require(mine.next() == updated("a:/e", "mine") and theirs.next() == updated("a:/e", "theirs"), "not told")
            world.load(PERMIT_ALL + NO_OTHERS)
            say(door, "a:/e")
            say(reader, "a:/e")
            require(theirs.next() == updated("a:/e", "theirs"), "the other's ended")
            gate.json("agents", "remove", "e2e")
            last = list(iter(mine.next, None))
            require([line.get("id") for line in last] == ["mine"], f"{last}")
    with results.check("ends/recorded"):
        decided = [entry for entry in gate.log(2000) if "mcp:resources/subscribe" in str(entry)]
        require(decided, "no subscription is in the record")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", default=lib.default_binary(), type=pathlib.Path)
    options.add_argument("--json", type=pathlib.Path)
    options = options.parse_args()
    results = lib.Results("subscriptions")
    built = World(options.binary, lib.scratch("subscriptions"))
    for check in (check_declared, check_session, check_listen, check_real, check_ends):
        with results.check(f"{check.__name__}/ran"):
            check(results, built)
    results.add("stops-cleanly", built.gate.stop() == 0, built.gate.output()[-1500:])
    return results.finish(options.json)


if __name__ == "__main__":
    raise SystemExit(main())
