"""The chart and the kustomize base, through real helm and kubectl: valid, hardened, and true to the command line."""

from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from sopsync.cli.app import app
from sopsync.cli.schedule import seconds
from sopsync.reconcile.slices import look_back
from tests.deploy.tools import (
    CHART,
    DEPLOY,
    Object,
    composed,
    faults,
    helm_in,
    kustomized,
    objects,
    pods,
    run,
    weaknesses,
)

CASES = sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").iterdir())
OVERLAYS = ["base", *sorted(f"overlays/{path.name}" for path in (DEPLOY / "overlays").iterdir())]


class Helm:
    """Real helm, with a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.program = helm_in(folder)
        self.rendered: dict[str, tuple[Object, ...]] = {}

    def lint(self, case: str) -> str:
        return run(self.program, "lint", "--strict", CHART, "-f", CHART / "ci" / f"{case}-values.yaml")

    def template(self, case: str) -> tuple[Object, ...]:
        if case not in self.rendered:
            values = CHART / "ci" / f"{case}-values.yaml"
            self.rendered[case] = objects(run(self.program, "template", "acme", CHART, "-f", values))
        return self.rendered[case]

    def refuses(self, case: str, *settings: str) -> str:
        values = CHART / "ci" / f"{case}-values.yaml"
        command: list[str | Path] = [self.program, "template", "acme", CHART, "-f", values]
        command += [word for setting in settings for word in ("--set", setting)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode != 0, f"helm took {settings}"
        return done.stderr


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(tmp_path_factory.mktemp("helm"))


def named(things: tuple[Object, ...], kind: str, name: str) -> Object:
    (found,) = [thing for thing in things if (thing["kind"], thing["metadata"]["name"]) == (kind, name)]
    return found


def arguments(thing: Object) -> list[str]:
    found: list[str] = pods(thing)[0]["spec"]["containers"][0]["args"]
    return found


# -- valid


@pytest.mark.parametrize("case", CASES)
def test_helm_lints(case: str, helm: Helm) -> None:
    assert "0 chart(s) failed" in helm.lint(case)


@pytest.mark.parametrize("case", CASES)
def test_what_helm_renders_is_valid(case: str, helm: Helm) -> None:
    things = helm.template(case)
    assert {thing["kind"] for thing in things} >= {"ServiceAccount"}
    assert [f"{thing['kind']}: {fault}" for thing in things for fault in faults(thing)] == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_kustomize_builds_is_valid(overlay: str) -> None:
    things = kustomized(overlay)
    assert [thing["kind"] for thing in things] == ["ServiceAccount"] * 2 + ["CronJob"] * 2
    assert [f"{thing['kind']}: {fault}" for thing in things for fault in faults(thing)] == []


def test_a_fault_is_seen_by_both() -> None:
    thing = copy.deepcopy(named(kustomized("base"), "CronJob", "sopsync-apply"))
    thing["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["readOnlyRootFileSystem"] = True
    found = faults(thing)
    assert [fault for fault in found if fault.startswith("1.")]
    assert [fault for fault in found if fault.startswith("kubectl: ") and "readOnlyRootFileSystem" in fault]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("image.digest=latest", "digest"),
        ("image.digest=", "image.digest is required"),
        ("repository.url=https://user:token@host/x.git", "url"),
        ("repository.url=http://host/x.git", "url"),
        ("shards=0", "shards"),
        ("identity.provider=aws", "provider"),
        ("intervall=5m", "intervall"),
        ("identity.drift.id=", "identity.drift.id is required"),
        ("webhook.url=https://hooks.example.com/sopsync", "url"),
        ("mode=deployment", "only with mode: cronjob"),
    ],
)
def test_helm_refuses(setting: str, said: str, helm: Helm) -> None:
    assert said in helm.refuses("aws", setting)


# -- hardened


def all_pods(helm: Helm) -> list[tuple[str, Object]]:
    found = [(case, pod) for case in CASES for thing in helm.template(case) for pod in pods(thing)]
    return found + [(overlay, pod) for overlay in OVERLAYS for thing in kustomized(overlay) for pod in pods(thing)]


def test_every_pod_is_hardened(helm: Helm) -> None:
    assert [(where, weak) for where, pod in all_pods(helm) for weak in weaknesses(pod)] == []


@pytest.mark.parametrize(
    ("change", "weak"),
    [
        ({"securityContext": {}}, "runAsNonRoot"),
        ({"automountServiceAccountToken": True}, "automountServiceAccountToken"),
        ({"hostNetwork": True}, "host"),
        ({"volumes": [{"name": "tmp", "hostPath": {"path": "/"}}]}, "hostPath"),
    ],
)
def test_a_weakness_is_seen(change: dict[str, Any], weak: str) -> None:
    pod = copy.deepcopy(pods(named(kustomized("base"), "CronJob", "sopsync-apply"))[0])
    assert weaknesses(pod) == []
    pod["spec"] |= change
    assert weak in weaknesses(pod)


def test_no_run_overlaps_the_one_before(helm: Helm) -> None:
    jobs = [t for case in CASES for t in helm.template(case) if t["kind"] == "CronJob"]
    jobs += [t for overlay in OVERLAYS for t in kustomized(overlay) if t["kind"] == "CronJob"]
    assert {job["spec"]["concurrencyPolicy"] for job in jobs} == {"Forbid"}
    (deployment,) = [t for t in helm.template("vault") if t["kind"] == "Deployment"]
    assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]["type"]) == (1, "Recreate")


def test_images_are_named_by_digest(helm: Helm) -> None:
    images = {pod["spec"]["containers"][0]["image"] for case in CASES for t in helm.template(case) for pod in pods(t)}
    assert all("@sha256:" in image for image in images)


# -- true to the command line


def test_the_arguments_are_ones_that_sopsync_takes(helm: Helm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOPSYNC_GIT_APP_ID", "7")
    command = typer.main.get_command(app).commands["reconcile"]  # type: ignore[attr-defined]
    seen = set()
    for where, pod in all_pods(helm):
        first, *rest = pod["spec"]["containers"][0]["args"]
        assert first == "reconcile", where
        given = command.make_context("reconcile", list(rest)).params
        seen |= {name for name, value in given.items() if value}
    assert {"token_file", "token_command", "ssh_key", "known_hosts", "allowed_signers", "shard", "every"} <= seen
    assert {"listen", "webhook_url_file", "webhook_key_file", "dry_run", "sealed", "pushgateway"} <= seen


def test_values_are_texts_whatever_they_look_like(helm: Helm, tmp_path: Path) -> None:
    """YAML would make a comment, a map or a number of them: another branch than was asked for, or no pod at all."""
    values = yaml.safe_load((CHART / "ci" / "aws-values.yaml").read_text())
    command = "/bin/app-token --for 'a: b' #1"
    values["repository"] |= {"ref": "x #y", "config": "a: b.yaml", "auth": "command", "command": command}
    values["repository"]["allowedSigners"] = {"configMap": "1e3", "key": "on"}
    values |= {"age": {"secret": "123", "key": "0x1"}, "webhook": {"secret": "0o7"}, "timeZone": "null"}
    (tmp_path / "values.yaml").write_text(json.dumps(values))
    things = objects(run(helm.program, "template", "acme", CHART, "-f", tmp_path / "values.yaml"))
    assert [fault for thing in things for fault in faults(thing)] == []
    job = named(things, "CronJob", "acme-apply")
    assert {"--rev=x #y", "--config=a: b.yaml", f"--token-command={command}", "--shard=4"} <= set(arguments(job))
    assert job["spec"]["timeZone"] == "null"


def test_the_drift_job_cannot_write_and_is_somebody_else(helm: Helm) -> None:
    for case in CASES:
        for thing in helm.template(case):
            for pod in pods(thing):
                name = thing["metadata"]["name"]
                assert ("--dry-run" in arguments(thing)) == name.endswith("-drift")
                assert pod["spec"]["serviceAccountName"] == name
    sealed = named(helm.template("vault"), "CronJob", "acme-drift")
    assert "--sealed" in arguments(sealed)
    assert "SOPS_AGE_KEY_FILE" not in str(sealed), "no keys for who uses none"


def test_the_drift_job_reads_a_share_of_the_values_each_time(helm: Helm) -> None:
    """Each run looks back one and a half intervals: a whole period or more of that is every value."""
    for things, name in ((helm.template("aws"), "acme-drift"), (kustomized("base"), "sopsync-drift")):
        given = dict(one.split("=", 1) for one in arguments(named(things, "CronJob", name)) if "=" in one)
        interval, period = (seconds(option, given[option]) for option in ("--interval", "--verify-within"))
        assert look_back(interval, None) < period / 4


def test_shards_are_an_indexed_job_whose_parts_fail_alone(helm: Helm) -> None:
    spec = named(helm.template("aws"), "CronJob", "acme-apply")["spec"]["jobTemplate"]["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 4, 4)
    assert spec["backoffLimitPerIndex"] == 2
    assert spec["podFailurePolicy"]["rules"][1]["action"] == "FailIndex"
    assert "--shard=4" in spec["template"]["spec"]["containers"][0]["args"]


# -- identity


@pytest.mark.parametrize(
    ("provider", "annotation", "label"),
    [
        ("aws", "eks.amazonaws.com/role-arn", None),
        ("azure", "azure.workload.identity/client-id", "azure.workload.identity/use"),
        ("gcp", "iam.gke.io/gcp-service-account", None),
    ],
)
def test_cloud_identities(provider: str, annotation: str, label: str | None, helm: Helm) -> None:
    for things, prefix in ((helm.template(provider), "acme"), (kustomized(f"overlays/{provider}"), "sopsync")):
        accounts = [named(things, "ServiceAccount", f"{prefix}-{role}") for role in ("apply", "drift")]
        ids = [account["metadata"]["annotations"][annotation] for account in accounts]
        assert ids[0] != ids[1], "the drift check may only read"
        for pod in (pod for thing in things for pod in pods(thing)):
            uses = pod["metadata"]["labels"].get("azure.workload.identity/use")
            assert uses == ("true" if label else None)


def test_vault_has_a_token_for_itself_alone(helm: Helm) -> None:
    for things in (helm.template("vault"), kustomized("overlays/vault")):
        for pod in (pod for thing in things for pod in pods(thing)):
            (volume,) = [v for v in pod["spec"]["volumes"] if v["name"] == "vault"]
            (source,) = volume["projected"]["sources"]
            assert source["serviceAccountToken"]["audience"] == "vault"
            (mount,) = [m for m in pod["spec"]["containers"][0]["volumeMounts"] if m["name"] == "vault"]
            assert mount["mountPath"] == "/var/run/secrets/sopsync/vault"


def test_eks_pod_identity_wants_no_annotation(helm: Helm) -> None:
    assert "annotations" not in named(helm.template("aws-pod-identity"), "ServiceAccount", "acme-apply")["metadata"]


def test_no_secret_is_in_an_argument_or_a_plain_variable(helm: Helm) -> None:
    for _, pod in all_pods(helm):
        for volume in pod["spec"]["volumes"]:
            for how in ("secret", "projected"):
                if how in volume:
                    assert volume[how]["defaultMode"] == 0o440
        for one in pod["spec"]["containers"][0]["env"]:
            assert not any(word in one["name"] for word in ("TOKEN", "PASSWORD", "_KEY")) or one["name"].endswith(
                "_FILE"
            )


# -- one truth


@pytest.mark.parametrize("more", [(), ("age", "webhook")])
def test_the_base_is_what_the_chart_is_by_default(more: tuple[str, ...], helm: Helm, tmp_path: Path) -> None:
    """And with each component, what the chart is with that value."""
    values = {
        "image": {"repository": "sopsync", "digest": "sha256:" + "0" * 64},
        "repository": {"url": "https://git.example.com/acme/secrets.git", "auth": "token"}
        | {"token": {"secret": "sopsync-git"}},
    } | {name: {"secret": f"sopsync-{name}"} for name in more}
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    chart = objects(run(helm.program, "template", "sopsync", CHART, "-f", tmp_path / "values.yaml"))
    base = composed(tmp_path, "base", *(f"components/{name}" for name in more))
    assert [fault for thing in base for fault in faults(thing)] == []
    for role in ("apply", "drift"):
        ours = [plain(named(things, "CronJob", f"sopsync-{role}")) for things in (chart, base)]
        assert ours[0] == ours[1]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_component_fits_on_every_overlay(overlay: str, tmp_path: Path) -> None:
    things = composed(tmp_path, overlay, *(f"components/{path.name}" for path in (DEPLOY / "components").iterdir()))
    assert [fault for thing in things for fault in faults(thing)] == []
    for pod in (pod for thing in things for pod in pods(thing)):
        assert weaknesses(pod) == []
        mounted = {mount["name"] for mount in pod["spec"]["containers"][0]["volumeMounts"]}
        assert {volume["name"] for volume in pod["spec"]["volumes"]} == mounted
        assert {"age", "webhook"} <= mounted


def plain(job: Object) -> Object:
    """A CronJob without what may differ: labels, how the URL is given, options that say the default."""
    spec: Object = copy.deepcopy(job["spec"])
    spec["jobTemplate"].pop("metadata", None)
    pod = spec["jobTemplate"]["spec"]["template"]
    pod.pop("metadata")
    container = pod["spec"]["containers"][0]
    container.pop("image")
    container.pop("imagePullPolicy", None)
    container["env"] = [one for one in container["env"] if one["name"] != "SOPSYNC_REPOSITORY"]
    said = {"--config=sopsync.yaml", "--verify-within=24h", "--token-user=x-access-token"}
    container["args"] = sorted(a for a in container["args"] if a not in said and not a.startswith("--repo="))
    for volume in pod["spec"]["volumes"]:
        volume.get("secret", {}).pop("items", None)
    return spec
