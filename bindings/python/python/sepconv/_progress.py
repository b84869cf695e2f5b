"""A bar for ``progress=True``."""

from __future__ import annotations

import sys
import time

from ._types import Event

_WIDTH = 30
_INTERVAL_S = 0.1


class Bar:
    """Shows how far a call is on standard error, ten times a second at most."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, event: Event) -> None:
        done, total, now = event["done"], max(event["total"], 1), time.monotonic()
        if now < self._next and done < total:
            return
        self._next = now + _INTERVAL_S
        filled = _WIDTH * done // total
        text = f"\r{event['stage']:<10} [{'#' * filled}{'.' * (_WIDTH - filled)}] {done}/{total}"
        if event["accuracy"]:
            text += f"  top-1 {event['accuracy']['top1_percent']:.1f} %"
        sys.stderr.write(text + ("\n" if done >= total else ""))
        sys.stderr.flush()
