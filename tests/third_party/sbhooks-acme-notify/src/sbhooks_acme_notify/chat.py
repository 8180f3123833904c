"""The chat room: where it is, and how a message gets there."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request

import msgspec

from sbhooks import load_config
from sbhooks.errors import ConfigError, SbhooksError

NAME = "acme-notify"  #: The plugin's, and its table's.
VARIABLE = "ACME_NOTIFY_URL"


class Chat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The plugin's settings.

    Attributes:
        url: Where messages are posted; none are sent while it is empty.
        timeout_s: How long one message may take, in seconds.
    """

    url: str = ""
    timeout_s: float = 5.0


class ChatError(SbhooksError):
    """A message could not be sent."""


def load_chat() -> Chat:
    """Read the settings; the environment wins.

    Raises:
        ConfigError: A project's file says where messages go, or it is no web address.
    """
    config = load_config()
    origin = config.origins.get(NAME, "")
    if origin.endswith(("pyproject.toml", "sbhooks.toml")):
        raise ConfigError(f"{origin}: [{NAME}] cannot be set by a project. Set {VARIABLE}")
    chat = config.section(NAME, Chat)
    if os.environ.get(VARIABLE):
        chat = msgspec.structs.replace(chat, url=os.environ[VARIABLE])
    if chat.url and not chat.url.startswith(("http://", "https://")):
        raise ConfigError(f"{VARIABLE}: {chat.url.partition(':')[0]!r} is no web address")
    return chat


def send(chat: Chat, *, text: str, id: str) -> None:
    """Post one message.

    Raises:
        ChatError: The room did not take it.
    """
    body = json.dumps({"text": text, "id": id}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(  # noqa: S310 - load_chat takes web addresses only
        chat.url, data=body, headers=headers, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=chat.timeout_s):  # noqa: S310
            return
    except (urllib.error.URLError, OSError) as error:
        raise ChatError(f"cannot tell the chat room: {error}. Check {VARIABLE}") from error
