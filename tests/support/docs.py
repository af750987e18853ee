"""Markdown as a test needs it: fenced blocks, code spans, links, headings, and console sessions that can be run.

A block tagged `console` is a session: `$ ` starts a command, `> ` goes on with it, the rest is what it prints, where
`…` alone stands for any lines and within a line for any text; `(exit 3)` says how it ends if not with 0.
"""

from __future__ import annotations

import re
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.story import Step, matches

FENCE = re.compile(r"(?P<indent> *)```(?P<info>[^`\n]*)\n(?P<body>.*?)^(?P=indent)```\s*?$", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: the line its content starts at, its info string (`console`), its lines."""

    line: int
    info: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Doc:
    """One markdown file."""

    path: Path
    text: str

    @classmethod
    def at(cls, path: Path) -> Doc:
        return cls(path, path.read_text(encoding="utf-8"))

    def blocks(self) -> Iterator[Block]:
        for match in FENCE.finditer(self.text):
            indent = len(match["indent"])
            lines = tuple(line[indent:] for line in match["body"].splitlines())
            yield Block(self.line(match.start()) + 1, match["info"].strip(), lines)

    def prose(self) -> str:
        """The text with blocks blanked, lines kept."""
        return FENCE.sub(lambda match: "\n" * match[0].count("\n"), self.text)

    def spans(self) -> Iterator[tuple[int, str]]:
        """(line, text) of each code span; a line break in one is a blank."""
        prose = self.prose()
        for match in SPAN.finditer(prose):
            yield prose.count("\n", 0, match.start()) + 1, " ".join(match[1].split())

    def links(self) -> Iterator[tuple[int, str]]:
        """(line, target) of each inline link."""
        prose = SPAN.sub(lambda match: " " * len(match[0]), self.prose())
        for match in LINK.finditer(prose):
            yield prose.count("\n", 0, match.start()) + 1, match[1]

    def anchors(self) -> set[str]:
        """What `#…` may name, as forges make it from headings."""
        return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in HEADING.findall(self.prose())}

    def line(self, at: int) -> int:
        return self.text.count("\n", 0, at) + 1

    def source_line(self, number: int) -> str:
        return self.text.splitlines()[number - 1]


def session(doc: Doc) -> list[Step]:
    """All commands of all console blocks, in order: they share one shell."""
    steps: list[Step] = []
    for block in doc.blocks():
        if block.info != "console":
            continue
        assert block.lines[0].startswith("$ "), f"{doc.path}:{block.line}: a console block starts with a command"
        for number, line in enumerate(block.lines, block.line):
            if line.startswith("$ "):
                steps.append(Step(number, line[2:]))
            elif line.startswith("> ") and not steps[-1].expected:
                steps[-1].command += "\n" + line[2:]
            elif match := re.fullmatch(r"\(exit (\d+)\)", line):
                steps[-1].exit = int(match[1])
            elif line.strip():
                steps[-1].expected.append(line.rstrip())
    return steps


def play(steps: list[Step], cwd: Path, env: Mapping[str, str]) -> list[tuple[int, str]]:
    """Run the commands in one shell in `cwd`, so that `cd` and variables last; (exit code, output) of each."""
    mark = secrets.token_hex(8)
    script = ["exec 2>&1"]
    for step in steps:
        script += [step.command, f"printf '\\n{mark} %s\\n' $?"]
    command = ["bash", "--noprofile", "--norc", "-c", "\n".join(script)]
    done = subprocess.run(
        command, cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=120
    )
    parts = re.split(rf"\n{mark} (\d+)\n", done.stdout.decode())
    ran = list(zip(map(int, parts[1::2]), parts[::2], strict=False))
    assert len(ran) == len(steps), f"the shell ended in: {steps[len(ran)].command}\n{parts[-1]}"
    return ran


def differences(steps: list[Step], ran: list[tuple[int, str]]) -> Iterator[str]:
    """What did not go as told, with what came instead."""
    for step, (code, output) in zip(steps, ran, strict=True):
        got = [line.rstrip() for line in output.splitlines() if line.strip()]
        if code != step.exit or not matches(step.expected, got):
            told = [f"line {step.line}: $ {step.command}", *got, f"(exit {code})"]
            yield "\n".join([*told, "--- the page shows", *step.expected, f"(exit {step.exit})", ""])
