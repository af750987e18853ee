"""The shape of the code, enforced: who may import whom, where each SDK lives, where plaintext is opened, what is short.

Each law yields what breaks it, all of it in one run; each is shown to bite on a planted breach.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.support.source import Module, load, matches, unit_of

# A unit is a module, or a whole subpackage. Units of one row do not import each other; none imports from a row above.
LAYERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("is started", ("__main__",)),
    ("speaks to a person", ("cli",)),
    ("keeps running", ("reconcile",)),
    ("traces what is live", ("blame", "status")),
    ("drives one run", ("session", "checking", "differing", "stores.testing")),
    ("says what a change would mean", ("meaning",)),
    ("looks at one commit", ("side",)),
    ("shows or keeps a run", ("render", "planfile", "audit")),
    ("one step of a run", ("manifest", "observe", "unseal", "apply", "documents", "provenance", "policies", "reach")),
    ("says what is wanted", ("config", "narrow", "shard")),
    ("decides", ("plan", "guard", "fence", "detail", "rules", "discover", "config_schema", "compare")),
    ("tells of a plan", ("planreport", "estate")),
    ("is told of a run", ("report", "lineage")),
    ("what decisions are made of", ("change", "chain", "limits", "encode", "digest", "origin", "age")),
    ("what config is made of", ("config_errors", "config_model", "patterns", "templates", "sopsrules")),
    ("text with places", ("yamlpos",)),
    ("reaches outside", ("stores", "sops", "git")),
    ("nouns", ("model", "grants")),
    ("what vouches", ("stamp",)),
    ("what can go wrong", ("errors",)),
    ("what records are made by", ("record",)),
)
RANK = {unit: rank for rank, (_, units) in enumerate(LAYERS) for unit in units}

# Decisions depend on their arguments alone: these units know no store, no key, no repository, no clock and no file.
PURE: tuple[str, ...] = ("errors", "stamp", "model", "change", "limits", "encode", "digest", "origin", "plan", "guard")
PURE += ("record", "report", "planreport", "compare", "age", "grants", "chain", "narrow", "shard")
PURE += ("fence", "detail", "rules", "discover", "yamlpos", "config_errors", "config_model", "patterns", "templates")
PURE_MAY_NAME = ("sops.tree", "sops.golang", "sops.emit")  # nouns of a parsed file, and how its scalars are spelt
IMPURE: tuple[str, ...] = (
    "asyncio",
    "ctypes",
    "io",
    "logging",
    "multiprocessing",
    "os",
    "random",
    "secrets",
    "shutil",
    "signal",
    "socket",
)
IMPURE += ("sqlite3", "subprocess", "sys", "tempfile", "threading", "time", "urllib.request")

# Package → the modules that may import it.
HOMES: Mapping[str, tuple[str, ...]] = {
    "azure": ("sops.keys.azure", "stores.azure*"),
    "boto3": ("sops.keys.aws", "sops.keys.kms", "stores.aws*"),
    "botocore": ("sops.keys.aws", "sops.keys.kms", "stores.aws*"),
    "click": ("cli.*",),
    "cryptography": ("sops.cipher", "sops.keys.*"),
    "google": ("sops.keys.gcp",),
    "hvac": ("sops.keys.vault", "stores.vault*"),
    "opentelemetry": ("reconcile.otel",),
    "pydantic": ("config", "config_*", "manifest", "planfile", "sops.metadata", "stores.kinds", "stores.*_settings"),
    "pyrage": ("sops.keys.rage",),
    "re2": ("sops.selectors",),
    "requests": ("sops.keys.vault", "stores.vault*"),
    "rich": ("cli.*", "render.*"),
    "sqlite3": ("stores.local*",),
    "subprocess": ("git.*", "sops.keys.command", "sops.keys.pgp"),
    "typer": ("cli.*",),
    "yaml": ("yamlpos", "config", "sops.yaml*"),
}

# Not loaded by any --help: each costs a tenth of a second or more, or is only there with an extra.
SLOW: tuple[str, ...] = ("azure", "boto3", "botocore", "cryptography", "google", "hvac", "opentelemetry", "pydantic")
SLOW += ("pyrage", "re2", "yaml")

# Where a value must become bytes. Everywhere else it stays a Secret.
REVEALS = (
    "encode",
    "stores.aws_ssm_rules",
    "stores.aws_secrets*",
    "stores.local*",
    "stores.vault*",
    "stores.testing.*",
)

# Here an exception may quote what it was given, so one of ours never carries it along: `raise … from None`.
NEAR_PLAINTEXT = ("sops", "stores", "encode", "documents", "manifest", "yamlpos")

# May touch `logging` and `warnings`: only to quieten SDKs.
QUIETENS = ("cli.app", "reconcile.otel", "sops.keys.base", "sops.keys.gcp", "stores.aws_session")

FILE_LINES, FUNCTION_LINES = 300, 60  # hard bounds; we aim for 250 and 40

MODULES = load()


# -- directions


def every_module_has_a_place(module: Module) -> Iterator[str]:
    if module.name and module.unit not in RANK:
        yield f"{module.name}: place it: add {module.unit!r} to LAYERS in tests/test_architecture.py"


def imports_go_one_way(module: Module) -> Iterator[str]:
    for line, name in module.internal(MODULES):
        target = unit_of(name)
        if target == module.unit or not module.name:
            continue
        mine, theirs = RANK.get(module.unit, -1), RANK.get(target, -1)
        if theirs <= mine:
            yield f"{module.name}:{line} imports {name}, which is {'above' if theirs < mine else 'beside'} it in LAYERS"


def imports_are_absolute(module: Module) -> Iterator[str]:
    for line, name in module.imports(MODULES):
        if name.startswith("."):
            yield f"{module.name}:{line} imports {name}; write sopsync.…"


def decisions_are_pure(module: Module) -> Iterator[str]:
    if module.unit not in PURE:
        return
    for line, name in module.internal(MODULES):
        if unit_of(name) not in PURE and name not in PURE_MAY_NAME:
            yield f"{module.name}:{line} decides, and imports {name}"
    for line, name in module.imports(MODULES):
        if any((name + ".").startswith(impure + ".") for impure in IMPURE):
            yield f"{module.name}:{line} decides, and imports {name}"


def each_sdk_has_one_home(module: Module) -> Iterator[str]:
    for line, name in module.imports(MODULES):
        homes = HOMES.get(name.partition(".")[0])
        if homes is not None and not matches(module.name, homes):
            yield f"{module.name}:{line} imports {name}; its home is {', '.join(homes)}"


# -- plaintext


def secrets_are_opened_in_few_places(module: Module) -> Iterator[str]:
    for node in module.nodes():
        if isinstance(node, ast.Attribute) and node.attr == "reveal" and not matches(module.name, REVEALS):
            yield f"{module.name}:{node.lineno} opens a Secret; only {', '.join(REVEALS)} may"


def our_errors_carry_no_other(module: Module) -> Iterator[str]:
    if module.unit not in NEAR_PLAINTEXT:
        return
    for handler in module.nodes():
        if not isinstance(handler, ast.ExceptHandler):
            continue
        for node in ast.walk(handler):
            if isinstance(node, ast.Raise) and node.exc is not None:
                same = isinstance(node.exc, ast.Name) and node.exc.id == handler.name
                if not same and not (isinstance(node.cause, ast.Constant) and node.cause.value is None):
                    yield f"{module.name}:{node.lineno} raises without `from None`"


SPEAKS = ("print", "input", "breakpoint", "exit", "quit", "SystemExit")
SPEAKS_AS = ("sys.exit", "os._exit", "sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__")
LOGS = ("debug", "info", "warning", "warn", "error", "critical", "exception", "log")


def only_the_command_line_speaks_and_exits(module: Module) -> Iterator[str]:
    if module.unit in ("cli", "__main__"):
        return
    for node in module.nodes():
        if isinstance(node, ast.Name) and node.id in SPEAKS:
            yield f"{module.name}:{node.lineno} uses {node.id} outside cli"
        if isinstance(node, ast.Attribute) and (name := ast.unparse(node)) in SPEAKS_AS:
            yield f"{module.name}:{node.lineno} uses {name} outside cli"


def nothing_is_logged(module: Module) -> Iterator[str]:
    """What a run has to say is its result; a log line is one more place a value could end up in."""
    quietens = matches(module.name, QUIETENS)
    for line, name in module.imports(MODULES):
        if name in ("logging", "warnings") and not quietens:
            yield f"{module.name}:{line} imports {name}"
    for node in module.nodes():
        if quietens and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOGS:
            yield f"{module.name}:{node.lineno} logs"


# -- length


def modules_are_short_and_say_what_they_are_for(module: Module) -> Iterator[str]:
    if module.lines > FILE_LINES:
        yield f"{module.name}: {module.lines} lines; that is two ideas"
    if not ast.get_docstring(module.tree):
        yield f"{module.name}: no docstring"
    for node in module.nodes():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                yield f"{module.name}:{node.lineno} {node.name}: {length} lines"


# -- the tests

Law = Callable[[Module], Iterator[str]]

# Each law, and a module that breaks it: (law, name, source).
PLANTED: tuple[tuple[Law, str, str], ...] = (
    (every_module_has_a_place, "novel", ""),
    (imports_go_one_way, "stamp", "from sopsync.model import Ref"),
    (imports_go_one_way, "sops.tree", "from sopsync import git"),
    (imports_go_one_way, "observe", "def f():\n    from sopsync.unseal import unseal"),
    (imports_are_absolute, "plan", "from . import model"),
    (decisions_are_pure, "plan", "from sopsync.stores.base import Store"),
    (decisions_are_pure, "guard", "import os.path"),
    (each_sdk_has_one_home, "apply", "import hvac"),
    (each_sdk_has_one_home, "stores.local", "from google.cloud import kms"),
    (secrets_are_opened_in_few_places, "apply", "x = secret.reveal()"),
    (our_errors_carry_no_other, "sops.cipher", "try:\n    f()\nexcept ValueError as e:\n    raise Ours() from e"),
    (our_errors_carry_no_other, "encode", "try:\n    f()\nexcept ValueError:\n    raise Ours()"),
    (only_the_command_line_speaks_and_exits, "apply", "print(1)"),
    (only_the_command_line_speaks_and_exits, "apply", "import sys\nsys.exit(1)"),
    (only_the_command_line_speaks_and_exits, "apply", "raise SystemExit"),
    (nothing_is_logged, "apply", "import logging"),
    (nothing_is_logged, "sops.keys.base", "logger.info(1)"),
    (modules_are_short_and_say_what_they_are_for, "apply", '"""Doc."""' + "\n" * FILE_LINES + "x = 1"),
    (modules_are_short_and_say_what_they_are_for, "apply", '"""Doc."""\ndef f():\n' + "    x = 1\n" * FUNCTION_LINES),
    (modules_are_short_and_say_what_they_are_for, "apply", "x = 1"),
)


@pytest.mark.parametrize("law", dict.fromkeys(law for law, *_ in PLANTED), ids=lambda law: law.__name__)
def test_law(law: Law) -> None:
    broken = [breach for module in MODULES.values() for breach in law(module)]
    assert not broken, "\n".join(["", *broken])


@pytest.mark.parametrize(("law", "name", "source"), PLANTED)
def test_law_bites(law: Law, name: str, source: str) -> None:
    assert list(law(Module.of(name, source)))


def test_no_import_cycles() -> None:
    """Within a subpackage rows do not help: no module may reach itself."""
    graph = {name: {n for _, n in module.internal(MODULES) if n != name} for name, module in MODULES.items()}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as cycle:
        pytest.fail(" imports ".join(reversed(cycle.args[1])), pytrace=False)


COMMANDS: tuple[str, ...] = ("", "init", "check", "plan", "diff", "apply", "reconcile")
COMMANDS += ("blame", "status", "versions", "audit verify", "policy", "schema")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_loads_no_sdk(command: str) -> None:
    # typer itself brings pydantic as soon as it has an option to read
    slow = [name for name in SLOW if name != "pydantic" or not command]
    script = (
        "import sys; from sopsync.cli import run\n"
        f"assert run({[*command.split(), '--help']!r}) == 0\n"
        f"print([name for name in {slow!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
