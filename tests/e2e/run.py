"""Real clients call real servers directly and through Callgate; what they see must be equal.

`run.py [--binary PATH] [--json FILE] [--direct-only]`. Each comparison is one named result.
Must never compare less than names, descriptions, schemas, annotations and results.
"""

import argparse
import concurrent.futures
import json
import pathlib
import threading

import lib
import world
from gate import Gate

FIELDS = ("name", "title", "description", "inputSchema", "outputSchema", "annotations", "icons", "_meta")
WIRE = ("resultType", "ttlMs", "cacheScope")
# What Callgate declares for a server that declares it; that it carries log messages it declares for each.
CARRIED = ("completions", "prompts", "resources", "tools")
SERVER_INFO = "io.modelcontextprotocol/serverInfo"
# The Inspector declares roots and so on; some servers then list more. What is certified is what all clients are listed.
INSPECTOR = lib.CLIENTS / "node_modules" / "@modelcontextprotocol" / "inspector" / "clients" / "launcher" / "build" / "index.js"


class Program:
    """A client that does a whole job in one process."""

    def __init__(self, name, argv, modes, direct):
        self.name, self.argv, self.modes, self.direct = name, argv, modes, direct

    def see(self, target, mode, calls, asks=()):
        job = {**target, "mode": mode, "calls": calls, "asks": list(asks)}
        env = lib.clean_env(CLIENT_MODULES=lib.CLIENTS)
        code, out, err = lib.run([*self.argv, lib.E2E / "clients" / self.name], 90, env, json.dumps(job))
        lib.require(code == 0, f"{self.name} ({mode}) ended with {code}: {err[-1500:]}")
        return json.loads(out)


class Inspector:
    """The Inspector's command line: one process for each request, so it makes the list and the first calls only."""

    name, modes, direct = "inspector", ("legacy", "modern"), "legacy"

    def __init__(self, home):
        self.env = lib.clean_env(HOME=home)
        self.env["PATH"] = f"{lib.node22().parent}:{self.env['PATH']}"

    def ask(self, target, mode, *request):
        where = [target["url"], "--transport", "http"] if "url" in target else target["command"]
        header = ["--header", f"Authorization: Bearer {target['token']}"] if target.get("token") else []
        variables = [part for pair in target.get("env", {}).items() for part in ("-e", "=".join(pair))]
        argv = ["node", INSPECTOR, "--cli", *where, *variables, *header, "--protocol-era", mode, *request, "--format", "json"]
        code, out, err = lib.run(argv, 90, self.env)
        lib.require(code in (0, 5) and out.strip(), f"inspector ({mode}) ended with {code}: {err[-1500:]}")
        return json.loads(out)["result"]

    def see(self, target, mode, calls, _asks=()):
        tools = self.ask(target, mode, "--method", "tools/list")["tools"]
        results = []
        for call in calls[:2]:
            arguments = json.dumps(call["arguments"])
            result = self.ask(target, mode, "--method", "tools/call", "--tool-name", call["name"],
                              "--tool-args-json", arguments)
            results.append({"result": result})
        return {"protocol": None, "tools": tools, "calls": results, "asks": [], "offers": None}


def clients(home):
    return [
        Program("py_new.py", [lib.PY_NEW / "python"], ("auto", "legacy"), "auto"),
        Program("py_old.py", [lib.PY_OLD / "python"], ("legacy",), "legacy"),
        Program("node_new.mjs", ["node"], ("legacy", "auto", "modern"), "auto"),
        Program("node_old.mjs", ["node"], ("legacy",), "legacy"),
        Inspector(home),
    ]


def plain_tools(tools, prefix=""):
    """Tools by their own name, with the fields that must survive."""
    kept = {}
    for tool in tools:
        fields = {name: tool[name] for name in FIELDS if name in tool}
        fields["name"] = fields["name"].removeprefix(prefix)
        kept[fields["name"]] = fields
    return kept


def plain_call(seen):
    """A result without what belongs to one revision of the wire: type, caching, the server's name, a false `isError`."""
    if "error" in seen:
        return {"error": seen["error"]}
    result = {name: value for name, value in seen["result"].items() if name not in WIRE}
    meta = {name: value for name, value in result.pop("_meta", {}).items() if name != SERVER_INFO}
    if meta:
        result["_meta"] = meta
    if result.get("isError") is False:
        del result["isError"]
    return {"result": result}


