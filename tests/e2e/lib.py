"""Processes, ports, deadlines and results for the end-to-end tests.

Standard library only. Must never listen or connect outside 127.0.0.1, must never leave a process behind,
and must never wait by sleeping for a guessed time: everything waits for an event, with a deadline.
"""

import atexit
import contextlib
import json
import os
import pathlib
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
E2E = ROOT / "tests" / "e2e"
TEST = ROOT / ".test"
SERVERS = TEST / "servers" / "node_modules" / "@modelcontextprotocol"
CLIENTS = TEST / "clients"
PY_NEW = TEST / "py-new" / "bin"
PY_OLD = TEST / "py-old" / "bin"
LOOPBACK = ROOT / "scripts" / "servers" / "loopback.cjs"

_running = []


def node22():
    """The Node 22 binary that npm installed for this machine (the Inspector needs it)."""
    arch = {"x86_64": "x64", "aarch64": "arm64"}[platform.machine()]
    return CLIENTS / "node_modules" / f"node-linux-{arch}" / "bin" / "node"


def default_binary():
    """`callgate` as `cargo build` leaves it."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target / "debug" / "callgate"


def scratch(prefix):
    """A new directory that is removed when the tests end, unless CALLGATE_E2E_KEEP is set."""
    path = pathlib.Path(tempfile.mkdtemp(prefix=f"callgate-{prefix}-"))
    if not os.environ.get("CALLGATE_E2E_KEEP"):
        atexit.register(shutil.rmtree, path, True)
    return path


def free_port():
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def clean_env(**more):
    """The environment children get: little, so that nothing of the machine leaks into a comparison."""
    keep = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE")
    env = {name: os.environ[name] for name in keep if name in os.environ}
    env.setdefault("LANG", "C.UTF-8")
    env.update({name: str(value) for name, value in more.items()})
    return env


def wait_for(what, probe, seconds=20.0):
    """Polls `probe` until it is true and returns what it returned. Fails after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.005)


def port_open(port):
    """Whether somebody listens on the port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Process:
    """A child in a process group of its own, with its output in a file."""

    def __init__(self, argv, log, env=None, cwd=None, stdin=subprocess.DEVNULL):
        self.argv = [str(part) for part in argv]
        self.log = pathlib.Path(log)
        self.out = open(self.log, "ab")
        self.child = subprocess.Popen(
            self.argv, stdin=stdin, stdout=self.out, stderr=self.out, cwd=cwd,
            env=env or clean_env(), start_new_session=True,
        )
        _running.append(self)

    def alive(self):
        return self.child.poll() is None

    def signal_group(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, number)

    def kill9(self):
        """Kills the process alone, as a crash would, and waits until it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.child.pid, signal.SIGKILL)
        self.child.wait(10)

    def stop(self, seconds=10):
        """Asks it to end, then ends its whole group. Returns its exit code, None when it had to be killed."""
        code = None
        if self.alive():
            self.child.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self.child.wait(seconds)
        self.signal_group(signal.SIGKILL)
        self.child.wait(10)
        self.out.close()
        if self in _running:
            _running.remove(self)
        return code

    def text(self):
        return self.log.read_text(errors="replace")

    def wait_port(self, port, seconds=20.0):
        """Waits until it listens; fails at once, with its output, when it ends instead."""
        def probe():
            if not self.alive():
                raise AssertionError(f"{self.argv[0]} ended with {self.child.returncode}: {self.text()[-2000:]}")
            return port_open(port)
        wait_for(f"{self.argv[0]} on port {port}", probe, seconds)


def stop_all():
    """Ends every process that is still running, the youngest first."""
    for process in reversed(list(_running)):
        process.stop(3)


atexit.register(stop_all)


def _terminated(number, _frame):
    raise SystemExit(128 + number)


for _number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(_number, _terminated)


def run(argv, seconds=60, env=None, stdin=None, cwd=None):
    """Runs a command to its end. Returns (exit code, stdout, stderr); kills its group after `seconds`."""
    child = subprocess.Popen(
        [str(part) for part in argv], stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env or clean_env(), cwd=cwd,
        start_new_session=True, text=True, errors="replace",
    )
    try:
        out, err = child.communicate(stdin, timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        out, err = child.communicate()
        return (124, out, f"{err}\nkilled after {seconds} s")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    return (child.returncode, out, err)


def short(value, limit=600):
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def difference(left, right, path="$"):
    """The first place where two JSON values differ, in words; None when they are equal."""
    if type(left) is not type(right):
        return f"{path}: {short(left, 200)} != {short(right, 200)}"
    if isinstance(left, dict):
        for name in sorted(left.keys() | right.keys()):
            if name not in left or name not in right:
                return f"{path}.{name}: only {'direct' if name in left else 'through callgate'}"
            found = difference(left[name], right[name], f"{path}.{name}")
            if found:
                return found
        return None
    if isinstance(left, list):
        for position, (a, b) in enumerate(zip(left, right)):
            found = difference(a, b, f"{path}[{position}]")
            if found:
                return found
        if len(left) != len(right):
            return f"{path}: {len(left)} items != {len(right)} items"
        return None
    return None if left == right else f"{path}: {short(left, 200)} != {short(right, 200)}"


class Results:
    """Named results, printed as they come and written as JSON at the end."""

    def __init__(self, suite):
        self.suite = suite
        self.all = []

    def add(self, name, ok, detail="", figure=None):
        """`figure` is (value, unit, most) of a result that is a number; `most` None when it is only information."""
        number = dict(zip(("value", "unit", "most"), figure)) if figure else {}
        self.all.append({"name": f"{self.suite}/{name}", "ok": bool(ok), "detail": short(detail, 2000), **number})
        print(f"{'ok  ' if ok else 'FAIL'} {self.suite}/{name}{'' if ok else ': ' + short(detail, 1500)}", flush=True)

    def equal(self, name, direct, through):
        found = difference(direct, through)
        self.add(name, found is None, found or "")

    @contextlib.contextmanager
    def check(self, name):
        """One result: the block passes unless it raises."""
        try:
            yield
        except AssertionError as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            self.add(name, False, str(error) or f"{where.filename}:{where.lineno}: {where.line}")
        except Exception as error:  # a test that breaks is a failed test, not the end of the run
            self.add(name, False, "".join(traceback.format_exception_only(error)).strip())
        else:
            self.add(name, True)

    def finish(self, path=None):
        """Writes the summary, prints the count, returns the exit code."""
        if path:
            pathlib.Path(path).write_text(json.dumps(self.all, indent=1, ensure_ascii=False) + "\n")
        failed = [one for one in self.all if not one["ok"]]
        print(f"{self.suite}: {len(self.all) - len(failed)} passed, {len(failed)} failed", flush=True)
        return 1 if failed or not self.all else 0


def require(condition, message):
    """An assertion that python -O does not remove."""
    if not condition:
        raise AssertionError(message)


def say(text):
    print(text, file=sys.stderr, flush=True)
