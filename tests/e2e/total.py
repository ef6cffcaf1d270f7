"""Adds up the reports of all parts: `total.py REPORTS SUITE... -- FAILED_PART...`. The last line is the count.

Must never count a suite that left no report as passed.
"""

import json
import pathlib
import re
import sys


def suite_counts(path, name):
    """(passed, failed, names of what failed) of one end-to-end suite."""
    try:
        results = json.loads((path / f"{name}.json").read_text())
    except (OSError, ValueError):
        return 0, 1, [f"{name}: no report"]
    failed = [one["name"] for one in results if not one["ok"]]
    return len(results) - len(failed), len(failed), failed


def cargo_counts(path):
    """(passed, failed) of the unit, property and documentation tests, from what cargo printed."""
    try:
        text = (path / "ci.txt").read_text(errors="replace")
    except OSError:
        return 0, 1
    found = re.findall(r"^test result: \w+\. (\d+) passed; (\d+) failed", text, re.MULTILINE)
    return sum(int(ok) for ok, _ in found), sum(int(bad) for _, bad in found)


def main():
    reports = pathlib.Path(sys.argv[1])
    split = sys.argv.index("--")
    suites, failed_parts = sys.argv[2:split], sys.argv[split + 1:]
    passed, failed = cargo_counts(reports)
    print(f"cargo: {passed} passed, {failed} failed")
    names = []
    for suite in suites:
        ok, bad, which = suite_counts(reports, suite)
        print(f"{suite}: {ok} passed, {bad} failed")
        passed, failed, names = passed + ok, failed + bad, names + which
    for name in names:
        print(f"FAILED {name}")
    for part in failed_parts:
        print(f"FAILED part: {part}")
    if failed_parts and not failed:
        failed = len(failed_parts)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or failed_parts or not passed else 0


raise SystemExit(main())
