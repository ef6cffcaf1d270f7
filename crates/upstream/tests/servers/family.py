"""Has a child of its own, and refuses to leave: neither closed input nor SIGTERM ends it."""
import signal
import subprocess
import sys
import time

from base import Server, tool


GRANDCHILD = """
import signal, socket, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
life = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
life.send(b"x")
time.sleep(600)
"""


class Family(Server):
    tools = [tool("fork")]

    def call(self, id, name, arguments, params):
        subprocess.Popen([sys.executable, "-c", GRANDCHILD, arguments["text"]])
        self.text(id, "forked")


signal.signal(signal.SIGTERM, signal.SIG_IGN)
Family().run()
time.sleep(600)
