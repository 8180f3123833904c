from pathlib import Path
from typing import Any

import msgspec
import pytest

from sbhooks.config import KEYS, Config, PrivacyConfig, check_sections, load_config
from sbhooks.errors import ConfigError
from sbhooks.settings import ENVIRONMENT, PERSONAL, host_settings


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def load(folder: Path, environ: dict[str, str] | None = None, **command_line: Any) -> Config:
    return load_config(folder, {"HOME": str(folder.parent)} | (environ or {}), command_line)


def test_everything_has_a_default(project: Path) -> None:
    home = project.parent / ".local/share/sbhooks"
    assert load(project) == Config(home=home, store=f"sqlite:///{home}/sbhooks.db")
    assert load(project).origins == {}


def test_by_default_recording_is_whole_redacted_local_and_silent(project: Path) -> None:
    config = load(project)
    privacy = config.privacy
    assert (privacy.redact, privacy.failure_messages, privacy.queries) == (True, True, True)
    assert (config.forward_to, config.token, config.project) == (None, None, None)
    assert (config.disable, config.inline, config.trace) == ((), (), False)


@pytest.mark.parametrize(
    ("store", "file"),
    [
        ("sqlite:///x.db", "home/x.db"),
        ("sqlite:////srv/x.db", "/srv/x.db"),
        ("postgresql://db", None),
        ("jsonl:///x", None),
    ],
)
def test_a_database_in_a_file_has_a_path(project: Path, store: str, file: str | None) -> None:
    config = load(project, {"SBHOOKS_HOME": str(project / "home"), "SBHOOKS_STORE": store})
    assert config.store_file == (None if file is None else project / file)


def test_each_value_says_where_it_came_from(project: Path) -> None:
    (project / "sbhooks.toml").write_text(
        'project = "p"\n[privacy]\nqueries = false\n[acme]\nx = 1\n'
    )
    config = load(project, {"SBHOOKS_STORE": "postgresql://db", "SBHOOKS_TRACE": "1"}, project="c")
    assert (config.project, config.store, config.trace) == ("c", "postgresql://db", True)
    assert config.privacy == PrivacyConfig(queries=False)
    assert config.sections == {"acme": {"x": 1}}
    file = str(project / "sbhooks.toml")
    assert config.origins == {
        "project": "command line",
        "store": "environment",
        "trace": "environment",
        "privacy": file,
        "privacy.queries": file,
        "acme": file,
        "acme.x": file,
    }


def test_lists_become_tuples(project: Path) -> None:
    config = load(project, {"SBHOOKS_DISABLE": "a,b", "SBHOOKS_INLINE": "c"})
    assert (config.disable, config.inline) == (("a", "b"), ("c",))


def test_the_home_is_absolute_and_the_store_is_in_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    config = load(project, {"SBHOOKS_HOME": "data"})
    assert config.home == project / "data"
    assert config.store == f"sqlite:///{project}/data/sbhooks.db"


def test_without_arguments_the_process_is_asked(
    project: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "sbhooks.toml").write_text('project = "asked"')
    monkeypatch.chdir(project)
    assert (load_config().home, load_config().project) == (home, "asked")


@pytest.mark.parametrize("environ", [{}, {"SBHOOKS_HOME": "~/x"}, {"SBHOOKS_HOME": "rel"}])
def test_host_and_collector_agree_on_the_home(
    project: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    environ = {"HOME": str(project.parent)} | environ
    assert host_settings(str(project), environ).home == str(load_config(project, environ).home)


def test_an_unknown_key_is_refused_with_file_and_key(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.sbhooks]\nstroe = 'x'")
    with pytest.raises(ConfigError) as caught:
        load(project)
    said = str(caught.value)
    assert said.startswith(f"{project / 'pyproject.toml'}: unknown key 'stroe'. Known: ")
    assert all(key in said for key in KEYS)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("project = 5", "$.project"),
        ("disable = 'all'", "$.disable"),
        ("disable = [1]", "$.disable[0]"),
        ("[privacy]\nredact = 'no'", "$.privacy.redact"),
        ("[privacy]\nredcat = true", "redcat"),
        ("privacy = 5", "$.privacy"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_with_file_and_key(
    project: Path, text: str, where: str
) -> None:
    (project / "sbhooks.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(project)
    assert str(project / "sbhooks.toml") in str(caught.value)
    assert where in str(caught.value)


@pytest.mark.parametrize("key", sorted(PERSONAL))
def test_what_is_personal_is_refused_in_a_project_with_the_place_for_it(
    project: Path, key: str
) -> None:
    (project / "sbhooks.toml").write_text(f"{key} = 'x'")
    with pytest.raises(ConfigError, match=f"'{key}' cannot be set by a project") as caught:
        load(project)
    assert f"SBHOOKS_{key.upper()}" in str(caught.value)


def test_the_store_that_a_project_names_is_refused_without_repeating_it(project: Path) -> None:
    (project / "sbhooks.toml").write_text("store = 'postgresql://user:pw@evil/db'")
    with pytest.raises(ConfigError, match="'store' cannot be set by a project") as caught:
        load(project)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("more", ["redact = false", "failure_messages = true", "queries = true"])
def test_a_project_cannot_have_more_recorded(project: Path, more: str) -> None:
    (project / "sbhooks.toml").write_text(f"[privacy]\n{more}")
    with pytest.raises(ConfigError, match=f"'privacy.{more}' cannot be set by a project"):
        load(project)


def test_a_project_can_have_less_recorded(project: Path) -> None:
    (project / "sbhooks.toml").write_text("[privacy]\nfailure_messages = false\nredact = true")
    privacy = load(project).privacy
    assert (privacy.failure_messages, privacy.redact) == (False, True)


def test_a_deleted_working_folder_is_no_reason_to_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert load_config(environ={"HOME": str(tmp_path)}).home == tmp_path / ".local/share/sbhooks"


def test_a_broken_file_is_an_error_here(project: Path) -> None:
    (project / "sbhooks.toml").write_text("[[[")
    with pytest.raises(ConfigError, match="cannot be read as settings"):
        load(project)


def test_the_command_line_is_checked_as_a_file_is(project: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"command line: unknown key 'nope'\. Known: home, store,"
    ):
        load(project, nope=1)


def test_every_environment_variable_has_a_key() -> None:
    assert set(ENVIRONMENT.values()) <= set(KEYS)
    assert set(KEYS) >= PERSONAL


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    x: int = 5


def test_a_plugin_decodes_its_own_table(project: Path) -> None:
    (project / "sbhooks.toml").write_text("[acme]\nx = 7")
    config = load(project)
    assert config.section("acme", Section) == Section(x=7)
    assert config.section("other", Section) == Section()


@pytest.mark.parametrize("text", ["[acme]\nx = 'seven'", "[acme]\ny = 7"])
def test_a_table_that_does_not_fit_is_refused_with_file_and_table(project: Path, text: str) -> None:
    (project / "sbhooks.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(project).section("acme", Section)
    assert f"{project / 'sbhooks.toml'}: [acme] " in str(caught.value)


def test_a_table_that_no_plugin_reads_is_refused(project: Path) -> None:
    (project / "sbhooks.toml").write_text("[acme]\nx = 7")
    config = load(project)
    check_sections(config, frozenset({"acme"}))
    with pytest.raises(ConfigError, match="unknown key or plugin 'acme'") as caught:
        check_sections(config, frozenset({"storage"}))
    assert str(project / "sbhooks.toml") in str(caught.value)
    assert "storage" in str(caught.value)
