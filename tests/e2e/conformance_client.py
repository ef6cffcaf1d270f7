"""The client scenarios of the conformance suite, with Callgate as the client: it stands in front of the suite's servers.

`conformance_client.py [--binary PATH] [--json FILE] [--only PATTERN]`. The suite starts a server for each scenario and
`conformance/driver.py` with its address; the driver puts Callgate in front of it and acts behind Callgate. Each scenario
of each revision is one named result, `2026-07-28/sse-retry`. Must never excuse a scenario that passes.
"""

import argparse
import concurrent.futures
import fnmatch
import json
import pathlib
import re

import conformance
import lib

AT_ONCE = 2
DRIVER = conformance.HERE / "driver.py"
REQUIREMENTS = conformance.SUITE.parents[1] / "requirements"
# Extensions that Callgate does not claim; the suite never scores them.
NOT_CLAIMED = ("auth/enterprise-managed-authorization", "auth/dpop", "auth/dpop-nonce", "auth/wif-jwt-bearer")
# What falls short, by the reason why. What is named here and passes is a failure, and so is a pattern that names
# nothing: this can only shrink.
KNOWN_SHORT = {
    "a session's own stream, by GET, is not opened: what a server asks there is not heard": (
        "*/elicitation-sep1034-client-defaults",
    ),
    "streams of servers are not resumed": ("*/sse-retry",),
}


def scenarios(revision):
    """What the suite requires of a client of this revision, and what it runs besides."""
    text = (REQUIREMENTS / f"{revision}.yaml").read_text()
    required = re.search(r"^client:\n((?:[ #].*\n|\n)*)", text, re.MULTILINE).group(1)
    names = re.findall(r"^  - (\S+)$", required, re.MULTILINE)
    names += re.findall(r"^  - scenario: (\S+)\n    leg: client$", text, re.MULTILINE)
    lib.require(names, f"no client scenarios for {revision}")
    return [name for name in dict.fromkeys(names) if name not in NOT_CLAIMED]


def run_scenario(binary, revision, name, directory):
    """Whether it passed, and what the suite said."""
    directory.mkdir(parents=True)
    command = f"{lib.PY_NEW / 'python'} -B {DRIVER} --binary {binary}"
    argv = [lib.node22(), "--require", lib.LOOPBACK, conformance.SUITE, "client", "--command", command, "--scenario",
            name, "--spec-version", revision, "--force", "--timeout", "60000", "-o", directory / "checks"]
    code, out, err = lib.run(argv, 90, lib.clean_env(HOME=directory))
    (directory / "suite.log").write_text(out + err)
    checks = [check for file in directory.glob("checks/**/checks.json") for check in json.loads(file.read_text())]
    odd = [f"{check['id']} {check['status']}: {check.get('errorMessage')}" for check in checks
           if check["status"] in ("FAILURE", "WARNING")]
    judged = any(check["status"] == "SUCCESS" for check in checks)
    return code == 0 and judged, "; ".join(odd) or f"{out}{err}"[-1500:]


def excuse(name):
    """Why it may fall short; None when it may not."""
    found = [reason for reason, patterns in KNOWN_SHORT.items()
             if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]
    return found[0] if found else None


def judge(results, name, passed, words):
    reason = excuse(name)
    if reason:
        results.add(f"{name}/known-short", not passed, f"it passes: take it off the list ({reason})")
    else:
        results.add(name, passed, words)


def known_short_names_results(results, names):
    patterns = [pattern for patterns in KNOWN_SHORT.values() for pattern in patterns]
    idle = [pattern for pattern in patterns if not fnmatch.filter(names, pattern)]
    results.add("known-short-names-results", not idle, f"these name no result: {', '.join(idle)}")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", default=lib.default_binary(), type=pathlib.Path)
    options.add_argument("--json", type=pathlib.Path)
    options.add_argument("--only", default="*", help="run scenarios whose name matches, as `*/auth/*`")
    options = options.parse_args()
    directory = lib.scratch("conformance-client")
    results = lib.Results("conformance_client")
    names = [f"{revision}/{name}" for revision in conformance.REVISIONS.values() for name in scenarios(revision)]
    known_short_names_results(results, names)
    wanted = fnmatch.filter(names, options.only)

    def one(name):
        revision, _, scenario = name.partition("/")
        return run_scenario(options.binary.resolve(), revision, scenario, directory / name)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for name, (passed, words) in zip(wanted, pool.map(one, wanted)):
            judge(results, name, passed, words)
    return results.finish(options.json)


if __name__ == "__main__":
    raise SystemExit(main())
