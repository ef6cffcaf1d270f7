"""The real servers of the tests, each once as a client reaches it directly and once as Callgate is told about it.

Must never give the two sides the same mutable state: each has its own memory file.
"""

import base64
import json
import pathlib

import lib

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
GRAPH = [
    {"type": "entity", "name": "Ada", "entityType": "person", "observations": ["wrote notes", "knew Charles"]},
    {"type": "entity", "name": "Charles", "entityType": "person", "observations": ["designed an engine"]},
    {"type": "relation", "from": "Ada", "to": "Charles", "relationType": "knows"},
]


class Server:
    """One server: how to reach it directly, what Callgate's configuration says, and calls to compare."""

    def __init__(self, name, calls, command=None, env=None, url=None, table=None, modern=False, asks=()):
        self.name, self.calls, self.url, self.modern, self.asks = name, calls, url, modern, list(asks)
        self.direct = {"url": url} if url else {"command": [str(part) for part in command], "env": env or {}}
        self.table = table or ({"url": url} if url else {"command": command, "env": env or {}})


def call(tool, **arguments):
    return {"name": tool, "arguments": arguments}


def ask(method, **params):
    return {"method": method, "params": params}


def workspace(directory):
    """A small tree of files with a git repository next to it."""
    tree = pathlib.Path(directory) / "workspace"
    (tree / "sub").mkdir(parents=True)
    (tree / "a.txt").write_text("first line\nsecond line\n")
    (tree / "sub" / "b.json").write_text('{"b": [1, 2, 3]}\n')
    (tree / "grüße ✓.txt").write_text("Grüße, 世界\n")
    (tree / "out.txt").write_text("written\n")
    (tree / "dot.png").write_bytes(base64.b64decode(PNG))
    repository = pathlib.Path(directory) / "repository"
    repository.mkdir()
    identity = {"GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
                "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.com",
                "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.com"}
    env = lib.clean_env(**identity, GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_NOSYSTEM="1")

    def git(*arguments):
        code, out, err = lib.run(["git", "-C", repository, *arguments], env=env)
        lib.require(code == 0, f"git {arguments}: {out}{err}")
    git("init", "-q", "-b", "main")
    (repository / "file.txt").write_text("one\n")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    (repository / "file.txt").write_text("one\ntwo\n")
    return tree, repository


def filesystem(tree):
    entry = lib.SERVERS / "server-filesystem" / "dist" / "index.js"
    return Server("filesystem", [
        call("read_text_file", path=f"{tree}/a.txt"),
        call("read_text_file", path=f"{tree}/grüße ✓.txt"),
        call("read_media_file", path=f"{tree}/dot.png"),
        call("read_multiple_files", paths=[f"{tree}/a.txt", f"{tree}/none"]),
        call("directory_tree", path=str(tree)),
        call("write_file", path=f"{tree}/out.txt", content="written\n"),
        call("read_text_file", path="/etc/hostname"),
    ], command=["node", entry, tree])


def git(repository):
    home = {"HOME": str(repository.parent), "GIT_CONFIG_NOSYSTEM": "1"}
    return Server("git", [
        call("git_status", repo_path=str(repository)),
        call("git_log", repo_path=str(repository), max_count=3),
        call("git_show", repo_path=str(repository), revision="HEAD"),
        call("git_diff_unstaged", repo_path=str(repository)),
        call("git_show", repo_path=str(repository), revision="no-such-revision"),
    ], command=[lib.PY_NEW / "mcp-server-git", "--repository", repository], env=home, modern=True)


def memory(directory):
    files = {side: pathlib.Path(directory) / f"memory-{side}.jsonl" for side in ("direct", "through")}
    for file in files.values():
        file.write_text("\n".join(json.dumps(line) for line in GRAPH))
    entry = lib.SERVERS / "server-memory" / "dist" / "index.js"
    entity = {"name": "Grace", "entityType": "person", "observations": ["found a bug"]}
    server = Server("memory", [
        call("read_graph"),
        call("search_nodes", query="engine"),
        call("create_entities", entities=[entity]),
        call("open_nodes", names=["Grace", "Ada"]),
        call("delete_entities", entityNames=["Grace"]),
        call("add_observations", observations=[{"entityName": "Nobody", "contents": ["x"]}]),
    ], command=["node", entry], env={"MEMORY_FILE_PATH": str(files["direct"])})
    server.table = {"command": ["node", entry], "env": {"MEMORY_FILE_PATH": str(files["through"])}}
    return server


