"""The dashboard about skills, tests and pipelines."""

from __future__ import annotations

from sbhooks_monitoring.panels import AT, NONE_IS_FINE, Panel, Query, row

_SKILLS = f'{AT},skill_name=~"$skill"'
_OF = f'{_SKILLS},skill_name!="other"'  # that counter goes back; see alerts/recording.toml
_FIRING = 'alertstate="firing",alertname=~"Sbhooks.+"'
_TOP = f"topk(20, sum by (skill_name) (increase(skill_invocations_total{{{_OF}}}[24h])))"
_SUCCESS = ((0.0, "red"), (0.5, "orange"), (0.7, "yellow"), (0.9, "green"))

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
        title="Anomaly Detection", kind="stat", width=3, steps=NONE_IS_FINE,
        about="Unusual days of skills that were found in the last hour. "
              "Run: sbhooks anomalies list",
        queries=(
            Query(f"sum(instance:anomalies_detected:new1h{{{AT}}}) or vector(0)", "new",
                  instant=True),
        ),
    ),
    Panel(
        title="Active Sessions", kind="stat", width=3,
        about="Runs that have begun and not ended, of the last day.",
        queries=(Query(f"sum(active_sessions{{{AT}}})", "sessions"),),
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
            Query("sum by (workflow_phase) "
                  f"(increase(skill_invocations_total{{{_OF}}}[$__range]))", "{{workflow_phase}}",
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
            Query(f'sum by (outcome) (rate(sbhooks_events_total{{{AT},kind="test-result"}}'
                  "[$__rate_interval]))", "{{outcome}}"),
        ),
    ),
    Panel(
        title="Pipeline Stages That Failed", kind="timeseries", unit="percentunit", width=8,
        greatest=1.0, about="Share of the stages of the hour before.",
        queries=(Query(f"instance:pipeline_failure:ratio1h{{{AT}}}", "{{instance}}"),),
    ),
    Panel(
        title="Events by Recorder", kind="timeseries", unit="ops", width=8, stacked=True,
        about="Stored events per second: a recorder that fell silent is missing here.",
        queries=(Query(f"instance_source:sbhooks_events:rate5m{{{AT}}}", "{{source}}"),),
    ),
    row("The server"),
    Panel(
        title="WebSocket Server Health", kind="timeseries", width=8,
        about="Whether the server answers (1 or 0), and how many listen to it.",
        queries=(
            Query(f"websocket_connections_active{{{AT}}}", "listeners {{instance}}"),
            Query('up{job="@JOB@",' + AT + "}", "up {{instance}}"),
        ),
    ),
    Panel(
        title="Database", kind="timeseries", unit="bytes", width=8,
        about="Size of the database, and room left on its disk.",
        queries=(
            Query(f"sbhooks_db_size_bytes{{{AT}}}", "database {{instance}}"),
            Query(f"sbhooks_disk_free_bytes{{{AT}}}", "free {{instance}}"),
        ),
    ),
    Panel(
        title="Alert Rules Summary", kind="stat", width=8, steps=NONE_IS_FINE,
        about="Alerts of sbhooks that fire now, by severity.",
        queries=tuple(
            Query(f'sum(ALERTS{{{_FIRING},severity="{severity}"}}) or vector(0)', severity,
                  instant=True)
            for severity in ("critical", "warning", "info")
        ),
    ),
)  # fmt: skip
