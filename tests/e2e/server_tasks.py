"""Upstream tasks through the door: handles for their clients, every look a call of its own, what a task asks decided first.

`server_tasks.py [--binary PATH] [--json FILE]`. Must never know a server's own id of a task but from its journal.
"""

import argparse
import pathlib

import lib
from door import error_is
from gate import PERMIT_ALL, Gate
from lib import require

EXTENSION = "io.modelcontextprotocol/tasks"
DECLARED = {"extensions": {EXTENSION: {}}, "elicitation": {"form": {}}}
FIXTURE = lib.E2E / "conformance" / "fixture.py"
QUIET = """
@id("test.quiet")
forbid (principal, action in Callgate::Action::"elicit", resource);
"""
NO_TOOL = """
@id("test.no-tool")
forbid (principal, action == behind::Action::"slow_compute", resource);
"""
WAYS = ("behind", "child")


class World:
    """The conformance fixture over HTTP and as a child, and two keys."""

    def __init__(self, binary, directory):
        port = lib.free_port()
        argv = [lib.PY_NEW / "python", "-B", FIXTURE]
        lib.Process([*argv, port], directory / "fixture.log").wait_port(port)
        servers = {"behind": {"url": f"http://127.0.0.1:{port}/modern"}, "child": {"command": [*argv, "stdio-modern"], "era": "modern"}}
        self.servers = servers
        self.gate = Gate(binary, directory / "gate", servers, PERMIT_ALL)
        self.gate.start()
        self.gate.certify_all(servers)
        self.key, self.other = self.gate.add_agent("e2e"), self.gate.add_agent("other")

    def client(self, path, key=None):
        return Client(self.gate.door(key or self.key), path)

    def policy(self, text):
        self.gate.write(self.servers, text)
        self.gate.cli("policy", "reload")


class Client:
    """A client that declares what it can do with each request."""

    def __init__(self, door, path, declared=None):
        self.door, self.declared = door.at(path), DECLARED if declared is None else declared
        self.prefix = "behind__" if path == "/mcp" else ""

    def ask(self, method, params):
        meta = {"io.modelcontextprotocol/clientCapabilities": self.declared}
        body, headers = self.door.modern_request(method, {**params, "_meta": meta})
        if "taskId" in params:
            headers.append(("Mcp-Name", params["taskId"]))
        return self.door.send(body, headers)

    def make(self, tool, **arguments):
        reply = self.ask("tools/call", {"name": f"{self.prefix}{tool}", "arguments": arguments})
        require(reply.result() and reply.result()["resultType"] == "task", f"{tool}: {reply!r}")
        return reply.result()

    def look(self, handle):
        return self.ask("tasks/get", {"taskId": handle})

    def wait(self, handle, status):
        def there():
            found = self.look(handle).result()
            require(found is not None, "the task is gone")
            return found if found["status"] == status else None
        return lib.wait_for(f"a task that is {status}", there)


def check_life(results, world):
    """A task from its call to its end, at every door and over every pipe."""
    for name, path in [*((way, f"/mcp/{way}") for way in WAYS), ("all", "/mcp")]:
        client = world.client(path)
        with results.check(f"life/declared/{name}"):
            hello = client.ask("server/discover", {}).result()
            require(hello["capabilities"]["extensions"] == {EXTENSION: {}}, hello)
        with results.check(f"life/completes/{name}"):
            made = client.make("slow_compute", seconds=1)
            require(made["taskId"].startswith("cgh1_"), made)
            done = client.wait(made["taskId"], "completed")
            require(done["taskId"] == made["taskId"] and done["result"]["content"][0]["text"] == "computed for 1 s", done)
        with results.check(f"life/stops/{name}"):
            made = client.make("slow_compute", seconds=60)
            reply = client.ask("tasks/cancel", {"taskId": made["taskId"]})
            require(reply.result() and "taskId" not in reply.result(), f"{reply!r}")
            client.wait(made["taskId"], "cancelled")
        with results.check(f"life/asks-and-goes-on/{name}"):
            handle = client.make("confirm_delete", filename="a")["taskId"]
            asked = client.wait(handle, "input_required")["inputRequests"]
            require([(key, value["method"]) for key, value in asked.items()] == [("confirm", "elicitation/create")], asked)
            answers = {"confirm": {"action": "accept", "content": {"confirm": True}}, "never-asked": {"action": "accept"}}
            require(client.ask("tasks/update", {"taskId": handle, "inputResponses": answers}).result() is not None, "refused")
            text = client.wait(handle, "completed")["result"]["content"][0]["text"]
            require('"confirm": {"action": "accept"' in text and "never-asked" not in text, text)


