"""Import, connect and disconnect on scratch home folders: what is written, what comes back, what is never shown.

`clients_import.py [--binary PATH] [--json FILE]`. Only one part starts servers: what is found in files decides here.
Must never look at a file in any other way than its client would, nor pass with a planted secret anywhere in clear.
"""

import argparse
import json
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import time
import types

import lib
import world
from homes import KINDS, Home
from terminal import Terminal


def samples():
    """Servers that are never started."""
    def server(name, *arguments):
        return types.SimpleNamespace(name=name, direct={"command": ["/usr/bin/true", *arguments], "env": {"NODE_ENV": "test"}})
    return [server("files", "/srv/data"), server("GitHub", "--verbose"), server("memory")]


class Person:
    """One home folder and the commands typed in it; remembers everything that was printed."""

    def __init__(self, binary, home):
        self.binary, self.home, self.shown = binary, home, ""
        self.config = home.home / ".config" / "callgate" / "callgate.toml"

    def type(self, *arguments, stdin=None, **env):
        argv = [self.binary, *map(str, arguments)]
        code, out, err = lib.run(argv, 60, self.home.env(**env), stdin, cwd=self.home.workspace)
        self.shown += out + err
        return code, out, err

    def at_terminal(self, *arguments, out=None):
        return Terminal([self.binary, *arguments], self.home.env(), self.home.workspace, out)

    def must(self, *arguments, code=0, **more):
        got, out, err = self.type(*arguments, **more)
        lib.require(got == code, f"`callgate {' '.join(map(str, arguments))}` ended with {got}: {err}{out}")
        return out

    def take_over(self, *more):
        answers = json.dumps(self.home.inputs) if self.home.inputs else None
        return self.must("import", self.home.kind, "--yes", "--no-start", *more, stdin=answers)

    def connect(self, *more):
        return self.must("connect", self.home.kind, *more)

    def disconnect(self, *more, code=0):
        return self.must("disconnect", self.home.kind, *more, code=code)


def no_leak(person, also=()):
    found = person.home.leaks([("the terminal", person.shown), *also])
    lib.require(not found, f"planted secrets in clear: {found}")


def there_and_back(person):
    """The whole way of one kind of client."""
    home = person.home
    person.must("import", home.kind, "--dry-run", stdin=json.dumps(home.inputs) if home.inputs else None)
    lib.require(not person.config.exists(), "a dry run wrote the configuration")
    person.take_over()
    person.must("config", "check")
    lib.require(home.file.read_bytes() == home.before, "import changed the client's file")
    own = [path for path in person.config.parent.rglob("*") if path.is_file()]
    for path in own:
        lib.require(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, f"others can read {path}")
        leaks = [name for name, value in home.secrets.items() if value.encode() in path.read_bytes()]
        lib.require(not leaks, f"{leaks} in {path}")
    before = person.config.read_bytes()
    person.take_over()
    lib.require(person.config.read_bytes() == before, "importing again changed the configuration")
    person.connect("--dry-run")
    lib.require(home.file.read_bytes() == home.before, "a dry run changed the client's file")
    person.connect()
    no_leak(person)
    for name, entry in home.entries().items():
        lib.require(pathlib.Path(entry["command"]).is_absolute() and "wrap" in entry["args"], f"{name}: {entry}")
        lib.require(set(entry) <= {"type", "command", "args"}, f"{name} kept {set(entry)}")
    connected = home.file.read_bytes()
    person.connect()
    lib.require(home.file.read_bytes() == connected, "connecting twice differs from connecting once")
    seen = json.loads(person.must("clients", "--output", "json"))["clients"]
    lib.require(any(one["client"] == home.kind and one["connected"] and not one["direct"] for one in seen), seen)
    person.disconnect()
    lib.require(home.file.read_bytes() == home.before, "the file differs from what it was")
    person.disconnect()
    lib.require(home.file.read_bytes() == home.before, "disconnecting twice changed the file")


