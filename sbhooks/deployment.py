"""Whether an installation is fit to serve others: the checklist before and after a deployment.

Looks, changes nothing, and talks to this machine only. Plugins add what they know through
``sbhooks_deployment_checks``: a store about its schema and its backups, for example.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from sbhooks.checks import Check, State
from sbhooks.doctor import CHECKS, Examination
from sbhooks.errors import SbhooksError

if TYPE_CHECKING:
    from sbhooks.cli_options import CommandLine

PORTS = (8765, 9090)  #: Of the server and of its metrics.
_HOST = "127.0.0.1"
_PATIENCE_S = 3.0
_LONGEST_ANSWER = 65_536
_AREAS = ("python", "settings", "home", "spool")


def examine_deployment(line: CommandLine, ports: Iterable[int] = ()) -> Examination:
    """Go through the checklist.

    Args:
        line: Settings and plugins.
        ports: Where servers listen, or are going to; :data:`PORTS` by default.
    """
    checks: list[Check] = []
    for area in _AREAS:
        try:
            checks += CHECKS[area](line)
        except (SbhooksError, OSError) as error:
            checks.append(Check(area=area, state="wrong", what=str(error)))
    try:
        checks += line.hooks.deployment_checks(line.config)
    except SbhooksError as error:
        checks.append(Check(area="deployment", state="wrong", what=str(error)))
    for port in tuple(ports) or PORTS:
        checks += check_port(port)
    ok = all(check.state != "wrong" for check in checks)
    return Examination(ok=ok, checks=checks, problems=[])


def check_port(port: int) -> Iterator[Check]:
    """Whether a port is free, or a healthy server of ours has it."""
    import socket

    area = f"port {port}"
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PATIENCE_S)
        if probe.connect_ex((_HOST, port)) != 0:
            yield Check(
                area=area, state="ok", what=f"nothing listens on {_HOST}:{port}: it is free"
            )
            return
    status, body = _ask(port)
    if status is None:
        yield Check(
            area=area, state="wrong", what=f"{_HOST}:{port} is taken by a program that {body}",
            advice="stop it, or serve on another port",
        )  # fmt: skip
    elif body in {"healthy", "degraded"}:
        state: State = "ok" if body == "healthy" else "wrong"
        yield Check(
            area=area, state=state, what=f"the server at {_HOST}:{port} says it is {body}",
            advice="" if body == "healthy" else f"look at http://{_HOST}:{port}/health",
        )  # fmt: skip
    else:
        yield Check(
            area=area, state="wrong",
            what=f"{_HOST}:{port} answers {status} at /health, and is no server of sbhooks",
            advice="stop it, or serve on another port",
        )  # fmt: skip


def _ask(port: int) -> tuple[int | None, str]:
    """Status and health that a server answers; ``None`` and why when it does not speak HTTP."""
    import http.client
    import json

    connection = http.client.HTTPConnection(_HOST, port, timeout=_PATIENCE_S)
    try:
        connection.request("GET", "/health", headers={"Accept": "application/json"})
        answer = connection.getresponse()
        data = json.loads(answer.read(_LONGEST_ANSWER))
        return answer.status, str(data.get("status")) if isinstance(data, dict) else ""
    except ValueError:
        return answer.status, ""
    except (OSError, http.client.HTTPException):
        return None, "does not speak HTTP"
    finally:
        connection.close()
