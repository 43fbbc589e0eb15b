"""What a person sees of a download: bytes and rate on a terminal, nothing elsewhere."""

from __future__ import annotations

import io
import sys

import pytest

from registry.cli.progress import Transfers, amount


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_bytes_and_rate_and_is_clean_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100.0, 101.0, 102.0])
    monkeypatch.setattr("registry.cli.progress.time.monotonic", lambda: next(times))
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    with Transfers() as transfers:
        assert transfers.step is not None
        transfers.step("artifact data", 1_000_000, 4_000_000)
        transfers.step("artifact data", 2_500_000, 4_000_000)
        transfers.step("artifact more", 5, None)
    lines = shown.getvalue().split("\r\033[K")
    assert lines[1:] == [
        "artifact data 1 MB/4 MB",
        "artifact data 2.5 MB/4 MB 1.5 MB/s",
        "artifact data 2.5 MB/4 MB 750 kB/s  artifact more 5 B",
        "",
    ]


def test_elsewhere_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, quiet in ((io.StringIO(), False), (Terminal(), True)):
        monkeypatch.setattr(sys, "stderr", stream)
        with Transfers(quiet=quiet) as transfers:
            assert transfers.step is None
        assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0 B"), (999, "999 B"), (999.9, "1 kB"), (1000, "1 kB"), (1_234_567, "1.23 MB"), (2e9, "2 GB")],
)
def test_amounts_are_read_by_powers_of_ten(size: float, said: str) -> None:
    assert amount(size) == said
