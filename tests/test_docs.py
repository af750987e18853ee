"""What the docs show is what happens: sessions are run, options and commands exist, links resolve, configs load."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from sopsync.config import load_config
from sopsync.errors import ConfigError
from tests.support import leaks
from tests.support.docs import Block, Doc, differences, play, session
from tests.support.story import Stage, capture

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])

# Pages whose sessions are run, and the story that sets their stage: a repository `acme`, an age key in the environment.
RUN = {
    "docs/tutorial.md": """
$ put services/api/prod.yaml db_password=canary-db token=canary-token
$ put services/billing/prod.yaml stripe_key=canary-stripe
$ commit Add secrets
""",
    "docs/pull-requests.md": """
$ put services/api/prod.yaml token=canary-1
$ put services/billing/prod.yaml stripe_key=canary-2
$ put services/mail/prod.yaml smtp=canary-3
$ write sopsync.yaml
| version: 1
| owner: "acme/{env}"
| stores: {local: {type: local, recipients: [$RECIPIENT]}}
| sync:
|   - from: "services/{service}/{env}.yaml"
|     to: [{store: local, name: "{env}/{service}"}]
$ commit Start
$ git checkout -q -b pull-request
$ put services/api/prod.yaml token=canary-4 extra=canary-5
$ commit Rotate the API token (#412)
$ rotate services/billing/prod.yaml
$ commit New data key for billing
$ as SOPS_AGE_KEY=
""",
}

COMMANDS: tuple[str, ...] = ("init", "check", "plan", "diff", "apply", "reconcile")
COMMANDS += ("blame", "status", "versions", "audit verify", "policy", "schema")
LATER = re.compile(r"\bplanned\b", re.IGNORECASE)
"""A line that says so may name what does not exist yet."""

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


# -- sessions


@pytest.mark.parametrize("page", RUN)
def test_sessions_go_as_shown(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(tmp_path, monkeypatch, lambda _repo: None)
    stage.play(RUN[page])
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {**stage.repo.env, **os.environ, "PATH": path, "COLUMNS": "120"}
    steps = session(Doc.at(ROOT / page))
    assert steps, f"{page} has no console block"
    ran = play(steps, stage.repo.path, env)
    leaks.watch(page, "".join(output for _, output in ran))
    assert not (wrong := list(differences(steps, ran))), "\n".join(["", *wrong])


def test_pages_that_are_not_run_show_no_session() -> None:
    """A session nobody runs goes stale: another tag (`text`), or an entry in RUN."""
    shown = {str(page.relative_to(ROOT)) for page in PAGES if session(Doc.at(page))}
    assert shown <= RUN.keys()


# -- commands and options


@cache
def options(command: str) -> frozenset[str]:
    """The options a command takes, as its --help shows them; "" is sopsync itself."""
    code, text = capture([*command.split(), "--help"])
    assert code == 0, text
    return frozenset(re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", text))


def test_help_is_whole_and_speaks_no_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the width of a terminal no summary is cut; no command shows a type that only a programmer reads."""
    monkeypatch.setenv("COLUMNS", "80")
    for command in ("", *COMMANDS):
        code, text = capture([*command.split(), "-h"])
        assert code == 0, text
        assert not re.search(r"[^\]]\.\.\.$|list\[|\(\)", text, re.MULTILINE), text


def misnamed(text: str) -> Iterator[str]:
    """What a piece of code names that is not there: `sopsync CMD --option`, `CMD --option`, or a bare `--option`."""
    words = re.split(r"[\s=]+", text.strip())
    if words[0].startswith("--"):
        known = options("").union(*map(options, COMMANDS))
    elif words[0] == "sopsync" and len(words) > 1:
        command = words[1].rstrip(".,:;")
        command = next((two for two in COMMANDS if two == " ".join(words[1:3])), command)
        if re.fullmatch(r"[a-z][a-z-]*", command) and command not in COMMANDS:
            yield f"command {command}"
            return
        known = options(command if command in COMMANDS else "")
    elif words[0] in COMMANDS and len(words) > 1:
        known = options(words[0])
    else:
        return
    for word in words:
        option = re.match(r"-{1,2}[A-Za-z][\w-]*", word)
        if option and option[0] not in known:
            yield f"option {option[0]}"


def pieces(doc: Doc) -> Iterator[tuple[int, str]]:
    """(line, code) of everything on a page that may name a command: code spans, each command within a shell line."""
    yield from doc.spans()
    for block in doc.blocks():
        if block.info in ("", "console", "sh", "bash", "yaml"):
            for number, line in enumerate(block.lines, block.line):
                for part in re.split(r"&&|\|\|?|;|\s#", line):
                    if match := re.search(r"(?<![\w/.-])sopsync .*", part):
                        yield number, match[0]


@every_page
def test_commands_and_options_exist(page: Path) -> None:
    doc = Doc.at(page)
    wrong = [
        f"{page.name}:{line}: no such {what}"
        for line, code in pieces(doc)
        if not LATER.search(doc.source_line(line))
        for what in misnamed(code)
    ]
    assert not wrong, "\n".join(["", *wrong])


# -- links


@every_page
def test_links_resolve(page: Path) -> None:
    doc, wrong = Doc.at(page), []
    for line, target in doc.links():
        name, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", name):
            continue
        to = (page.parent / name).resolve() if name else page
        if not to.is_relative_to(ROOT) or not to.exists():
            wrong.append(f"{page.name}:{line}: {target}: no such file")
        elif anchor and to.suffix == ".md" and anchor not in Doc.at(to).anchors():
            wrong.append(f"{page.name}:{line}: {target}: no such heading")
    assert not wrong, "\n".join(["", *wrong])


# -- configs


def unloadable(doc: Doc, block: Block) -> Iterator[str]:
    text = "\n" * (block.line - 1) + "\n".join(block.lines) + "\n"
    try:
        load_config(text.encode(), doc.path.name)
    except ConfigError as error:
        yield str(error)


@every_page
def test_configs_load(page: Path) -> None:
    doc = Doc.at(page)
    wrong = [text for block in doc.blocks() if block.info == "yaml sopsync" for text in unloadable(doc, block)]
    assert not wrong, "\n".join(["", *wrong])


# -- the machinery itself

SAMPLE = """# A page

```console
$ cd "$PLACE" && x=5
$ echo one; echo two; echo three
one
…
$ cat <<END
> the x is $x in $PWD
> END
the x is 5 in …/there
$ echo failing >&2; (exit 3)
failing
(exit 3)
```

See [below](#a-page), `sopsync plan --sealed`, `plan -o FILE`, `--verify`, `git commit --amend`.
"""


def sample(text: str) -> Doc:
    return Doc(ROOT / "sample.md", text)


def told(doc: Doc, tmp_path: Path) -> list[str]:
    (tmp_path / "there").mkdir()
    steps = session(doc)
    return list(differences(steps, play(steps, tmp_path, {**os.environ, "PLACE": "there"})))


def test_a_true_session_passes(tmp_path: Path) -> None:
    assert told(sample(SAMPLE), tmp_path) == []


@pytest.mark.parametrize(
    ("true", "false"),
    [("one\n…", "one"), ("is 5", "is 6"), ("\n(exit 3)", ""), ("(exit 3)\n```", "(exit 4)\n```"), ("failing\n(", "(")],
)
def test_a_false_session_fails(true: str, false: str, tmp_path: Path) -> None:
    assert true in SAMPLE
    assert len(told(sample(SAMPLE.replace(true, false)), tmp_path)) == 1


def test_a_session_that_ends_its_shell_fails(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="the shell ended in: exit 0"):
        told(sample(SAMPLE.replace("echo one", "exit 0; echo one")), tmp_path)


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("sopsync plan --sealed -o FILE", []),
        ("sopsync --version", []),
        ("sopsync plan --seeled", ["option --seeled"]),
        ("sopsync plam --sealed", ["command plam"]),
        ("sopsync audit verify FILE --head DIGEST", []),
        ("sopsync audit verify FILE --tail DIGEST", ["option --tail"]),
        ("sopsync audit verily", ["command audit"]),
        ("apply --yes --sealed", ["option --sealed"]),
        ("--sealed", []),
        ("--seeled", ["option --seeled"]),
        ("git commit --amend", []),
        ("sopsync check --json=1", []),
    ],
)
def test_misnamed(code: str, wrong: list[str]) -> None:
    assert list(misnamed(code)) == wrong


def test_pieces_of_a_page() -> None:
    page = sample("a `x` b `sopsync\nplan`\n\n```sh\nsopsync plan --a && sopsync apply --b | tee f  # sopsync c\n```\n")
    found = [code.strip() for _, code in pieces(page)]
    assert found == ["x", "sopsync plan", "sopsync plan --a", "sopsync apply --b", "sopsync c"]


def test_a_config_that_does_not_load_is_told_with_its_line() -> None:
    page = sample("text\n\n```yaml sopsync\nversion: 1\nowner: acme\nstore: {}\nstores: {}\nsync: []\n```\n")
    (block,) = page.blocks()
    assert any("sample.md:6" in line for text in unloadable(page, block) for line in text.splitlines())
