"""Servers ask and log during a call: clients of every SDK answer in all combinations of eras, and nobody else can.

`questions.py [--binary PATH] [--json FILE] [--only PATTERN]`. The servers are those of the conformance suite, behind HTTP
and as child processes; clients reach them over HTTP and through `callgate wrap`. What a client is asked and gets must be
what it is asked and gets directly. Must never answer for a client.
"""

import argparse
import fnmatch
import json
import pathlib

import lib
from conformance import fixture, tables
from gate import PERMIT_ALL, Gate
from lib import require
from run import Program, plain_call
from wire import LEGACY

ANSWERS = {
    "elicitation/create": {"action": "accept", "content": {"username": "ann", "email": "ann@a.example", "name": "Ann"}},
    "sampling/createMessage": {"role": "assistant", "model": "m", "content": {"type": "text", "text": "Paris"}},
    "roots/list": {"roots": [{"uri": "file:///srv/x", "name": "x"}]},
}
CALLS = [
    {"name": "test_elicitation", "arguments": {"message": "Who are you?"}},
    {"name": "test_sampling", "arguments": {"prompt": "What is the capital of France?"}},
    {"name": "test_input_required_result_list_roots", "arguments": {}},
    {"name": "test_input_required_result_multi_round", "arguments": {}},
    {"name": "test_tool_with_logging", "arguments": {}},
]
ROUNDS = ["elicitation/create", "sampling/createMessage", "roots/list", "elicitation/create", "elicitation/create"]
CLIENTS = [
    Program("py_new.py", [lib.PY_NEW / "python"], ("legacy", "modern"), "modern"),
    Program("py_old.py", [lib.PY_OLD / "python"], ("legacy",), "legacy"),
    Program("node_new.mjs", ["node"], ("legacy", "modern"), "modern"),
    Program("node_old.mjs", ["node"], ("legacy",), "legacy"),
]
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
CAN = {"elicitation": {}, "sampling": {}, "roots": {}}
NO_QUESTIONS = PERMIT_ALL + """
@id("test.shy")
forbid (principal == Callgate::Agent::"shy", action in Callgate::Action::"elicit", resource);
"""


class World:
    """The servers, directly and behind one daemon, and agents that may and may not be asked."""

    def __init__(self, binary, directory):
        self.binary, self.port = binary, fixture(directory, "fixture")
        self.servers = tables(self.port)
        self.gate = Gate(binary, directory / "gate", self.servers, NO_QUESTIONS).start()
        self.gate.certify_all(self.servers)
        self.key = self.gate.add_agent("ann")
        self.other, self.shy = self.gate.add_agent("bob"), self.gate.add_agent("shy")
        self.gate.json("agents", "add", "local", "--local")
        self.direct = {}

    def see(self, client, mode, target):
        return client.see({**target, "answers": ANSWERS, "log": "info"}, mode, CALLS)

    def directly(self, client, mode):
        """What a client sees of a server of its own era."""
        if (client.name, mode) not in self.direct:
            seen = self.see(client, mode, {"url": f"http://127.0.0.1:{self.port}/{mode}"})
            self.direct[client.name, mode] = seen
        return self.direct[client.name, mode]

    def wrapped(self, server):
        argv = [self.binary, "--config", self.gate.config, "wrap", "--agent", "local", "--server", server]
        return {"command": [str(part) for part in argv]}

    def over_http(self, server):
        return {"url": f"http://127.0.0.1:{self.gate.port}/mcp/{server}", "token": self.key}

    def door(self, server, key=None):
        return self.gate.door(key or self.key, f"/mcp/{server}")


def check_clients(results, world, only):
    """Every client, in both eras, on servers of both, over HTTP and as children, through the port and through a shim."""
    for server in world.servers:
        for way, target in (("port", world.over_http(server)), ("wrap", world.wrapped(server))):
            for client in CLIENTS:
                for mode in client.modes:
                    name = f"clients/{way}/{client.name}-{mode}-on-{server}"
                    if not fnmatch.fnmatchcase(name, only):
                        continue
                    with results.check(name):
                        equal(world.directly(client, mode), world.see(client, mode, target))


def equal(direct, through):
    for seen in (direct, through):
        require([one["method"] for one in seen["asked"]] == ROUNDS, f"asked: {seen['asked']}, {seen['calls']}")
    for number, (a, b) in enumerate(zip(direct["calls"], through["calls"], strict=True)):
        found = lib.difference(plain_call(a), plain_call(b))
        require(found is None, f"call {number}: {found}")
        require("isError" not in plain_call(b).get("result", {"isError": 1}), b)
    found = lib.difference([shown(one) for one in direct["asked"]], [shown(one) for one in through["asked"]])
    require(found is None, f"asked: {found}")
    found = lib.difference([log["data"] for log in direct["logs"]], [log["data"] for log in through["logs"]])
    require(found is None and len(through["logs"]) == 3, f"logs: {found} {through['logs']}")


def shown(asked):
    """A question without what belongs to the wire of one era."""
    params = {name: value for name, value in asked["params"].items() if name not in ("_meta", "mode")}
    return {"method": asked["method"], "params": params}


