"""Never answers `hang`; tells afterwards which cancellations arrived."""
import json

from base import Server, tool


class Hang(Server):
    tools = [tool("hang"), tool("cancelled")]
    hung = None
    cancelled = []

    def call(self, id, name, arguments, params):
        if name == "cancelled":
            self.text(id, json.dumps({"hung": self.hung, "cancelled": self.cancelled}))
        else:
            self.hung = id

    def other(self, message):
        if message.get("method") == "notifications/cancelled":
            self.cancelled.append(message["params"]["requestId"])


Hang().run()
