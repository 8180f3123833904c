import os
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbhooks import folders
from sbhooks.folders import default_home, user_file
from sbhooks.settings import (
    ENVIRONMENT,
    PERSONAL,
    HostSettings,
    here,
    host_settings,
    layers,
    merge,
)


@pytest.fixture
def user(home: Path) -> dict[str, str]:
    """An environment with nothing set but whose it is."""
    return {"HOME": str(home.parent / "user")}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project" / "src" / "deep").mkdir(parents=True)
    return tmp_path / "project"


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def user_config(user: dict[str, str], text: str) -> Path:
    path = Path(user_file(user))
    return write(path.parent, path.name, text)


def test_with_nothing_set_recording_is_on_and_private(project: Path, user: dict[str, str]) -> None:
    assert host_settings(str(project), user) == HostSettings(
        home=f"{user['HOME']}/.local/share/sbhooks",
        enabled=True,
        disabled=frozenset(),
        inline=(),
        project=None,
        redact=True,
        failure_messages=True,
        trouble=(),
        trace=False,
    )
    assert layers(str(project), user) == []


def test_each_source_overrides_the_one_before(project: Path, user: dict[str, str]) -> None:
    file = write(project, "sbhooks.toml", 'project = "from project"\ndisable = ["x"]')
    assert host_settings(str(project), user).project == "from project"
    own = user_config(user, 'project = "from user"')
    assert host_settings(str(project), user).project == "from user"
    user["SBHOOKS_PROJECT"] = "from environment"
    assert host_settings(str(project), user).project == "from environment"
    found = layers(str(project), user)
    assert [(layer.kind, layer.name) for layer in found] == [
        ("project", str(file)),
        ("user", str(own)),
        ("environment", "environment"),
    ]
    assert merge(found) == {"project": "from environment", "disable": ["x"]}


def test_tables_merge_key_by_key_and_lists_replace(project: Path, user: dict[str, str]) -> None:
    write(project, "sbhooks.toml", 'disable = ["a"]\n[privacy]\nredact = true\nqueries = false')
    user_config(user, 'disable = ["b"]\n[privacy]\nredact = true\n[acme]\nx = 1')
    assert merge(layers(str(project), user)) == {
        "disable": ["b"],
        "privacy": {"redact": True, "queries": False},
        "acme": {"x": 1},
    }
    write(project, "sbhooks.toml", 'acme = "no table"')
    assert merge(layers(str(project), user))["acme"] == {"x": 1}


def test_merging_leaves_the_sources_as_they_are(project: Path, user: dict[str, str]) -> None:
    write(project, "sbhooks.toml", "[privacy]\nqueries = false")
    user_config(user, "[privacy]\nqueries = true")
    found = layers(str(project), user)
    merge(found)
    assert found[0].table == {"privacy": {"queries": False}}


def test_a_project_can_ask_for_less_to_be_recorded_but_not_for_more(
    project: Path, user: dict[str, str]
) -> None:
    more = "redact = false\nfailure_messages = true\nqueries = true"
    write(project, "sbhooks.toml", f"[privacy]\n{more}")
    assert merge(layers(str(project), user)) == {"privacy": {}}
    user_config(user, f"[privacy]\n{more}")
    assert merge(layers(str(project), user))["privacy"]["redact"] is False
    write(project, "sbhooks.toml", "[privacy]\nfailure_messages = false")
    Path(user_file(user)).unlink()
    assert not host_settings(str(project), user).failure_messages


@pytest.mark.parametrize("key", sorted(PERSONAL))
def test_a_project_cannot_say_where_data_go_or_what_code_runs(
    project: Path, user: dict[str, str], key: str
) -> None:
    write(project, "sbhooks.toml", f'{key} = ["evil"]')
    assert merge(layers(str(project), user)) == {}
    user_config(user, f'{key} = ["mine"]')
    assert merge(layers(str(project), user)) == {key: ["mine"]}


def test_what_only_the_user_may_set_is_what_moves_data_or_runs_code() -> None:
    assert {"home", "store", "forward_to", "token", "inline", "trace"} == PERSONAL


