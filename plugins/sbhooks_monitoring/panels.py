"""What the dashboards show: panels and their queries, as data.

Every query has an answer on a server that is at work. ``$instance`` and ``$skill`` are chosen at
the top of the page; ``$__rate_interval`` and ``$__range`` are filled in by Grafana.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["timeseries", "stat", "gauge", "table", "heatmap", "piechart", "row"]
Format = Literal["time_series", "table", "heatmap"]

_AT = 'instance=~"$instance"'
_SKILLS = f'{_AT},skill_name=~"$skill"'
_OF = f'{_SKILLS},skill_name!="other"'  # that counter goes back; see alerts/recording.toml
_FIRING = 'alertstate="firing",alertname=~"Sbhooks.+"'


class Query(msgspec.Struct, frozen=True):
    """One question to Prometheus.

    Attributes:
        expr: PromQL.
        legend: Name of its series; ``{{label}}`` stands for a label.
        format: How the panel needs the answer.
        instant: Whether only the end of the time range is asked for.
    """

    expr: str
    legend: str = ""
    format: Format = "time_series"
    instant: bool = False


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """One panel.

    Attributes:
        title: Its heading.
        kind: How it is drawn.
        about: What it shows, in a sentence or two.
        queries: What is drawn.
        unit: Of the figures, as Grafana names it.
        width: Of 24.
        height: In rows of 30 pixels.
        steps: Value from which on → colour.
        words: Figure → what it is called.
        greatest: Upper end of the scale.
        stacked: Whether series are drawn on top of each other.
        names: Whether the names of the series are shown instead of their figures.
    """

    title: str
    kind: Kind
    about: str = ""
    queries: tuple[Query, ...] = ()
    unit: str = "short"
    width: int = 12
    height: int = 8
    steps: tuple[tuple[float, str], ...] = ()
    words: tuple[tuple[str, str, str], ...] = ()
    greatest: float | None = None
    stacked: bool = False
    names: bool = False


def row(title: str) -> Panel:
    """A heading over the panels behind it."""
    return Panel(title=title, kind="row", width=24, height=1)


_TOP = f"topk(20, sum by (skill_name) (increase(skill_invocations_total{{{_OF}}}[24h])))"
_SUCCESS = ((0.0, "red"), (0.5, "orange"), (0.7, "yellow"), (0.9, "green"))
_NONE_IS_FINE = ((0.0, "green"), (1.0, "orange"))
_WELL = (("1", "well", "green"), ("0", "not well", "red"))

OVERVIEW = (
    row("Now"),
    Panel(
        title="Real-Time Skill Invocations", kind="timeseries", unit="ops", stacked=True,
        about="Invocations per second of each skill, as they are stored.",
        queries=(
            Query(f"sum by (skill_name) (rate(skill_invocations_total{{{_OF}}}[$__rate_interval]))",
                  "{{skill_name}}"),
        ),
    ),
    Panel(
        title="Skill Completion Rate", kind="gauge", unit="percentunit", width=6, greatest=1.0,
        steps=_SUCCESS,
        about="Share of the invocations that succeeded, in the time range; of all that are stored "
              "when there were none in it.",
        queries=(
            Query(f'sum(increase(skill_invocations_total{{{_OF},completed="true"}}[$__range]))'
                  f" / (sum(increase(skill_invocations_total{{{_OF}}}[$__range])) > 0)"
                  f' or sum(skill_invocations_total{{{_OF},completed="true"}})'
                  f" / sum(skill_invocations_total{{{_OF}}})", "succeeded", instant=True),
        ),
    ),
    Panel(
        title="Anomaly Detection", kind="stat", width=3, steps=_NONE_IS_FINE,
        about="Unusual days of skills that were found in the last hour. "
              "Run: sbhooks anomalies list",
        queries=(
            Query(f"sum(instance:anomalies_detected:new1h{{{_AT}}}) or vector(0)", "new",
                  instant=True),
        ),
    ),
    Panel(
        title="Active Sessions", kind="stat", width=3,
        about="Runs that have begun and not ended, of the last day.",
        queries=(Query(f"sum(active_sessions{{{_AT}}})", "sessions"),),
    ),
    Panel(
        title="Top Skills by Invocations (24 h)", kind="table", width=16, height=10,
        about="The most used skills of the last 24 hours: how often, how many succeeded, and how "
              "long 95 of 100 took at most.",
        queries=(
            Query(_TOP, "invocations", "table", instant=True),
            Query(f'sum by (skill_name) (increase(skill_invocations_total{{{_OF},completed="true"}}'
                  f"[24h])) / (sum by (skill_name) (increase(skill_invocations_total{{{_OF}}}"
                  f"[24h])) > 0) and on (skill_name) {_TOP}", "succeeded", "table", instant=True),
            Query("histogram_quantile(0.95, sum by (skill_name, le) "
                  f"(increase(skill_duration_seconds_bucket{{{_OF}}}[24h]))) "
                  f"and on (skill_name) {_TOP}", "p95", "table", instant=True),
        ),
    ),
    Panel(
        title="Workflow Phase Distribution", kind="piechart", width=8, height=10,
        about="Invocations in the time range by the phase of the workflow that they stood in.",
        queries=(
            Query("label_replace(sum by (workflow_phase) "
                  f"(increase(skill_invocations_total{{{_OF}}}[$__range])), "
                  '"workflow_phase", "none", "workflow_phase", "")', "{{workflow_phase}}",
                  instant=True),
        ),
    ),
    row("How skills fare"),
    Panel(
        title="Success of the Last Hour", kind="timeseries", unit="percentunit", greatest=1.0,
        steps=_SUCCESS, about="Share of the invocations of the hour before that succeeded.",
        queries=(Query(f"instance_skill:skill_completion:ratio1h{{{_OF}}}", "{{skill_name}}"),),
    ),
    Panel(
        title="Skill Duration (95 of 100)", kind="timeseries", unit="s",
        about="95 of 100 invocations of the hour before took no longer; read from a histogram, so "
              "an estimate between its bounds.",
        queries=(
            Query(f"instance_skill:skill_duration_seconds:p95_1h{{{_OF}}}", "{{skill_name}}"),
        ),
    ),
    Panel(
        title="Skill Duration Distribution", kind="heatmap", unit="s",
        about="How many invocations took how long.",
        queries=(
            Query("sum by (le) (increase(skill_duration_seconds_bucket"
                  f"{{{_OF}}}[$__rate_interval]))", "{{le}}", "heatmap"),
        ),
    ),
    Panel(
        title="Anomaly Timeline", kind="timeseries", stacked=True,
        about="Findings up to then, by their type. They are made once a day, when a day is over "
              "(UTC).",
        queries=(
            Query(f"sum by (anomaly_type) (anomalies_detected_total{{{_SKILLS}}})",
                  "{{anomaly_type}}"),
        ),
    ),
    row("Tests, pipelines and recorders"),
    Panel(
        title="Attempts at Tests", kind="timeseries", unit="ops", width=8, stacked=True,
        about="Attempts per second by how they ended.",
        queries=(
            Query(f'sum by (outcome) (rate(sbhooks_events_total{{{_AT},kind="test-result"}}'
                  "[$__rate_interval]))", "{{outcome}}"),
        ),
    ),
    Panel(
        title="Pipeline Stages That Failed", kind="timeseries", unit="percentunit", width=8,
        greatest=1.0, about="Share of the stages of the hour before.",
        queries=(Query(f"instance:pipeline_failure:ratio1h{{{_AT}}}", "{{instance}}"),),
    ),
    Panel(
        title="Events by Recorder", kind="timeseries", unit="ops", width=8, stacked=True,
        about="Stored events per second: a recorder that fell silent is missing here.",
        queries=(Query(f"instance_source:sbhooks_events:rate5m{{{_AT}}}", "{{source}}"),),
    ),
    row("The server"),
    Panel(
        title="WebSocket Server Health", kind="timeseries", width=8,
        about="Whether the server answers (1 or 0), and how many listen to it.",
        queries=(
            Query(f"websocket_connections_active{{{_AT}}}", "listeners {{instance}}"),
            Query('up{job="@JOB@",' + _AT + "}", "up {{instance}}"),
        ),
    ),
    Panel(
        title="Database", kind="timeseries", unit="bytes", width=8,
        about="Size of the database, and room left on its disk.",
        queries=(
            Query(f"sbhooks_db_size_bytes{{{_AT}}}", "database {{instance}}"),
            Query(f"sbhooks_disk_free_bytes{{{_AT}}}", "free {{instance}}"),
        ),
    ),
    Panel(
        title="Alert Rules Summary", kind="stat", width=8, steps=_NONE_IS_FINE,
        about="Alerts of sbhooks that fire now, by severity.",
        queries=tuple(
            Query(f'sum(ALERTS{{{_FIRING},severity="{severity}"}}) or vector(0)', severity,
                  instant=True)
            for severity in ("critical", "warning", "info")
        ),
    ),
)  # fmt: skip

SERVER = (
    row("Health"),
    Panel(
        title="Checks", kind="stat", width=8, height=5, words=_WELL,
        about="What the server thinks of itself; /health says why.",
        queries=(Query(f"min by (check) (sbhooks_health{{{_AT}}})", "{{check}}", instant=True),),
    ),
    Panel(
        title="Up for", kind="stat", unit="s", width=4, height=5,
        about="Time since the server was started.",
        queries=(
            Query('time() - process_start_time_seconds{job="@JOB@",' + _AT + "}", "{{instance}}",
                  instant=True),
        ),
    ),
    Panel(
        title="Version", kind="stat", names=True, width=4, height=5, about="The version at work.",
        queries=(Query(f"count by (version) (sbhooks_build_info{{{_AT}}})", "{{version}}",
                       instant=True),),
    ),
    Panel(
        title="Schema", kind="stat", width=4, height=5, about="Version of the database's schema.",
        queries=(Query(f"max by (instance) (sbhooks_migration_version{{{_AT}}})", "{{instance}}",
                       instant=True),),
    ),
    Panel(
        title="Newest Event", kind="stat", unit="s", width=4, height=5,
        about="Time since the newest event: growing for days means that nobody records.",
        queries=(
            Query(f"time() - max(sbhooks_last_event_timestamp_seconds{{{_AT}}})", "ago",
                  instant=True),
        ),
    ),
    row("What comes in"),
    Panel(
        title="Events by Kind", kind="timeseries", unit="ops", stacked=True,
        about="Stored events per second.",
        queries=(
            Query(f"sum by (kind) (rate(sbhooks_events_total{{{_AT}}}[$__rate_interval]))",
                  "{{kind}}"),
        ),
    ),
    Panel(
        title="Waiting, Set Aside, Lost", kind="timeseries",
        about="Events that wait to be stored, that nobody understands, and that could not be "
              "recorded.",
        queries=(
            Query(f"sbhooks_spool_events{{{_AT}}}", "waiting"),
            Query(f"sbhooks_spool_aside_events{{{_AT}}}", "set aside"),
            Query(f"sbhooks_lost_events{{{_AT}}}", "lost"),
        ),
    ),
    Panel(
        title="Refused", kind="timeseries", unit="ops",
        about="Events and bodies per second that the server did not take, and why.",
        queries=(
            Query("sum by (reason) (rate(sbhooks_ingest_rejected_total"
                  f"{{{_AT}}}[$__rate_interval]))", "{{reason}}"),
        ),
    ),
    Panel(
        title="Database Locked", kind="timeseries",
        about="How often the server gave up waiting for another process that writes.",
        queries=(
            Query(f"increase(sbhooks_db_busy_total{{{_AT}}}[$__rate_interval])", "{{instance}}"),
        ),
    ),
    row("What it costs"),
    Panel(
        title="Time in Hooks", kind="timeseries", unit="s", stacked=True,
        about="Seconds per second that each plugin's hooks take.",
        queries=(
            Query("sum by (plugin) (rate(sbhooks_hook_duration_seconds_sum"
                  f"{{{_AT}}}[$__rate_interval]))", "{{plugin}}"),
        ),
    ),
    Panel(
        title="Errors of Plugins", kind="timeseries",
        about="Failed calls of hooks since the server was started; after three, a plugin is left "
              "out.",
        queries=(Query(f"sum by (plugin) (sbhooks_plugin_errors_total{{{_AT}}})", "{{plugin}}"),),
    ),
    Panel(
        title="Time of a Scrape", kind="timeseries", unit="s",
        about="How long Prometheus waits for the metrics, and how many samples it gets.",
        queries=(
            Query('scrape_duration_seconds{job="@JOB@",' + _AT + "}", "{{instance}}"),
        ),
    ),
    Panel(
        title="Series", kind="timeseries",
        about="Samples of one scrape, and skills without series of their own.",
        queries=(
            Query('scrape_samples_scraped{job="@JOB@",' + _AT + "}", "samples {{instance}}"),
            Query(f"sbhooks_metrics_folded_skills{{{_AT}}}", "folded skills {{instance}}"),
        ),
    ),
    row("Experiments"),
    Panel(
        title="Units", kind="timeseries",
        about="Units that are compared, by experiment and variant.",
        queries=(
            Query(f"sbhooks_experiment_units{{{_AT}}}", "{{experiment}} {{variant}}"),
        ),
    ),
    Panel(
        title="Health of Experiments", kind="stat", words=_WELL,
        about="Whether the result of each running experiment may be believed.",
        queries=(Query(f"min by (experiment) (sbhooks_experiment_healthy{{{_AT}}})",
                       "{{experiment}}", instant=True),),
    ),
)  # fmt: skip
