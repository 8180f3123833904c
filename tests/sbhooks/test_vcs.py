import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbhooks.vcs import Checkout, checkout

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git, the oracle")

WHO = ["-c", "user.name=T", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false"]


def git(folder: Path, *arguments: str) -> str:
    command = ["git", *WHO, "-c", "protocol.file.allow=always", *arguments]
    ran = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    return os.fsdecode(ran.stdout).strip() if ran.returncode == 0 else ""


def said_by_git(folder: Path) -> tuple[str | None, str | None, str | None]:
    return (
        git(folder, "rev-parse", "--show-toplevel") or None,
        git(folder, "rev-parse", "--verify", "-q", "HEAD") or None,
        git(folder, "symbolic-ref", "--short", "-q", "HEAD") or None,
    )


def ours(folder: Path) -> tuple[str | None, str | None, str | None]:
    found = checkout(str(folder))
    return (found.root, found.commit, found.branch) if found else (None, None, None)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


def test_a_plain_repository_is_seen_as_git_sees_it(repository: Path) -> None:
    assert ours(repository) == said_by_git(repository)
    assert ours(repository)[2] == "main"


def test_it_is_found_from_any_folder_inside(repository: Path) -> None:
    deep = repository / "a" / "b c" / "d"
    deep.mkdir(parents=True)
    assert ours(deep) == said_by_git(deep) == ours(repository)


def test_outside_of_any_there_is_none(tmp_path: Path) -> None:
    assert checkout(str(tmp_path)) is None
    assert checkout("/") is None


def test_before_the_first_commit_there_is_a_branch_and_no_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "unborn")
    assert ours(tmp_path) == said_by_git(tmp_path) == (str(tmp_path), None, "unborn")


def test_a_detached_head_has_a_commit_and_no_branch(repository: Path) -> None:
    git(repository, "checkout", "-q", "--detach")
    assert ours(repository) == said_by_git(repository)
    assert ours(repository)[2] is None
    assert ours(repository)[1] is not None


@pytest.mark.parametrize(
    "branch",
    ["feature/deep/er", "grün-🌳", "with.dots", "UPPER", "a" * 180, "-odd"[1:] + "#@", "v1.0"],
)
@pytest.mark.parametrize("packed", [False, True])
def test_branches_of_any_name_are_read_loose_and_packed(
    repository: Path, branch: str, packed: bool
) -> None:
    git(repository, "checkout", "-q", "-b", branch)
    git(repository, "commit", "-q", "--allow-empty", "-m", "more")
    if packed:
        git(repository, "pack-refs", "--all")
        assert not (repository / ".git" / "refs" / "heads" / branch).exists()
    assert ours(repository) == said_by_git(repository)
    assert ours(repository)[2] == branch


def test_a_packed_branch_is_not_taken_for_one_with_a_longer_name(repository: Path) -> None:
    for number, branch in enumerate(["ma", "main2", "x/main", "mai"]):
        git(repository, "commit", "-q", "--allow-empty", "-m", str(number))
        git(repository, "branch", branch)
    git(repository, "tag", "-a", "-m", "t", "v1")  # a peeled line in packed-refs
    git(repository, "commit", "-q", "--allow-empty", "-m", "last")
    git(repository, "pack-refs", "--all")
    assert ours(repository) == said_by_git(repository)
    for branch in ["ma", "main2", "x/main", "mai"]:
        git(repository, "checkout", "-q", branch)
        assert ours(repository) == said_by_git(repository)


def test_a_loose_reference_is_newer_than_a_packed_one(repository: Path) -> None:
    git(repository, "pack-refs", "--all")
    git(repository, "commit", "-q", "--allow-empty", "-m", "newer")
    assert ours(repository) == said_by_git(repository)


