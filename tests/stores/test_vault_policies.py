"""What `sopsync policy` prints for a vault store is enough for each role, and no more, on a real OpenBao."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from itertools import count
from pathlib import Path

import pytest

from sopsync.grants import Glob, Role, Route, Wild
from sopsync.stores.vault_policy import grants, hcl
from sopsync.stores.vault_settings import VaultSettings
from tests.support.docs import Doc
from tests.support.repo import Repo
from tests.support.servers import OpenBao
from tests.support.story import Stage, capture, vault_stage

DOCS = Doc.at(Path(__file__).parents[2] / "docs" / "stores.md")
_numbers = count()


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bao: OpenBao) -> Stage:
    made = vault_stage(tmp_path, monkeypatch, bao, f"policy-{next(_numbers)}")
    configure(made)
    made.do_put(["api.yaml", "a=canary-1", "b=canary-2"])
    made.do_commit(["Start"])
    return made


def configure(stage: Stage, name: str = "api/{key}", owner: str = "acme", file: str = "api.yaml") -> None:
    store = f"{{type: vault, address: '{stage.variables['ADDRESS']}', mount: {stage.variables['MOUNT']}, prefix: p}}"
    rule = f"  - {{from: '{file}', to: [{{store: s, name: '{name}', prune: true}}]}}"
    stage.do_write(["sopsync.yaml"], ["version: 1", f"owner: {owner}", "stores:", f"  s: {store}", "sync:", rule])


def printed(role: str) -> str:
    """The policy text that the command prints."""
    code, said = capture(["policy", "--role", role])
    assert code == 0, said
    (policy,) = json.loads(said)["policies"]
    assert (policy["role"], policy["language"], policy["stores"]) == (role, "vault", ["s"])
    text: str = policy["policy"]
    return text


def become(bao: OpenBao, policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on a token with just that policy."""
    monkeypatch.setenv("VAULT_TOKEN", bao.token_for(policy, f"policy-{next(_numbers)}"))


def edit(stage: Stage) -> None:
    """Something to update, something to create, something to delete."""
    stage.do_unset(["api.yaml", "b"])
    stage.do_put(["api.yaml", "a=canary-3", "c=canary-4"])
    stage.do_commit(["Edit one, add one, remove one"])


@pytest.mark.parametrize(
    ("name", "owner", "file"),
    [
        ("api/{key}", "acme", "api.yaml"),
        ("{key}", "acme", "api.yaml"),
        ("{service}/{key}", "acme/{service}", "{service}.yaml"),
        ("x-{service}/{key}", "acme", "{service}.yaml"),
        ("all/{service}-{key}", "acme", "{service}.yaml"),
        ("{service}", "acme", "{service}.yaml"),
    ],
)
def test_each_role_can_do_its_work(
    stage: Stage, bao: OpenBao, monkeypatch: pytest.MonkeyPatch, *, name: str, owner: str, file: str
) -> None:
    configure(stage, name, owner, file)
    stage.do_commit(["Route"])
    many = 2 if "{key}" in name else 1
    for role, argv, says in (
        ("sealed", ["plan", "--sealed", "-q"], f"Plan: {many} create. Sealed"),
        ("plan", ["plan", "-q"], f"Plan: {many} create."),
        ("apply", ["apply", "--yes", "-q"], f"Applied: {many} create."),
        ("sealed", ["plan", "--sealed", "-q"], "No changes."),
        ("plan", ["plan", "--verify", "-q"], f"No changes. {many} entr"),
    ):
        become(bao, printed(role), monkeypatch)
        code, said = capture(argv)
        assert code == 0, f"{role}: {said}"
        assert said.startswith(says), f"{role}: {said}"
    edit(stage)
    become(bao, printed("prune"), monkeypatch)
    code, said = capture(["apply", "--yes", "-q"])
    wanted = "Applied: 1 create, 1 update, 1 delete.\n" if many == 2 else "Applied: 1 update.\n"
    assert (code, said) == (0, wanted)


