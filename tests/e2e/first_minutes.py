"""The first two minutes: import, connect, a governed call, disconnect, for each kind of client; shims; no leaks.

`first_minutes.py [--binary PATH] [--json FILE]`. Each result is named; figures carry their number in `detail`.
Must never pass by --yes alone: the number of questions is counted on a terminal.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import pty
import select
import threading
import time

import lib
import run as clients_of_run
import world
from homes import KINDS, Home

MEMORY_MB_MAX = 6.0
SECONDS_MAX = 120.0
QUESTIONS_MAX = 8


def rmcp_client():
    """The client on the Rust SDK, as scripts/test built it."""
    return lib.TEST / "rmcp" / "debug" / "rmcp-client"

# What a server lists to clients with roots alone. `import` is no such client, so that no person has seen it when one comes.
LATER = {"everything__get-roots-list"}


class Inspector(clients_of_run.Inspector):
    """The Inspector's command line with the servers in a file, as people give them to it: `--config` is its own word."""

    def ask(self, target, mode, *request):
        program, *arguments = [str(part) for part in target["command"]]
        entry = {"command": program, "args": arguments, "env": target.get("env", {})}
        file = pathlib.Path(self.env["HOME"]) / f"servers-{threading.get_ident()}.json"
        file.write_text(json.dumps({"mcpServers": {"one": entry}}))
        argv = ["node", clients_of_run.INSPECTOR, "--cli", "--config", file, "--server", "one",
                "--protocol-era", mode, *request, "--format", "json"]
        code, out, err = lib.run(argv, 90, self.env)
        lib.require(code in (0, 5) and out.strip(), f"inspector ({mode}) ended with {code}: {err[-1500:]}")
        return json.loads(out)["result"]


class Rmcp:
    name, modes, direct = "rmcp", ("legacy", "auto"), "legacy"

    def see(self, target, mode, calls):
        job = {**target, "mode": mode, "calls": calls}
        code, out, err = lib.run([rmcp_client()], 90, lib.clean_env(), json.dumps(job))
        lib.require(code == 0, f"rmcp ({mode}) ended with {code}: {err[-1500:]}")
        return json.loads(out)


def on_terminal(argv, env, cwd, answer="y\n", seconds=180):
    """Runs a command on a terminal of its own and answers each question. (exit code, what was shown, questions)"""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.execve(argv[0], [str(part) for part in argv], env)
    shown, questions, end = b"", 0, time.monotonic() + seconds
    unanswered = 0
    while time.monotonic() < end:
        ready, _, _ = select.select([terminal], [], [], 0.2)
        if ready:
            try:
                chunk = os.read(terminal, 65536)
            except OSError:
                break
            if not chunk:
                break
            shown += chunk
        elif asks(shown[unanswered:]):
            questions += 1
            unanswered = len(shown)
            os.write(terminal, answer.encode())
    else:
        os.kill(pid, 9)
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown.decode(errors="replace"), questions


def asks(text):
    """Whether the last thing shown waits for an answer."""
    last = text.rstrip(b" ").rsplit(b"\n", 1)[-1]
    return last.endswith((b"]", b"?", b":", b">"))


class Person:
    """One home folder and the commands typed in it."""

    def __init__(self, binary, home):
        self.binary, self.home = binary, home
        self.config = home.home / ".config" / "callgate" / "callgate.toml"

    def type(self, *arguments, seconds=180, stdin=None):
        return lib.run([self.binary, *arguments], seconds, self.home.env(), stdin, cwd=self.home.workspace)

    def must(self, *arguments, **more):
        code, out, err = self.type(*arguments, **more)
        lib.require(code == 0, f"`callgate {' '.join(map(str, arguments))}` ended with {code}: {err}{out}")
        return out

    def import_all(self):
        more = []
        for name, value in self.home.inputs.items():
            file = self.home.home.parent / f"{self.home.kind}-{name}"
            file.write_text(value)
            more += ["--input", f"{name}=@{file}"]
        return on_terminal([str(self.binary), "import", self.home.kind, *more], self.home.env(), self.home.workspace)

    def target(self, server):
        entry = self.home.entries()[server]
        return {"command": [entry["command"], *entry["args"]], "env": {**self.home.env(), **entry.get("env", {})},
                "cwd": str(self.home.workspace)}

    def not_shown(self, server):
        """Tools no agent sees at first: those with a flag, which a person certifies by name after reading, and those
        whose results are secrets."""
        listed = json.loads(self.must("tools", "list", "--server", server, "--output", "json"))["tools"]
        hidden = [tool for tool in listed if tool["status"] != "certified" or tool["returns_secrets"]]
        known = [tool for tool in hidden if tool["tool"] not in LATER]
        lib.require(all(tool["flags"] or tool["risk"] == "privileged" or tool["returns_secrets"] for tool in known),
                    f"hidden without a reason: {known}")
        return {tool["tool"].split("__", 1)[1] for tool in hidden}

    def daemons(self):
        """The daemons that serve this home."""
        return [pid for pid in processes() if b" up" in pid[1] and str(self.config).encode() in pid[1]]

    def stop(self):
        for pid, _ in self.daemons():
            os.kill(pid, 15)
        lib.wait_for("the daemon to end", lambda: not self.daemons())


