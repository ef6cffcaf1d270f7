"""Has a child of its own, and refuses to leave: neither closed input nor SIGTERM ends it."""
import signal
import subprocess
import sys
import time

from base import Server, tool


class Family(Server):
    tools = [tool("fork")]

    def call(self, id, name, arguments, params):
        child = subprocess.Popen([sys.executable, "-c", "import signal,time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)"])
        self.text(id, str(child.pid))


signal.signal(signal.SIGTERM, signal.SIG_IGN)
Family().run()
time.sleep(600)