def test_restamping_restoring_and_walking_need_no_more(
    stage: Stage, bao: OpenBao, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without `scan`, too, as on HashiCorp Vault, where no such line has a meaning."""
    assert capture(["apply", "--yes", "-q"])[0] == 0
    stage.do_rotate(["api.yaml"])
    stage.do_commit(["Rotate"])
    stage.do_outside(["soft_delete", "api/b"])
    become(bao, without(printed("apply"), "/detailed-metadata/"), monkeypatch)
    code, said = capture(["apply", "--yes", "-q"])
    assert (code, said) == (0, "Applied: 1 restamp, 1 restore.\n")


def without(policy: str, path: str, capability: str = "") -> str:
    """The policy without the one line of a path, or without a capability of it."""
    lines = policy.splitlines()
    found = [line for line in lines if path in line.split('"')[1] and capability in line]
    assert len(found) == 1, found
    if not capability:
        return "\n".join(line for line in lines if line != found[0])
    less = re.sub(rf'"{capability}"(, )?', "", found[0]).replace(", ]", " ]")
    return policy.replace(found[0], less)


# What becomes of a run without one thing: (role, path, capability, command, what it says).
NEEDED = [
    ("sealed", "/metadata/p/*", "", ["plan", "--sealed"], "list on"),
    ("plan", "/data/p/api/*", "", ["plan", "--verify"], "read on"),
    ("apply", "/data/p/api/*", "", ["apply", "--yes"], "read on"),
    ("apply", "/data/p/api/*", "update", ["apply", "--yes"], "create and update on"),
    ("apply", "/metadata/p/api/*", "create", ["apply", "--yes"], "create and update on"),
    ("apply", "/data/p/sopsync-fence/FENCE", "", ["apply", "--yes"], "create and update on"),
    ("apply", "/data/p/sopsync-fence/FENCE", "update", ["apply", "--yes"], "create and update on"),
    ("apply", "/metadata/p/sopsync-fence/FENCE", "", ["apply", "--yes"], "create, update and patch on"),
    ("prune", "/delete/p/api/*", "", ["apply", "--yes"], "update on"),
]


@pytest.mark.parametrize(("role", "path", "capability", "argv", "says"), NEEDED)
def test_less_is_not_enough(
    stage: Stage,
    bao: OpenBao,
    monkeypatch: pytest.MonkeyPatch,
    *,
    role: str,
    path: str,
    capability: str,
    argv: list[str],
    says: str,
) -> None:
    assert capture(["apply", "--yes", "-q"])[0] == 0
    edit(stage)
    policy = printed(role)
    fence = re.search(r"sopsync-fence/([0-9a-f]{32})", policy)
    path = path.replace("FENCE", fence[1] if fence else "")
    less = without(policy, path, capability)
    if role == "sealed":
        less = without(less, "/detailed-metadata/")  # either lists
    become(bao, less, monkeypatch)
    code, said = capture(argv)
    assert code in (1, 3), said
    assert says in said, said
    assert stage.do_live(["api/a", "value=canary-1"]) in ("value: as told", "value: different")
    assert stage.outside.peek("api/a") is not None


@pytest.mark.parametrize(
    ("path", "capability"), [("/data/p/sopsync-fence/", "create"), ("/metadata/p/api/*", "update")]
)
def test_the_first_time_needs_more(
    stage: Stage, bao: OpenBao, monkeypatch: pytest.MonkeyPatch, *, path: str, capability: str
) -> None:
    """A fence that never stood, and an entry whose creation was cut off after the claim."""
    claim = {"custom_metadata": {"sopsync-o": "acme"}}
    bao.call("POST", f"{stage.variables['MOUNT']}/metadata/p/api/a", claim)
    policy = printed("apply")
    become(bao, without(policy, path, capability), monkeypatch)
    code, said = capture(["apply", "--yes"])
    assert code in (1, 3), said
    assert "create and update on" in said, said
    become(bao, policy, monkeypatch)
    code, said = capture(["apply", "--yes", "-q"])
    assert code == 0, said


def test_a_late_mirror_makes_a_sealed_plan_read_the_fence(
    stage: Stage, bao: OpenBao, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert capture(["apply", "--yes", "-q"])[0] == 0
    policy = printed("sealed")
    mount = stage.variables["MOUNT"]
    (fence,) = bao.call("GET", f"{mount}/metadata/p/sopsync-fence?list=true")["data"]["keys"]
    held = bao.call("GET", f"{mount}/data/p/sopsync-fence/{fence}")["data"]["data"]
    bao.call("POST", f"{mount}/data/p/sopsync-fence/{fence}", {"data": held})
    become(bao, policy, monkeypatch)
    assert capture(["plan", "--sealed", "-q"])[0] == 0
    become(bao, without(policy, "/data/p/sopsync-fence/*"), monkeypatch)
    code, said = capture(["plan", "--sealed"])
    assert (code, "read on" in said) == (1, True), said


@pytest.mark.parametrize("less", ["scan", "patch"])
def test_what_spares_calls_can_be_done_without(
    stage: Stage, bao: OpenBao, monkeypatch: pytest.MonkeyPatch, *, less: str
) -> None:
    """`scan` makes a survey one call; `patch` keeps what others change meanwhile. Vault before 1.9 has neither."""
    calls: list[int] = []
    assert capture(["apply", "--yes", "-q"])[0] == 0
    for policy in (
        printed("apply"),
        without(printed("apply"), {"scan": "/detailed-metadata/"}.get(less, "/metadata/p/api/*"), less),
    ):
        become(bao, policy, monkeypatch)
        stage.do_put(["api.yaml", f"a=canary-{len(calls)}-new"])
        stage.do_commit(["Edit"])
        code, said = capture(["apply", "--yes", "-v"])
        assert code == 0, said
        calls.append(int(re.search(r"s: (\d+) calls", said)[1]))  # type: ignore[index]
    assert calls[0] < calls[1]


def test_a_stranger_beside_us_is_out_of_reach(stage: Stage, bao: OpenBao, monkeypatch: pytest.MonkeyPatch) -> None:
    mount = stage.variables["MOUNT"]
    assert capture(["apply", "--yes", "-q"])[0] == 0
    token = bao.token_for(printed("prune"), f"policy-{next(_numbers)}")
    for method, path in (
        ("GET", "data/p/web/x"),
        ("POST", "data/p/web/x"),
        ("POST", "metadata/p/web/x"),
        ("POST", "delete/p/web/x"),
        ("POST", "data/p/sopsync-fence/" + "0" * 32),
        ("GET", "data/other"),
        ("GET", "metadata/other"),
        ("DELETE", "metadata/p/api/a"),
        ("POST", "destroy/p/api/a"),
    ):
        with pytest.raises(Exception, match="403") as refused:
            bao.call(method, f"{mount}/{path}", {"data": {}} if method == "POST" else None, token=token)
        refused.value.close()  # type: ignore[attr-defined]


# -- the text


def rules(policy: str) -> dict[str, set[str]]:
    return {
        m[1]: set(re.findall(r'"(\w+)"', m[2]))
        for m in re.finditer(r'path "(.*?)" +\{ capabilities = (.*?) \}', policy)
    }


NAMES: list[Glob] = [
    ("api/", Wild.ANY),
    (Wild.SEGMENT,),
    (Wild.SEGMENT, "/", Wild.ANY),
    (Wild.ANY,),
    ("a/", Wild.SEGMENT, "/b"),
    ("sopsync-fenc", Wild.ANY),
    (Wild.SEGMENT, "/b/", Wild.SEGMENT),
    ('quo"te/{{identity}}/', Wild.SEGMENT),
]


def routed(names: Iterable[Glob], owners: frozenset[str] | None) -> Iterator[Route]:
    yield from (Route(name, owners, prune=True) for name in names)


@pytest.mark.parametrize("owners", [None, frozenset({"acme", "old"})])
@pytest.mark.parametrize("names", [*([name] for name in NAMES), NAMES, []])
def test_roles_are_nested_and_every_path_has_what_it_needs(
    names: list[Glob], owners: frozenset[str] | None, bao: OpenBao
) -> None:
    """By the server's own word: it says for any path what a token may do."""
    settings = VaultSettings(type="vault", mount="kv", prefix="pay")
    every = list(grants("s", settings, list(routed(names, owners))))
    concrete = {
        path.replace("*", filling).replace("+", "seg")
        for grant in every
        for path in grant.resources
        for filling in ("x", "x/y", "sopsync-fence/0")
    }
    concrete |= {f"{path}/" for path in concrete}
    named = {path for grant in every for path in grant.resources if not re.search(r"[+*]", path)}  # nobody lists them
    before: dict[str, set[str]] = {path: set() for path in concrete}
    for role in Role:
        mine = [grant for grant in every if role.covers(grant.role)]
        token = bao.token_for(hcl(mine), f"policy-{next(_numbers)}")
        told = bao.call("POST", "sys/capabilities", {"paths": sorted(concrete), "token": token})
        for path in concrete:
            has = set(told[path]) - {"deny"}
            folders = set() if path.endswith("/") and path[:-1] not in named else {"list", "scan"}
            needs = {a for g in mine for glob in g.resources if fits(glob, path) for a in g.actions}
            assert needs - folders <= has, (role, path)
            assert before[path] - folders <= has, (role, path)
            before[path] = has


def fits(glob: str, path: str) -> bool:
    return (
        fnmatchcase(path, glob.replace("[", "[[]"))
        if "+" not in glob
        else bool(re.fullmatch(re.escape(glob).replace(r"\+", "[^/]+").replace(r"\*", ".*"), path))
    )


def test_docs_show_what_the_command_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (config,) = [
        block for block in DOCS.blocks() if block.info == "yaml sopsync" and "type: vault" in "\n".join(block.lines)
    ]
    repo = Repo.init(tmp_path / "acme")
    repo.write("sopsync.yaml", "\n".join(config.lines) + "\n")
    repo.commit("Configure")
    monkeypatch.chdir(repo.path)
    code, said = capture(["policy", "--format", "hcl"])
    assert code == 0, said
    shown = [line for block in DOCS.blocks() if block.info == "hcl" for line in block.lines if line]
    got = [line for line in said.splitlines() if not line.startswith("# note")]
    assert shown == got
