"""Tells a chat room when a recorded run has failed; and you, when you ask."""

PLUGINS = {
    "acme-notify": "sbhooks_acme_notify.plugin",
    "acme-digest": "sbhooks_acme_notify.digest",
}  #: The plugins of this distribution: name → module.
