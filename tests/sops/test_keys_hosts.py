"""An address in a file gets our credentials only if somebody allowed that very server, and is read in one way only."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from urllib3.util import parse_url

from sopsync.sops.keys.hosts import Origin, covered, origin


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://vault.example.com", "https://vault.example.com"),
        ("HTTPS://Vault.Example.COM:443/", "https://vault.example.com"),
        ("http://127.0.0.1:8200", "http://127.0.0.1:8200"),
        ("https://[::1]:8200", "https://[::1]:8200"),
    ],
)
def test_the_same_server_is_written_in_one_way(address: str, expected: str) -> None:
    found = origin(address)
    assert found is not None
    assert found.url == expected
    assert origin(found.url) == found


@pytest.mark.parametrize(
    "address",
    [
        "",
        "vault.example.com",
        "ftp://vault.example.com",
        "https://",
        "https://me@vault.example.com",
        "https://evil.example.net\\@vault.example.com",
        "https://vault.example.com\\@evil.example.net",
        "https://vault.example.com/prefix",
        "https://vault.example.com?x",
        "https://vault.example.com#x",
        "https://vault.example.com:",
        "https://vault.example.com:99999",
        "https://vault.example.com:80:80",
        "https://vault.example.com\n.evil.example.net",
        " https://vault.example.com",
        "https://vault。example.com",
        "https://[::1",
        "https://-x",
    ],
)
def test_what_could_be_read_in_two_ways_is_no_address(address: str) -> None:
    assert origin(address) is None


@settings(deadline=None)
@given(st.text(st.sampled_from("https:/.@\\?#[]:%abé0189 \t\n"), max_size=30).map(lambda rest: "https://" + rest))
@example("https://a.b:1@c")
def test_the_client_reads_an_address_as_we_do(address: str) -> None:
    found = origin(address)
    if found is not None:
        theirs = parse_url(address)
        assert (theirs.host or "").strip("[]").lower() == found.host
        assert (theirs.port or 443) == found.port


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("https://v.example.com", ["v.example.com"]),
        ("https://v.example.com:8200", ["v.example.com"]),
        ("https://v.example.com:8200", ["other", "V.EXAMPLE.com:8200"]),
        ("https://v.example.com", ["v.example.com:443"]),
        ("https://v.example.com", ["https://v.example.com/"]),
        ("http://v.example.com:8200", ["http://v.example.com:8200"]),
        ("http://127.0.0.1:8200", ["127.0.0.1"]),
        ("http://localhost:8200", ["localhost:8200"]),
        ("https://[::1]:8200", ["[::1]"]),
    ],
)
def test_an_allowed_server_is_covered(address: str, allowed: list[str]) -> None:
    assert covered(_origin(address), allowed)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("https://v.example.com", []),
        ("https://v.example.com", ["", "example.com", "*.example.com", "v.example.co", "xv.example.com"]),
        ("https://v.example.com.evil.net", ["v.example.com"]),
        ("https://v.example.com:8200", ["v.example.com:8201", "https://v.example.com"]),
        # a token must not go over the net in clear because somebody trusts the server
        ("http://v.example.com", ["v.example.com", "v.example.com:80", "https://v.example.com"]),
        ("http://v.example.com:8200", ["http://v.example.com"]),
    ],
)
def test_a_server_that_nobody_allowed_is_not(address: str, allowed: list[str]) -> None:
    assert not covered(_origin(address), allowed)


def _origin(address: str) -> Origin:
    found = origin(address)
    assert found is not None
    return found