def processes():
    """Every process: (pid, its command line with spaces)."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found.append((int(entry.name), (entry / "cmdline").read_bytes().replace(b"\0", b" ")))
            except OSError:
                continue
    return found


def first_call(results, person, kind):
    """From an existing file to the first governed call."""
    began = time.monotonic()
    code, shown, questions = person.import_all()
    lib.require(code == 0, f"import ended with {code}: {shown[-3000:]}")
    person.must("connect", kind, "--workspace", person.home.workspace)
    seen = clients_of_run.PROBE.see(person.target("filesystem"), "legacy",
                                    [world.call("read_text_file", path=str(person.home.servers[0].sample))])
    seconds = time.monotonic() - began
    answer = seen["calls"][0].get("result", {})
    lib.require(answer and not answer.get("isError"), f"the first call was answered {seen['calls'][0]}")
    how = "import on a terminal, each question answered with y; connect; the client's first call through its entry"
    results.add(f"{kind}/seconds-to-first-call", seconds <= SECONDS_MAX, how, (seconds, "s", SECONDS_MAX))
    results.add(f"{kind}/questions", questions <= QUESTIONS_MAX, how, (questions, "questions", QUESTIONS_MAX))
    return shown


def one_kind(results, binary, directory, kind, servers):
    home = Home(kind, directory, servers)
    person = Person(binary, home)
    with results.check(f"{kind}/works"):
        shown = first_call(results, person, kind)
        names_unchanged(results, person, kind)
        no_leaks(results, person, kind, shown)
    with results.check(f"{kind}/disconnect-restores-every-byte"):
        person.must("disconnect", kind, "--workspace", home.workspace)
        lib.require(home.file.read_bytes() == home.before, "the file differs from what it was")
    with results.check(f"{kind}/stops"):
        person.stop()


def no_leaks(results, person, kind, shown):
    """Every server has run by now. Files, the terminal, the process listing, and what a filesystem server sees."""
    home = person.home
    texts = [("the terminal", shown), *((name, person.must(*name.split())) for name in ("status", "log tail", "clients"))]
    found = home.leaks(texts)
    results.add(f"{kind}/no-secret-in-any-file-log-or-backup", not found, found)
    listing = [("the process listing", b"\n".join(line for _, line in processes()))]
    # An argument is an argument: docs/threats/secrets-at-rest.md. Import says so, and seals it everywhere else.
    found = [leak for leak in home.leaks(listing, but=("argument",)) if "process listing" in leak]
    results.add(f"{kind}/no-secret-in-the-process-listing", not found, found)
    with results.check(f"{kind}/no-secret-for-a-filesystem-server-in-the-workspace"):
        server = world.filesystem(home.workspace)
        files = [str(path) for path in home.workspace.rglob("*") if path.is_file()]
        calls = [world.call("directory_tree", path=str(home.workspace)), world.call("read_multiple_files", paths=files)]
        seen = json.dumps(clients_of_run.PROBE.see(server.direct, "auto", calls)["calls"])
        lib.require("notes.txt" in seen, f"it sees nothing: {seen[:300]}")
        lib.require(not home.found_in(seen.encode(), "its answers"), home.found_in(seen.encode(), "its answers"))


def names_unchanged(results, person, kind):
    """Every connected entry answers under its old name with the tools it had."""
    for server in person.home.servers:
        direct = clients_of_run.PROBE.see(server.direct, "auto", [])
        through = clients_of_run.PROBE.see(person.target(server.name), "auto", [])
        wanted = {tool["name"] for tool in direct["tools"]} - person.not_shown(server.name)
        results.equal(f"{kind}/{server.name}/names", sorted(wanted), sorted(tool["name"] for tool in through["tools"]))


def every_client(results, binary, directory, servers):
    """Each SDK through connected entries: lists and calls equal to direct."""
    home = Home("claude-desktop", directory / "clients", servers)
    person = Person(binary, home)
    person.import_all()
    person.must("connect", "claude-desktop")
    inspector_home = directory / "inspector"
    inspector_home.mkdir()
    *sdks, _ = clients_of_run.clients(inspector_home)
    everyone = [*sdks, Inspector(inspector_home), Rmcp()]

    def one(server):
        # Some servers list more to clients that declare more; through Callgate nothing more is declared.
        listed = {tool["name"] for tool in clients_of_run.PROBE.see(server.direct, "auto", [])["tools"]}
        for client in everyone:
            direct = client.see(server.direct, client.direct, server.calls[:2])
            for mode in client.modes:
                name = f"client/{client.name}-{mode}/{server.name}"
                with results.check(name):
                    seen = client.see(person.target(server.name), mode, server.calls[:2])
                    wanted = (listed & clients_of_run.plain_tools(direct["tools"]).keys()) - person.not_shown(server.name)
                    lib.require(wanted <= {tool["name"] for tool in seen["tools"]},
                                f"{sorted(wanted)} is not in {[tool['name'] for tool in seen['tools']]}")
                    a, b = (clients_of_run.plain_call(view["calls"][0]) for view in (direct, seen))
                    lib.require(lib.difference(a, b) is None, lib.difference(a, b))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(one, server) for server in servers]:
            done.result()
    person.stop()


def samples(directory):
    """The five servers of the bar; each knows a file or call to begin with."""
    tree, repository = world.workspace(directory)
    servers = [world.filesystem(tree), world.git(repository), world.memory(directory), world.clock(), world.everything()]
    servers[0].sample = tree / "a.txt"
    return servers


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", default=lib.default_binary(), type=pathlib.Path)
    options.add_argument("--json", type=pathlib.Path)
    options.add_argument("--only", help="one part: a kind of client, or `clients`")
    options = options.parse_args()
    directory = lib.scratch("first-minutes")
    results = lib.Results("first_minutes")
    for kind in KINDS:
        if options.only in (None, kind):
            below = directory / f"servers-{kind}"
            below.mkdir()
            one_kind(results, options.binary.resolve(), directory, kind, samples(below))
    if options.only in (None, "clients"):
        below = directory / "servers-clients"
        below.mkdir()
        with results.check("clients"):
            every_client(results, options.binary.resolve(), directory, samples(below))
    return results.finish(options.json)


if __name__ == "__main__":
    raise SystemExit(main())