def with_edits(text):
    """A client's file as a person changes it: another theme, one more server."""
    value = json.loads(text)
    value["theme"] = "light"
    value["mcpServers"]["mine"] = {"command": "mine"}
    return value


def edited(person, meanwhile=lambda: None, says="edits stay"):
    """Edits made while it was connected stay."""
    home = person.home
    person.take_over()
    person.connect()
    home.file.write_text(json.dumps(with_edits(home.file.read_text())))
    meanwhile()
    out = person.disconnect()
    lib.require(says in out, out)
    lib.require(json.loads(home.file.read_text()) == with_edits(home.before), home.file.read_text())


def edited_and_connected_again(person):
    """What is new since goes on standing beside what is connected, and all of it comes back."""
    def again():
        out = person.connect()
        lib.require("mine stays as it is: not imported" in out, out)
        no_leak(person)

    edited(person, again, "byte for byte")


def one_after_the_other(person):
    """Connecting one server leaves another connected; the end is the very first file."""
    home = person.home
    person.take_over()
    for name in ("memory", "files"):
        person.connect("--server", name)
    entries = home.entries()
    lib.require(all("wrap" in entries[name]["args"] for name in ("memory", "files")), entries)
    person.disconnect()
    lib.require(home.file.read_bytes() == home.before, "the file differs from what it was")


def two_workspaces(person):
    """Connecting or disconnecting a workspace of one file leaves another's entries connected and sealed, also where
    they have the same names; `--all` is for every workspace."""
    home = person.home
    whole = json.loads(home.before)
    own = whole["projects"][str(home.workspace)]["mcpServers"]
    other = home.home / "work" / "other"
    other.mkdir()
    theirs = {name: {"command": "/usr/bin/true", "args": ["theirs"], "env": {"SERVICE_API_KEY": home.secret(f"theirs-{name}")}}
              for name in ("theirs", "same")}
    for name in ("ours", "same"):
        own[name] = {"command": "/usr/bin/true", "args": ["ours"], "env": {"SERVICE_API_KEY": home.secret(f"ours-{name}")}}
    whole["projects"][str(other)] = {"mcpServers": theirs}
    before = json.dumps(whole, indent=2).encode()
    home.file.write_bytes(before)
    for workspace in (home.workspace, other):
        person.take_over("--workspace", workspace)
    for workspace in (home.workspace, other, home.workspace):
        person.connect("--workspace", workspace)
    no_leak(person)
    out = person.disconnect("--workspace", home.workspace)
    lib.require(f"theirs, same of {other} stay connected" in out or f"same, theirs of {other} stay connected" in out, out)
    now = json.loads(home.file.read_text())
    lib.require(now["mcpServers"] == whole["mcpServers"], "the person's own entries are not what they were")
    lib.require(now["projects"][str(home.workspace)] == whole["projects"][str(home.workspace)], "not what it was")
    left = now["projects"][str(other)]["mcpServers"]
    lib.require(all("wrap" in left[name]["args"] for name in theirs), f"the other workspace is disconnected: {left}")
    between = home.file.read_bytes()
    lib.require("is not connected" in person.disconnect("--workspace", home.workspace), "connected twice")
    lib.require(home.file.read_bytes() == between, "disconnecting twice changed the file")
    person.disconnect("--workspace", other)
    lib.require(home.file.read_bytes() == before, "the file differs from what it was")
    for workspace in (home.workspace, other):
        person.connect("--workspace", workspace)
    person.disconnect("--all")
    lib.require(home.file.read_bytes() == before, "the file differs from what it was after `--all`")