def check_bound(results, world):
    """A handle is for its agent and door; whatever else is brought is one and the same unknown task."""
    client = world.client("/mcp/behind")
    handle = client.make("slow_compute", seconds=60)["taskId"]
    client.make("slow_compute", seconds=60)
    nothing = client.look("no-such-task")
    with results.check("bound/unknown-is-one-answer"):
        error_is(nothing, 200, -32602)
        for who, brought in ((world.client("/mcp/behind", world.other), handle), (client, handle[:-1]), (client, handle + "A"),
                             (client, handle.lower()), (client, "")):
            reply = who.look(brought)
            error_is(reply, 200, -32602)
            require(brought == "" or reply.error()["message"] == nothing.error()["message"], f"{reply!r}")
    with results.check("bound/to-its-door"):
        error_is(world.client("/mcp").look(handle), 200, -32602)
        error_is(world.client("/mcp/child").look(handle), 200, -32602)
    with results.check("bound/header-and-body-agree"):
        body, headers = client.door.modern_request("tasks/get", {
            "taskId": handle, "_meta": {"io.modelcontextprotocol/clientCapabilities": DECLARED}})
        error_is(client.door.send(body, [*headers, ("Mcp-Name", "another")]), 400, -32020)
    with results.check("bound/undeclared-is-told-so"):
        bare = Client(world.gate.door(world.key), "/mcp/behind", {})
        error_is(bare.look(handle), 400, -32021)
        require("extensions" in bare.look(handle).error()["data"]["requiredCapabilities"], "which")
    with results.check("bound/none-in-a-session"):
        error_is(world.gate.door(world.key, "/mcp/behind").session().request("tasks/get", {"taskId": handle}), 200, -32601)
    with results.check("bound/survives-a-restart"):
        world.gate.restart()
        require(client.look(handle).result()["taskId"] == handle, "it is gone")


def check_decided(results, world):
    """Every look is decided; what the tool's permit or the question's permit takes away is gone."""
    client = world.client("/mcp/behind")
    handle = client.make("slow_compute", seconds=60)["taskId"]
    with results.check("decided/recorded"):
        client.look(handle)
        entries = world.gate.log(50)
        require(any(entry.get("tool") == "mcp:tasks/get" and entry["kind"] == "intent" for entry in entries), entries)
        require(any("made a task" in entry.get("why", "") for entry in entries), entries)
    with results.check("decided/a-question-nobody-permits-is-not-shown"):
        world.policy(PERMIT_ALL + QUIET)
        asks = client.make("confirm_delete", filename="a")["taskId"]
        require(client.wait(asks, "input_required")["inputRequests"] == {}, "it was shown")
        client.ask("tasks/cancel", {"taskId": asks})
    with results.check("decided/no-tool-no-tasks"):
        world.policy(PERMIT_ALL + NO_TOOL)
        error_is(client.look(handle), 200, -32602)
        error_is(client.ask("tasks/cancel", {"taskId": handle}), 200, -32602)
        world.policy(PERMIT_ALL)
        require(client.look(handle).result()["status"] == "working", "it was stopped")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", default=lib.default_binary(), type=pathlib.Path)
    options.add_argument("--json", type=pathlib.Path)
    options = options.parse_args()
    results = lib.Results("server_tasks")
    world = World(options.binary, lib.scratch("server-tasks"))
    check_life(results, world)
    check_bound(results, world)
    check_decided(results, world)
    results.add("stops-cleanly", world.gate.stop() == 0, world.gate.output()[-1500:])
    return results.finish(options.json)


if __name__ == "__main__":
    raise SystemExit(main())
