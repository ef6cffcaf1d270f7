"""Gives the same cursor again and again."""
from base import Server


class Loops(Server):
    def list(self, id, params):
        self.result(id, {"tools": self.tools, "nextCursor": "again"})


Loops().run()
