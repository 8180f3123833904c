"""The table of the built-in plugins: one entry point leads to all of them.

pytest, and every other tool that looks for its own plugins through entry points, reads each line
that any installed distribution declares, whenever it starts, and not cheaply.

Nothing else belongs here: every command imports this module.
"""

PLUGINS = {
    "analytics": "sbhooks_analytics.plugin",
    "ci": "sbhooks_ci.plugin",
    "crackerjack": "sbhooks_crackerjack.plugin",
    "demo": "sbhooks_demo.plugin",
    "experiments": "sbhooks_experiments.plugin",
    "monitoring": "sbhooks_monitoring.plugin",
    "server": "sbhooks_server.plugin",
    "storage": "sbhooks_storage.plugin",
    "taxonomy": "sbhooks_taxonomy.plugin",
}  #: Name → module with the hooks.
