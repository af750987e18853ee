"""Run every benchmark, peers side by side in the same run, and write the table the README quotes: bench/RESULTS.md."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from measure import Row, command, seconds

GROWTH = "| entries | API calls | files decrypted | values read | seconds | peak memory |\n|---|---|---|---|---|---|"

PLANS = (
    "| store | entries | API calls | files decrypted | values read | CPU a 1,000 entries |\n|---|---|---|---|---|---|"
)


def start_up() -> list[Row]:
    """`sopsync --help` against a bare typer program."""
    bare = "import typer; app = typer.Typer(); app.command()(lambda: None); app(['--help'])"
    ours = seconds(lambda: command([sys.executable, "-m", "sopsync", "--help"]), times=7)
    peer = seconds(lambda: command([sys.executable, "-c", bare]), times=7)
    return [Row("sopsync --help", ours, peer, "a bare typer program", "at least 0.5")]


def main() -> None:
    import aws
    import sops
    import store

    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody installs without bytecode, and a start is half imports
    made = [*sops.rows(), *start_up()]
    against, grown = store.rows()
    in_aws, planned = aws.rows()
    made += [*against, *in_aws]
    lines = ["| what | sopsync | peer | times faster | goal |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.what} | {row.ours:.3f} s | {row.peer:.3f} s ({row.peer_name}) | {row.ratio:.1f} | {row.goal} |"
        for row in made
    ]
    lines += ["", "A no-op plan, as the store grows (OpenBao):", "", GROWTH, *grown]
    lines += ["", "The same in AWS (moto on this machine):", "", PLANS, *planned]
    lines += [
        "",
        f"Python {platform.python_version()}, {platform.machine()}, both in the same run; ratios, not records.",
    ]
    text = "\n".join(lines) + "\n"
    (Path(__file__).parent / "RESULTS.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
