#!/usr/bin/env python3
# Counts the test cases of one `bazel test` run: tools/count_tests.py BUILD_EVENT_FILE
# Names the slowest targets and the failed, flaky and skipped ones, ends with "N passed, N failed", and exits 1 unless
# all went well.
"""The build event file names exactly the targets of that run, so that older test.xml files do not count.

A target that failed and then passed is flaky. Real programs on real sockets may be, on a machine that others use too;
anywhere else it is a failure: a test without luck in it passes at once, and one that needs luck hides a fault.
"""

import collections
import json
import sys
import urllib.parse
import xml.etree.ElementTree as ElementTree


MAY_BE_FLAKY = ("//tests/e2e", "//tests/chaos")
_SLOWEST = 10


def read_cases(xml_text):
    """Yields (name, outcome) of every test case; outcome is "passed", "failed" or "skipped"."""
    for case in ElementTree.fromstring(xml_text).iter("testcase"):
        name = ".".join(filter(None, [case.get("classname"), case.get("name")]))
        if case.find("failure") is not None or case.find("error") is not None:
            yield name, "failed"
        elif case.find("skipped") is not None or case.get("status") == "notrun":
            yield name, "skipped"
        else:
            yield name, "passed"


def _read_uri(uri):
    path = urllib.parse.unquote(urllib.parse.urlparse(uri).path)
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _cases_of_result(result, read_uri):
    """The cases of one testResult event. A run that failed has at least one failed case."""
    cases = []
    for output in result.get("testActionOutput", []):
        if output["name"] == "test.xml":
            try:
                cases = list(read_cases(read_uri(output["uri"])))
            except (OSError, ElementTree.ParseError) as error:
                cases = [(f"unreadable test.xml ({error})", "failed")]
    status = result.get("status", "NO_STATUS")
    if status != "PASSED" and all(outcome != "failed" for _, outcome in cases):
        cases.append((status.lower(), "failed"))
    return cases


def may_be_flaky(label):
    return label.startswith(tuple(f"{folder}{end}" for folder in MAY_BE_FLAKY for end in ("/", ":")))


def _flaky(attempts):
    """[(target, "(M of N)", "flaky")] of the targets that failed M times and then passed; attempts: {key: [status]}."""
    found = []
    for (label, _, _), statuses in sorted(attempts.items(), key=lambda item: item[0][0]):
        failed = sum(status != "PASSED" for status in statuses)
        if statuses[-1] == "PASSED" and failed:
            found.append((label, f"({failed} of {len(statuses)})", "flaky"))
    return found


def _events(lines):
    """The build events, without what Bazel was writing when it died."""
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            continue


def seconds_by_target(lines):
    """{target: seconds} of all its attempts and shards."""
    seconds = collections.Counter()
    for event in _events(lines):
        if "testResult" in event:
            milliseconds = event["testResult"].get("testAttemptDurationMillis", 0)
            seconds[event["id"]["testResult"]["label"]] += int(milliseconds) / 1000
    return seconds


def count(lines, read_uri=_read_uri):
    """Returns [(target, case, outcome)] for the build events in `lines`, one JSON object a line."""
    results = {}  # A flaky target has several attempts; the last one counts.
    attempts = collections.defaultdict(list)
    not_built = {}
    exit_code = None  # It stays so if Bazel died.
    for event in _events(lines):
        kind, ident = next(iter(event["id"].items()))
        label = ident.get("label", "") if isinstance(ident, dict) else ""
        if "testResult" in event:
            key = (label, ident.get("run"), ident.get("shard"))
            results[key] = event["testResult"]
            attempts[key].append(event["testResult"].get("status", "NO_STATUS"))
        elif kind == "targetCompleted" and not event.get("completed", {}).get("success"):
            if event.get("aborted", {}).get("reason") != "SKIPPED":
                not_built[label] = "was not built"
        elif "aborted" in event and event["aborted"].get("reason") != "SKIPPED":
            if kind in ("configuredLabel", "unconfiguredLabel", "targetConfigured", "pattern"):
                not_built[label or " ".join(ident.get("pattern", []))] = "was not loaded"
        elif "finished" in event:
            exit_code = event["finished"].get("exitCode", {}).get("code", 0)

    cases = [(label, why, "failed") for label, why in sorted(not_built.items())]
    for (label, _, _), result in sorted(results.items(), key=lambda item: item[0][0]):
        cases += [(label, case, outcome) for case, outcome in _cases_of_result(result, read_uri)]
    cases += _flaky(attempts)
    if exit_code != 0 and all(outcome != "failed" for _, _, outcome in cases):
        cases.append(("bazel", f"exit code {exit_code}", "failed"))
    return cases


def main(argv):
    with open(argv[1], encoding="utf-8") as file:
        lines = file.readlines()
    cases = count(lines)
    for label, seconds in seconds_by_target(lines).most_common(_SLOWEST):
        print(f"took {seconds:.0f} s: {label}")
    totals = {"passed": 0, "failed": 0, "skipped": 0, "flaky": 0}
    for label, case, outcome in cases:
        totals[outcome] += 1
        if outcome != "passed":
            print(f"{outcome}: {label} {case}")
        if outcome == "flaky" and not may_be_flaky(label):
            print(f"failed: {label} is flaky, which only tests in {' and '.join(MAY_BE_FLAKY)} may be")
            totals["failed"] += 1
    print(f"{totals['skipped']} skipped, {totals['flaky']} flaky")
    print(f"{totals['passed']} passed, {totals['failed']} failed")
    return 1 if totals["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
