"""What a month of the archive looks like as a Parquet file.

A file holds one row per event, kind by kind in the order of storing. It explains itself:
sessions and tests stand there by name, so any tool for Parquet can read it without the
database that it came from. Columns that a kind does not have are empty and take no room.

A file appears complete or not at all, and only after it has been read back and found to hold
exactly the rows that were meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

from sbhooks.errors import StoreError
from sbhooks.lazy import require
from sbhooks.whole_files import sync

_BATCH = 20_000  # rows in memory at once
_EXTRA = "sbhooks[archive]"

#: Column → its type in Parquet; ``at`` is read and written as microseconds since 1970.
COLUMNS: dict[str, str] = {
    "kind": "string", "seq": "int64", "id": "string", "at": "time", "source": "string",
    "session": "string", "session_no": "int64", "project": "string", "branch": "string",
    "commit": "string",
    # invocations, as in skill_invocation
    "skill_name": "string", "invoked_at": "string", "workflow_path": "string",
    "completed": "int64", "duration_seconds": "float64", "user_query": "string",
    "alternatives_considered": "string", "selection_rank": "int64",
    "follow_up_actions": "string", "created_at": "string", "embedding": "binary",
    "workflow_phase": "string", "workflow_step_id": "string", "rating": "int64",
    # test results, as in v_test_attempts
    "test": "string", "params": "string", "detail": "string", "setup_us": "int64",
    "call_us": "int64", "teardown_us": "int64", "worker": "string", "invocation": "string",
    "attempt": "int64", "subtest": "string", "fingerprint": "string",
    "failure_type": "string", "failure_message": "string",
    # phase changes and stages of pipelines
    "workflow": "string", "phase_from": "string", "phase_to": "string", "step": "string",
    "pipeline": "string", "run": "string", "stage": "string", "phase": "string",
    "duration_us": "int64", "queued_us": "int64", "artifacts": "string",
    # several kinds
    "outcome": "string", "error_type": "string", "attributes": "string",
}  # fmt: skip

Row = tuple[Any, ...]  # one value per column, in that order


class Digest:
    """A fingerprint of rows in their order."""

    def __init__(self) -> None:
        self._hash = sha256()
        self.rows = 0

    def add(self, row: Row) -> None:
        """Take in one row."""
        self._hash.update(repr(row).encode("utf-8", "surrogatepass"))
        self.rows += 1

    def through(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Take in rows on their way."""
        for row in rows:
            self.add(row)
            yield row

    @property
    def value(self) -> tuple[int, str]:
        """How many rows, and their fingerprint."""
        return self.rows, self._hash.hexdigest()


def write(path: Path, rows: Iterable[Row], *, schema_version: int) -> int:
    """Write rows into a new file, on the disk when this returns, and prove it right.

    Args:
        path: The file; what is there is replaced.
        rows: Read once.
        schema_version: Of the database, for whoever reads the file in years.

    Returns:
        How many rows.

    Raises:
        StoreError: A value has another type than its column, or the file does not read back
            as it was written; then there is no file.
    """
    meant = Digest()
    part = path.with_name(f"{path.name}.part")
    try:
        try:
            _write(part, meant.through(rows), schema_version)
        except (ValueError, TypeError, OverflowError) as error:  # pyarrow's derive from these
            raise StoreError(
                f"cannot archive into {path}: a row holds what its column cannot: {error}. "
                "Nothing was moved; correct the row, or prune it"
            ) from error
        found = Digest()
        for row in read(part):
            found.add(row)
        if found.value != meant.value:
            raise StoreError(
                f"cannot archive into {path}: the file does not read back as it was written. "
                "Nothing was moved; check the disk"
            )
        sync(str(part))
        part.replace(path)
        sync(str(path.parent))
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return meant.rows


def read(path: Path, kind: str | None = None) -> Iterator[Row]:
    """Yield the rows of a file, checked against the check sums of its pages.

    Args:
        path: The file.
        kind: Only rows of this kind.

    Raises:
        StoreError: The file is missing or damaged.
    """
    pq = require("pyarrow.parquet", install=_EXTRA)
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            present = set(file.schema_arrow.names)
            wanted = [name for name in COLUMNS if name in present]
            for batch in file.iter_batches(batch_size=_BATCH, columns=wanted):
                yield from _rows(batch if kind is None else _of_kind(batch, kind), present)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise StoreError(
            f"cannot read the archive {path}: {reason}. Put the file back from a backup"
        ) from error


def count(path: Path) -> int:
    """How many rows a file says it has.

    Raises:
        StoreError: The file is missing or damaged.
    """
    pq = require("pyarrow.parquet", install=_EXTRA)
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, ValueError) as error:
        raise StoreError(
            f"cannot read the archive {path}: {error}. Put the file back from a backup"
        ) from error


def _write(part: Path, rows: Iterable[Row], schema_version: int) -> None:
    pa = require("pyarrow", install=_EXTRA)
    pq = require("pyarrow.parquet", install=_EXTRA)
    types = {name: _type(pa, word) for name, word in COLUMNS.items()}
    schema = pa.schema(list(types.items()), metadata={"sbhooks.schema": str(schema_version)})
    part.touch(mode=0o600)
    part.chmod(0o600)
    with pq.ParquetWriter(
        part, schema, compression="zstd", write_page_checksum=True, version="2.6"
    ) as writer:
        source = iter(rows)
        while batch := list(islice(source, _BATCH)):
            columns = zip(*batch, strict=True)
            arrays = [
                pa.array(values, type=kind)
                for values, kind in zip(columns, types.values(), strict=True)
            ]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


def _of_kind(batch: Any, kind: str) -> Any:
    compute = require("pyarrow.compute", install=_EXTRA)
    return batch.filter(compute.equal(batch.column("kind"), kind))


def _rows(batch: Any, present: set[str]) -> Iterator[Row]:
    """The rows of a batch of Arrow; ``at`` as a whole number."""
    pa = require("pyarrow", install=_EXTRA)
    empty = [None] * batch.num_rows
    columns: list[Sequence[Any]] = []
    for name, word in COLUMNS.items():
        if name not in present:
            columns.append(empty)
            continue
        values = batch.column(name)
        columns.append((values.cast(pa.int64()) if word == "time" else values).to_pylist())
    return zip(*columns, strict=True)


def _type(pa: Any, word: str) -> Any:
    return pa.timestamp("us", tz="UTC") if word == "time" else getattr(pa, word)()
