"""Never answers `hang`, and `ticks` only after minutes of progress; tells afterwards which cancellations arrived."""
import json
import threading

from base import Server, tool


class Hang(Server):
    tools = [tool("hang"), tool("ticks"), tool("cancelled")]
    hung = None
    cancelled = []

    def call(self, id, name, arguments, params):
        if name == "cancelled":
            self.text(id, json.dumps({"hung": self.hung, "cancelled": self.cancelled}))
        elif name == "ticks":
            threading.Thread(target=self.tick, args=(id, params["_meta"]["progressToken"]), daemon=True).start()
        else:
            self.hung = id

    def tick(self, id, token):
        pause = threading.Event()
        for step in range(1, 6000):
            self.notify("notifications/progress", {"progressToken": token, "progress": step})
            if pause.wait(0.02) or id in self.cancelled:
                return
        self.text(id, "done")

    def other(self, message):
        if message.get("method") == "notifications/cancelled":
            self.cancelled.append(message["params"]["requestId"])


Hang().run()
