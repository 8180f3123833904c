"""Attempts that were cut off, told apart by the kernel: outputs must count as we do."""

from __future__ import annotations

from sbhooks.cutoff import INTERRUPTED, chunks, is_cut_off, rollup

__all__ = ["INTERRUPTED", "chunks", "is_cut_off", "rollup"]
