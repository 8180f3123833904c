"""What each CI system says in its environment: the data behind :mod:`sbhooks.ci`.

A row names the signs that give the system away and, for every fact, the places to look, best
first. A place is

* a variable: ``"GITHUB_RUN_ID"``;
* a template, which counts only when all of its variables are set: ``"{A}/runs/{B}"``;
* a variable on a condition: ``"A&B"`` is ``B`` where ``A`` is set.

A sign is a variable that must be set, ``"CI=woodpecker"`` one that must have that value.

Standard library only: host processes import this module.
"""

from __future__ import annotations

from typing import NamedTuple

Places = tuple[str, ...]


class Provider(NamedTuple):
    """One CI system.

    Attributes:
        signs: All of them must be there.
        facts: Fact → where to look.
    """

    signs: tuple[str, ...]
    facts: dict[str, Places]


_GITHUB: dict[str, Places] = {
    "pipeline": ("GITHUB_WORKFLOW",),
    "run_id": ("GITHUB_RUN_ID",),
    "attempt": ("GITHUB_RUN_ATTEMPT",),
    "job": ("GITHUB_JOB",),
    "url": ("{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}",),
    "pr": ("GITHUB_REF",),
    "triggered_by": ("GITHUB_EVENT_NAME",),
    "worker": ("RUNNER_NAME",),
    "commit": ("GITHUB_SHA",),
    "branch": ("GITHUB_HEAD_REF", "GITHUB_REF", "GITHUB_REF_NAME"),
    "base": ("GITHUB_BASE_REF",),
}

