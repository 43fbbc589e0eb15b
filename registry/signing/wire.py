"""SSH's wire format (RFC 4251, section 5), read strictly: no length that runs past the end, nothing behind it. Pure."""

from __future__ import annotations

from typing import Final

LARGEST_NUMBER: Final = 2049
"""Bytes of the largest number OpenSSH reads, with its sign."""


class Malformed(ValueError):
    """Bytes or text that are not what they should be; told to a person with the place."""


class Reader:
    """Fields of a message, one after the other. Each raises `Malformed` where there is no such field."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def string(self) -> bytes:
        """A string: its length in four bytes, then its bytes."""
        start = self._at + 4
        end = start + int.from_bytes(self._data[self._at : start], "big")
        if start > len(self._data) or end > len(self._data):
            raise Malformed("the key or signature is cut off")
        self._at = end
        return self._data[start:end]

    def text(self) -> str:
        """A string of printable ASCII."""
        try:
            text = self.string().decode("ascii")
        except UnicodeDecodeError:
            text = "\0"
        if not text.isprintable():
            raise Malformed("a name in the key or signature is not ASCII")
        return text

    def exactly(self, size: int) -> bytes:
        """A string of so many bytes."""
        found = self.string()
        if len(found) != size:
            raise Malformed(f"a part of the key or signature has {len(found)} bytes, expected {size}")
        return found

    def number(self) -> int:
        """A positive number without superfluous zeros."""
        found = self.string()
        padded = found[:1] == b"\0" and found[1:2] <= b"\x7f"
        if not found or len(found) > LARGEST_NUMBER or found[0] & 0x80 or padded:
            raise Malformed("a number in the key or signature is not written as SSH writes it")
        return int.from_bytes(found, "big")

    def end(self) -> None:
        """Nothing more."""
        if self._at != len(self._data):
            raise Malformed("something stands behind the end of the key or signature")
