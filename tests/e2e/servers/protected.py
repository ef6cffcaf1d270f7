"""An MCP server that wants OAuth tokens, and the authorization server that gives them, on one port.

`protected.py PORT JOURNAL`. Every request is a line of the journal: method, path, and what stood in `Authorization`.
`POST /end` takes back every token and refresh token. Must never give a token without PKCE or to another redirect.
"""

import base64
import hashlib
import http.server
import json
import pathlib
import sys
import threading
import urllib.parse

PORT, JOURNAL = int(sys.argv[1]), pathlib.Path(sys.argv[2])
ORIGIN = f"http://127.0.0.1:{PORT}"
LOCK = threading.Lock()
CODES, ACCESS, REFRESH = {}, set(), set()
COUNT = [0]
TOOLS = [{"name": "echo", "description": "Says what it is told.", "annotations": {"readOnlyHint": True},
          "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}}}]


def fresh(kind):
    """Long enough to be looked for, and found by nobody by chance."""
    COUNT[0] += 1
    return f"{kind}-canary-{COUNT[0]}-8f41c7"


def given():
    access, refresh = fresh("access"), fresh("refresh")
    ACCESS.add(access)
    REFRESH.add(refresh)
    return 200, {"access_token": access, "token_type": "Bearer", "expires_in": 3600, "refresh_token": refresh}


def token(form):
    if form["grant_type"] == "refresh_token" and form["refresh_token"] in REFRESH:
        REFRESH.discard(form["refresh_token"])
        return given()
    challenge, redirect = CODES.pop(form.get("code"), (None, None))
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    proved = base64.urlsafe_b64encode(digest).decode().rstrip("=") == challenge
    if form["grant_type"] == "authorization_code" and proved and form["redirect_uri"] == redirect:
        return given()
    return 400, {"error": "invalid_grant"}


def answer(message, authorization):
    """MCP of 2025-11-25, without sessions."""
    method = message.get("method")
    if method == "initialize":
        return {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                "serverInfo": {"name": "protected", "version": "1"}}
    if method == "tools/list":
        return {"tools": TOOLS}
    if method == "tools/call":
        text = message["params"].get("arguments", {}).get("text", "")
        return {"content": [{"type": "text", "text": authorization if text == "echo-token" else f"said {text}"}]}
    return None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, status, value=None, **headers):
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def note(self):
        with LOCK, JOURNAL.open("a") as journal:
            journal.write(json.dumps([self.command, self.path, self.headers.get("authorization")]) + "\n")

    def do_GET(self):
        self.note()
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/.well-known/oauth-protected-resource/mcp":
            return self.reply(200, {"resource": f"{ORIGIN}/mcp", "authorization_servers": [ORIGIN]})
        if url.path == "/.well-known/oauth-authorization-server":
            ends = {name: f"{ORIGIN}/{path}" for name, path in
                    (("authorization_endpoint", "authorize"), ("token_endpoint", "token"),
                     ("registration_endpoint", "register"), ("revocation_endpoint", "revoke"))}
            return self.reply(200, {"issuer": ORIGIN, "code_challenge_methods_supported": ["S256"],
                                    "token_endpoint_auth_methods_supported": ["none"], **ends})
        if url.path == "/authorize":
            form = dict(urllib.parse.parse_qsl(url.query))
            code = fresh("code")
            CODES[code] = (form["code_challenge"], form["redirect_uri"])
            query = urllib.parse.urlencode({"code": code, "state": form["state"], "iss": ORIGIN})
            return self.reply(302, location=f"{form['redirect_uri']}?{query}")
        return self.reply(404)

    def do_POST(self):
        self.note()
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        if self.path == "/register":
            return self.reply(201, {"client_id": "registered-here"})
        if self.path == "/end":
            ACCESS.clear()
            REFRESH.clear()
            return self.reply(200, {})
        if self.path in ("/token", "/revoke"):
            form = dict(urllib.parse.parse_qsl(body))
            return self.reply(*token(form)) if self.path == "/token" else self.reply(200, {})
        authorization = self.headers.get("authorization") or ""
        if authorization.removeprefix("Bearer ") not in ACCESS:
            wanted = f'Bearer resource_metadata="{ORIGIN}/.well-known/oauth-protected-resource/mcp"'
            return self.reply(401, www_authenticate=wanted)
        message = json.loads(body)
        if "id" not in message:
            return self.reply(202)
        result = answer(message, authorization)
        envelope = {"jsonrpc": "2.0", "id": message["id"]}
        if result is None:
            return self.reply(404, {**envelope, "error": {"code": -32601, "message": "Method not found"}})
        return self.reply(200, {**envelope, "result": result})

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


Server(("127.0.0.1", PORT), Handler).serve_forever()
