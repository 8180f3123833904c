"""A crowd of clients, most of them rude: they join, leave, stall and send garbage."""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
ASKS = (
    b'{"type":"subscribe"}', b'{"type":"subscribe","skill_name":"lint","events":true}',
    b'{"type":"subscribe","events":true,"after":0}', b'{"type":"unsubscribe"}',
    b'{"type":"get_metrics","skill_name":"lint"}', b'{"type":"ping"}', b'{"type":"x"}', b"[]",
    b'{"type":"authenticate","token":"sbh_x"}', b'{"type":"subscribe","after":-1}',
)  # fmt: skip
ADDRESSES = 250  #: Of this machine, so that limits per address are not all that is tested.


def frame(payload: bytes, opcode: int = 1, *, fin: bool = True) -> bytes:
    """A client's frame, with a mask that changes nothing."""
    size = len(payload)
    head = bytes([opcode | (0x80 if fin else 0)])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 1 << 16:
        head += bytes([0xFE]) + struct.pack(">H", size)
    else:
        head += bytes([0xFF]) + struct.pack(">Q", size)
    return head + bytes(4) + payload


def fuzzed(chance: random.Random) -> bytes:
    """A frame: mostly well formed with a damaged message, sometimes damaged itself."""
    text = bytearray(chance.choice(ASKS))
    for _ in range(chance.choice((0, 0, 1, 1, 2, 5))):
        place = chance.randrange(len(text))
        match chance.randrange(3):
            case 0:
                text[place] = chance.randrange(256)
            case 1:
                del text[place : place + chance.randint(1, 4)]
                text = text or bytearray(b" ")
            case _:
                text[place:place] = chance.randbytes(chance.randint(1, 8))
    if chance.random() < 0.98:
        return frame(bytes(text), 1 if chance.random() < 0.95 else 2)
    match chance.randrange(5):
        case 0:
            return chance.randbytes(chance.randint(1, 40))
        case 1:
            return frame(bytes(text), chance.randrange(16), fin=chance.random() < 0.5)
        case 2:
            return frame(b" " * (70 << 10))
        case 3:
            return frame(bytes(text))[: chance.randint(1, 6)]
        case _:
            return frame(b"\x03", 8)


async def connected(port: int, number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection from one of this machine's addresses."""
    sock = socket.socket()
    sock.setblocking(False)
    sock.bind((f"127.0.1.{1 + number % ADDRESSES}", 0))
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    return await asyncio.open_connection(sock=sock)


async def listener(port: int, number: int, chance: random.Random) -> None:
    """Join, say something, and leave in one of many ways."""
    reader, writer = await connected(port, number)
    try:
        writer.write(UPGRADE)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(frame(ASKS[number % 3]))
        manner = chance.randrange(6)
        for _ in range(chance.randint(1, 10)):
            writer.write(fuzzed(chance) if manner == 0 else frame(chance.choice(ASKS)))
        if manner == 1:  # stalls: never reads again
            await asyncio.sleep(1.0)
        elif manner == 2:
            writer.write(frame(b"\x03\xe8", 8))
            await reader.read()
        elif manner == 3:
            await reader.read(5_000)
        elif manner == 4:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    except (OSError, EOFError):
        pass  # it threw us out: it may
    finally:
        writer.transport.abort()


async def asker(port: int, number: int, chance: random.Random) -> None:
    """Ask over HTTP: something sensible, something else, or half of it."""
    reader, writer = await connected(port, number)
    event = {"kind": "invocation", "source": "cli", "session": "s", "skill": f"skill-{number % 20}",
             "outcome": "success", "id": f"{number}-{chance.random()}"}  # fmt: skip
    body = json.dumps([event] * chance.randint(1, 3)).encode()
    post = b"POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    asked = (
        post + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body,
        post + b"Content-Length: 100000\r\n\r\n" + body,
        b"GET /api/v1/skills HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET /" + chance.randbytes(200),
    )  # fmt: skip
    try:
        kind = chance.randrange(len(asked))
        writer.write(asked[kind])
        await writer.drain()
        if kind not in {1, 6}:  # those go away in the middle
            await reader.read(-1 if kind in {0, 2, 3, 4} else 100)
    except (OSError, EOFError):
        pass
    finally:
        writer.transport.abort()


async def come_and_go(port: int, size: int, chance: random.Random) -> None:
    """That many clients, all at once."""
    who: Callable[..., Any]
    begun = []
    for number in range(size):
        who = listener if chance.random() < 0.7 else asker
        begun.append(asyncio.wait_for(who(port, number, chance), 300))
    for done in await asyncio.gather(*begun, return_exceptions=True):
        if isinstance(done, BaseException) and not isinstance(done, OSError):
            raise done


class Watched:
    """What a process holds."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc", str(pid))

    def files(self) -> int:
        """Open file descriptors."""
        return sum(1 for _ in (self._folder / "fd").iterdir())

    def threads(self) -> int:
        """Threads."""
        return sum(1 for _ in (self._folder / "task").iterdir())

    def memory(self) -> int:
        """Bytes that are resident."""
        return int((self._folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
