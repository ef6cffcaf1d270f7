"""A bare MCP client over HTTP, both eras, that can also say wrong things on purpose.

Standard library only. Must never repair, retry or interpret what it receives: tests look at exactly that.
"""

import contextlib
import http.client
import itertools
import json
import socket

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
_META = "io.modelcontextprotocol/"


class Reply:
    """One HTTP answer: status, headers in lower case, the raw body, and the JSON-RPC messages in it."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body

    def messages(self):
        if "text/event-stream" in self.headers.get("content-type", ""):
            return list(sse_messages(self.body))
        return [json.loads(self.body)] if self.body.strip() else []

    def last(self):
        """The response message; an empty object when there is none."""
        with contextlib.suppress(ValueError):
            found = self.messages()
            return found[-1] if found else {}
        return {}

    def error(self):
        return self.last().get("error") or {}

    def code(self):
        return self.error().get("code")

    def result(self):
        return self.last().get("result")

    def __repr__(self):
        return f"HTTP {self.status} {self.body[:400]!r}"


def sse_messages(body):
    """The JSON of each event with data."""
    for event in body.replace(b"\r\n", b"\n").split(b"\n\n"):
        data = [line[5:].lstrip() for line in event.split(b"\n") if line.startswith(b"data:")]
        text = b"\n".join(data)
        if text.strip():
            yield json.loads(text)


def envelope(version=MODERN, **more):
    """`_meta` of a request of the revision without sessions."""
    return {
        f"{_META}protocolVersion": version,
        f"{_META}clientCapabilities": {},
        f"{_META}clientInfo": {"name": "callgate-e2e", "version": "1"},
        **more,
    }


def base_headers(key=None):
    headers = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")]
    if key:
        headers.append(("Authorization", f"Bearer {key}"))
    return headers


class Door:
    """The MCP endpoint of one port, with or without a key."""

    def __init__(self, port, key=None, path="/mcp", seconds=20):
        self.port, self.key, self.path, self.seconds = port, key, path, seconds
        self.ids = itertools.count(1)

    def at(self, path):
        return Door(self.port, self.key, path, self.seconds)

    def with_key(self, key):
        return Door(self.port, key, self.path, self.seconds)

    def send(self, body, headers, method="POST", path=None, seconds=None):
        """One request on a connection of its own; `headers` is a list, so that a name can come twice."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds or self.seconds)
        try:
            return send_on(connection, body, headers, method, path or self.path)
        finally:
            connection.close()

    def modern_request(self, method, params=None, version=MODERN, request_id=None):
        """Body and headers of a correct request without a session."""
        params = dict(params or {})
        params["_meta"] = envelope(version, **params.pop("_meta", {}))
        request = {"jsonrpc": "2.0", "id": request_id or next(self.ids), "method": method, "params": params}
        headers = base_headers(self.key) + [("MCP-Protocol-Version", version), ("Mcp-Method", method)]
        named = params.get({"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}.get(method))
        if isinstance(named, str):
            headers.append(("Mcp-Name", named))
        return json.dumps(request).encode(), headers

    def modern(self, method, params=None, seconds=None):
        body, headers = self.modern_request(method, params)
        return self.send(body, headers, seconds=seconds)

    def call(self, name, arguments=None, seconds=None):
        return self.modern("tools/call", {"name": name, "arguments": arguments or {}}, seconds)

    def tools(self):
        """The names that are listed to this key, all pages."""
        names, params = [], {}
        while True:
            reply = self.modern("tools/list", params)
            result = reply.result()
            if result is None:
                raise AssertionError(f"tools/list: {reply!r}")
            names += [tool["name"] for tool in result["tools"]]
            if "nextCursor" not in result:
                return names
            params = {"cursor": result["nextCursor"]}

    def session(self, version=LEGACY, capabilities=None):
        return Session(self, version, capabilities)

    def listen(self, notifications, request_id="l-1"):
        body, headers = self.modern_request("subscriptions/listen", {"notifications": notifications}, request_id=request_id)
        return Stream(self, body, headers)


class Session:
    """A session of the revisions before 2026-07-28."""

    def __init__(self, door, version=LEGACY, capabilities=None):
        self.door, self.version, self.id = door, version, None
        params = {"protocolVersion": version, "capabilities": capabilities or {}, "clientInfo": {"name": "callgate-e2e", "version": "1"}}
        self.hello = self.request("initialize", params)
        self.id = self.hello.headers.get("mcp-session-id")
        if self.hello.result():
            self.version = self.hello.result()["protocolVersion"]
            self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def headers(self):
        headers = base_headers(self.door.key)
        if self.id:
            headers += [("Mcp-Session-Id", self.id), ("MCP-Protocol-Version", self.version)]
        return headers

    def post(self, message, seconds=None):
        return self.door.send(json.dumps(message).encode(), self.headers(), seconds=seconds)

    def request(self, method, params=None, seconds=None):
        return self.post({"jsonrpc": "2.0", "id": next(self.door.ids), "method": method, "params": params or {}}, seconds)

    def call(self, name, arguments=None, seconds=None):
        return self.request("tools/call", {"name": name, "arguments": arguments or {}}, seconds)

    def start(self, method, params=None):
        """A request whose answer is read as it comes."""
        self.started = next(self.door.ids)
        request = {"jsonrpc": "2.0", "id": self.started, "method": method, "params": params or {}}
        return Stream(self.door, json.dumps(request).encode(), self.headers())

    def tools(self):
        return [tool["name"] for tool in self.request("tools/list").result()["tools"]]

    def delete(self):
        return self.door.send(b"", self.headers(), method="DELETE")

    def listen(self):
        return Stream(self.door, b"", self.headers(), "GET")


class Stream:
    """An answer that stays open: its events as they come, until the other side ends it."""

    def __init__(self, door, body, headers, method="POST", seconds=20):
        self.connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=seconds)
        self.connection.putrequest(method, door.path, skip_accept_encoding=True)
        for name, value in headers:
            self.connection.putheader(name, value)
        self.connection.putheader("Content-Length", str(len(body)))
        self.connection.endheaders(body)
        self.response = self.connection.getresponse()
        self.status = self.response.status

    def next(self):
        """The next message; None at the end. Comments are skipped."""
        data = []
        while line := self.response.readline():
            if line.startswith(b"data:"):
                data.append(line[5:].strip())
            elif not line.strip() and data:
                return json.loads(b"\n".join(data))
        return None

    def close(self):
        self.connection.close()


def send_on(connection, body, headers, method="POST", path="/mcp"):
    """One request on an open connection."""
    connection.putrequest(method, path, skip_host=any(name.lower() == "host" for name, _ in headers),
                          skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    if not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in headers):
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.send(body)
    response = connection.getresponse()
    return Reply(response.status, response.getheaders(), response.read())


def raw(port, data, seconds=10):
    """Sends bytes as they are and reads until the other side closes or `seconds` pass without a byte."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(data)
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while chunk := connection.recv(65536):
                received += chunk
    return received