class TestProject:
    @pytest.mark.parametrize(
        "text",
        [
            '[tool.sbhooks]\nproject = "it"',
            '[tool]\nsbhooks = {project = "it"}',
            '[tool]\nsbhooks.project = "it"',
            '["tool"."sbhooks"]\nproject = "it"',
            "[ tool . 'sbhooks' ]\nproject = 'it'",
            'tool.sbhooks.project = "it"',
            '[tool.sbhooks]\r\nproject = "it"\r\n',
        ],
    )
    def test_its_table_is_found_however_it_is_written(
        self, project: Path, user: dict[str, str], text: str
    ) -> None:
        (project / "pyproject.toml").write_bytes(text.encode())
        assert host_settings(str(project / "src" / "deep"), user).project == "it"

    @pytest.mark.parametrize(
        "text",
        [
            "",
            '[project]\nname = "x"',
            "# [tool.sbhooks] is not here",
            '[project]\ndependencies = ["pytest-sbhooks"]',
            '[project]\ndependencies = ["sbhooks==1"]',
            "tool = 5\n# tool.sbhooks\n",
            "[tool.sbhooks-other]\nx = 1",
            "[other.sbhooks]\nx = 1",
            "[tool]\nother.sbhooks = 1",
        ],
    )
    def test_a_file_without_our_table_does_not_end_the_search(
        self, project: Path, user: dict[str, str], text: str
    ) -> None:
        write(project, "pyproject.toml", '[tool.sbhooks]\nproject = "outer"')
        write(project / "src", "pyproject.toml", text)
        found = host_settings(str(project / "src" / "deep"), user)
        assert (found.project, found.trouble) == ("outer", ())

    def test_the_nearest_file_alone_counts(self, project: Path, user: dict[str, str]) -> None:
        write(project, "sbhooks.toml", 'project = "outer"\ndisable = ["pytest"]')
        write(project / "src", "pyproject.toml", '[tool.sbhooks]\nproject = "inner"')
        found = host_settings(str(project / "src" / "deep"), user)
        assert (found.project, found.disabled) == ("inner", frozenset())
        assert host_settings(str(project), user).project == "outer"

    def test_our_own_file_wins_in_its_folder(self, project: Path, user: dict[str, str]) -> None:
        write(project, "pyproject.toml", '[tool.sbhooks]\nproject = "shared"')
        write(project, "sbhooks.toml", 'project = "own"')
        assert host_settings(str(project), user).project == "own"

    @pytest.mark.parametrize("name", ["sbhooks.toml", "pyproject.toml"])
    @pytest.mark.parametrize(
        "data",
        [
            b"[tool.sbhooks]\nproject = ",
            b"[tool.sbhooks]\n\xff\xfe",
            b"tool.sbhooks = 5\n[",
            b"# tool.sbhooks\nx = " + b"[" * 5_000,
            b"[tool.sbhooks]\n" + b"#" * (1 << 20),
            b"[tool.sbhooks]\nx = " + b"9" * 5_000,
        ],
        ids=["broken", "not-utf8", "twice-broken", "deep", "giant", "long-number"],
    )
    def test_a_file_that_cannot_be_read_is_trouble_and_counts_as_empty(
        self, project: Path, user: dict[str, str], name: str, data: bytes
    ) -> None:
        (project / name).write_bytes(data)
        found = host_settings(str(project), user)
        assert found.enabled
        assert found.project is None
        (trouble,) = found.trouble
        assert trouble.startswith(f"{project / name}: cannot be read as settings: ")

    def test_a_table_that_is_none_is_trouble(self, project: Path, user: dict[str, str]) -> None:
        write(project, "pyproject.toml", "[tool]\nsbhooks = 5")
        (layer,) = layers(str(project), user)
        assert layer.trouble is not None
        assert "[tool.sbhooks] is not a table" in layer.trouble

    def test_a_file_of_exactly_the_limit_is_read(self, project: Path, user: dict[str, str]) -> None:
        text = b'project = "it"\n#'
        (project / "sbhooks.toml").write_bytes(text + b"x" * ((1 << 20) - len(text)))
        assert host_settings(str(project), user).project == "it"
        (project / "sbhooks.toml").write_bytes(text + b"x" * ((1 << 20) - len(text) + 1))
        assert "larger than" in host_settings(str(project), user).trouble[0]

    def test_folders_and_endless_files_with_our_names_do_no_harm(
        self, project: Path, user: dict[str, str]
    ) -> None:
        (project / "sbhooks.toml").mkdir()
        (project / "pyproject.toml").symlink_to("/dev/zero")
        assert host_settings(str(project), user).trouble == ()

    @given(data=st.binary(max_size=200))
    def test_no_content_raises(self, tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
        folder = tmp_path_factory.mktemp("project")
        (folder / "pyproject.toml").write_bytes(b"tool.sbhooks\n" + data)
        (folder / "sub").mkdir()
        (folder / "sub" / "sbhooks.toml").write_bytes(data)
        for place in (folder, folder / "sub"):
            assert isinstance(host_settings(str(place), {}), HostSettings)


class TestEnvironment:
    def test_the_variables_are_as_published(self) -> None:
        assert ENVIRONMENT == {
            "SBHOOKS_HOME": "home",
            "SBHOOKS_STORE": "store",
            "SBHOOKS_FORWARD_TO": "forward_to",
            "SBHOOKS_TOKEN": "token",
            "SBHOOKS_DISABLE": "disable",
            "SBHOOKS_INLINE": "inline",
            "SBHOOKS_PROJECT": "project",
            "SBHOOKS_TRACE": "trace",
        }

    def test_every_variable_sets_its_key(self, project: Path, user: dict[str, str]) -> None:
        user |= dict.fromkeys(ENVIRONMENT, "1,2")
        (layer,) = layers(str(project), user)
        assert layer.table == dict.fromkeys(ENVIRONMENT.values(), "1,2") | {
            "disable": ["1", "2"],
            "inline": ["1", "2"],
            "trace": True,
        }

    def test_an_empty_variable_is_none(self, project: Path, user: dict[str, str]) -> None:
        assert layers(str(project), user | dict.fromkeys(ENVIRONMENT, "")) == []

    @pytest.mark.parametrize(("text", "on"), [("1", True), ("yes", True), ("0", False)])
    def test_tracing_is_switched_by_words(
        self, project: Path, user: dict[str, str], text: str, on: bool
    ) -> None:
        assert host_settings(str(project), user | {"SBHOOKS_TRACE": text}).trace is on

    @pytest.mark.parametrize("text", ["0", "false", "no", "off"])
    def test_every_word_for_no_is_known(
        self, project: Path, user: dict[str, str], text: str
    ) -> None:
        assert merge(layers(str(project), user | {"SBHOOKS_TRACE": text})) == {"trace": False}

    def test_all_switches_recording_off(self, project: Path, user: dict[str, str]) -> None:
        assert not host_settings(str(project), user | {"SBHOOKS_DISABLE": "x, all"}).enabled
        write(project, "sbhooks.toml", 'disable = ["all"]')
        assert not host_settings(str(project), user).enabled

    def test_what_is_disabled_is_not_run_inline(self, project: Path, user: dict[str, str]) -> None:
        user |= {"SBHOOKS_DISABLE": " b ,,", "SBHOOKS_INLINE": "a, b ,c"}
        found = host_settings(str(project), user)
        assert (found.inline, found.disabled) == (("a", "c"), frozenset({"b"}))


class TestHome:
    def test_it_follows_the_xdg_variable_if_that_is_absolute(self, user: dict[str, str]) -> None:
        assert default_home(user | {"XDG_DATA_HOME": "/data"}) == "/data/sbhooks"
        assert user_file(user | {"XDG_CONFIG_HOME": "/conf"}) == "/conf/sbhooks/config.toml"
        for bad in ("", "relative/data", "~/data"):
            plain = user["HOME"]
            assert default_home(user | {"XDG_DATA_HOME": bad}) == f"{plain}/.local/share/sbhooks"
            assert (
                user_file(user | {"XDG_CONFIG_HOME": bad}) == f"{plain}/.config/sbhooks/config.toml"
            )

    def test_on_a_mac_it_is_in_the_library(
        self, user: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(folders.sys, "platform", "darwin")
        folder = f"{user['HOME']}/Library/Application Support/sbhooks"
        assert default_home(user | {"XDG_DATA_HOME": "/data"}) == folder
        assert user_file(user) == f"{folder}/config.toml"

    def test_on_windows_it_is_in_the_local_application_data(
        self, user: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(folders.sys, "platform", "win32")
        assert default_home({"LOCALAPPDATA": "/local"}) == "/local/sbhooks"
        assert default_home({}).endswith("/AppData/Local/sbhooks")

    def test_a_relative_home_does_not_follow_the_working_directory(
        self, project: Path, user: dict[str, str]
    ) -> None:
        found = host_settings(str(project), user | {"SBHOOKS_HOME": "data"})
        assert found.home == str(project / "data")

    def test_a_tilde_is_the_users_folder(self, project: Path, user: dict[str, str]) -> None:
        found = host_settings(str(project), user | {"SBHOOKS_HOME": "~/data"})
        assert found.home == str(Path("~/data").expanduser())

    @pytest.mark.parametrize("bad", ["5", '""', "[]", "false"])
    def test_a_home_of_the_wrong_type_counts_as_not_given(
        self, project: Path, user: dict[str, str], bad: str
    ) -> None:
        user_config(user, f"home = {bad}")
        assert host_settings(str(project), user).home == default_home(user)

    def test_a_user_without_a_folder_has_a_private_one_outside_of_the_project(
        self, python: Callable[..., CompletedProcess[str]], tmp_path: Path
    ) -> None:
        if os.getuid() != 0:
            pytest.skip("only root can become a user without a folder")
        ran = python(
            """
            import os, sys, tempfile
            from sbhooks.folders import default_home
            os.environ.pop("HOME", None)
            tempfile.tempdir = "/elsewhere"
            os.setuid(54321)
            print(default_home({}), default_home({"HOME": "relative"}))
            """
        )
        folder = "/elsewhere/sbhooks-54321/.local/share/sbhooks"
        assert ran.stdout == f"{folder} {folder}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[privacy]\nredact = false", (False, True)),
        ("[privacy]\nfailure_messages = false", (True, False)),
        ("[privacy]\nredact = 0\nfailure_messages = 'no'", (True, False)),
        ("[privacy]\nfailure_messages = true", (True, True)),
        ("privacy = false", (True, False)),
        ("[privacy]\nfailure_messages = true\n[privacy]", (True, False)),  # twice: no TOML
        ("# caf\xe9\n", (True, False)),  # not UTF-8
    ],
)
def test_what_is_not_understood_never_makes_more_be_recorded(
    project: Path, user: dict[str, str], text: str, expected: tuple[bool, bool]
) -> None:
    user_config(user, "").write_bytes(text.encode("latin-1"))
    found = host_settings(str(project), user)
    assert (found.redact, found.failure_messages) == expected


@pytest.mark.parametrize("text", ["disable = [", "disable = true", "[x]\n[x]\n# disable"])
def test_what_may_switch_recording_off_does(project: Path, user: dict[str, str], text: str) -> None:
    user_config(user, text)
    assert not host_settings(str(project), user).enabled


@pytest.mark.parametrize(
    ("text", "names"),
    [("'a, b'", {"a", "b"}), ("['a', 5, 'b']", {"a", "b"}), ("5", set()), ("[]", set())],
)
def test_names_are_a_list_or_one_text(
    project: Path, user: dict[str, str], text: str, names: set[str]
) -> None:
    user_config(user, f"disable = {text}")
    assert host_settings(str(project), user).disabled == names


def test_here_is_the_working_directory_of_this_process(
    project: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    write(project, "sbhooks.toml", 'project = "here"')
    monkeypatch.chdir(project / "src")
    assert here().project == "here"
    assert here().home == str(home)
    assert here({}).home != str(home)


def test_a_working_directory_that_was_deleted_is_no_trouble(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project / "src" / "deep")
    (project / "src" / "deep").rmdir()
    assert here().trouble == ()
