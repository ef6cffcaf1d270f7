"""Tells of its own accord what changed: with a session, or for a subscription when started with `modern`."""
import json
import sys

from base import Server, tool

VERSION = "2026-07-28"
MODERN = "modern" in sys.argv
COMPLETE = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
CAPABILITIES = {"tools": {}, "resources": {"subscribe": True, "listChanged": True}, "prompts": {"listChanged": True}}


class Told(Server):
    """`say` tells that what `text` names changed; `asked` says what was subscribed to, and how often."""

    tools = [tool("say"), tool("asked"), tool("die")]

    def __init__(self):
        self.log = []
        self.open = {}

    def tell(self, text):
        method = f"notifications/{text}" if text.endswith("list_changed") else "notifications/resources/updated"
        params = {"uri": text, "contents": [{"uri": text, "text": "what it is now"}]}
        if not MODERN:
            self.notify(method, params)
        for number in self.open:
            about = {"_meta": {"io.modelcontextprotocol/subscriptionId": number}}
            self.notify(method, {**params, **about})

    def call(self, id, name, arguments, params):
        if name == "die":
            sys.exit(1)
        if name == "say":
            self.tell(arguments["text"])
        self.result(id, {**COMPLETE, "content": [{"type": "text", "text": json.dumps(self.log)}]})

    def initialize(self, id, params):
        if MODERN:
            return self.error(id, -32601, "Method not found")
        self.result(id, {"protocolVersion": params["protocolVersion"], "capabilities": CAPABILITIES,
                         "serverInfo": {"name": "told", "version": "1"}})

    def listen(self, id, wanted):
        uris = [uri for uri in wanted.get("resourceSubscriptions", []) if not uri.startswith("none:")]
        self.log.append(["listen", {**wanted, "resourceSubscriptions": uris}])
        self.open[id] = wanted
        about = {"_meta": {"io.modelcontextprotocol/subscriptionId": id}}
        self.notify("notifications/subscriptions/acknowledged",
                    {**about, "notifications": {**wanted, "resourceSubscriptions": uris}})

    def handle(self, message):
        id, method, params = message.get("id"), message.get("method"), message.get("params", {})
        if MODERN and method == "server/discover":
            self.result(id, {**COMPLETE, "supportedVersions": [VERSION], "capabilities": CAPABILITIES})
        elif MODERN and method == "tools/list":
            self.result(id, {**COMPLETE, "tools": self.tools})
        elif MODERN and method == "subscriptions/listen":
            self.listen(id, params["notifications"])
        elif MODERN and method == "notifications/cancelled":
            if self.open.pop(params["requestId"], None) is not None:
                self.log.append(["ended"])
        elif not MODERN and method in ("resources/subscribe", "resources/unsubscribe"):
            if params["uri"].startswith("none:"):
                return self.error(id, -32602, "no such resource")
            self.log.append([method.rpartition("/")[2], params["uri"]])
            self.result(id, {})
        else:
            super().handle(message)


Told().run()
