"""`sopsync policy`: the least that each role must be allowed to do in the stores of this config."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from sopsync.cli import options as o
from sopsync.grants import Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sopsync.session import Session


class Format(StrEnum):
    """How to print it."""

    JSON = "json"
    TERRAFORM = "terraform"
    HCL = "hcl"


def policy(
    *,
    role: Annotated[
        list[Role] | None,
        typer.Option(
            "--role",
            metavar="<sealed|plan|apply|prune>",
            help="Only this role (repeatable). Each holds those before it.",
        ),
    ] = None,
    store: o.Stores = None,
    form: Annotated[Format, typer.Option("--format", help="hcl is for Vault alone.")] = Format.JSON,
    repo: o.Repo = o.HERE,
    rev: o.Rev = "HEAD",
    config: o.Config = o.CONFIG,
    config_from: o.ConfigFrom = "",
) -> int:
    """Print the least policies for planning and applying.

    One for each role: sealed plans, plans, apply, and apply that deletes. Needs no keys, contacts no store.
    """
    from sopsync.cli.exits import UsageError
    from sopsync.cli.output import out
    from sopsync.policies import policies
    from sopsync.reach import routes
    from sopsync.render import policy as render

    with o.open_session(repo=repo, rev=rev, config=config, config_from=config_from, store=store) as session:
        stores = tuple(session.ask.stores or session.config.stores)
        routed = [route for file in session.manifests.files.values() for route in file.routes]
        files = _files(session, stores)
        made = policies(
            session.config,
            routes(session.config, routed),
            [session.manifests.files[path].metadata for path in files],
            stores=stores,
            roles=role or list(Role),
        )
        notes = [*_notes(session, stores, files), *render.too_long(made)]
        match form:
            case Format.JSON:
                out([render.policies_json(session.commit, made, notes)])
            case Format.TERRAFORM:
                out(render.terraform_lines(made, notes))
            case Format.HCL if not any(one.holder.language == "vault" for one in made):
                raise UsageError("hcl is for Vault, and there is no vault store", hint="--format json, or terraform")
            case Format.HCL:
                out(render.hcl_lines(made, notes))
        return 0


def _files(session: Session, stores: tuple[str, ...]) -> list[str]:
    """The manifests that are opened for these stores."""
    if not session.ask.stores:
        return list(session.manifests.files)
    wanted = session.manifests.desired.values()
    return list(dict.fromkeys(want.origin.path for want in wanted if want.ref.store in stores))


def _notes(session: Session, stores: tuple[str, ...], files: list[str]) -> Iterator[str]:
    """What the policies cannot say."""
    from sopsync.errors import printable
    from sopsync.sops.grants import nameable
    from sopsync.stores.kinds import KINDS

    for name in stores:
        kind = session.config.stores[name].type
        if not list(KINDS[kind].grants(name, session.config.stores[name], ())):
            yield f"{name}: whoever may use the files of a {kind} store may do everything"
    for rule in session.config.rules:
        if rule.targets is None:
            yield f"the files of the rule at {rule.where} route themselves; covered are those of {session.commit[:7]}"
    for path in session.manifests.broken:
        yield f"{printable(path)} cannot be read, and its keys are not covered"
    for path in files:
        for key in session.manifests.files[path].metadata.keys():  # noqa: SIM118 - no mapping
            if not nameable(key):
                yield f"{printable(path)}: not the name of one key, and not covered: {printable(key.label)}"
