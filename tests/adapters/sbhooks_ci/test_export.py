"""Traces that a real OTLP/HTTP receiver takes, and CDEvents that their schemas accept."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from jsonschema import Draft202012Validator
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from referencing import Registry, Resource

from sbhooks.events import Outcome, Vcs
from sbhooks.testing.factories import Timeline
from sbhooks_ci.cdevents import cloud_events
from sbhooks_ci.finished import Finished
from sbhooks_ci.otlp import request

Sbhooks = Callable[..., subprocess.CompletedProcess[bytes]]
SCHEMAS = Path(__file__).parents[2] / "data" / "cdevents"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
GITHUB = {
    "GITHUB_ACTIONS": "true", "GITHUB_WORKFLOW": "checks", "GITHUB_RUN_ID": "77",
    "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "o/r",
    "GITHUB_SHA": "a" * 40, "GITHUB_REF": "refs/heads/main",
}  # fmt: skip


class Receiver:
    """A receiver over HTTP: what it heard, and what it is to answer."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, dict[str, str], Any]] = []
        self.answers: list[tuple[int, bytes]] = []
        self.url = ""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            kind = self.headers["Content-Type"]
            made.heard.append((self.path, kind, dict(self.headers), body))
            status, answer = made.answers.pop(0) if made.answers else (200, b"{}")
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            if status == 302:
                self.send_header("Location", made.url)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield made
        server.shutdown()
        thread.join()