class Comparison:
    """One run: results from several threads, the direct views by server and client."""

    def __init__(self, results, gate, key):
        self.results, self.gate, self.key = results, gate, key
        self.lock = threading.Lock()
        self.direct = {}

    def equal(self, name, direct, through):
        with self.lock:
            self.results.equal(name, direct, through)

    def add(self, name, ok, detail=""):
        with self.lock:
            self.results.add(name, ok, detail)

    def look(self, name, client, target, mode, calls, asks=()):
        """What a client sees; a failed result and None when it cannot."""
        try:
            return client.see(target, mode, calls, asks)
        except Exception as error:
            self.add(name, False, str(error))
            return None

    def through(self, path):
        return {"url": f"http://127.0.0.1:{self.gate.port}{path}", "token": self.key}

    def own_names(self, server, client):
        """`/mcp/{server}` against the server itself."""
        direct = self.look(f"{server.name}/{client.name}/direct", client, server.direct, client.direct,
                           server.calls, server.asks)
        if direct is None:
            return
        tools = plain_tools(direct["tools"])
        if client.name == "inspector":
            tools = {name: tool for name, tool in tools.items() if name in self.direct[server.name]}
        else:
            self.direct.setdefault(server.name, tools)
        if self.gate is None:
            self.add(f"{server.name}/{client.name}/direct", bool(tools) and bool(direct["calls"]), direct)
            return
        for mode in client.modes:
            name = f"{server.name}/{client.name}-{mode}"
            seen = self.look(name, client, self.through(f"/mcp/{server.name}"), mode, server.calls,
                             server.asks)
            if seen is None:
                continue
            self.equal(f"{name}/list", tools, plain_tools(seen["tools"]))
            if client.name.endswith("_new.py") or client.name == "node_new.mjs":
                modern = seen["protocol"] == "2026-07-28"
                self.add(f"{name}/revision", modern == (mode != "legacy"), seen["protocol"])
            for position, (a, b) in enumerate(zip(direct["calls"], seen["calls"], strict=True)):
                tool = server.calls[position]["name"]
                self.equal(f"{name}/call-{position}-{tool}", plain_call(a), plain_call(b))
            if seen["offers"] is not None:
                carried = [offer for offer in direct["offers"] if offer in CARRIED]
                self.equal(f"{name}/offers", carried, [offer for offer in seen["offers"] if offer != "logging"])
            for position, (a, b) in enumerate(zip(direct["asks"], seen["asks"], strict=True)):
                method = server.asks[position]["method"]
                self.equal(f"{name}/ask-{position}-{method}", plain_call(a), plain_call(b))

    def one_server(self, server, all_clients):
        for client in all_clients:
            self.own_names(server, client)

    def all_names(self, servers, client):
        """`/mcp` against all servers: `server__tool`, everything else unchanged."""
        calls = [{**server.calls[0], "name": f"{server.name}__{server.calls[0]['name']}"} for server in servers]
        wanted = {f"{server.name}__{name}": tool for server in servers
                  for name, tool in self.direct.get(server.name, {}).items()}
        for mode in client.modes:
            name = f"all/{client.name}-{mode}"
            seen = self.look(name, client, self.through("/mcp"), mode, calls)
            if seen is None:
                continue
            tools = {tool["name"]: tool for tool in seen["tools"]}
            self.equal(f"{name}/names", sorted(wanted), sorted(tools))
            same = {full: plain_tools([tools[full]], full[:full.index("__") + 2]) for full in wanted if full in tools}
            self.equal(f"{name}/definitions", {full: {tool["name"]: tool} for full, tool in wanted.items()}, same)
            for server, seen_call in zip(servers, seen["calls"]):
                direct = self.look(f"{name}/{server.name}/direct", PROBE, server.direct, "auto", server.calls[:1])
                if direct:
                    self.equal(f"{name}/call-{server.name}", plain_call(direct["calls"][0]), plain_call(seen_call))


PROBE = Program("py_new.py", [lib.PY_NEW / "python"], (), "auto")


def compare(comparison, servers, home):
    all_clients = clients(home)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(comparison.one_server, server, all_clients) for server in servers]:
            done.result()
        if comparison.gate:
            for done in [pool.submit(comparison.all_names, servers, client) for client in all_clients]:
                done.result()


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", default=lib.default_binary(), type=pathlib.Path)
    options.add_argument("--json", type=pathlib.Path)
    options.add_argument("--direct-only", action="store_true", help="only check that the clients reach the servers")
    options = options.parse_args()
    directory = lib.scratch("run")
    home = directory / "home"
    home.mkdir()
    results = lib.Results("run")
    servers = world.servers(directory)
    gate, key = None, None
    if not options.direct_only:
        gate = Gate(options.binary, directory / "gate", {server.name: server.table for server in servers}).start()
        gate.certify_all([server.name for server in servers])
        key = gate.add_agent("e2e")
    compare(Comparison(results, gate, key), servers, home)
    if gate:
        results.add("stops-cleanly", gate.stop() == 0, gate.output()[-1500:])
    return results.finish(options.json)


if __name__ == "__main__":
    raise SystemExit(main())