def clock():
    return Server("time", [
        call("convert_time", source_timezone="UTC", time="12:30", target_timezone="Asia/Tokyo"),
        call("convert_time", source_timezone="Nowhere/None", time="12:30", target_timezone="UTC"),
    ], command=[lib.PY_NEW / "mcp-server-time", "--local-timezone", "UTC"], modern=True)


EVERYTHING_CALLS = [
    call("echo", message="hello ✓ \u0000\u2028 <&>"),
    call("get-sum", a=2, b=40.5),
    call("get-structured-content", location="Chicago"),
    call("get-tiny-image"),
    call("get-annotated-message", messageType="error", includeImage=True),
    call("get-resource-links", count=3),
    call("trigger-long-running-operation", duration=1, steps=2),
]


DOCUMENT = "demo://resource/static/document/features.md"
PERSON = {"type": "ref/prompt", "name": "completable-prompt"}
EVERYTHING_ASKS = [
    ask("resources/list"),
    ask("resources/templates/list"),
    ask("resources/read", uri=DOCUMENT),
    ask("resources/read", uri="demo://resource/static/document/none"),
    ask("prompts/list"),
    ask("prompts/get", name="args-prompt", arguments={"city": "Köln", "state": "\u2028<&>"}),
    ask("prompts/get", name="simple-prompt"),
    ask("prompts/get", name="no-such-prompt"),
    ask("completion/complete", ref=PERSON, argument={"name": "department", "value": "S"}),
    ask("completion/complete", ref=PERSON, argument={"name": "name", "value": ""},
        context={"arguments": {"department": "Sales"}}),
    ask("completion/complete", ref={"type": "ref/resource", "uri": "demo://resource/dynamic/text/{resourceId}"},
        argument={"name": "resourceId", "value": "7"}),
]


def everything():
    entry = lib.SERVERS / "server-everything" / "dist" / "index.js"
    return Server("everything", EVERYTHING_CALLS, command=["node", entry, "stdio"], asks=EVERYTHING_ASKS)


def everything_http(directory):
    """server-everything over HTTP; it would listen on every interface, so it is held to loopback."""
    port = lib.free_port()
    entry = lib.SERVERS / "server-everything" / "dist" / "index.js"
    env = lib.clean_env(PORT=port)
    process = lib.Process(["node", "--require", lib.LOOPBACK, entry, "streamableHttp"],
                          pathlib.Path(directory) / "everything-http.log", env)
    process.wait_port(port)
    return Server("everything-http", EVERYTHING_CALLS, url=f"http://127.0.0.1:{port}/mcp", asks=EVERYTHING_ASKS)


def everything_sse(directory):
    """The same by the transport of 2024-11-05, which Callgate has to find out."""
    port = lib.free_port()
    entry = lib.SERVERS / "server-everything" / "dist" / "index.js"
    process = lib.Process(["node", "--require", lib.LOOPBACK, entry, "sse"],
                          pathlib.Path(directory) / "everything-sse.log", lib.clean_env(PORT=port))
    process.wait_port(port)
    return Server("everything-sse", EVERYTHING_CALLS, command=["node", entry, "stdio"], asks=EVERYTHING_ASKS,
                  table={"url": f"http://127.0.0.1:{port}/sse"})


def modern_http(directory):
    port = lib.free_port()
    process = lib.Process([lib.PY_NEW / "python", lib.E2E / "servers" / "modern_http.py", port],
                          pathlib.Path(directory) / "modern-http.log")
    process.wait_port(port)
    return Server("modern-http", [
        call("add", a=2, b=40),
        call("words", text="as you like it"),
        call("shout", text="grüße", times=2),
        call("count", to=3),
        call("fail", why="because"),
    ], url=f"http://127.0.0.1:{port}/mcp", modern=True, asks=[
        ask("resources/list"),
        ask("resources/templates/list"),
        ask("resources/read", uri="note://today"),
        ask("resources/read", uri="note://of/grüße"),
        ask("resources/read", uri="note://none"),
        ask("prompts/list"),
        ask("prompts/get", name="greet", arguments={"name": "Ada"}),
        ask("completion/complete", ref={"type": "ref/prompt", "name": "greet"}, argument={"name": "name", "value": "a"}),
    ])


def servers(directory):
    """All servers, their state under `directory`; the HTTP ones are running."""
    tree, repository = workspace(directory)
    return [filesystem(tree), git(repository), memory(directory), clock(), everything(),
            everything_http(directory), everything_sse(directory), modern_http(directory)]