def gone_for_good(person):
    """An entry that a person took out is said once; everything else comes back, and that is a success."""
    home = person.home
    person.take_over()
    person.connect()
    value = json.loads(home.file.read_text())
    del value["mcpServers"]["memory"]
    home.file.write_text(json.dumps(value))
    # Connecting again does not lose it: only disconnecting does.
    person.connect()
    out = person.disconnect()
    lib.require("memory is not put back: it was taken out of the file" in out, out)
    wanted = json.loads(home.before)["mcpServers"]
    del wanted["memory"]
    lib.require(home.entries() == wanted, home.file.read_text())
    out = person.disconnect()
    lib.require("memory" not in out and "is not connected" in out, out)


def taken_out_and_back(person):
    """What a person took out of the connected file stays sealed when it is connected again, and comes back with its
    entry."""
    home = person.home
    person.take_over()
    person.connect()
    value = json.loads(home.file.read_text())
    was = value["mcpServers"].pop("memory")
    home.file.write_text(json.dumps(value))
    person.connect()
    person.connect()
    value = json.loads(home.file.read_text())
    value["mcpServers"]["memory"] = was
    home.file.write_text(json.dumps(value))
    person.disconnect()
    lib.require(home.entries() == json.loads(home.before)["mcpServers"], "not what it was")


def variables_edited(person):
    """Variables whose lines were edited stay sealed, and that is said; so it is when their file is gone."""
    home = person.home
    person.take_over()
    file = home.home / "work" / "secrets.env"
    before = file.read_bytes()
    person.connect()
    taken = file.read_bytes()
    lib.require(taken != before, "nothing was taken out")
    file.write_bytes(taken.replace(b"# DB_PASSWORD", b"# my DB_PASSWORD"))
    for _ in range(2):
        code, _, err = person.type("disconnect", home.kind)
        lib.require(code == 1 and "1 of 1 variables were not put back" in err, f"{code}: {err}")
    file.unlink()
    code, _, err = person.type("disconnect", home.kind)
    lib.require(code == 1 and "is gone" in err, f"{code}: {err}")
    file.write_bytes(taken)
    person.disconnect()
    lib.require(file.read_bytes() == before, "the variables did not come back")


def variables_stay(person):
    """A file of variables that stays is warned of only while it holds something, and with what can be done."""
    home = person.home
    person.take_over()
    _, _, err = person.type("connect", home.kind, "--env-files", "keep")
    lib.require("DB_PASSWORD in clear" in err and "keep" in err and "`--env-files move`" not in err, err)
    person.connect("--env-files", "move")
    _, _, err = person.type("connect", home.kind, "--env-files", "keep")
    lib.require("in clear" not in err, err)
    person.disconnect()


def pipes(person):
    """What is no regular file is not waited for."""
    home = person.home
    file = home.home / "work" / "secrets.env"
    file.unlink()
    os.mkfifo(file)
    out = person.must("import", home.kind, "--yes", "--no-start")
    lib.require("not a regular file" in out, out)
    home.file.unlink()
    os.mkfifo(home.file)
    code, out, err = person.type("import", home.kind, "--yes", "--no-start")
    lib.require(code == 1 and "not a regular file" in out + err, f"{code}: {out}{err}")


def variables_of_two_workspaces(person):
    """Disconnecting one workspace leaves the other's variables sealed."""
    home = person.home
    places = [home.home / "work" / name for name in ("project", "other")]
    files = []
    for place in places:
        (place / ".cursor").mkdir(parents=True)
        files.append(place / "secrets.txt")
        files[-1].write_text(f"TEAM_PASSWORD={home.secret(place.name)}\n")
        entry = {"command": "/usr/bin/true", "args": [place.name], "envFile": str(files[-1])}
        (place / ".cursor" / "mcp.json").write_text(json.dumps({"mcpServers": {place.name: entry}}))
    before = [file.read_bytes() for file in files]
    for place in places:
        person.take_over("--workspace", place)
        person.connect("--workspace", place)
    lib.require(all(file.read_bytes() != old for file, old in zip(files, before)), "nothing was taken out")
    person.disconnect("--workspace", places[0])
    lib.require(files[0].read_bytes() == before[0], "the variables did not come back")
    lib.require(files[1].read_bytes() != before[1], "another workspace's variables came back")
    person.disconnect("--workspace", places[1])
    lib.require(files[1].read_bytes() == before[1], "the other variables did not come back")


