"""The dashboard about the server itself."""

from __future__ import annotations

from sbhooks_monitoring.panels import AT, WELL, Panel, Query, row

SERVER = (
    row("Health"),
    Panel(
        title="Checks", kind="stat", width=8, height=5, words=WELL,
        about="What the server thinks of itself; /health says why.",
        queries=(Query(f"min by (check) (sbhooks_health{{{AT}}})", "{{check}}", instant=True),),
    ),
    Panel(
        title="Up for", kind="stat", unit="s", width=4, height=5,
        about="Time since the server was started.",
        queries=(
            Query('time() - process_start_time_seconds{job="@JOB@",' + AT + "}", "{{instance}}",
                  instant=True),
        ),
    ),
    Panel(
        title="Version", kind="stat", names=True, width=4, height=5, about="The version at work.",
        queries=(Query(f"count by (version) (sbhooks_build_info{{{AT}}})", "{{version}}",
                       instant=True),),
    ),
    Panel(
        title="Schema", kind="stat", width=4, height=5, about="Version of the database's schema.",
        queries=(Query(f"max by (instance) (sbhooks_migration_version{{{AT}}})", "{{instance}}",
                       instant=True),),
    ),
    Panel(
        title="Newest Event", kind="stat", unit="s", width=4, height=5,
        about="Time since the newest event: growing for days means that nobody records.",
        queries=(
            Query(f"time() - max(sbhooks_last_event_timestamp_seconds{{{AT}}})", "ago",
                  instant=True),
        ),
    ),
    row("What comes in"),
    Panel(
        title="Events by Kind", kind="timeseries", unit="ops", stacked=True,
        about="Stored events per second.",
        queries=(
            Query(f"sum by (kind) (rate(sbhooks_events_total{{{AT}}}[$__rate_interval]))",
                  "{{kind}}"),
        ),
    ),
    Panel(
        title="Waiting, Set Aside, Lost", kind="timeseries",
        about="Events that wait to be stored, that nobody understands, and that could not be "
              "recorded.",
        queries=(
            Query(f"sbhooks_spool_events{{{AT}}}", "waiting"),
            Query(f"sbhooks_spool_aside_events{{{AT}}}", "set aside"),
            Query(f"sbhooks_lost_events{{{AT}}}", "lost"),
        ),
    ),
    Panel(
        title="Refused", kind="timeseries", unit="ops",
        about="Events and bodies per second that the server did not take, and why.",
        queries=(
            Query("sum by (reason) (rate(sbhooks_ingest_rejected_total"
                  f"{{{AT}}}[$__rate_interval]))", "{{reason}}"),
        ),
    ),
    Panel(
        title="Database Locked", kind="timeseries",
        about="How often the server gave up waiting for another process that writes.",
        queries=(
            Query(f"increase(sbhooks_db_busy_total{{{AT}}}[$__rate_interval])", "{{instance}}"),
        ),
    ),
    row("What it costs"),
    Panel(
        title="Time in Hooks", kind="timeseries", unit="s", stacked=True,
        about="Seconds per second that each plugin's hooks take.",
        queries=(
            Query("sum by (plugin) (rate(sbhooks_hook_duration_seconds_sum"
                  f"{{{AT}}}[$__rate_interval]))", "{{plugin}}"),
        ),
    ),
    Panel(
        title="Errors of Plugins", kind="timeseries",
        about="Failed calls of hooks since the server was started; after three, a plugin is left "
              "out.",
        queries=(Query(f"sum by (plugin) (sbhooks_plugin_errors_total{{{AT}}})", "{{plugin}}"),),
    ),
    Panel(
        title="Time of a Scrape", kind="timeseries", unit="s",
        about="How long Prometheus waits for the metrics, and how many samples it gets.",
        queries=(
            Query('scrape_duration_seconds{job="@JOB@",' + AT + "}", "{{instance}}"),
        ),
    ),
    Panel(
        title="Series", kind="timeseries",
        about="Samples of one scrape, and skills without series of their own.",
        queries=(
            Query('scrape_samples_scraped{job="@JOB@",' + AT + "}", "samples {{instance}}"),
            Query(f"sbhooks_metrics_folded_skills{{{AT}}}", "folded skills {{instance}}"),
        ),
    ),
    row("Experiments"),
    Panel(
        title="Units", kind="timeseries",
        about="Units that are compared, by experiment and variant.",
        queries=(
            Query(f"sbhooks_experiment_units{{{AT}}}", "{{experiment}} {{variant}}"),
        ),
    ),
    Panel(
        title="Health of Experiments", kind="stat", words=WELL,
        about="Whether the result of each running experiment may be believed.",
        queries=(Query(f"min by (experiment) (sbhooks_experiment_healthy{{{AT}}})",
                       "{{experiment}}", instant=True),),
    ),
)  # fmt: skip
