"""A long run says how fast it goes and how long it will take, wherever it runs."""

from __future__ import annotations

import pytest

from sopsync.cli.progress import Steps


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_without_a_terminal_a_line_twice_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    steps = Steps("applying", 10_000, clock)
    for _ in range(190):
        clock.now += 0.5
        steps.done()
    assert capsys.readouterr().err.splitlines() == [
        "applying: 60 of 10,000, 2.0/s, about 83 min left",
        "applying: 120 of 10,000, 2.0/s, about 82 min left",
        "applying: 180 of 10,000, 2.0/s, about 82 min left",
    ]


def test_what_is_soon_over_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    steps = Steps("applying", 2, clock)
    clock.now = 29
    steps.done()
    clock.now = 61
    steps.done()
    assert capsys.readouterr().err == ""