def links_and_modes(person):
    """A link stays a link, a mode stays a mode."""
    home = person.home
    real = home.home / "dotfiles" / "config.json"
    real.parent.mkdir()
    shutil.move(home.file, real)
    home.file.symlink_to(real)
    real.chmod(0o640)
    person.take_over()
    person.connect()
    lib.require(home.file.is_symlink() and home.before != real.read_bytes(), "the link was replaced")
    lib.require(stat.S_IMODE(real.stat().st_mode) == 0o640, "the mode changed")
    person.disconnect()
    lib.require(home.file.is_symlink() and real.read_bytes() == home.before, "not what it was")
    lib.require(not list(real.parent.glob(".*callgate*")), "a temporary file was left")


def rotated(person):
    """A new token in the client replaces the sealed one; a connected file is not needed for that."""
    home = person.home
    person.take_over()
    old = home.secrets["env-files"]
    before = person.config.read_bytes()
    home.file.write_text(home.file.read_text().replace(old, home.secret("env-files")))
    out = person.type("connect", home.kind)[1]
    lib.require("changed since it was imported" in out, out)
    person.disconnect()
    out = person.take_over()
    lib.require("its secrets are replaced" in out and person.config.read_bytes() == before, out)
    person.connect()
    no_leak(person)


def one_of_two(person):
    """The same server in two clients is one; the same name with another definition is another."""
    home = person.home
    same = json.loads(home.before)["mcpServers"]
    same["memory"]["env"]["SERVICE_API_KEY"] = home.secret("other-memory")
    other = home.home / ".cursor" / "mcp.json"
    other.parent.mkdir()
    other.write_text(json.dumps({"mcpServers": same}))
    person.take_over()
    out = person.must("import", "cursor", "--yes", "--no-start")
    lib.require("files -> [servers.files] (there already)" in out and "[servers.memory-2] (new, 2 values sealed)" in out, out)
    names = sorted(json.loads(person.must("config", "check", "--output", "json"))["servers"])
    lib.require(names == ["files", "github", "memory", "memory-2"], names)
    person.must("connect", "cursor")
    args = json.loads(other.read_text())["mcpServers"]["memory"]["args"]
    lib.require(args[-1] == "memory-2", args)


def grown(person):
    """What the configuration already says stays, byte for byte."""
    person.config.parent.mkdir(parents=True)
    mine = "# mine\n[log]\nlevel = \"warn\" # quiet\n[servers.files]\ncommand = [\"mine\"]\n[servers.files.env]\nA = \"1\""
    person.config.write_text(mine)
    (person.config.parent / "policies").mkdir()
    (person.config.parent / "policies" / "mine.cedar").write_text("// mine\n")
    person.take_over()
    text = person.config.read_text()
    lib.require(text.startswith(mine + "\n") and "[servers.files-2]" in text, text)
    lib.require(not (person.config.parent / "policies" / "starter.cedar").exists(), "a starter beside own policies")


def stopped(person):
    """Stopped after each thing that is written, the next run goes on."""
    person.take_over()
    whole = person.config.read_bytes()
    person.config.unlink()
    person.take_over()
    lib.require(person.config.read_bytes() == whole, "not the same configuration again")
    shutil.rmtree(person.config.parent / "state")
    person.config.unlink()
    person.take_over()
    lib.require(person.config.read_bytes() == whole, "not the same configuration from nothing")


