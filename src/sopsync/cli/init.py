"""`sopsync init`: find the SOPS files of a repository and write a first config for them."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sopsync.cli import options as o

if TYPE_CHECKING:
    from sopsync.git import Repository

_IGNORED = ".sopsync/"


def init(
    *,
    repo: o.Repo = o.HERE,
    owner: Annotated[str, typer.Option(help="Who manages the entries. Default: the repository's name.")] = "",
    recipient: Annotated[
        list[str] | None,
        typer.Option(metavar="<age1…>", help="age recipient of the local store (repeatable). Default: the files'."),
    ] = None,
) -> int:
    """Write a first sopsync.yaml for the SOPS files at HEAD.

    Those are found that end in .yaml, .yml, .json, .env or .ini. Needs no keys, contacts no store.
    """
    from sopsync import discover
    from sopsync.cli.output import out
    from sopsync.errors import ConfigError, Refused, printable
    from sopsync.git import Repository

    with Repository.open(repo) as opened:
        if opened.bare:
            raise Refused("a bare repository has no place for files", hint="git clone it, and sopsync init there")
        top = opened.base
        target = top / o.CONFIG
        if target.exists():
            raise Refused(f"{o.CONFIG} exists", hint="edit it; sopsync check tells what is wrong with it")
        commit = opened.resolve("HEAD")
        files = _sops_files(opened, commit)
        if not files:
            raise ConfigError("no SOPS files in HEAD", hint="sops encrypt -i FILE, git add FILE, git commit")
        odd = [path for path in files if not path.isprintable()]
        if odd:
            raise ConfigError("a name that YAML cannot hold", where=printable(odd[0]), hint="rename it")
        found = discover.rules(list(files), others=[path for path in opened.tree(commit) if path not in files])
        recipients = tuple(recipient or ()) or discover.common_recipients(files)
        if not recipients:
            hint = "sopsync init --recipient age1… (age-keygen makes a key; keep it where sops looks for keys)"
            raise ConfigError("the files share no age recipient to encrypt the local store to", hint=hint)
        name = owner or _owner(top, has_env=all(rule.has_env for rule in found))
        branch = opened.branch() or "main"
        text = discover.render(name, branch, recipients, found)
        _check(text, recipients)
        target.write_text(text, encoding="utf-8")
        wrote_ignore = _ignore(top / ".gitignore")
    width = max(len(o.CONFIG), *(len(rule.pattern) for rule in found))
    for rule in found:
        count = f"{len(rule.files)} SOPS file{'s' * (len(rule.files) != 1)}"
        out([f"found  {rule.pattern:<{width}}  {count}, key {_short(recipients[0])}"])
    out([f"wrote  {o.CONFIG:<{width}}  owner {name}, store local"])
    if wrote_ignore:
        out([f"wrote  {'.gitignore':<{width}}  {_IGNORED}"])
    there = "" if top.samefile(Path.cwd()) else f"cd {shlex.quote(os.path.relpath(top))} && "
    out([f'next   {there}git add {o.CONFIG} .gitignore && git commit -m "Add sopsync" && sopsync plan'])
    return 0


def _check(text: str, recipients: tuple[str, ...]) -> None:
    """What is written must be right: an owner or a recipient that was given may not be, nor the name of a file."""
    from sopsync import sops
    from sopsync.config import load_config
    from sopsync.errors import ConfigError, Problem

    try:
        load_config(text.encode(), o.CONFIG)
    except ConfigError as error:
        raise ConfigError.of([Problem("", p.what, p.hint) for p in error.problems]) from None
    sops.Keyring.from_environment(os.environ).age_sealer(recipients)


def _sops_files(repo: Repository, commit: str) -> dict[str, tuple[str, ...]]:
    """Every SOPS file at HEAD with its age recipients."""
    from sopsync import sops
    from sopsync.errors import DecryptError

    tree = repo.tree(commit)
    candidates = [path for path in tree if path.endswith((".yaml", ".yml", ".json", ".env", ".ini"))]
    found: dict[str, tuple[str, ...]] = {}
    for path, data in repo.read(tree, candidates, strict=False).items():
        if b"sops" not in data:
            continue
        try:
            sealed = sops.parse(data, format=sops.format_of(path))
        except DecryptError:
            continue
        found[path] = tuple(key.label for key in sealed.metadata.keys() if key.type == "age")  # noqa: SIM118
    return found


def _owner(top: Path, *, has_env: bool) -> str:
    """The directory's name, cut to what a stamp may hold."""
    from sopsync.stamp import OWNER

    name = "".join(c if OWNER.fullmatch(c) else "-" for c in top.name)[:40] or "secrets"
    return f"{name}/{{env}}" if has_env else name


def _ignore(path: Path) -> bool:
    """Keep the local store out of git; a line that is there already stays as it is."""
    text = path.read_text(encoding="utf-8", errors="surrogateescape") if path.exists() else ""
    if _IGNORED in text.splitlines():
        return False
    path.write_text(
        text + ("\n" if text and not text.endswith("\n") else "") + _IGNORED + "\n",
        encoding="utf-8",
        errors="surrogateescape",
    )
    return True


def _short(recipient: str) -> str:
    return f"{recipient[:9]}…{recipient[-2:]}" if len(recipient) > 16 else recipient