def ask_modern(door, name, arguments=None, can=None, **more):
    params = {"name": name, "arguments": arguments or {}, "_meta": {CAPABILITIES: CAN if can is None else can}, **more}
    return door.modern("tools/call", params)


def required(reply):
    """The questions and the state of an interim result."""
    result = reply.result() or {}
    require(result.get("resultType") == "input_required", f"not asked: {reply!r}")
    return result.get("inputRequests", {}), result["requestState"]


def answer_all(requests):
    return {key: ANSWERS[request["method"]] for key, request in requests.items()}


def words(reply):
    return (reply.result() or {}).get("content", [{}])[0].get("text", repr(reply))


WHO = ("test_elicitation", {"message": "Who are you?"})


def check_state(results, world):
    """What brings a suspended call back: once, for the same request of the same agent at the same door."""
    for server in ("http-legacy", "http-modern"):
        door = world.door(server)

        def refused(label, door, *call, state, requests):
            with results.check(f"state/{server}/{label}"):
                reply = ask_modern(door, *call, requestState=state, inputResponses=answer_all(requests))
                require(reply.code() == -32602 and "requestState" in reply.error()["message"], repr(reply))
        requests, state = required(ask_modern(door, *WHO))
        given = {"state": state, "requests": requests}
        middle = len(state) // 2
        changed = state[:middle] + ("A" if state[middle] != "A" else "B") + state[middle + 1:]
        refused("changed", door, *WHO, state=changed, requests=requests)
        refused("invented", door, *WHO, state="nothing", requests=requests)
        refused("of-another-agent", world.door(server, world.other), *WHO, **given)
        refused("for-other-arguments", door, WHO[0], {"message": "Other"}, **given)
        refused("for-another-tool", door, "test_sampling", {"prompt": "Who are you?"}, **given)
        refused("at-another-door", world.door(f"stdio-{server[5:]}"), *WHO, **given)
        with results.check(f"state/{server}/asks-again-when-nothing-was-answered"):
            again, next_state = required(ask_modern(door, *WHO, requestState=state, inputResponses={"other": {}}))
            require(again == requests and next_state != state, again)
        refused("used-before", door, *WHO, **given)
        with results.check(f"state/{server}/brings-the-call-back"):
            reply = ask_modern(door, *WHO, requestState=next_state, inputResponses={**answer_all(requests), "x": {}})
            require("action=accept" in words(reply), repr(reply))
        refused("used", door, *WHO, state=next_state, requests=requests)
        with results.check(f"state/{server}/answers-that-are-none-are-errors"):
            for wrong in ({"k": 5}, [], "x", {f"k{number}": {} for number in range(33)}):
                reply = ask_modern(door, *WHO, requestState="s", inputResponses=wrong)
                require(reply.code() == -32602, f"{wrong}: {reply!r}")
        with results.check(f"state/{server}/answers-without-a-state-are-a-fresh-call"):
            required(ask_modern(door, *WHO, inputResponses={"user_name": ANSWERS["elicitation/create"]}))


def check_session(results, world):
    """What a session is asked is answered in that session, once."""
    for server in ("http-legacy", "http-modern"):
        door = world.door(server)
        session = door.session(LEGACY, CAN)
        stream = session.start("tools/call", {"name": WHO[0], "arguments": WHO[1]})
        question = stream.next()
        answer = {"jsonrpc": "2.0", "id": question["id"], "result": ANSWERS["elicitation/create"]}
        others = {
            "another-session": door.session(LEGACY, CAN), "another-agent": world.door(server, world.other).session(LEGACY, CAN),
            "another-door": world.door(f"stdio-{server[5:]}").session(LEGACY, CAN),
        }
        for label, other in others.items():
            with results.check(f"session/{server}/{label}-cannot-answer"):
                require(other.post(answer).status == 400, "taken")
        with results.check(f"session/{server}/answers-once"):
            require(session.post(answer).status == 202, "not taken")
            require("action=accept" in json.dumps(stream.next()), "no result")
            require(session.post(answer).status == 400, "taken twice")
        with results.check(f"session/{server}/an-error-is-no-answer"):
            stream = session.start("tools/call", {"name": WHO[0], "arguments": WHO[1]})
            error = {"jsonrpc": "2.0", "id": stream.next()["id"], "error": {"code": -1, "message": "no"}}
            require(session.post(error).status == 202, "not taken")
            last = stream.next()
            require(last["id"] == session.started and "action=accept" not in json.dumps(last), last)
        with results.check(f"session/{server}/a-cancelled-call-takes-its-question-back"):
            stream = session.start("tools/call", {"name": WHO[0], "arguments": WHO[1]})
            asked = stream.next()["id"]
            cancel = {"requestId": session.started}
            session.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancel})
            told = stream.next()
            require((told["method"], told["params"]["requestId"]) == ("notifications/cancelled", asked), told)
            require(session.post({**answer, "id": asked}).status == 400, "taken")


