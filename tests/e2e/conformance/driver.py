"""A client for the client scenarios of the suite: Callgate in front of the URL it is given, a small client behind it.

`driver.py --binary PATH URL`; the suite appends the URL and names its scenario in
MCP_CONFORMANCE_SCENARIO. The client speaks the older revisions or the newest one, as the scenario's part asks; Callgate
finds out by itself what the server speaks. Must never reach the URL but through Callgate.
"""

import argparse
import json
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import lib  # noqa: E402
import logins  # noqa: E402
from gate import Gate  # noqa: E402

SCENARIO = os.environ.get("MCP_CONFORMANCE_SCENARIO", "")
CONTEXT = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
ROUNDS_MAX = 8
LOGINS_MAX = 3
# Less than the suite's patience, so that nothing is left behind when something hangs.
SECONDS_MAX = 45
# Named by the scenarios' descriptions.
FOCAL, ECHO = "json_schema_2020_12_tool", "json_schema_echo"
CAPABILITIES = {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}}}


def filled(schema):
    """A form as a person leaves it who only presses the button: the defaults, and `true` where there is none."""
    properties = schema.get("properties", {})
    return {name: one.get("default", True) for name, one in properties.items() if "default" in one or
            one.get("type") == "boolean"}


def answer(request):
    lib.require(request["method"] == "elicitation/create", f"the client was asked for {request['method']}")
    return {"action": "accept", "content": filled(request["params"]["requestedSchema"])}


class Client:
    """What the scenarios have in common: the endpoint of the one server, under its tools' own names."""

    def __init__(self, gate, key):
        self.gate = gate
        self.door = gate.door(key, "/mcp/server", seconds=40)
        self.old = None

    def rounds(self, method, params):
        """A request of the newest revision to its end, each question answered."""
        params = {"_meta": CAPABILITIES, **params}
        asked = dict(params)
        for _ in range(ROUNDS_MAX):
            reply = self.door.modern(method, asked)
            result = reply.result()
            lib.require(result is not None, f"{method}: {reply!r}")
            if result.get("resultType") != "input_required":
                succeeded(method, reply)
                return result
            questions = result.get("inputRequests", {})
            asked = {**params, "inputResponses": {name: answer(one) for name, one in questions.items()}}
            if "requestState" in result:
                asked["requestState"] = result["requestState"]
        raise AssertionError(f"{method} asked more than {ROUNDS_MAX} times")

    def call(self, name, **arguments):
        return self.rounds("tools/call", {"name": name, "arguments": arguments})

    def session(self):
        """A session of the older revisions, whose clients know nothing of headers for parameters."""
        self.old = self.old or self.door.session()
        return self.old

    def listed(self):
        return self.session().request("tools/list").result()["tools"]


def succeeded(name, reply):
    result = reply.result()
    lib.require(result is not None and not result.get("isError"), f"{name}: {reply!r}")


def act_tools_call(client):
    client.call("add_numbers", a=5, b=3)


def act_defaults(client):
    client.call("test_client_elicitation_defaults")


def act_retry(client):
    client.call("test_reconnection")


def act_metadata(client):
    client.rounds("tools/list", {})


def act_rounds(client):
    """The unrelated tool between the rounds of others, as the suite wants to see it."""
    for name in ("test_mrtr_echo_state", "test_mrtr_unrelated", "test_mrtr_no_state", "test_mrtr_no_result_type"):
        client.call(name)


def act_standard_headers(client):
    """Everything that has a name of its own in a header, under names that need care."""
    for tool in client.listed():
        client.session().call(tool["name"])
    session = client.session()
    for resource in session.request("resources/list").result()["resources"]:
        session.request("resources/read", {"uri": resource["uri"]})
    for prompt in session.request("prompts/list").result()["prompts"]:
        session.request("prompts/get", {"name": prompt["name"]})


def act_custom_headers(client):
    """A parameter that is null is left out: Callgate refuses arguments that the tool's schema does not allow."""
    for call in CONTEXT["toolCalls"]:
        given = {name: value for name, value in call["arguments"].items() if value is not None}
        reply = client.session().call(call["name"], given)
        succeeded(call["name"], reply)


def act_everything_listed(client):
    """Calls whatever is offered: what must not be called is not to be offered."""
    for tool in client.listed():
        names = tool["inputSchema"].get("required", [])
        client.session().call(tool["name"], dict.fromkeys(names, "x"))


def act_listed(client):
    client.listed()


def act_schema(client):
    focal = next(tool for tool in client.listed() if tool["name"] == FOCAL)
    reply = client.session().call(ECHO, {"schema": focal["inputSchema"]})
    succeeded(ECHO, reply)


def act_with_tokens(client):
    """Logs in and calls, again when more is wanted; the suite judges what Callgate asked for and what it refused."""
    for _ in range(LOGINS_MAX):
        logins.login(client.gate, "server")
        settle(client.gate)
        tools = client.listed()
        replies = [client.session().call(tool["name"]) for tool in tools]
        if tools and all(reply.result() and not reply.result().get("isError") for reply in replies):
            return


ACTS = {
    "initialize": act_listed, "tools_call": act_tools_call, "elicitation-sep1034-client-defaults": act_defaults,
    "sse-retry": act_retry, "request-metadata": act_metadata, "sep-2322-client-request-state": act_rounds,
    "http-standard-headers": act_standard_headers, "http-custom-headers": act_custom_headers,
    "http-invalid-tool-headers": act_everything_listed, "json-schema-ref-no-deref": act_listed,
    "json-schema-2020-12-preservation": act_schema,
}


def settle(gate):
    """Has the server looked at and certifies what can be: what Callgate refuses to certify stays hidden."""
    gate.json("servers", "refresh", codes=range(256))
    gate.certify_unflagged()
    for tool in gate.tools("--status", "quarantined"):
        definition = gate.json("tools", "show", tool["tool"])["definition"]
        gate.cli("tools", "certify", tool["tool"], "--definition", definition)


def out_of_time(_number, _frame):
    raise TimeoutError(f"{SCENARIO} took more than {SECONDS_MAX} s")


def main():
    signal.signal(signal.SIGALRM, out_of_time)
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", default=lib.default_binary(), type=pathlib.Path)
    options.add_argument("url")
    options = options.parse_args()
    signal.alarm(SECONDS_MAX)
    directory = lib.scratch("driver")
    gate = Gate(options.binary, directory, {"server": logins.table(SCENARIO, CONTEXT, options.url, directory)})
    try:
        gate.start()
        settle(gate)
        act = act_with_tokens if SCENARIO.startswith("auth/") else ACTS[SCENARIO]
        act(Client(gate, gate.add_agent("driver")))
    finally:
        gate.stop()
        lib.say(gate.output()[-4000:])


if __name__ == "__main__":
    main()
