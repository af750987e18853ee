"""The reference pages and the models name the same options, with the same defaults."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from sopsync.config_model import (
    ConfigModel,
    ManifestModel,
    MetadataModel,
    RuleModel,
    TargetModel,
    ThresholdsModel,
    UpdatesModel,
)
from sopsync.stores.aws_secrets_settings import AwsSecretsSettings
from sopsync.stores.aws_ssm_settings import AwsSsmSettings
from sopsync.stores.kinds import KINDS
from sopsync.stores.local_settings import LocalSettings
from sopsync.stores.vault_settings import VaultSettings
from sopsync.templates import NAME_FILTERS, VALUE_FILTERS

PAGES = Path(__file__).parents[2] / "docs" / "reference"
CONFIG, MANIFESTS = ((PAGES / name).read_text(encoding="utf-8") for name in ("config.md", "manifests.md"))


def table(page: str, section: str, head: str) -> dict[str, str]:
    """Name → default, of the table whose first column is called `head` in a section."""
    text = re.split(r"^#+ .*$", page[page.index(f" {section}\n") :], maxsplit=2, flags=re.MULTILINE)[0]
    for block in text.split("\n\n"):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines() if line[:1] == "|"]
        if rows and rows[0][0] == head:
            return {row[0].strip("`"): row[1] for row in rows[2:]}
    raise AssertionError(f"no table of {head} in {section}")


def options(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


TABLES: list[tuple[str, str, str, type[BaseModel]]] = [
    (CONFIG, "Top level", "option", ConfigModel),
    (CONFIG, "`local`", "option", LocalSettings),
    (CONFIG, "`vault`", "option", VaultSettings),
    (CONFIG, "`aws-ssm`", "option", AwsSsmSettings),
    (CONFIG, "`aws-secretsmanager`", "option", AwsSecretsSettings),
    (CONFIG, "Rules", "option", RuleModel),
    (CONFIG, "Targets", "option", TargetModel),
    (CONFIG, "Thresholds", "`thresholds`", ThresholdsModel),
    (CONFIG, "Thresholds", "each", UpdatesModel),
    (MANIFESTS, "A manifest that routes itself", "option", ManifestModel),
    (MANIFESTS, "A manifest that routes itself", "`metadata`", MetadataModel),
]


@pytest.mark.parametrize(("page", "section", "head", "model"), TABLES, ids=lambda x: getattr(x, "__name__", None))
def test_every_option_is_documented_and_none_that_is_not(
    page: str, section: str, head: str, model: type[BaseModel]
) -> None:
    documented = table(page, section, head)
    assert set(documented) == set(options(model))
    for name, field in options(model).items():
        assert field.is_required() == (documented[name] == "required"), name
        if isinstance(field.default, bool | int):
            assert str(field.default).lower() in documented[name], name
        elif isinstance(field.default, str) and field.default:
            assert f"`{field.default}`" in documented[name], name


def test_every_kind_of_store_has_its_section() -> None:
    assert set(KINDS) == set(table(CONFIG, "Stores", "type"))
    assert {model for *_, model in TABLES} >= {kind.settings for kind in KINDS.values()}


def test_every_way_to_log_in_is_documented_with_its_options() -> None:
    documented = table(CONFIG, "`vault`", "`auth.method`")
    models: tuple[type[BaseModel], ...] = get_args(VaultSettings.model_fields["auth"].annotation)
    assert len(models) == len(documented) > 2
    for model in models:
        (method,) = get_args(model.model_fields["method"].annotation)
        assert set(re.findall(r"`([a-z_]+)`", documented[method])) >= set(model.model_fields) - {"method"}, method


def test_every_filter_and_encoding_is_documented() -> None:
    for name in (*NAME_FILTERS, *VALUE_FILTERS):
        assert f"\\|{name}}}`" in CONFIG, name
    encodings = re.findall(r"'(\w+)'", str(TargetModel.model_fields["encode"].annotation))
    assert len(encodings) == 3
    for name in encodings:
        assert f"* `{name}`: " in CONFIG, name