@pytest.fixture
def runs(sbhooks: Sbhooks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage with a test run inside that continues a trace, a report, and one that failed."""
    (tmp_path / "test_it.py").write_text(
        "import pytest\ndef test_a(): pass\ndef test_b(): assert 0\n"
        "@pytest.mark.skip\ndef test_c(): pass\n"
    )
    (tmp_path / "r.xml").write_text(
        '<testsuite><testcase name="t&lt;x"><failure message="m" type="E"/></testcase></testsuite>'
    )
    # A run inside of a test is not recorded.
    test = ["env", "-u", "PYTEST_CURRENT_TEST", sys.executable, "-m", "pytest", "-q"]
    environ = {**GITHUB, "TRACEPARENT": TRACE}
    sbhooks("ci", "run", "--stage", "test", "--", *test, "-p", "no:cacheprovider", environ=environ)
    sbhooks("ci", "import", "junit", "r.xml", environ=GITHUB)
    sbhooks("ci", "run", "--stage", "build", "--", "sh", "-c", "exit 3", environ=GITHUB)
    sbhooks("ci", "run", "--", "no-such-program")


def as_protobuf(body: Any) -> ExportTraceServiceRequest:
    """Read a request as receivers do: the ids are hexadecimal, unlike protobuf's own JSON."""

    def ids(node: Any) -> Any:
        if isinstance(node, list):
            return [ids(item) for item in node]
        if not isinstance(node, dict):
            return node
        lengths = {"traceId": 16, "spanId": 8, "parentSpanId": 8}
        made = {}
        for key, value in node.items():
            if key in lengths:
                raw = bytes.fromhex(value)
                assert len(raw) == lengths[key]
                assert any(raw)
                made[key] = base64.b64encode(raw).decode()
            else:
                made[key] = ids(value)
        return made

    return ParseDict(ids(body), ExportTraceServiceRequest(), ignore_unknown_fields=False)


def spans_of(body: Any) -> dict[str, Any]:
    request = as_protobuf(body)
    return {
        span.name: span
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }


def told(span: Any) -> dict[str, Any]:
    return {
        item.key: getattr(item.value, item.value.WhichOneof("value")) for item in span.attributes
    }


def test_a_receiver_takes_the_spans_of_a_run(
    sbhooks: Sbhooks, receiver: Receiver, runs: None
) -> None:
    done = sbhooks("export", "otlp", "--to", receiver.url, "--header", "X-Token: abc", "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    ((path, kind, headers, body),) = receiver.heard
    assert (path, kind, headers["X-Token"]) == ("/v1/traces", "application/json", "abc")
    spans = spans_of(body)
    assert json.loads(done.stdout) == {
        "sessions": 5, "sent": len(spans), "to": f"{receiver.url}/v1/traces",
    }  # fmt: skip
    stage, suite = spans["test"], spans["pytest"]
    assert stage.trace_id.hex() == suite.trace_id.hex() == TRACE.split("-")[1]
    assert stage.parent_span_id.hex() == TRACE.split("-")[2]
    assert suite.parent_span_id == stage.span_id  # continued through the environment
    assert told(stage)["cicd.pipeline.task.run.result"] == "failure"
    assert told(stage)["cicd.pipeline.run.id"] == "77"
    assert stage.status.code == 2
    assert told(suite)["test.suite.run.status"] == "failure"
    cases = {name: span for name, span in spans.items() if name.startswith("test_it.py")}
    assert {name: told(span).get("test.case.result.status") for name, span in cases.items()} == {
        "test_it.py::test_a": "pass", "test_it.py::test_b": "fail", "test_it.py::test_c": None,
    }  # fmt: skip
    assert {span.parent_span_id for span in cases.values()} == {suite.span_id}
    assert all(s.start_time_unix_nano <= s.end_time_unix_nano for s in spans.values())
    # Jobs of one run that continue no trace meet in one; the laptop's is another.
    assert spans["build"].trace_id == spans["junit"].trace_id != stage.trace_id
    assert spans["no-such-program"].trace_id not in {stage.trace_id, spans["build"].trace_id}
    assert len({span.span_id for span in spans.values()}) == len(spans)


def test_exporting_again_gives_the_same_and_prints_without_a_receiver(
    sbhooks: Sbhooks, runs: None
) -> None:
    first, second = (sbhooks("export", "otlp").stdout for _ in range(2))
    assert first == second
    (line,) = first.splitlines()
    assert len(as_protobuf(json.loads(line)).resource_spans) == 5
    resource = json.loads(line)["resourceSpans"][0]["resource"]["attributes"]
    assert {"key": "vcs.ref.head.revision", "value": {"stringValue": "a" * 40}} in resource


def test_a_receiver_that_refuses_is_said(sbhooks: Sbhooks, receiver: Receiver, runs: None) -> None:
    receiver.answers = [(200, b'{"partialSuccess":{"rejectedSpans":"3","errorMessage":"no"}}')]
    done = sbhooks("export", "otlp", "--to", receiver.url)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"refused 3 spans: no" in done.stderr
    receiver.answers = [(400, b"")]
    assert b"refused: 400" in sbhooks("export", "otlp", "--to", receiver.url).stderr
    receiver.answers = [(302, b"")]
    assert b"refused: 302" in sbhooks("export", "otlp", "--to", receiver.url).stderr
    heard = len(receiver.heard)
    receiver.answers = [(503, b""), (429, b"")]  # busy: it is asked again
    assert sbhooks("export", "otlp", "--to", receiver.url).returncode == 0
    assert len(receiver.heard) == heard + 3


@pytest.mark.parametrize("url", ["ftp://x/y", "nothing", "file:///etc/passwd", "http://"])
def test_only_http_is_sent_to(sbhooks: Sbhooks, url: str) -> None:
    done = sbhooks("export", "cdevents", "--to", url)
    assert done.returncode == 2
    assert b"is no URL to send to" in done.stderr


def test_nobody_there_and_bad_headers_are_said(sbhooks: Sbhooks, runs: None) -> None:
    refused = sbhooks("export", "otlp", "--to", "http://127.0.0.1:9").stderr
    assert refused == b"sbhooks: cannot send to http://127.0.0.1:9/v1/traces: Connection refused\n"
    assert b"is no header" in sbhooks("export", "otlp", "--header", "x").stderr
    assert b"it needs --to" in sbhooks("export", "otlp", "--json").stderr


def validators() -> dict[str, Draft202012Validator]:
    """Type of event → the published schema."""
    loaded = [json.loads(path.read_text()) for path in SCHEMAS.rglob("*.json")]
    registry: Registry[Any] = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema)) for schema in loaded
    )
    found = {}
    for schema in loaded:
        kinds = schema.get("properties", {}).get("context", {}).get("properties", {}).get("type")
        if kinds:
            checker = Draft202012Validator.FORMAT_CHECKER
            made = Draft202012Validator(schema, registry=registry, format_checker=checker)
            found[kinds.get("default", "custom")] = made
    return found