#: Provider → its row. The order matters: Gitea looks like GitHub.
PROVIDERS: dict[str, Provider] = {
    "gitea": Provider(
        ("GITEA_ACTIONS",),
        {
            **_GITHUB,
            # Its pages count the runs of a repository.
            "url": ("{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_NUMBER}",),
        },
    ),
    "github": Provider(("GITHUB_ACTIONS",), _GITHUB),
    "gitlab": Provider(
        ("GITLAB_CI",),
        {
            "pipeline": ("CI_PROJECT_PATH",),
            "run_id": ("CI_PIPELINE_ID",),
            "job": ("CI_JOB_NAME",),
            "stage": ("CI_JOB_STAGE",),
            "url": ("CI_JOB_URL", "CI_PIPELINE_URL"),
            "pr": ("CI_MERGE_REQUEST_IID", "CI_EXTERNAL_PULL_REQUEST_IID"),
            "environment": ("CI_ENVIRONMENT_NAME",),
            "triggered_by": ("CI_PIPELINE_SOURCE",),
            "shard": ("CI_NODE_INDEX",),
            "worker": ("CI_RUNNER_ID",),
            "commit": (
                "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA",
                "CI_EXTERNAL_PULL_REQUEST_SOURCE_BRANCH_SHA",
                "CI_COMMIT_SHA",
            ),
            "branch": (
                "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
                "CI_EXTERNAL_PULL_REQUEST_SOURCE_BRANCH_NAME",
                "CI_COMMIT_BRANCH",
                "CI_COMMIT_REF_NAME",
            ),
            "tag": ("CI_COMMIT_TAG",),
            "base": (
                "CI_MERGE_REQUEST_TARGET_BRANCH_NAME",
                "CI_EXTERNAL_PULL_REQUEST_TARGET_BRANCH_NAME",
            ),
        },
    ),
    "circleci": Provider(
        ("CIRCLECI",),
        {
            "pipeline": ("CIRCLE_PROJECT_REPONAME",),
            "run_id": ("CIRCLE_WORKFLOW_ID",),
            "job": ("CIRCLE_JOB",),
            "url": (
                "CIRCLE_BUILD_URL",
                "https://app.circleci.com/pipelines/workflows/{CIRCLE_WORKFLOW_ID}",
            ),
            "pr": ("CIRCLE_PR_NUMBER", "CIRCLE_PULL_REQUEST"),
            "shard": ("CIRCLE_NODE_INDEX",),
            "commit": ("CIRCLE_SHA1",),
            "branch": ("CIRCLE_BRANCH",),
            "tag": ("CIRCLE_TAG",),
        },
    ),
    "buildkite": Provider(
        ("BUILDKITE",),
        {
            "pipeline": ("BUILDKITE_PIPELINE_SLUG",),
            "run_id": ("BUILDKITE_BUILD_ID",),
            "attempt": ("BUILDKITE_RETRY_COUNT",),
            "job": ("BUILDKITE_LABEL", "BUILDKITE_JOB_ID"),
            "stage": ("BUILDKITE_GROUP_LABEL",),
            "url": ("{BUILDKITE_BUILD_URL}#{BUILDKITE_JOB_ID}", "BUILDKITE_BUILD_URL"),
            "pr": ("BUILDKITE_PULL_REQUEST",),
            "triggered_by": ("BUILDKITE_SOURCE",),
            "shard": ("BUILDKITE_PARALLEL_JOB",),
            "worker": ("BUILDKITE_AGENT_NAME", "BUILDKITE_AGENT_ID"),
            "commit": ("BUILDKITE_COMMIT",),
            "branch": ("BUILDKITE_BRANCH",),
            "tag": ("BUILDKITE_TAG",),
            "base": ("BUILDKITE_PULL_REQUEST&BUILDKITE_PULL_REQUEST_BASE_BRANCH",),
        },
    ),
    "azure": Provider(
        ("TF_BUILD",),
        {
            "pipeline": ("BUILD_DEFINITIONNAME",),
            "run_id": ("BUILD_BUILDID",),
            "attempt": ("SYSTEM_JOBATTEMPT",),
            "job": ("SYSTEM_JOBDISPLAYNAME", "SYSTEM_JOBNAME"),
            "stage": ("SYSTEM_STAGEDISPLAYNAME", "SYSTEM_STAGENAME"),
            "url": (
                "{SYSTEM_TEAMFOUNDATIONSERVERURI}{SYSTEM_TEAMPROJECTID}"
                "/_build/results?buildId={BUILD_BUILDID}",
            ),
            "pr": ("SYSTEM_PULLREQUEST_PULLREQUESTNUMBER", "SYSTEM_PULLREQUEST_PULLREQUESTID"),
            "environment": ("ENVIRONMENT_NAME",),
            "triggered_by": ("BUILD_REASON",),
            "shard": ("SYSTEM_JOBPOSITIONINPHASE",),
            "worker": ("AGENT_NAME",),
            "commit": ("SYSTEM_PULLREQUEST_SOURCECOMMITID", "BUILD_SOURCEVERSION"),
            "branch": (
                "SYSTEM_PULLREQUEST_SOURCEBRANCH",
                "BUILD_SOURCEBRANCH",
                "BUILD_SOURCEBRANCHNAME",
            ),
            "base": ("SYSTEM_PULLREQUEST_TARGETBRANCH",),
        },
    ),
    "bitbucket": Provider(
        ("BITBUCKET_COMMIT", "BITBUCKET_BUILD_NUMBER"),
        {
            "pipeline": ("BITBUCKET_REPO_FULL_NAME",),
            "run_id": ("BITBUCKET_PIPELINE_UUID", "BITBUCKET_BUILD_NUMBER"),
            "attempt": ("BITBUCKET_STEP_RUN_NUMBER",),
            "url": (
                "https://bitbucket.org/{BITBUCKET_REPO_FULL_NAME}"
                "/addon/pipelines/home#!/results/{BITBUCKET_BUILD_NUMBER}",
            ),
            "pr": ("BITBUCKET_PR_ID",),
            "environment": ("BITBUCKET_DEPLOYMENT_ENVIRONMENT",),
            "shard": ("BITBUCKET_PARALLEL_STEP",),
            "commit": ("BITBUCKET_COMMIT",),
            "branch": ("BITBUCKET_BRANCH",),
            "tag": ("BITBUCKET_TAG",),
            "base": ("BITBUCKET_PR_DESTINATION_BRANCH",),
        },
    ),
    "travis": Provider(
        ("TRAVIS",),
        {
            "pipeline": ("TRAVIS_REPO_SLUG",),
            "run_id": ("TRAVIS_BUILD_ID",),
            "job": ("TRAVIS_JOB_NAME", "TRAVIS_JOB_NUMBER"),
            "stage": ("TRAVIS_BUILD_STAGE_NAME",),
            "url": ("TRAVIS_JOB_WEB_URL", "TRAVIS_BUILD_WEB_URL"),
            "pr": ("TRAVIS_PULL_REQUEST",),
            "triggered_by": ("TRAVIS_EVENT_TYPE",),
            "commit": ("TRAVIS_PULL_REQUEST_SHA", "TRAVIS_COMMIT"),
            "branch": ("TRAVIS_PULL_REQUEST_BRANCH", "TRAVIS_BRANCH"),
            "tag": ("TRAVIS_TAG",),
            "base": ("TRAVIS_PULL_REQUEST&TRAVIS_BRANCH",),
        },
    ),
    "appveyor": Provider(
        ("APPVEYOR",),
        {
            "pipeline": ("APPVEYOR_REPO_NAME", "APPVEYOR_PROJECT_SLUG"),
            "run_id": ("APPVEYOR_BUILD_ID",),
            "job": ("APPVEYOR_JOB_NAME",),
            "url": (
                "{APPVEYOR_URL}/project/{APPVEYOR_ACCOUNT_NAME}/{APPVEYOR_PROJECT_SLUG}"
                "/builds/{APPVEYOR_BUILD_ID}",
                "https://ci.appveyor.com/project/{APPVEYOR_REPO_NAME}/builds/{APPVEYOR_BUILD_ID}",
            ),
            "pr": ("APPVEYOR_PULL_REQUEST_NUMBER",),
            "worker": ("APPVEYOR_BUILD_WORKER_IMAGE",),
            "commit": ("APPVEYOR_PULL_REQUEST_HEAD_COMMIT", "APPVEYOR_REPO_COMMIT"),
            "branch": ("APPVEYOR_PULL_REQUEST_HEAD_REPO_BRANCH", "APPVEYOR_REPO_BRANCH"),
            "tag": ("APPVEYOR_REPO_TAG_NAME",),
            "base": ("APPVEYOR_PULL_REQUEST_HEAD_REPO_BRANCH&APPVEYOR_REPO_BRANCH",),
        },
    ),
    "bitrise": Provider(
        ("BITRISE_BUILD_SLUG",),
        {
            "pipeline": ("BITRISE_TRIGGERED_WORKFLOW_ID",),
            "run_id": ("BITRISE_BUILD_SLUG",),
            "url": ("BITRISE_BUILD_URL",),
            "pr": ("BITRISE_PULL_REQUEST",),
            "commit": ("BITRISE_GIT_COMMIT", "GIT_CLONE_COMMIT_HASH"),
            "branch": ("BITRISEIO_PULL_REQUEST_HEAD_BRANCH", "BITRISE_GIT_BRANCH"),
            "tag": ("BITRISE_GIT_TAG",),
            "base": ("BITRISEIO_GIT_BRANCH_DEST",),
        },
    ),
    "buddy": Provider(
        ("BUDDY",),
        {
            "pipeline": ("BUDDY_PIPELINE_NAME",),
            # Once executions, now runs: both names are in use.
            "run_id": (
                "{BUDDY_PIPELINE_ID}/{BUDDY_EXECUTION_ID}",
                "{BUDDY_PIPELINE_ID}/{BUDDY_RUN_ID}",
                "BUDDY_EXECUTION_ID",
                "BUDDY_RUN_ID",
            ),
            "url": ("BUDDY_EXECUTION_URL", "BUDDY_RUN_URL"),
            "pr": ("BUDDY_RUN_PR_NO",),
            "commit": ("BUDDY_EXECUTION_REVISION", "BUDDY_RUN_COMMIT"),
            "branch": ("BUDDY_RUN_PR_HEAD_BRANCH", "BUDDY_EXECUTION_BRANCH", "BUDDY_RUN_BRANCH"),
            "tag": ("BUDDY_EXECUTION_TAG",),
            "base": ("BUDDY_RUN_PR_BASE_BRANCH",),
        },
    ),
    "codebuild": Provider(
        ("CODEBUILD_BUILD_ARN",),
        {
            "pipeline": ("CODEBUILD_BUILD_ID", "CODEBUILD_BUILD_ARN"),
            "run_id": ("CODEBUILD_BUILD_ID", "CODEBUILD_BUILD_ARN"),
            "job": ("CODEBUILD_BATCH_BUILD_IDENTIFIER",),
            "url": ("CODEBUILD_BUILD_URL", "CODEBUILD_PUBLIC_BUILD_URL"),
            "pr": ("CODEBUILD_WEBHOOK_TRIGGER", "CODEBUILD_SOURCE_VERSION"),
            "triggered_by": ("CODEBUILD_WEBHOOK_EVENT", "CODEBUILD_INITIATOR"),
            "commit": ("CODEBUILD_RESOLVED_SOURCE_VERSION",),
            "branch": ("CODEBUILD_WEBHOOK_HEAD_REF",),
            "base": ("CODEBUILD_WEBHOOK_BASE_REF",),
        },
    ),
    "codefresh": Provider(
        ("CF_BUILD_ID",),
        {
            "pipeline": ("CF_PIPELINE_NAME",),
            "run_id": ("CF_BUILD_ID",),
            "job": ("CF_STEP_NAME",),
            "url": ("CF_BUILD_URL",),
            "pr": ("CF_PULL_REQUEST_NUMBER",),
            "triggered_by": ("CF_BUILD_TRIGGER",),
            "commit": ("CF_REVISION",),
            "branch": ("CF_BRANCH",),
            "tag": ("CF_RELEASE_TAG",),
            "base": ("CF_PULL_REQUEST_TARGET",),
        },
    ),
    "drone": Provider(
        ("DRONE",),
        {
            "pipeline": ("DRONE_REPO",),
            "run_id": ("DRONE_BUILD_NUMBER",),
            "job": ("DRONE_STEP_NAME",),
            "stage": ("DRONE_STAGE_NAME",),
            "url": ("DRONE_BUILD_LINK",),
            "pr": ("DRONE_PULL_REQUEST",),
            "environment": ("DRONE_DEPLOY_TO",),
            "triggered_by": ("DRONE_BUILD_EVENT",),
            "worker": ("DRONE_STAGE_MACHINE",),
            "commit": ("DRONE_COMMIT_SHA", "DRONE_COMMIT"),
            # DRONE_BRANCH of a pull request is the one it goes into.
            "branch": ("DRONE_SOURCE_BRANCH", "DRONE_BRANCH", "DRONE_COMMIT_BRANCH"),
            "tag": ("DRONE_TAG",),
            "base": ("DRONE_PULL_REQUEST&DRONE_TARGET_BRANCH",),
        },
    ),
    "woodpecker": Provider(
        ("CI=woodpecker",),
        {
            "pipeline": ("CI_REPO",),
            "run_id": ("CI_PIPELINE_NUMBER",),
            "job": ("CI_STEP_NAME",),
            "stage": ("CI_WORKFLOW_NAME",),
            "url": ("CI_PIPELINE_URL",),
            "pr": ("CI_COMMIT_PULL_REQUEST",),
            "environment": ("CI_PIPELINE_DEPLOY_TARGET",),
            "triggered_by": ("CI_PIPELINE_EVENT",),
            "worker": ("CI_MACHINE",),
            "commit": ("CI_COMMIT_SHA",),
            "branch": ("CI_COMMIT_SOURCE_BRANCH", "CI_COMMIT_BRANCH"),
            "tag": ("CI_COMMIT_TAG",),
            "base": ("CI_COMMIT_TARGET_BRANCH",),
        },
    ),
    "semaphore": Provider(
        ("SEMAPHORE", "SEMAPHORE_WORKFLOW_ID"),
        {
            "pipeline": ("SEMAPHORE_PROJECT_NAME",),
            "run_id": ("SEMAPHORE_WORKFLOW_ID",),
            "job": ("SEMAPHORE_JOB_NAME",),
            "stage": ("SEMAPHORE_BLOCK_NAME",),
            "url": (
                "{SEMAPHORE_ORGANIZATION_URL}/jobs/{SEMAPHORE_JOB_ID}",
                "{SEMAPHORE_ORGANIZATION_URL}/workflows/{SEMAPHORE_WORKFLOW_ID}",
            ),
            "pr": ("SEMAPHORE_GIT_PR_NUMBER",),
            "shard": ("SEMAPHORE_JOB_INDEX",),
            "worker": ("SEMAPHORE_AGENT_MACHINE_TYPE",),
            "commit": ("SEMAPHORE_GIT_PR_SHA", "SEMAPHORE_GIT_SHA"),
            "branch": (
                "SEMAPHORE_GIT_PR_BRANCH",
                "SEMAPHORE_GIT_WORKING_BRANCH",
                "SEMAPHORE_GIT_BRANCH",
            ),
            "tag": ("SEMAPHORE_GIT_TAG_NAME",),
            # SEMAPHORE_GIT_BRANCH of a pull request is the one it goes into.
            "base": ("SEMAPHORE_GIT_PR_NUMBER&SEMAPHORE_GIT_BRANCH",),
        },
    ),
    "teamcity": Provider(
        ("TEAMCITY_VERSION",),
        {
            "pipeline": ("TEAMCITY_PROJECT_NAME",),
            "run_id": ("TEAMCITY_BUILD_ID", "BUILD_NUMBER"),
            "job": ("TEAMCITY_BUILDCONF_NAME",),
            "url": ("BUILD_URL",),
            "pr": ("TEAMCITY_PULLREQUEST_NUMBER",),
            "commit": ("BUILD_VCS_NUMBER",),
            "branch": ("TEAMCITY_PULLREQUEST_SOURCE_BRANCH", "TEAMCITY_BUILD_BRANCH"),
            "base": ("TEAMCITY_PULLREQUEST_TARGET_BRANCH",),
        },
    ),
    # Two variables: developers' machines may well have one of them.
    "jenkins": Provider(
        ("JENKINS_URL", "BUILD_ID"),
        {
            "pipeline": ("JOB_NAME",),
            "run_id": ("BUILD_TAG", "BUILD_NUMBER", "BUILD_ID"),
            "stage": ("STAGE_NAME",),
            "url": ("BUILD_URL",),
            "pr": ("CHANGE_ID", "ghprbPullId"),
            "worker": ("NODE_NAME",),
            "commit": ("ghprbActualCommit", "GITHUB_PR_HEAD_SHA", "GIT_COMMIT"),
            "branch": ("CHANGE_BRANCH", "ghprbSourceBranch", "GIT_BRANCH", "BRANCH_NAME"),
            "tag": ("TAG_NAME",),
            "base": ("CHANGE_TARGET", "ghprbTargetBranch"),
        },
    ),
}

GENERIC = ("CI", "CONTINUOUS_INTEGRATION")  #: Set by nearly everyone, also by the unknown.

#: When a run was asked for and when it was begun, in seconds since 1970: the time in the queue.
#: All others lack one of the two, GitHub both. GitLab's CI_PIPELINE_CREATED_AT does not fit its
#: CI_JOB_STARTED_AT: of all but the first jobs, the work of earlier stages lies between.
QUEUE: dict[str, tuple[str, str]] = {
    "drone": ("DRONE_BUILD_CREATED", "DRONE_BUILD_STARTED"),
    "woodpecker": ("CI_PIPELINE_CREATED", "CI_PIPELINE_STARTED"),
}
