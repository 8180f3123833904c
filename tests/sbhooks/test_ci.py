"""Each provider's documented environment gives the right run and the right change."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbhooks.ci import CHANGE_FACTS, RUN_FACTS, detect, queued_s, without_credentials
from sbhooks.ci_providers import GENERIC, PROVIDERS
from sbhooks_pytest.facts import CI_SIGNS

DATA = Path(__file__).parents[1] / "data" / "ci" / "environments.json.xz"
CASES: dict[str, list[tuple[dict[str, str], dict[str, str]]]] = json.loads(
    lzma.decompress(DATA.read_bytes())
)

#: What runners always set, and fixtures leave out.
ALWAYS = {
    "github": {"GITHUB_ACTIONS": "true"},
    "jenkins": {"BUILD_ID": "1"},
    "bitbucket": {"BITBUCKET_BUILD_NUMBER": "1"},
    "codebuild": {"CODEBUILD_BUILD_ARN": "arn:aws:codebuild:eu-north-1:1:build/demo:b1e6661e"},
    "awscodepipeline": {"CODEBUILD_BUILD_ARN": "arn:aws:codebuild:eu-north-1:1:build/demo:b1e66"},
}
NAMES = {"azurepipelines": "azure", "travisci": "travis", "awscodepipeline": "codebuild"}
FACTS = {
    "run_id": "ci.pipeline.id",
    "pipeline": "ci.pipeline.name",
    "job": "ci.job.name",
    "stage": "ci.stage.name",
    "worker": "ci.node.name",
    "pr": "pr.number",
    "base": "git.pull_request.base_branch",
    "commit": "git.commit.sha",
    "branch": "git.branch",
    "tag": "git.tag",
}
#: (provider, fact) → why ours is another than that of the fixtures.
ON_PURPOSE = {
    ("buildkite", "job"): "the step's id stands for its label where it has none",
    ("drone", "run_id"): "the number of the build is what identifies it",
    ("codebuild", "run_id"): "theirs comes from a variable of Datadog's own",
    ("codebuild", "pipeline"): "the project's name, which theirs leaves out",
    ("appveyor", "commit"): "theirs knows repositories on GitHub only",
    ("appveyor", "branch"): "theirs knows repositories on GitHub only",
}


def cases() -> list[Any]:
    return [
        pytest.param(name, {**ALWAYS.get(name, {}), **environ}, facts, id=f"{name}-{number}")
        for name, rows in CASES.items()
        for number, (environ, facts) in enumerate(rows)
    ]


def test_there_are_all_the_cases() -> None:
    assert len(cases()) == 302


@pytest.mark.parametrize(("name", "environ", "facts"), cases())
def test_a_documented_environment_gives_the_right_facts(
    name: str, environ: dict[str, str], facts: dict[str, str]
) -> None:
    provider = NAMES.get(name, name)

    found = detect(environ)

    assert found is not None
    assert found.provider == provider
    expected = {fact: facts.get(tag) for fact, tag in FACTS.items()}
    expected["commit"] = facts.get("git.commit.head.sha") or expected["commit"]
    if any(variable.startswith("DD_GIT_") for variable in environ):  # overrides of Datadog's own
        for fact in CHANGE_FACTS[:3]:
            expected.pop(fact)
    for fact, value in expected.items():
        if (provider, fact) not in ON_PURPOSE or value == found.facts.get(fact):
            assert (fact, found.facts.get(fact)) == (fact, value)
    pages = {facts.get("ci.job.url"), facts.get("ci.pipeline.url")}
    if provider == "github":  # the run's page shows its newest attempt
        pages = {str(page).partition("/attempts/")[0] for page in pages}
    if provider not in {"codebuild"}:
        assert found.facts.get("url") in pages


#: Provider → environment as its documentation has it, and what is to be found. Of pull
#: requests; those of the fixtures above that are not in dd-trace-py, too.
DOCUMENTED: dict[str, tuple[dict[str, str], dict[str, str | int]]] = {
    "gitea": (
        {
            "CI": "true", "GITEA_ACTIONS": "true", "GITHUB_ACTIONS": "true",
            "GITHUB_WORKFLOW": "tests.yaml", "GITHUB_RUN_ID": "9031", "GITHUB_RUN_NUMBER": "17",
            "GITHUB_RUN_ATTEMPT": "2", "GITHUB_JOB": "unit",
            "GITHUB_SERVER_URL": "https://git.example.org", "GITHUB_REPOSITORY": "octo/hello",
            "GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/tags/v1.2", "GITHUB_SHA": "a" * 40,
        },
        {
            "pipeline": "tests.yaml", "run_id": "9031", "attempt": 2, "job": "unit",
            "url": "https://git.example.org/octo/hello/actions/runs/17", "triggered_by": "push",
            "commit": "a" * 40, "tag": "v1.2",
        },
    ),
    "woodpecker": (
        {
            "CI": "woodpecker", "CI_REPO": "octo/hello", "CI_PIPELINE_NUMBER": "8",
            "CI_PIPELINE_URL": "https://ci.example.org/repos/7/pipeline/8",
            "CI_PIPELINE_EVENT": "pull_request", "CI_WORKFLOW_NAME": "test",
            "CI_STEP_NAME": "pytest", "CI_COMMIT_SHA": "b" * 40, "CI_COMMIT_BRANCH": "main",
            "CI_COMMIT_SOURCE_BRANCH": "feature", "CI_COMMIT_TARGET_BRANCH": "main",
            "CI_COMMIT_PULL_REQUEST": "3", "CI_MACHINE": "agent-1",
        },
        {
            "pipeline": "octo/hello", "run_id": "8", "job": "pytest", "stage": "test",
            "url": "https://ci.example.org/repos/7/pipeline/8", "pr": "3", "worker": "agent-1",
            "triggered_by": "pull_request", "commit": "b" * 40, "branch": "feature",
            "base": "main",
        },
    ),
    "semaphore": (
        {
            "CI": "true", "SEMAPHORE": "true", "SEMAPHORE_PROJECT_NAME": "hello",
            "SEMAPHORE_ORGANIZATION_URL": "https://octo.semaphoreci.com",
            "SEMAPHORE_WORKFLOW_ID": "65c398bb", "SEMAPHORE_PIPELINE_ID": "ea3e6bba",
            "SEMAPHORE_JOB_ID": "a5b1d4b4", "SEMAPHORE_JOB_NAME": "unit",
            "SEMAPHORE_GIT_SHA": "c" * 40, "SEMAPHORE_GIT_PR_SHA": "d" * 40,
            "SEMAPHORE_GIT_BRANCH": "main", "SEMAPHORE_GIT_WORKING_BRANCH": "feature",
            "SEMAPHORE_GIT_PR_BRANCH": "feature", "SEMAPHORE_GIT_PR_NUMBER": "12",
            "SEMAPHORE_AGENT_MACHINE_TYPE": "e1-standard-2",
        },
        {
            "pipeline": "hello", "run_id": "65c398bb", "job": "unit", "pr": "12",
            "url": "https://octo.semaphoreci.com/jobs/a5b1d4b4", "worker": "e1-standard-2",
            "commit": "d" * 40, "branch": "feature", "base": "main",
        },
    ),
    "codebuild": (
        {
            "CODEBUILD_BUILD_ARN": "arn:aws:codebuild:us-east-1:1:build/hello:b1e6661e",
            "CODEBUILD_BUILD_ID": "hello:b1e6661e", "CODEBUILD_INITIATOR": "GitHub-Hookshot/eb8bd",
            "CODEBUILD_BUILD_URL":
                "https://us-east-1.console.aws.amazon.com/codebuild/home?region=us-east-1"
                "#/builds/hello:b1e6661e/view/new",
            "CODEBUILD_WEBHOOK_TRIGGER": "pr/31", "CODEBUILD_WEBHOOK_EVENT": "PULL_REQUEST_UPDATED",
            "CODEBUILD_WEBHOOK_HEAD_REF": "refs/heads/feature",
            "CODEBUILD_WEBHOOK_BASE_REF": "refs/heads/main",
            "CODEBUILD_RESOLVED_SOURCE_VERSION": "e" * 40,
        },
        {
            "pipeline": "hello", "run_id": "hello:b1e6661e", "pr": "31",
            "url": "https://us-east-1.console.aws.amazon.com/codebuild/home?region=us-east-1"
                   "#/builds/hello:b1e6661e/view/new",
            "triggered_by": "PULL_REQUEST_UPDATED", "commit": "e" * 40, "branch": "feature",
            "base": "main",
        },
    ),
    "drone": (
        {
            "CI": "true", "DRONE": "true", "DRONE_REPO": "octo/hello", "DRONE_BUILD_NUMBER": "42",
            "DRONE_STAGE_NAME": "default", "DRONE_STEP_NAME": "unit",
            "DRONE_BUILD_LINK": "https://drone.example.org/octo/hello/42",
            "DRONE_BUILD_EVENT": "pull_request", "DRONE_PULL_REQUEST": "14",
            "DRONE_COMMIT_SHA": "f" * 40, "DRONE_BRANCH": "main", "DRONE_SOURCE_BRANCH": "feature",
            "DRONE_TARGET_BRANCH": "main", "DRONE_STAGE_MACHINE": "runner-3",
        },
        {
            "pipeline": "octo/hello", "run_id": "42", "job": "unit", "stage": "default",
            "url": "https://drone.example.org/octo/hello/42", "pr": "14", "worker": "runner-3",
            "triggered_by": "pull_request", "commit": "f" * 40, "branch": "feature",
            "base": "main",
        },
    ),
    "buddy": (
        {
            "BUDDY": "true", "BUDDY_PIPELINE_ID": "431", "BUDDY_PIPELINE_NAME": "tests",
            "BUDDY_RUN_ID": "77", "BUDDY_RUN_COMMIT": "9" * 40, "BUDDY_RUN_BRANCH": "main",
            "BUDDY_RUN_URL": "https://app.buddy.works/octo/hello/pipelines/pipeline/431/run/77",
            "BUDDY_RUN_PR_NO": "5", "BUDDY_RUN_PR_HEAD_BRANCH": "feature",
            "BUDDY_RUN_PR_BASE_BRANCH": "main",
        },
        {
            "pipeline": "tests", "run_id": "431/77", "pr": "5", "commit": "9" * 40,
            "url": "https://app.buddy.works/octo/hello/pipelines/pipeline/431/run/77",
            "branch": "feature", "base": "main",
        },
    ),
    "teamcity": (
        {
            "TEAMCITY_VERSION": "2026.1 (build 200001)", "TEAMCITY_PROJECT_NAME": "Hello",
            "TEAMCITY_BUILDCONF_NAME": "Unit", "BUILD_NUMBER": "55", "BUILD_VCS_NUMBER": "1" * 40,
            "BUILD_URL": "https://tc.example.org/build/55",
        },
        {
            "pipeline": "Hello", "job": "Unit", "run_id": "55", "commit": "1" * 40,
            "url": "https://tc.example.org/build/55",
        },
    ),
    "buildkite": (
        {
            "CI": "true", "BUILDKITE": "true", "BUILDKITE_PIPELINE_SLUG": "hello",
            "BUILDKITE_BUILD_ID": "4735ba57", "BUILDKITE_RETRY_COUNT": "1",
            "BUILDKITE_LABEL": ":pytest: unit", "BUILDKITE_JOB_ID": "e44f9784",
            "BUILDKITE_BUILD_URL": "https://buildkite.com/octo/hello/builds/1514",
            "BUILDKITE_PULL_REQUEST": "false", "BUILDKITE_PULL_REQUEST_BASE_BRANCH": "main",
            "BUILDKITE_COMMIT": "2" * 40, "BUILDKITE_BRANCH": "main", "BUILDKITE_SOURCE": "api",
        },
        {
            "pipeline": "hello", "run_id": "4735ba57", "attempt": 2, "job": ":pytest: unit",
            "url": "https://buildkite.com/octo/hello/builds/1514#e44f9784", "triggered_by": "api",
            "commit": "2" * 40, "branch": "main",
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("provider", DOCUMENTED)
def test_a_whole_environment_gives_exactly_what_it_says(provider: str) -> None:
    environ, facts = DOCUMENTED[provider]

    found = detect(environ)

    assert found is not None
    assert (found.provider, found.facts) == (provider, facts)
    assert found.sources.keys() == facts.keys()


def test_every_provider_has_a_case() -> None:
    covered = {NAMES.get(name, name) for name in CASES} | DOCUMENTED.keys()
    assert covered == PROVIDERS.keys()
    assert len(PROVIDERS) == 18


def test_every_row_names_known_facts_and_places() -> None:
    for provider, row in PROVIDERS.items():
        assert row.facts.keys() <= {*RUN_FACTS, *CHANGE_FACTS}, provider
        assert {"run_id", "url", "commit"} <= row.facts.keys(), provider
        assert all(row.facts.values()), provider


def test_the_recorder_of_tests_knows_a_sign_of_every_provider() -> None:
    for row in PROVIDERS.values():
        assert any(sign.partition("=")[0] in CI_SIGNS for sign in row.signs)
    assert set(GENERIC) <= CI_SIGNS


@pytest.mark.parametrize("event", ["pull_request", "pull_request_target"])
def test_the_commit_of_a_pull_request_on_github_is_its_head(tmp_path: Path, event: str) -> None:
    file = tmp_path / "event.json"
    file.write_text(json.dumps({"pull_request": {"head": {"sha": "c" * 40, "ref": "feature"}}}))

    found = detect(
        {
            "GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": event, "GITHUB_EVENT_PATH": str(file),
            "GITHUB_SHA": "d" * 40, "GITHUB_REF": "refs/pull/5/merge",
            "GITHUB_REF_NAME": "5/merge", "GITHUB_HEAD_REF": "feature", "GITHUB_BASE_REF": "main",
        }
    )  # fmt: skip

    assert found is not None
    assert found.change() == {"commit": "c" * 40, "branch": "feature", "base": "main"}
    assert found.facts["pr"] == "5"
    assert found.sources["commit"] == "GITHUB_EVENT_PATH"


@pytest.mark.parametrize("content", [None, b"", b"[]", b"null", b"{", b"[" * 100_000, b"\xff"])
def test_an_event_file_that_cannot_be_read_changes_nothing(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "event.json"
    if content is not None:
        file.write_bytes(content)
    environ = {
        "GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(file), "GITHUB_SHA": "d" * 40,
    }  # fmt: skip
    found = detect(environ)
    assert found is not None
    assert found.change() == {"commit": "d" * 40}


def test_a_job_of_jenkins_is_named_without_branch_and_axes() -> None:
    environ = {
        "JENKINS_URL": "https://ci.example.org/", "BUILD_ID": "3", "GIT_BRANCH": "origin/master",
        "JOB_NAME": "team/hello/master/PYTHON=3.12,OS=linux",
    }  # fmt: skip
    found = detect(environ)
    assert found is not None
    assert (found.facts["pipeline"], found.facts["branch"]) == ("team/hello/master", "master")
    found = detect({**environ, "JOB_NAME": "team/hello/master"})
    assert found is not None
    assert found.facts["pipeline"] == "team/hello"


@pytest.mark.parametrize("environ", [{"CI": "true"}, {"CONTINUOUS_INTEGRATION": "1"}])
def test_a_system_that_nobody_knows_is_unknown(environ: dict[str, str]) -> None:
    found = detect(environ)
    assert found is not None
    assert (found.provider, found.facts) == ("unknown", {})


@pytest.mark.parametrize(
    "environ",
    [
        {}, {"CI": "false", "GITHUB_ACTIONS": "true"}, {"CI": ""}, {"GITHUB_ACTIONS": "false"},
        {"BUILD_ID": "dontKillMe"}, {"JENKINS_URL": "https://ci.example.org/"},
    ],
)  # fmt: skip
def test_a_laptop_is_no_ci(environ: dict[str, str]) -> None:
    assert detect(environ) is None


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://joe:pw@host/x", "https://host/x"),
        ("https://a@b:c@host/x", "https://host/x"),
        ("https://host/x?token=abc&buildId=7", "https://host/x?buildId=7"),
        ("https://host:8080/x", "https://host:8080/x"),
        ("not a url", "not a url"),
    ],
)
def test_no_credentials_are_left_in_a_url(url: str, clean: str) -> None:
    assert without_credentials(url) == clean


def test_the_time_in_the_queue_is_read_where_it_is_told() -> None:
    drone = {"DRONE_BUILD_CREATED": "1700000000", "DRONE_BUILD_STARTED": "1700000042"}
    assert queued_s("drone", drone) == 42.0
    assert queued_s("drone", {}) is None
    assert queued_s("drone", {**drone, "DRONE_BUILD_STARTED": "soon"}) is None
    assert queued_s("github", drone) is None


VARIABLES = sorted(
    {
        place.split("&")[-1]
        for row in PROVIDERS.values()
        for places in row.facts.values()
        for place in places
        if "{" not in place
    }
)


@given(
    st.sampled_from(sorted(PROVIDERS)),
    st.dictionaries(st.sampled_from(VARIABLES), st.text(max_size=40), max_size=12),
)
def test_no_environment_is_too_strange(provider: str, environ: dict[str, str]) -> None:
    signs = dict(sign.partition("=")[::2] for sign in PROVIDERS[provider].signs)
    found = detect({**environ, **{name: value or "true" for name, value in signs.items()}})
    if found is not None:
        assert all(isinstance(value, str | int) for value in found.facts.values())
        assert all(value for value in found.facts.values())
