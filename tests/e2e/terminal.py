"""A program on a terminal of its own, answered as a person would. Must never answer what was not asked."""

import os
import pty
import select
import termios
import time

import lib


class Terminal:
    """`out` is a file that gets the standard output; without one, it is the terminal."""

    def __init__(self, argv, env, cwd, out=None):
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            if out:
                os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 1)
            os.execve(argv[0], [str(part) for part in argv], env)
        self.shown, self.after = "", 0

    def _more(self):
        """Whether there may be more to come."""
        ready, _, _ = select.select([self.terminal], [], [], 0.2)
        try:
            chunk = os.read(self.terminal, 65536) if ready else b""
        except OSError:
            return False
        self.shown += chunk.decode(errors="replace")
        return bool(chunk) or not ready

    def until(self, text, seconds=60):
        """Waits until this is shown after what was waited for before."""
        end = time.monotonic() + seconds
        while text not in self.shown[self.after:]:
            lib.require(time.monotonic() < end and self._more(), f"`{text}` was not shown: {self.shown[-2000:]}")
        self.after = len(self.shown)

    def type(self, text):
        os.write(self.terminal, text.encode())

    def echoes(self):
        return bool(termios.tcgetattr(self.terminal)[3] & termios.ECHO)

    def ended(self, seconds=60):
        """The exit code, and whether the terminal shows what is typed afterwards."""
        end = time.monotonic() + seconds
        echoes = self.echoes()
        while self._more():
            echoes = self.echoes()
            if time.monotonic() > end:
                os.kill(self.pid, 9)
                raise AssertionError(f"it did not end: {self.shown[-2000:]}")
        _, status = os.waitpid(self.pid, 0)
        os.close(self.terminal)
        return os.waitstatus_to_exitcode(status), echoes
