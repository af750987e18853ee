"""The contract on a real OpenBao, twice: as it is, and as HashiCorp Vault would have it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sopsync.stores.testing import Contract, Expected, Harness
from sopsync.stores.vault_transport import Transport
from tests.stores.thorough import Thorough
from tests.stores.vault_harness import LEAST, VaultHarness
from tests.support.servers import OpenBao

SCANNED = Expected(
    # nothing at all might also be what KV version 1 says to a SCAN: one more call to tell
    survey=lambda entries: 1 if entries else 2,
    create=3, update=2, restore=2, restamp=2, delete=2, read=1, fence=2,
)  # fmt: skip
WALKED = Expected(
    # SCAN refused; two folders (all, and the fences); each entry, and the fence
    survey=lambda entries: 1 + 2 + entries + 1 if entries else 3,
    create=4, update=2, restore=2, restamp=2, delete=2, read=1, fence=2,
)  # fmt: skip


@pytest.fixture(scope="session")
def contract_mount(bao: OpenBao) -> str:
    return bao.mount("contract")


class TestOpenBao(Contract):
    """SCAN and `metadata_cas`, with the policy that the documentation gives."""

    @pytest.fixture
    def empty(self, bao: OpenBao, contract_mount: str, connections: Transport) -> Callable[[], Harness]:
        token = bao.token_for(LEAST.format(mount=contract_mount), "least")
        return lambda: VaultHarness(bao, contract_mount, token, connections, SCANNED, hashicorp=False)


class TestHashiCorp(Thorough):
    """A walk, no `metadata_cas`, and a policy that has never heard of `scan`."""

    quick = ("create",)

    @pytest.fixture
    def empty(self, bao: OpenBao, contract_mount: str, connections: Transport) -> Callable[[], Harness]:
        policy = "\n".join(line for line in LEAST.splitlines() if "scan" not in line)
        token = bao.token_for(policy.format(mount=contract_mount), "no-scan")
        return lambda: VaultHarness(bao, contract_mount, token, connections, WALKED, hashicorp=True)
