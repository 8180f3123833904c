"""The dashboard, looked at by a real browser over a real server."""

from __future__ import annotations

import csv
import io
import json
import shutil
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

pytest.importorskip("playwright", reason="looks at pages with playwright")
pytest.importorskip("axe_playwright_python", reason="checks pages with axe")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from sbhooks.events import Detail, Event, Failure, Outcome, Vcs, utc_now
from sbhooks.testing.factories import Timeline
from sbhooks_server.dashboard.charts import rate
from sbhooks_server.dashboard.rows import as_csv
from sbhooks_server.policy import Policy

from .conftest import PATIENCE_S, Process, Serving, kept_port, served

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
HOSTILE = "t.py::<img src=x onerror=\"document.title='hacked'\">"


def history() -> list[Event]:
    """Three weeks of invocations and tests, of which some fail, and a run that goes on."""
    found: list[Event] = []
    begin = utc_now() - timedelta(days=20)
    for day in range(20):
        start = begin + timedelta(days=day)
        line = Timeline(f"run-{day}", start=start, step=timedelta(seconds=20))
        commit = f"{day // 10 + 1:x}" * 40
        found.append(line.start(project="acme", vcs=Vcs(commit=commit, branch="main")))
        for turn in range(6):
            bad = (day * 7 + turn * 3) % 11 == 0
            outcome = Outcome.FAILURE if bad else Outcome.SUCCESS
            slow = 0.2 + turn / 10 + (0.6 if day > 9 else 0)
            found.append(
                line.invocation("lint" if turn % 2 else "=build", outcome, duration_s=slow)
            )
            test = line.failed if turn == 0 and day % 3 == 0 else line.passed
            found.append(test("t.py::test_total", call_s=slow))
        found.append(line.failed(HOSTILE, call_s=0.1))
        found.append(line.end(duration_s=300.0, counts={"passed": 6}))
    live = Timeline("live", start=utc_now() - timedelta(minutes=2))
    found += [live.start(project="other"), live.passed("t.py::a"), live.failed("t.py::b")]
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One server over three weeks of data, for all tests of this file."""
    with served(tmp_path_factory.mktemp("full"), Policy()) as made:
        made.runtime.store.append(history())
        yield made


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One that has nothing to show yet."""
    with served(tmp_path_factory.mktemp("bare"), Policy()) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(
            executable_path=CHROMIUM, args=ARGUMENTS, timeout=PATIENCE_S * 1000
        )
        expect.set_options(timeout=PATIENCE_S * 1000)
        yield made
        made.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that may not say anything on its console, and may ask nobody but the server."""
    context = browser.new_context()
    made = context.new_page()
    said: list[str] = []
    made.on("console", lambda message: said.append(message.text))
    made.on("pageerror", lambda error: said.append(str(error)))
    yield made
    context.close()
    assert said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/rows"])
def test_axe_finds_no_violation(browser: Browser, server: Serving, scheme: Any, path: str) -> None:
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)  # axe is put into the page
    page = context.new_page()
    page.goto(server.url + path)
    for summary in page.locator("summary").all():
        summary.click()
    found = Axe().run(page)
    assert [(v["id"], v["nodes"][0]["html"]) for v in found.response["violations"]] == []
    context.close()


def test_axe_finds_no_violation_on_a_page_without_data(browser: Browser, bare: Serving) -> None:
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    for path in ("/", "/rows", "/?days=never"):
        page.goto(bare.url + path)
        assert Axe().run(page).response["violations"] == []
    context.close()


def test_a_page_is_small_and_asks_nobody_else(page: Page, server: Serving) -> None:
    asked: list[str] = []
    sizes: list[int] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("response", lambda answer: sizes.append(int(answer.headers["content-length"])))
    page.goto(server.url, wait_until="load")
    expect(page.locator("#badge")).to_have_class("live")
    assert {url.removeprefix(server.url) for url in asked if not url.startswith("data:")} == {
        "/", "/dashboard/page.css", "/dashboard/page.js",
    }  # fmt: skip
    assert sum(sizes) <= 60_000


def test_a_page_works_without_javascript(browser: Browser, server: Serving) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(server.url)
    expect(page.locator("#health svg .line.a").first).to_be_attached()
    page.locator("#rate-table summary").click()
    assert page.locator("#rate-table tbody tr").count() == 20
    page.get_by_label("Project").select_option("other")
    page.get_by_role("button", name="Show").click()
    assert "project=other" in page.url
    expect(page.locator("#health")).to_contain_text("No skill was invoked in the last 30 days.")
    context.close()


def test_names_that_look_like_markup_are_text(page: Page, server: Serving) -> None:
    page.goto(server.url)
    expect(page.locator("#badge")).to_have_class("live")
    expect(page.get_by_text(HOSTILE).first).to_be_visible()
    again = Timeline("live-2", start=utc_now()).passed(HOSTILE + "2")
    server.runtime.store.append([again])
    expect(page.get_by_text(HOSTILE + "2").first).to_be_visible()
    assert page.locator("img").count() == 0
    assert "hacked" not in page.title()


def test_new_events_and_runs_appear_by_themselves(page: Page, server: Serving) -> None:
    page.goto(server.url)
    expect(page.locator("#badge")).to_have_class("live")
    line = Timeline("news", start=utc_now())
    server.runtime.store.append([line.start(project="fresh"), line.passed("t.py::test_news")])
    expect(page.locator("#events tr").first).to_contain_text("t.py::test_news")
    expect(page.locator("#now")).to_contain_text("fresh")


def test_a_page_is_stale_while_its_server_is_gone(
    browser: Browser, process: Callable[..., Process]
) -> None:
    with kept_port() as port:
        first = process("--port", str(port))
        context = browser.new_context()
        page = context.new_page()
        page.goto(first.url)
        expect(page.locator("#badge")).to_have_class("live")
        first.end(signal.SIGKILL)
        expect(page.locator("#badge")).to_contain_text("stale since")
        process("--port", str(port))
        expect(page.locator("#badge")).to_have_class("live")
        context.close()


def test_the_keyboard_reads_a_chart(page: Page, server: Serving) -> None:
    page.goto(server.url)
    plot = page.locator("#chart-rate .plot")
    plot.focus()
    page.keyboard.press("Home")
    first = page.locator("#rate-table tbody tr").first.locator("td").all_text_contents()
    expect(plot.locator("output")).to_contain_text(f"{first[0]}, succeeded {first[1]}")
    page.keyboard.press("ArrowRight")
    second = page.locator("#rate-table tbody td").nth(4).text_content()
    expect(plot.locator("output")).to_contain_text(str(second))
    page.keyboard.press("Escape")
    expect(plot.locator("output")).to_be_empty()


def test_what_was_cut_off_has_not_failed_as_on_the_command_line(
    browser: Browser, serving: Callable[..., Serving], sbhooks: Callable[..., Any]
) -> None:
    server = serving()
    line = Timeline("killed-run", start=utc_now() - timedelta(hours=1))
    dead = msgspec.structs.replace(
        line.passed("t.py::slow"), outcome=Outcome.ERROR, detail=Detail.ERROR, setup_s=None,
        call_s=None, teardown_s=None, failure=Failure(fingerprint="killed", type="Killed"),
    )  # fmt: skip
    stopped = Timeline("stopped-run", start=utc_now() - timedelta(hours=2))
    server.runtime.store.append([
        line.start(), line.passed("t.py::slow"), line.failed("t.py::slow"), dead,
        line.end(Outcome.ERROR, reason="killed"),
        stopped.start(),
        msgspec.structs.replace(stopped.failed("t.py::slow"), outcome=Outcome.CANCELLATION),
        stopped.end(Outcome.CANCELLATION, reason="interrupted"),
    ])  # fmt: skip
    (told,) = sbhooks("tests", "list")["tests"]
    assert (told["failed"] + told["errors"], told["interrupted"]) == (1, 2)
    page = browser.new_page()
    page.goto(server.url)
    table = page.get_by_role("region", name="Tests that failed most often", exact=True)
    cells = table.locator("tbody tr").locator("th, td").all_inner_texts()
    assert cells[:4] == ["t.py::slow", f"{told['runs']}", "1", "2"]
    runs = page.get_by_role("region", name="Newest runs", exact=True).locator(".outcome")
    assert [text.strip() for text in runs.all_inner_texts()] == ["killed", "cancelled"]
    page.get_by_text("Attempts at tests: as a table").click()
    chart = page.get_by_role("region", name="Attempts at tests, table", exact=True)
    rows = [row.split("\t")[1:] for row in chart.locator("tbody tr").all_inner_texts()]
    assert [sum(map(int, column)) for column in zip(*rows, strict=True)] == [1, 2, 1]
    told = [row.split("\t")[1] for row in page.locator("#events tr").all_inner_texts()]
    assert [told.count(word) for word in ("interrupted", "killed", "failure")] == [2, 1, 1]
    page.close()


def test_a_figure_leads_to_its_rows(page: Page, server: Serving) -> None:
    page.goto(server.url)
    figure = page.get_by_role("region", name="Skills").get_by_role("link", name="60").first
    figure.click()
    expect(page.get_by_role("heading", name="Rows")).to_be_visible()
    assert page.locator("tbody tr").count() == 60


@pytest.mark.parametrize("name", ["events", "insights", "runs", "skills", "tests"])
def test_tables_can_be_had_as_csv(server: Serving, name: str) -> None:
    with server.client() as client:
        answer = client.get(f"/csv/{name}")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert rows and all(len(row) == len(rows[0]) for row in rows)
    if name == "skills":
        assert [row["skill_name"] for row in rows] == ["'=build", "lint"]


def test_what_a_spreadsheet_takes_for_a_formula_is_text() -> None:
    assert as_csv([{"name": "@SUM(A1)", "n": -1}]).splitlines()[1] == "'@SUM(A1),-1"


def test_a_filter_that_makes_no_sense_is_told_on_a_page(server: Serving) -> None:
    with server.client() as client:
        answer = client.get("/", params={"days": "<b>"})
        assert answer.status_code == 400
        assert "is one of: 1, 7, 30, 90" in answer.text
        assert client.get("/csv/nothing").status_code == 404
        assert client.get("/dashboard/page.html").status_code == 404


def test_rows_of_a_test_can_be_those_with_its_parameters(server: Serving) -> None:
    line = Timeline("parameters", start=utc_now())
    server.runtime.store.append([line.passed("t.py::p", params=name) for name in ("1", "2", "1")])
    with server.client() as client:
        answer = client.get("/rows", params={"test": "t.py::p", "params": "1"})
    assert answer.text.count("t.py::p[1]</td>") == 2
    assert "t.py::p[2]" not in answer.text


def test_a_page_without_data_says_what_would_be_there(bare: Serving) -> None:
    with bare.client() as client:
        answer = client.get("/")
    assert answer.status_code == 200
    assert "Nothing runs at the moment." in answer.text
    assert "No invocation in the last 30 days." in answer.text


def test_pages_forbid_inline_scripts_and_styles(server: Serving) -> None:
    with server.client() as client:
        answer = client.get("/")
    assert "script-src 'self'; style-src 'self'" in answer.headers["content-security-policy"]
    assert " style=" not in answer.text
    assert answer.text.count("<script") == answer.text.count('<script type="module" src=') == 1


def test_a_page_needs_a_token_where_everything_does(serving: Callable[..., Serving]) -> None:
    with serving(Policy(needs_token=True)).client() as client:
        for path in ("/", "/rows", "/csv/events", "/dashboard/page.js"):
            assert client.get(path).status_code == 401


def test_pages_of_other_sites_read_nothing(server: Serving) -> None:
    with server.client(headers={"origin": "http://evil.example"}) as client:
        for path in ("/", "/rows", "/csv/events", "/dashboard/page.js"):
            assert client.get(path).status_code == 403


def test_a_chart_of_one_day_shows_one_point(server: Serving) -> None:
    sums = server.runtime.store.rollup(server_query(), by=["day"])[:1]
    chart = rate([(str(sums[0].key[0]), sums[0])])
    assert len(chart.rows) == len(chart.xs) == 1
    assert "nan" not in json.dumps([shape.path for shape in chart.shapes])
    assert chart.shapes[0].path.count("Z") == 1  # its interval


def server_query() -> Any:
    from sbhooks.store import EventQuery

    return EventQuery(kinds=("invocation",))
