"""Pages for people: the dashboard, the rows behind its figures, and its tables as CSV."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath

from sbhooks.errors import SbhooksError
from sbhooks.events import utc_now
from sbhooks_server.dashboard import rows as tables
from sbhooks_server.dashboard.filters import BadFilter, Filters, read
from sbhooks_server.dashboard.look import findings, look
from sbhooks_server.dashboard.pages import HERE, page
from sbhooks_server.site import site_of

Web = Request[Any, Any, Any]
_FILES = {"page.css": "text/css", "page.js": "text/javascript"}


@get("/", sync_to_thread=True, include_in_schema=False)
def dashboard(request: Web) -> Response[bytes]:
    """Show the dashboard."""

    def write(filters: Filters) -> bytes:
        return page("page.html", {"view": look(site_of(request), filters, utc_now())})

    return _page(request, write)


@get("/rows", sync_to_thread=True, include_in_schema=False)
def rows(request: Web) -> Response[bytes]:
    """Show the events behind a figure."""

    def write(filters: Filters) -> bytes:
        query = filters.query(utc_now())
        store, most = site_of(request).runtime.store, tables.MOST_SHOWN
        found = tables.rows(store, query, limit=most, params=filters.params)
        return page("rows.html", {"rows": found, "filters": filters, "most": most})

    return _page(request, write)


@get("/csv/{name:str}", sync_to_thread=True, include_in_schema=False)
def as_csv(request: Web, name: FromPath[str]) -> Response[bytes]:
    """Hand out a table as CSV."""
    site, now = site_of(request), utc_now()
    try:
        filters = read(request.query_params)
    except BadFilter as error:
        return _error(request, 400, "This filter makes no sense", str(error))
    store = site.runtime.store
    if name == "insights":
        found: Any = tables.findings(findings(site, filters, now))
    else:
        found = tables.table(name, store, filters.query(now), params=filters.params)
    if found is None:
        return _error(request, 404, "There is no such table", "Known: events, insights, runs, "
                      "skills, tests.")  # fmt: skip
    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    return _packed(request, tables.as_csv(found).encode(), "text/csv", headers=headers)


@get("/dashboard/{name:str}", sync_to_thread=True, include_in_schema=False)
def file(request: Web, name: FromPath[str]) -> Response[bytes]:
    """Hand out the style sheet or the script."""
    if name not in _FILES:
        return _error(request, 404, "There is no such file", "Go back to the dashboard.")
    return _packed(request, Path(HERE, name).read_bytes(), _FILES[name])


def _page(request: Web, write: Callable[[Filters], bytes]) -> Response[bytes]:
    """Write a page; what hinders that is told on a page too."""
    try:
        return _packed(request, write(read(request.query_params)), "text/html")
    except BadFilter as error:
        return _error(request, 400, "This filter makes no sense", str(error))
    except SbhooksError as error:
        return _error(request, 503, "The figures cannot be read at present", str(error))


def _error(request: Web, status: int, title: str, detail: str) -> Response[bytes]:
    body = page("error.html", {"title": title, "detail": detail})
    return _packed(request, body, "text/html", status=status)


def _packed(
    request: Web,
    body: bytes,
    media_type: str,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response[bytes]:
    """An answer, compressed for those who can read that; it holds no secret to guess."""
    known = {"vary": "accept-encoding", **(headers or {})}
    if "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, 6, mtime=0)
        known["content-encoding"] = "gzip"
    return Response(body, status_code=status, media_type=media_type, headers=known)


ROUTES = (dashboard, rows, as_csv, file)
