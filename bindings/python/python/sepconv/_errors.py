"""The exception of the package."""

from __future__ import annotations

from typing import Optional, Tuple

_Fields = Tuple[str, str, Optional[str], Optional[str], Optional[str], Optional[str], Optional[str]]


class Error(Exception):
    """What went wrong, where, what was expected and got, and what to do; ``str(error)`` has all of it.

    Attributes: ``kind`` (``malformed``, ``unsupported``, ``mismatch``, ``limit``, ``argument``, ``io`` or
    ``cancelled``), ``message`` (what went wrong, in one clause), ``file``, ``place`` and ``node`` (where), ``expected``
    and ``got``, ``help``. All but the first two may be None.
    """

    kind: str
    message: str
    file: str | None
    place: str | None
    node: str | None
    expected: str | None
    got: str | None
    help: str | None

    def __init__(self, text: str, fields: _Fields | None = None, help: str | None = None) -> None:
        super().__init__(text)
        self._fields = fields or ("argument", text, None, None, None, None, None)
        self.kind, self.message, self.file, self.place, self.node, self.expected, self.got = self._fields
        self.help = help

    def __reduce__(self) -> tuple[type[Error], tuple[str, _Fields, str | None]]:
        return type(self), (str(self), self._fields, self.help)