def test_a_branch_that_is_not_utf8_has_its_commit(repository: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    subprocess.run(["git", "branch", b"caf\xe9"], cwd=repository, check=True)
    (repository / ".git" / "HEAD").write_bytes(b"ref: refs/heads/caf\xe9\n")
    for _ in range(2):
        root, commit, branch = ours(repository)
        assert (root, commit, name) == said_by_git(repository)
        assert branch == "caf�"
        git(repository, "pack-refs", "--all")


def test_a_reference_to_a_reference_is_followed(repository: Path) -> None:
    git(repository, "symbolic-ref", "refs/heads/alias", "refs/heads/main")
    (repository / ".git" / "HEAD").write_text("ref: refs/heads/alias\n")
    assert ours(repository)[1] == said_by_git(repository)[1] is not None
    assert ours(repository)[2] == "alias"


def test_references_in_a_circle_end(repository: Path) -> None:
    (repository / ".git/refs/heads/a").write_text("ref: refs/heads/b\n")
    (repository / ".git/refs/heads/b").write_text("ref: refs/heads/a\n")
    (repository / ".git/HEAD").write_text("ref: refs/heads/a\n")
    assert ours(repository) == (str(repository), None, "a")


def test_linked_worktrees_share_branches_and_have_their_own_head(
    repository: Path, tmp_path: Path
) -> None:
    git(repository, "worktree", "add", "-q", "-b", "side/branch", str(tmp_path / "linked"))
    git(tmp_path / "linked", "commit", "-q", "--allow-empty", "-m", "side")
    git(repository, "worktree", "add", "-q", "--detach", str(tmp_path / "loose"))
    for folder in (repository, tmp_path / "linked", tmp_path / "loose"):
        assert ours(folder) == said_by_git(folder)
    git(repository, "pack-refs", "--all")
    assert ours(tmp_path / "linked") == said_by_git(tmp_path / "linked")
    assert ours(tmp_path / "linked")[2] == "side/branch"


def test_a_worktree_has_the_remote_of_its_repository(repository: Path, tmp_path: Path) -> None:
    git(repository, "remote", "add", "origin", "https://example.invalid/owner/name.git")
    git(repository, "worktree", "add", "-q", str(tmp_path / "linked"))
    found = checkout(str(tmp_path / "linked"))
    assert found is not None
    assert found.remote == "name"


def test_a_submodule_is_a_repository_of_its_own(repository: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "-q", "-b", "trunk")
    git(outer, "submodule", "add", "-q", str(repository), "inner")
    git(outer, "commit", "-q", "-m", "with")
    for folder in (outer, outer / "inner"):
        assert ours(folder) == said_by_git(folder)
    assert ours(outer / "inner")[0] == str(outer / "inner")


def test_a_repository_with_sha256_names_is_read(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main", "--object-format=sha256")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "long")
    if not git(tmp_path, "rev-parse", "-q", "--verify", "HEAD"):
        pytest.skip("this git knows no sha256")
    assert ours(tmp_path) == said_by_git(tmp_path)
    assert len(ours(tmp_path)[1] or "") == 64
    git(tmp_path, "pack-refs", "--all")
    assert ours(tmp_path) == said_by_git(tmp_path)


def test_a_shallow_clone_is_read(repository: Path, tmp_path: Path) -> None:
    git(repository, "commit", "-q", "--allow-empty", "-m", "second")
    git(tmp_path, "clone", "-q", "--depth=1", repository.as_uri(), "clone")
    assert ours(tmp_path / "clone") == said_by_git(tmp_path / "clone")
    found = checkout(str(tmp_path / "clone"))
    assert found is not None
    assert found.remote == "repository"


def test_an_empty_folder_named_git_is_passed_by(repository: Path) -> None:
    (repository / "inside" / ".git").mkdir(parents=True)
    assert ours(repository / "inside") == said_by_git(repository / "inside") == ours(repository)


def test_a_pointer_that_leads_nowhere_gives_the_folder_alone(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: /nowhere/at/all\n")
    assert checkout(str(tmp_path)) == Checkout(str(tmp_path), None, None, None)


def test_references_that_are_no_files_are_not_guessed(repository: Path) -> None:
    (repository / ".git" / "HEAD").write_text("ref: refs/heads/.invalid\n")  # the reftable format
    assert ours(repository) == (str(repository), None, None)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.invalid/owner/name.git", "name"),
        ("https://user:pass@example.invalid/owner/name", "name"),
        ("git@example.invalid:owner/name.git", "name"),
        ("git@example.invalid:name.git", "name"),
        ("ssh://git@example.invalid:22/owner/name.git/", "name"),
        ("/srv/git/name.git", "name"),
        ("/home/me/name/.git", "name"),
        ("../name", "name"),
        ("https://user:secret@example.invalid", "example.invalid"),
        ("https://secret@example.invalid", "example.invalid"),
        (".git", None),
    ],
)
def test_the_remote_is_the_last_part_of_the_origin_and_never_a_credential(
    repository: Path, url: str, name: str | None
) -> None:
    git(repository, "remote", "add", "other", "https://example.invalid/other.git")
    git(repository, "remote", "add", "origin", url)
    found = checkout(str(repository))
    assert found is not None
    assert found.remote == name


@pytest.mark.parametrize(
    "config",
    [
        '[remote "origin"]\n\tURL = x/name.git\n',
        '[Remote "origin"]\n\tfetch = +a:b\n\turl="x/name.git"\n',
        '[remote "upstream"]\n\turl = x/wrong\n[remote "origin"]\n\turl = x/name\n',
        '[url "x"]\n\tinsteadOf = y\n[remote "origin"]\n\tpushurl = x/wrong\n\turl = x/name\n',
    ],
)
def test_the_remote_is_read_as_git_reads_it(repository: Path, config: str) -> None:
    (repository / ".git" / "config").write_text(config)
    found = checkout(str(repository))
    assert found is not None
    assert found.remote == "name"
    assert git(repository, "config", "remote.origin.url") in {"x/name", "x/name.git"}


def test_without_an_origin_there_is_no_remote(repository: Path) -> None:
    git(repository, "remote", "add", "upstream", "https://example.invalid/other.git")
    found = checkout(str(repository))
    assert found is not None
    assert found.remote is None


@given(
    head=st.binary(max_size=80) | st.binary(max_size=40).map(lambda name: b"ref: " + name),
    packed=st.binary(max_size=80),
    config=st.binary(max_size=80),
    pointer=st.binary(max_size=80),
)
def test_damaged_repositories_raise_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    head: bytes,
    packed: bytes,
    config: bytes,
    pointer: bytes,
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    (folder / ".git").mkdir()
    for name, data in {"HEAD": head, "packed-refs": packed, "config": config}.items():
        (folder / ".git" / name).write_bytes(data)
    (folder / ".git" / "commondir").write_bytes(pointer)
    found = checkout(str(folder))
    assert found is not None
    assert found.root == str(folder)
    assert found.commit is None or len(found.commit) in {40, 64}
    for text in vars(found).values():
        assert text is None or text.encode() is not None  # can be written as JSON
    (folder / "sub").mkdir()
    (folder / "sub" / ".git").write_bytes(b"gitdir:" + pointer)
    checkout(str(folder / "sub"))