def check_who_is_asked(results, world):
    """Nobody is asked what was not declared, or what policy does not permit; what is asked is recorded."""
    for server in ("http-legacy", "http-modern"):
        with results.check(f"asked/{server}/nothing-that-was-not-declared"):
            reply = ask_modern(world.door(server), *WHO, can={"sampling": {}})
            # A server with sessions says it in its own words; one without in those of the protocol.
            wanted = (-32021, 400) if server == "http-modern" else (-32603, 200)
            require((reply.code(), reply.status) == wanted, repr(reply))
            require("elicitation" in reply.error()["data"]["requiredCapabilities"], repr(reply))
        with results.check(f"asked/{server}/nothing-that-policy-forbids"):
            door = world.door(server, world.shy)
            reply = ask_modern(door, *WHO)
            require((reply.result() or {}).get("resultType") != "input_required", repr(reply))
            requests, _ = required(ask_modern(door, "test_sampling", {"prompt": "p"}))
            require([one["method"] for one in requests.values()] == ["sampling/createMessage"], requests)
        with results.check(f"asked/{server}/a-client-that-takes-no-stream-is-asked-nothing"):
            session = world.door(server).session(LEGACY, CAN)
            headers = [pair if pair[0] != "Accept" else ("Accept", "application/json") for pair in session.headers()]
            body = {"jsonrpc": "2.0", "id": 77, "method": "tools/call", "params": {"name": WHO[0], "arguments": WHO[1]}}
            reply = session.door.send(json.dumps(body).encode(), headers)
            require(reply.last()["id"] == 77 and "action=accept" not in words(reply), repr(reply))
        with results.check(f"asked/{server}/each-question-is-in-the-record"):
            requests, state = required(ask_modern(world.door(server), *WHO))
            ask_modern(world.door(server), *WHO, requestState=state, inputResponses=answer_all(requests))
            text = json.dumps(world.gate.log(6))
            require("mcp:elicitation/create" in text, text)
            require(ANSWERS["elicitation/create"]["content"]["email"] not in text, "an answer in clear")


def check_pages(results, world):
    """Pages to open: asked of clients that open pages, as each era asks."""
    can = {"elicitation": {"url": {}}}
    call = {"name": "test_page", "arguments": {}}
    for server in ("http-legacy", "http-modern"):
        with results.check(f"pages/{server}/a-modern-client-calls-again"):
            reply = ask_modern(world.door(server), "test_page", can=can)
            requests = reply.result()["inputRequests"]
            (key, request), = requests.items()
            expected = {"mode": "url", "url": "https://a.example/open", "message": "Please open this"}
            require(request["params"] == expected, request)
            state = {name: value for name, value in reply.result().items() if name == "requestState"}
            # A server with sessions has ended the call: there is nothing to bring back.
            require(bool(state) == (server == "http-modern"), reply)
            again = ask_modern(world.door(server), "test_page", can=can, inputResponses={key: {"action": "accept"}}, **state)
            require(words(again) == "opened", repr(again))
    with results.check("pages/http-legacy/a-session-gets-the-error-as-it-is"):
        session = world.door("http-legacy").session(LEGACY, can)
        reply = session.request("tools/call", call)
        require(reply.code() == -32042 and reply.error()["data"]["elicitations"][0]["elicitationId"] == "e-1", repr(reply))
        require(words(session.request("tools/call", call)) == "opened", "not opened")
    with results.check("pages/http-modern/a-session-is-asked-with-a-name-for-the-page"):
        session = world.door("http-modern").session(LEGACY, can)
        stream = session.start("tools/call", call)
        question = stream.next()
        require(question["params"]["elicitationId"], question)
        session.post({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept"}})
        require("opened" in json.dumps(stream.next()), "no result")
    for label, door, declared in (("undeclared", world.door("http-legacy"), {"elicitation": {}}),
                                  ("forbidden", world.door("http-legacy", world.shy), can)):
        with results.check(f"pages/http-legacy/{label}-is-no-page"):
            session = door.session(LEGACY, declared)
            reply = session.request("tools/call", call)
            session.request("tools/call", call)
            require(reply.code() == -32603 and "a.example" not in repr(reply), repr(reply))
    with results.check("pages/http-modern/an-older-session-has-none"):
        session = world.door("http-modern").session("2025-06-18", can)
        reply = session.request("tools/call", call)
        require(reply.last().get("method") is None and words(reply) != "opened", repr(reply))


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", default=lib.default_binary(), type=pathlib.Path)
    options.add_argument("--json", type=pathlib.Path)
    options.add_argument("--only", default="*", help="look at clients whose result matches, as `*/py_old.py-*`")
    options = options.parse_args()
    results = lib.Results("questions")
    world = World(options.binary, lib.scratch("questions"))
    for part in (check_state, check_session, check_who_is_asked, check_pages):
        with results.check(f"{part.__name__}/ran"):
            part(results, world)
    check_clients(results, world, options.only)
    with results.check("stops-cleanly"):
        require(world.gate.stop() == 0, world.gate.output()[-1500:])
    return results.finish(options.json)


if __name__ == "__main__":
    raise SystemExit(main())
