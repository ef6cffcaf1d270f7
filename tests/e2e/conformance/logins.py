"""What an operator and a browser do for a server that wants tokens: the configuration, the login, the redirects.

Must never answer in the place of Callgate: it follows addresses that Callgate printed, and nothing else.
"""

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import lib

# Published by nobody: the suite only looks at the name.
DOCUMENT = "https://conformance-test.local/client-metadata.json"
SECONDS_MAX = 20


def issuer_of(url):
    """What an operator reads in the documents of a server: which authorization server it has."""
    parts = urllib.parse.urlsplit(url)
    address = f"{parts.scheme}://{parts.netloc}/.well-known/oauth-protected-resource{parts.path}"
    with urllib.request.urlopen(address, timeout=SECONDS_MAX) as answer:
        return json.load(answer)["authorization_servers"][0]


def table(scenario, context, url, directory):
    """The server as an operator configures it who was given what the suite's context says."""
    server = {"url": url}
    if scenario == "auth/basic-cimd":
        server["auth"] = {"client_id": DOCUMENT}
    if scenario.startswith("auth/") and "client_id" in context:
        auth = server["auth"] = {"client_id": context["client_id"]}
        auth["issuer"] = context.get("issuer") or issuer_of(url)
        if "client-credentials" in scenario:
            auth["grant"] = "client_credentials"
        for key, name in (("client_secret", "client_secret"), ("private_key_pem", "client_key")):
            if key in context:
                (directory / name).write_text(context[key])
                (directory / name).chmod(0o600)
                auth[name] = f"${{file:{directory / name}}}"
    return server


def browse(address):
    """Follows the redirects to the end, as a browser whose owner agrees to everything."""
    try:
        with urllib.request.urlopen(address, timeout=SECONDS_MAX) as answer:
            answer.read()
    except urllib.error.HTTPError as refused:
        lib.say(f"the browser was told {refused.code}")


def login(gate, server):
    """One login; whether Callgate took it."""
    log = gate.directory / "login.log"
    log.write_bytes(b"")
    command = [gate.binary, "--config", gate.config, "servers", "login", server, "--no-browser"]
    process = lib.Process(command, log)

    def address():
        shown = [line for line in process.text().splitlines() if line.startswith("http")]
        return shown or not process.alive()
    try:
        found = lib.wait_for("an address to log in at", address, SECONDS_MAX)
        if found is not True:
            browse(found[0])
        return process.child.wait(SECONDS_MAX) == 0
    except (AssertionError, OSError, subprocess.TimeoutExpired) as problem:
        lib.say(f"the login did not end: {problem}")
        return False
    finally:
        lib.say(process.text())
        process.stop(1)
