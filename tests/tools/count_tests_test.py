#!/usr/bin/python3
"""Tests tools/count_tests.py on build events as Bazel 4.2 writes them."""

import contextlib
import io
import json
import os
import tempfile
import unittest

from tools import count_tests

_MIXED = """<testsuites><testsuite name="Suite">
<testcase name="Passes" status="run" classname="Suite" />
<testcase name="Fails" status="run" classname="Suite"><failure message="no"/></testcase>
<testcase name="Skips" status="run" classname="Suite"><skipped message=""/></testcase>
<testcase name="DISABLED_Not" status="notrun" classname="Suite" />
</testsuite></testsuites>"""
_GREEN = '<testsuites><testsuite><testcase name="Passes"/></testsuite></testsuites>'
_CRASH = '<testsuites><testsuite><testcase name="t"><error message="134"/></testcase></testsuite></testsuites>'


def _result(label, status, uri="", attempt=1, shard=1):
    output = [{"name": "test.xml", "uri": uri}] if uri else []
    ident = {"label": label, "run": 1, "shard": shard, "attempt": attempt}
    return {"id": {"testResult": ident}, "testResult": {"status": status, "testActionOutput": output}}


def _finished(code=0):
    exit_code = {"name": "X", "code": code} if code else {"name": "SUCCESS"}
    return {"id": {"buildFinished": {}}, "finished": {"exitCode": exit_code}}


def _count(*events, files=None):
    """Returns the outcomes, sorted, of a run with these events."""
    lines = [json.dumps(event) for event in events]
    return sorted(outcome for _, _, outcome in count_tests.count(lines, (files or {}).__getitem__))


class CountTestsTest(unittest.TestCase):

    def test_counts_cases_not_targets(self):
        outcomes = _count(_result("//a:t", "FAILED", "a"), _finished(3), files={"a": _MIXED})
        self.assertEqual(outcomes, ["failed", "passed", "skipped", "skipped"])

    def test_crash_and_timeout_count_as_one_failed_each(self):
        outcomes = _count(
            _result("//a:t", "FAILED", "a"), _result("//b:t", "TIMEOUT"), _finished(3),
            files={"a": _CRASH})
        self.assertEqual(outcomes, ["failed", "failed"])

    def test_failed_target_with_only_green_cases_has_one_failed(self):
        # A sanitizer report at exit, after the XML was written.
        outcomes = _count(_result("//a:t", "FAILED", "a"), _finished(3), files={"a": _GREEN})
        self.assertEqual(outcomes, ["failed", "passed"])

    def test_unreadable_xml_is_a_failure(self):
        outcomes = _count(_result("//a:t", "PASSED", "a"), _finished(), files={"a": "<testsuites>"})
        self.assertEqual(outcomes, ["failed"])

    def test_target_that_was_not_built_counts_once(self):
        event = {"id": {"targetCompleted": {"label": "//a:t"}}, "completed": {"failureDetail": {}}}
        self.assertEqual(_count(event, _finished(1)), ["failed"])

    def test_target_that_was_not_loaded_counts_once(self):
        aborted = {"reason": "ANALYSIS_FAILURE"}
        configured = {"id": {"targetConfigured": {"label": "//a:t"}}, "aborted": aborted}
        completed = {"id": {"targetCompleted": {"label": "//a:t"}}, "aborted": aborted}
        self.assertEqual(_count(configured, completed, _finished(1)), ["failed"])

    def test_last_attempt_of_a_flaky_target_counts(self):
        outcomes = _count(
            _result("//a:t", "FAILED", "first"), _result("//a:t", "PASSED", "last", attempt=2),
            _finished(), files={"first": _CRASH, "last": _GREEN})
        self.assertEqual(outcomes, ["flaky", "passed"])

    def test_a_flaky_target_is_told_with_its_attempts_and_fails_where_nothing_depends_on_luck(self):
        for label, code in (("//tests/e2e:t", 0), ("//tests/e2e/harness:t", 0), ("//tests/chaos:t", 0),
                            ("//tests/e2e_like:t", 1), ("//tests/router/log:t", 1)):
            events = [_result(label, "FAILED", attempt=1), _result(label, "TIMEOUT", attempt=2),
                      _result(label, "PASSED", "GREEN", attempt=3), _finished()]
            exit_code, said = self._main(events)
            self.assertEqual(exit_code, code, label)
            self.assertIn(f"flaky: {label} (2 of 3)\n", said)
            self.assertTrue(said.endswith(f"0 skipped, 1 flaky\n1 passed, {code} failed\n"), said)

    def test_the_slowest_targets_are_told_with_all_their_attempts(self):
        slow, quick = _result("//a:slow", "PASSED", "GREEN"), _result("//a:quick", "PASSED", "GREEN")
        again = _result("//a:slow", "PASSED", "GREEN", shard=2)
        slow["testResult"]["testAttemptDurationMillis"] = "2000"
        again["testResult"]["testAttemptDurationMillis"] = "1400"
        quick["testResult"]["testAttemptDurationMillis"] = "10"
        # Bazel announces results in events of other kinds before they come.
        announced = {"id": {"progress": {}}, "children": [slow["id"]], "progress": {}}
        _, said = self._main([announced, quick, slow, again, _finished()])
        self.assertTrue(said.startswith("took 3 s: //a:slow\ntook 0 s: //a:quick\n"), said)

    def _main(self, events):
        """The exit code and the output for these events; the URI "GREEN" is a file with one passed case."""
        with tempfile.TemporaryDirectory() as folder:
            green = os.path.join(folder, "green.xml")
            with open(green, "w", encoding="utf-8") as file:
                file.write(_GREEN)
            path = os.path.join(folder, "events.json")
            with open(path, "w", encoding="utf-8") as file:
                for event in events:
                    file.write(json.dumps(event).replace('"GREEN"', json.dumps("file://" + green)) + "\n")
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                exit_code = count_tests.main(["count_tests", path])
            return exit_code, said.getvalue()

    def test_every_shard_counts(self):
        outcomes = _count(
            _result("//a:t", "PASSED", "a"), _result("//a:t", "PASSED", "a", shard=2),
            _finished(), files={"a": _GREEN})
        self.assertEqual(outcomes, ["passed", "passed"])

    def test_run_without_tests_or_without_end_is_a_failure(self):
        self.assertEqual(_count(_finished(4)), ["failed"])
        self.assertEqual(_count(), ["failed"])

    def test_an_event_that_was_not_written_whole_is_a_failure_not_a_crash(self):
        half = '{"id":{"testResult":{"label":"//a:t"'
        outcomes = [outcome for _, _, outcome in count_tests.count([half], {}.__getitem__)]
        self.assertEqual(outcomes, ["failed"])
        self.assertEqual(count_tests.seconds_by_target([half]), {})

    def test_main_reads_files_and_exits_non_zero_on_failure(self):
        with tempfile.TemporaryDirectory() as folder:
            xml = os.path.join(folder, "with space.xml")
            events = os.path.join(folder, "events.json")
            with open(xml, "w", encoding="utf-8") as file:
                file.write(_GREEN)
            uri = "file://" + xml.replace(" ", "%20")
            for status, code in (("PASSED", 0), ("FAILED", 1)):
                with open(events, "w", encoding="utf-8") as file:
                    for event in (_result("//a:t", status, uri), _finished(code)):
                        file.write(json.dumps(event) + "\n")
                self.assertEqual(count_tests.main(["count_tests", events]), code)


if __name__ == "__main__":
    unittest.main()