def killed_when(person, changed, *arguments):
    """Runs a command and kills it as soon as this file is another one."""
    def identity():
        return (changed.stat().st_ino, changed.stat().st_mtime_ns) if changed.exists() else None
    before = identity()
    running = subprocess.Popen([person.binary, *map(str, arguments)], env=person.home.env(), cwd=person.home.workspace,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while running.poll() is None and identity() == before:
        lib.require(time.monotonic() < end, f"{arguments} did not end")
    running.kill()
    running.wait()


def killed(person):
    """Killed after any file that it writes, the next run finishes, and nothing is lost or left in clear."""
    home = person.home
    second = home.workspace / ".mcp.json"
    second.write_text(json.dumps({"mcpServers": {"team": {"command": "/usr/bin/true", "env": {"SERVICE_API_KEY": home.secret("team")}}}}))
    files = (home.file, second)
    before = [file.read_bytes() for file in files]
    sealed = person.config.parent / "state" / "sealed" / "store"
    for watched in (sealed, person.config, person.config.parent / "policies" / "starter.cedar"):
        shutil.rmtree(person.config.parent, ignore_errors=True)
        killed_when(person, watched, "import", home.kind, "--yes", "--no-start")
        person.take_over()
        person.must("config", "check")
        servers = json.loads(person.must("import", home.kind, "--dry-run", "--output", "json"))["servers"]
        lib.require(len(servers) == 5 and all(one["what"] == "there already" for one in servers), servers)
    for watched in (sealed, *files):
        killed_when(person, watched, "connect", home.kind)
        person.connect()
        lib.require(all("SERVICE_API_KEY" not in file.read_text() for file in files), "not connected")
        no_leak(person)
        killed_when(person, watched, "disconnect", home.kind)
        person.disconnect()
        lib.require([file.read_bytes() for file in files] == before, "a file differs from what it was")


def cut_short(person):
    """A run that cannot write its second file has done the first, says so, and the next one does the rest."""
    home = person.home
    link = home.workspace / ".mcp.json"
    text = json.dumps({"mcpServers": {"team": {"command": "/usr/bin/true", "env": {"SERVICE_API_KEY": home.secret("team")}}}})
    real = home.workspace / "team.json"
    # A name beside which there is no room for a longer one.
    awkward = home.workspace / ("t" * 250)
    real.write_text(text)
    link.symlink_to(real)

    def at(path):
        link.unlink()
        (awkward if path is real else real).rename(path)
        link.symlink_to(path)

    person.take_over()
    for command, changed in (("connect", True), ("disconnect", False)):
        at(awkward)
        code, _, err = person.type(command, home.kind)
        lib.require(code == 74 and "cannot write" in err, f"{command}: {code} {err}")
        lib.require((home.file.read_bytes() != home.before) == changed, f"{command}: the first file was not done")
        lib.require(("wrap" in awkward.read_text()) != changed, f"{command}: the second was written nevertheless")
        at(real)
        person.must(command, home.kind)
        lib.require((home.file.read_bytes() != home.before) == changed, f"{command}: the first file")
        lib.require((real.read_text() != text) == changed, f"{command}: the second file: {real.read_text()}")
        lib.require(changed or real.read_text() == text, "not what it was")
    lib.require(not list(home.home.rglob(".*callgate-*")), "a temporary file was left")


def refused(person):
    """What cannot be done is said, and nothing is changed."""
    home = person.home
    code, _, err = person.type("connect", home.kind)
    lib.require(code != 0 and "callgate import" in err, err)
    code, _, err = person.type("import", home.kind)
    lib.require(code == 2 and "--yes" in err, err)
    home.file.write_text("{ broken")
    code, out, _ = person.type("import", home.kind, "--yes", "--no-start")
    lib.require(code == 1 and "line 1" in out and "broken" not in out, out)
    home.file.write_bytes(home.before)
    person.take_over()
    person.connect()
    os.chmod(home.file.parent, 0o500)
    try:
        if os.geteuid() != 0:
            lib.require(person.type("disconnect", home.kind)[0] != 0, "a file was written where it cannot be")
    finally:
        os.chmod(home.file.parent, 0o700)
    person.config.write_text("nonsense")
    person.disconnect()
    lib.require(home.file.read_bytes() == home.before, "a broken configuration kept the file from coming back")


def second_client(binary, directory):
    """Another client is imported while a daemon serves the first: it is stopped, and the first one's permits stay."""
    below = directory / "servers"
    below.mkdir(parents=True)
    tree, repository = world.workspace(below)
    home = Home("claude-desktop", directory, [world.filesystem(tree), world.git(repository)])
    person = Person(binary, home)
    person.config.parent.mkdir(parents=True)
    person.config.write_text(f'[listen]\naddress = "127.0.0.1:{lib.free_port()}"\n')
    person.must("import", home.kind, "--yes")
    policies = person.config.parent / "policies"
    first = (policies / "workspace.cedar").read_text()
    lib.require('filesystem::Action::"write_file"' in first, first)
    daemon = lib.Process([binary, "up"], directory / "up.log", home.env(), cwd=home.workspace)
    socket = person.config.parent / "state" / "admin.sock"
    lib.wait_for("the admin socket", lambda: socket.exists() or not daemon.alive())
    lib.require(daemon.alive(), daemon.text())
    person.connect()
    other = home.home / ".cursor" / "mcp.json"
    other.parent.mkdir()
    other.write_text(json.dumps({"mcpServers": {"clock": home.plain(world.clock())}}))
    person.must("import", "cursor", "--yes")
    lib.wait_for("the older daemon to end", lambda: not daemon.alive())
    daemon.stop()
    person.must("connect", "cursor")
    agents = json.loads(person.must("agents", "list", "--output", "json"))["agents"]
    lib.require({"claude-desktop", "cursor"} <= {agent["agent"] for agent in agents}, agents)
    now = (policies / "workspace.cedar").read_text()
    lib.require('filesystem::Action::"write_file"' in now, now)
    tools = json.loads(person.must("tools", "list", "--output", "json"))["tools"]
    lib.require(any(tool["tool"] == "clock__convert_time" and tool["usable"] for tool in tools), tools)
    own = "// mine\n" + now
    (policies / "workspace.cedar").write_text(own)
    person.must("import", "cursor", "--yes")
    lib.require((policies / "workspace.cedar").read_text() == own, "an edited policy was replaced")
    no_leak(person)


def broken_off(person):
    """Ctrl-C at any question, or Ctrl-D, ends it, writes nothing, and leaves the terminal showing what is typed."""
    person.config.parent.mkdir(parents=True)
    person.config.write_text("")
    for arguments in (("seal", "put", "token"), ("import", person.home.kind, "--no-start")):
        asked = person.at_terminal(*arguments)
        asked.until("not shown")
        lib.wait_for("the terminal to be silent", lambda: not asked.echoes())
        asked.type("\x03")
        code, echoes = asked.ended()
        lib.require(code == 1 and echoes, f"{arguments}: {code}, echo {echoes}: {asked.shown}")
        asked = person.at_terminal(*arguments)
        asked.until("not shown")
        lib.wait_for("the terminal to be silent", lambda: not asked.echoes())
        asked.type("\x04")
        code, echoes = asked.ended()
        lib.require(code == 1 and echoes, f"{arguments}: {code}, echo {echoes}: {asked.shown}")
        lib.require("no answer; nothing more was done" in asked.shown, asked.shown)
    asked = person.at_terminal("import", person.home.kind, "--no-start")
    asked.until("not shown")
    lib.wait_for("the terminal to be silent", lambda: not asked.echoes())
    asked.type(person.home.inputs["api-key"] + "\n")
    asked.until("[Y/n]")
    lib.require(asked.echoes(), "the terminal stays silent")
    asked.type("\x03")
    code, echoes = asked.ended()
    lib.require(code == 1 and echoes and not person.config.read_text(), f"{code}: {asked.shown}")
    lib.require(person.home.inputs["api-key"] not in asked.shown, "the value was shown")


def as_shown(binary, directory):
    """What a person saw is what is certified, and with `--output json` it is seen too."""
    def tool(name, description):
        return {"name": name, "description": description, "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}

    def offer(*tools):
        fresh = directory / "tools.new"
        fresh.write_text(json.dumps(tools))
        fresh.replace(directory / "tools.json")

    directory.mkdir(parents=True)
    journal = directory / "journal"
    journal.touch()
    offer(tool("steady", "Says something."), tool("moving", "Says something."))
    upstream = lib.E2E / "servers" / "upstream.py"
    command = [sys.executable, upstream, "stdio", "--tools", directory / "tools.json", "--journal", journal]
    server = types.SimpleNamespace(name="s", direct={"command": [str(part) for part in command], "env": {}})
    person = Person(binary, Home("claude-desktop", directory, [server]))
    person.config.parent.mkdir(parents=True)
    person.config.write_text(f'[listen]\naddress = "127.0.0.1:{lib.free_port()}"\n')
    person.take_over()
    daemon = lib.Process([binary, "up"], directory / "up.log", person.home.env(), cwd=person.home.workspace)
    socket = person.config.parent / "state" / "admin.sock"
    lib.wait_for("the admin socket", lambda: socket.exists() or not daemon.alive())
    out = directory / "out.json"
    asked = person.at_terminal("--output", "json", "import", person.home.kind, out=out)
    asked.until("certify these 2 tools and 3 methods?")
    lib.require("moving" in asked.shown and "steady" in asked.shown, f"asked before it was shown: {asked.shown}")
    offer(tool("steady", "Says something."), tool("moving", "Says something else."))
    person.must("servers", "refresh", "s")
    asked.type("y\n")
    code, _ = asked.ended()
    report = json.loads(out.read_text())
    asks = [f"s__mcp:{method}" for method in ("elicitation/create", "roots/list", "sampling/createMessage")]
    lib.require(code == 0 and report["then"]["certified"] == [*asks, "s__steady"], f"{code}: {report}")
    lib.require("s__moving stays in quarantine: it changed" in asked.shown, asked.shown)
    tools = {one["tool"]: one["usable"] for one in json.loads(person.must("tools", "list", "--output", "json"))["tools"]}
    lib.require(tools == {**dict.fromkeys(asks, True), "s__steady": True, "s__moving": False}, tools)
    daemon.stop()


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", default=lib.default_binary(), type=pathlib.Path)
    options.add_argument("--json", type=pathlib.Path)
    options = options.parse_args()
    directory = lib.scratch("clients-import")
    results = lib.Results("clients_import")
    for kind in KINDS:
        with results.check(f"{kind}/there-and-back"):
            there_and_back(Person(options.binary.resolve(), Home(kind, directory, samples())))
    for test in (edited, edited_and_connected_again, one_after_the_other, gone_for_good, taken_out_and_back, links_and_modes, rotated, one_of_two, grown, stopped, refused):
        with results.check(test.__name__.replace("_", "-")):
            test(Person(options.binary.resolve(), Home("claude-desktop", directory / test.__name__, samples())))
    for test in (two_workspaces, killed, cut_short):
        with results.check(test.__name__.replace("_", "-")):
            test(Person(options.binary.resolve(), Home("claude-code", directory / test.__name__, samples())))
    for test in (variables_edited, variables_stay, variables_of_two_workspaces, pipes):
        with results.check(test.__name__.replace("_", "-")):
            test(Person(options.binary.resolve(), Home("cursor", directory / test.__name__, samples())))
    with results.check("broken-off"):
        broken_off(Person(options.binary.resolve(), Home("vscode", directory / "broken_off", samples())))
    with results.check("as-shown"):
        as_shown(options.binary.resolve(), directory / "as_shown")
    with results.check("second-client"):
        second_client(options.binary.resolve(), directory / "second")
    return results.finish(options.json)


if __name__ == "__main__":
    raise SystemExit(main())