def test_every_cdevent_is_valid_against_its_published_schema(
    sbhooks: Sbhooks, receiver: Receiver, runs: None
) -> None:
    done = sbhooks("export", "cdevents", "--to", receiver.url, "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    events = [event for _, _, _, body in receiver.heard for event in body]
    assert {kind for _, kind, _, _ in receiver.heard} == {"application/cloudevents-batch+json"}
    assert json.loads(done.stdout)["sent"] == len(events)
    known = validators()
    for event in events:
        assert event["specversion"] == "1.0"
        data = event["data"]
        assert (event["type"], event["id"]) == (data["context"]["type"], data["context"]["id"])
        schema = known.get(event["type"], known["custom"])
        assert [error.message for error in schema.iter_errors(data)] == []
    assert {event["type"].rpartition(".0.")[0] for event in events} == {
        "dev.cdevents.taskrun.finished", "dev.cdevents.testsuiterun.finished",
        "dev.cdevents.testcaserun.finished", "dev.cdevents.testcaserun.skipped",
        "dev.cdeventsx.sbhooks-invocation.finished",
    }  # fmt: skip
    tasks = {
        e["data"]["subject"]["content"]["taskName"]: e for e in events if "taskrun" in e["type"]
    }
    assert tasks["build"]["data"]["subject"]["content"] == {
        "taskName": "build", "pipelineRun": {"id": "77"}, "outcome": "failure",
        "errors": "exit-status-3", "uri": "https://github.com/o/r/actions/runs/77",
    }  # fmt: skip


def test_a_run_of_crackerjack_is_a_pipeline_run_and_what_was_skipped_is_none() -> None:
    line = Timeline("s", source="crackerjack")
    start = line.start(project="shop with space")
    schema = validators()["dev.cdevents.pipelinerun.finished.0.3.0"]
    for outcome, told_outcome in (
        (Outcome.SUCCESS, "success"), (Outcome.TIMEOUT, "error"),
        (Outcome.CANCELLATION, "cancel"), (Outcome.SKIP, None),
    ):  # fmt: skip
        end = line.end(outcome)
        session = Finished(start=start, end=end, root=start, events=[])
        found = [event["data"] for event in cloud_events(session)]
        assert [data["subject"]["content"]["outcome"] for data in found] == (
            [told_outcome] if told_outcome else []
        )
        assert [error.message for data in found for error in schema.iter_errors(data)] == []


def test_facts_stand_where_the_conventions_put_them() -> None:
    """A result of a pipeline belongs to a run of one; a head without a name has no type."""
    time = Timeline("s", "crackerjack")
    start = time.start(vcs=Vcs(commit="c" * 40))
    run = Finished(start=start, end=time.end(), events=[], root=start)
    tests = Timeline("t", "pytest")
    session = tests.start(vcs=Vcs(commit="c" * 40, branch="main"))
    suite = Finished(start=session, end=tests.end(), events=[], root=session)
    body = as_protobuf(request([run, suite]))
    (of_run, of_tests) = body.resource_spans
    assert told(of_run.scope_spans[0].spans[0])["cicd.pipeline.result"] == "success"
    assert "cicd.pipeline.result" not in told(of_tests.scope_spans[0].spans[0])
    assert "vcs.ref.head.type" not in told(of_run.resource)
    assert told(of_tests.resource)["vcs.ref.head.type"] == "branch"


def test_a_schema_that_is_broken_would_be_noticed() -> None:
    known = validators()["dev.cdevents.taskrun.finished.0.3.0"]
    assert list(known.iter_errors({"context": {}, "subject": {}}))
