"""What sopsync.sops refuses, for which reason, and in which words: files that are damaged, forged, or meant to harm."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import pytest

from sopsync.errors import DecryptError, Reason
from sopsync.sops import decrypt, parse
from sopsync.sops.cipher import BadValue, split
from sopsync.sops.flat import unflatten
from sopsync.sops.formats import Format, has_comment_that_counts
from sopsync.sops.tree import Kind, Scalar
from tests.sops import real
from tests.sops.forge import Forge, sealed
from tests.support.leaks import assert_clean

KEYS = real.keyring()


def open_(data: bytes, kind: Format = "yaml") -> Any:
    return decrypt(data, format=kind, keyring=KEYS)


def refusal(data: bytes, kind: Format = "yaml", where: str = "s/api.yaml") -> DecryptError:
    with pytest.raises(DecryptError) as error:
        decrypt(data, format=kind, keyring=KEYS, where=where)
    assert_clean(f"{error.value}{error.value!r}{error.value.args}")
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__
    return error.value


def test_errors_name_the_file_the_line_and_the_key() -> None:
    lines = sealed(b"a: canary-1\nl:\n  - canary-2\n  - num: 7\n").split(b"\n")
    at = next(i for i, line in enumerate(lines) if b"- num:" in line)
    lines[at] = b"    - num: canary-typed"
    error = refusal(b"\n".join(lines))
    assert error.reason is Reason.BAD_VALUE_FORMAT
    assert str(error).startswith(f"s/api.yaml:{at + 1}: l.num is not encrypted")
    assert "hint: edit the file with sops" in str(error)
    assert str(refusal(b"\n".join(lines), where="")).startswith(f"line {at + 1}: l.num")


def test_key_names_in_errors_are_harmless() -> None:
    """A hostile key name neither fills the screen nor drives the terminal."""
    data = sealed(b'{"\\u001b[31m\\n": {"' + b"k" * 5000 + b'": "canary-1"}}', "json")
    told = str(refusal(data.replace(b"data:", b"data:AAAA", 1), "json"))
    assert "<1b>[31m<0a>.kkk" in told
    assert told.isprintable()
    assert len(told) < 400


@pytest.mark.parametrize("kind", ["yaml", "json", "dotenv", "ini"])
def test_errors_have_the_right_line_in_every_format(kind: Format) -> None:
    plain = {
        "yaml": b"# c\n\nm:\n    k: canary-1\n",
        "json": b'{\n\n"m": {"k": "canary-1"}}',
        "dotenv": b"A=canary-2\n\nk=canary-1\n",
        "ini": b"[m]\n\nk = canary-1\n",
    }[kind]
    lines = sealed(plain, kind).split(b"\n")
    at = next(i for i, line in enumerate(lines) if line.lstrip(b'" ').startswith(b"k") or b'"k"' in line)
    lines[at] = lines[at].replace(b"data:", b"data:AAAA", 1)
    error = refusal(b"\n".join(lines), kind)
    assert error.reason is Reason.VALUE_AUTH_FAILED
    assert error.problems[0].where == f"s/api.yaml:{at + 1}"


@pytest.mark.parametrize("kind", ["yaml", "json", "dotenv", "ini", "binary"])
def test_files_that_are_not_sops_say_so(kind: Format) -> None:
    plain = {"yaml": b"a: canary\n", "json": b'{"a": "canary"}', "dotenv": b"A=canary\n", "ini": b"a=canary\n"}
    assert refusal(plain.get(kind, b"{}"), kind).reason is Reason.NO_METADATA
    assert refusal(b"", kind).reason is (Reason.PARSE if kind in ("json", "binary") else Reason.NO_METADATA)


def test_an_invalid_selector_is_refused_even_where_sops_lets_it_match_nothing() -> None:
    """sops opens this: no key ends with _unencrypted in it, so nothing changed. What its author meant nobody knows."""
    data = sealed(b"a: canary-1\n").replace(b"unencrypted_suffix: _unencrypted", b"unencrypted_regex: '('")
    assert real.decrypt(data, "yaml").json is not None
    assert refusal(data).reason is Reason.BAD_SELECTOR
    with pytest.raises(DecryptError, match=r"^s/api.yaml: unencrypted_regex is no valid") as error:
        parse(data, format="yaml", where="s/api.yaml")
    assert error.value.reason is Reason.BAD_SELECTOR


def test_integers_of_more_than_64_bits_are_refused_as_sops_refuses_them() -> None:
    data = sealed(b"a_unencrypted: 9223372036854775807\nb: canary\n")
    bad = data.replace(b"9223372036854775807", b"9223372036854775808")
    assert real.decrypt(bad, "yaml").reason == refusal(bad).reason == Reason.UNKNOWN_TYPE


def test_two_metadata_blocks_are_refused() -> None:
    data = sealed(b"a: canary-1\n---\nb: canary-2\n")
    first, second = data.split(b"\n---\n")
    assert refusal(first + b"\n---\nsops: x\n" + second).reason is Reason.PARSE
    flat = sealed(b"[s]\na=canary\n", "ini")
    assert refusal(flat + b"[sops]\nmac = x\n", "ini").reason is Reason.PARSE


@pytest.mark.parametrize("name", ["SOPS", "Sops", "\u017fop\u017f"])
@pytest.mark.parametrize("value", ['"canary"', "7", "[]", '{"mac": 7}', '{"mac": ""}'])
def test_json_keys_that_sops_takes_for_its_metadata(name: str, value: str) -> None:
    """encoding/json ignores case, so sops writes such files and cannot read them."""
    data = sealed(b'{"a": "canary-1"}', "json", "--encrypted-regex", "^a$")
    bad = data.rstrip()[:-1] + f', "{name}": {value}}}'.encode()
    assert real.decrypt(bad, "json").reason == refusal(bad, "json").reason
    if value.startswith('"'):
        assert real.decrypt(sealed(bad[:1] + f'"{name}": {value}}}'.encode(), "json"), "json").reason == "parse_error"


def test_json_metadata_is_merged_from_keys_of_any_case_as_sops_merges_it() -> None:
    data = sealed(b'{"SOPS": {"other": "canary-1"}, "a": "canary-2"}', "json")
    assert open_(data, "json").to_json() == real.decrypt(data, "json").json
    null = data.rstrip()[:-1] + b', "SOPS": null}'
    assert real.decrypt(null, "json").reason == refusal(null, "json").reason == Reason.NO_METADATA
    first = data.replace(b"{", b'{"SOPS": null, ', 1)
    assert open_(first, "json").to_json() == real.decrypt(first, "json").json


def test_a_json_document_of_null_has_no_metadata() -> None:
    assert real.decrypt(b" null\n", "json").reason == refusal(b" null\n", "json").reason == Reason.NO_METADATA
    assert real.decrypt(b"null x", "json").reason == refusal(b"null x", "json").reason == Reason.PARSE


def test_metadata_is_not_merged() -> None:
    """sops would take the fields of `<<` for its own, and never writes any. Passing over them would be another file."""
    data = sealed(b"a: canary-1\n")
    for field in (b"{mac: x}", b"[{version: x}]", b"x"):
        assert refusal(data.replace(b"\nsops:\n", b"\nsops:\n    <<: " + field + b"\n")).reason is Reason.PARSE


@pytest.mark.parametrize("version", [b"99999999999999999999.0.0", b"3.8.0-99999999999999999999"])
def test_numbers_of_a_version_fit_64_bits(version: bytes) -> None:
    data = sealed(b"a: canary-1\n")
    bad = re.sub(rb"\n    version: .*", b"\n    version: " + version, data)
    assert real.decrypt(bad, "yaml").json is None
    assert refusal(bad).reason is Reason.BAD_VERSION


@pytest.mark.parametrize("threshold", ["", "x", "2.5", "0x1", "inf", "1", "2.000000", "9223372036854775807"])
def test_the_flat_threshold_is_an_integer(threshold: str) -> None:
    data = sealed(b"A=canary-1\n", "dotenv") + f"sops_shamir_threshold={threshold}\n".encode()
    theirs = real.decrypt(data, "dotenv")
    if theirs.json is not None:
        assert open_(data, "dotenv").to_json() == theirs.json
    else:
        assert refusal(data, "dotenv").reason == theirs.reason == Reason.BAD_PLAINTEXT_OR_TIME


def test_what_go_yaml_refuses_and_libyaml_does_not() -> None:
    data = sealed(b"a: canary\nb: clear\n", "yaml", "--encrypted-regex", "^a$")
    for bad in (b"%YAML 1.2\n---\n" + data, data.replace(b"b: clear", b"<<: clear"), data + b"a: 1\n"):
        assert real.decrypt(bad, "yaml").reason == refusal(bad).reason == Reason.PARSE


def test_lone_surrogates_in_json_are_replaced_as_go_does() -> None:
    data = sealed('{"a_unencrypted": "\ufffd", "b": "canary"}'.encode(), "json")
    bad = data.replace("\ufffd".encode(), b"\\ud800")
    assert bad != data
    assert open_(bad, "json").to_json() == real.decrypt(bad, "json").json


def test_an_invalid_expression_is_not_printed(capfd: pytest.CaptureFixture[str]) -> None:
    """RE2 would write it to standard error by itself."""
    refusal(sealed(b"a: canary-1\n").replace(b"unencrypted_suffix: _unencrypted", b"unencrypted_regex: '('"))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "names", [("a", "a__map_b"), ("a__map_b", "a"), ("a__list_0", "a__map_b"), ("a__map_b", "a__list_0")]
)
def test_flat_metadata_that_contradicts_itself_is_refused(names: tuple[str, str]) -> None:
    with pytest.raises(DecryptError) as error:
        unflatten(dict.fromkeys(names, (Kind.STR, "x", 1, "x")))
    assert error.value.reason is Reason.PARSE


def test_comments_that_turn_into_values_are_found_as_an_expression_finds_them() -> None:
    """Which may take quadratic time; the texts here are short."""
    pattern = re.compile(rb"#(?:[\r\n]|\Z|ENC\[(?![^\r\n]*,type:comment\]))")
    rng = Random(1)
    found = 0
    for _ in range(2_000):
        data = b"".join(rng.choices((b"#ENC[", b",type:comment]", b"#", b"x", b"\n", b"\r"), (4, 4, 1, 3, 2, 1), k=6))
        assert has_comment_that_counts(data) == bool(pattern.search(data)), data
        found += has_comment_that_counts(data)
    assert 500 < found < 1_900


def test_ciphertexts_are_cut_as_a_greedy_expression_cuts_them() -> None:
    """sops' own expression, on texts too short for its backtracking to hurt."""
    pattern = re.compile(r"ENC\[AES256_GCM,data:(.+),iv:(.+),tag:(.+),type:(.+)\]")
    rng = Random(1)
    parts = (",iv:", ",tag:", ",type:", ",iv:x,tag:x,type:x]", "]", "]", "x", "x")
    matched = 0
    for _ in range(2_000):
        line = "ENC[AES256_GCM,data:" + "".join(rng.choice(parts) for _ in range(rng.randint(4, 20)))
        line = line.replace("x", "\n", 1) if rng.random() < 0.2 else line
        wanted = pattern.match(line)
        try:
            cut: tuple[str, ...] | None = split(line)
        except BadValue:
            cut = None
        assert cut == (wanted.groups() if wanted else None), line
        matched += wanted is not None
    assert 500 < matched < 1_900


# -- what only a recipient can make


@pytest.mark.parametrize(
    ("kind", "plain"),
    [
        ("int", [b"1.0", b"0x1", b"9223372036854775808", b"1_0", b" 1", b"+"]),
        ("float", [b"one", b"1e400", b"1__0", b"0x1"]),
        ("bool", [b"yes", b"tRUE", b"True "]),
        ("time", [b"2024-05-06", b"2024-02-30T00:00:00Z", b"2024-05-06T00:00:00+24:00", b"\xff"]),
    ],
)
def test_values_that_are_not_what_their_type_says_are_refused(kind: str, plain: list[bytes]) -> None:
    data = sealed(b"a: canary-1\n")
    for value in plain:
        forge = Forge(data, "yaml")
        line = next(line for line in data.split(b"\n") if line.startswith(b"a: "))
        forge.replace(line, b"a: " + forge.value(value, "a:", kind))
        assert refusal(forge.sign(value)).reason is Reason.BAD_PLAINTEXT_OR_TIME, value


def test_a_comment_in_the_place_of_a_value_is_refused() -> None:
    forge = Forge(sealed(b"a: canary-1\nb: canary-2\n"), "yaml")
    line = forge.data.split(b"\n")[0]
    data = forge.replace(line, b"a: " + forge.value(b" canary", "a:", "comment")).sign(b"canary-2")
    assert refusal(data).reason is Reason.UNREPRESENTABLE


@pytest.mark.parametrize(("kind", "reason"), [("int", Reason.MAC_UNDECRYPTABLE), ("comment", Reason.MAC_MISMATCH)])
def test_a_mac_must_be_a_string(kind: str, reason: Reason) -> None:
    assert refusal(Forge(sealed(b"a: canary-1\n"), "yaml").sign(b"canary-1", kind=kind)).reason is reason


def test_the_mac_is_compared_whole() -> None:
    forge = Forge(sealed(b"a: canary-1\n"), "yaml")
    assert open_(forge.sign(b"canary-1")).root.items[0][2].value == "canary-1"
    assert refusal(forge.sign(b"canary-2")).reason is Reason.MAC_MISMATCH
    assert refusal(forge.sign(b"canary-1", mac_only=True)).reason is Reason.MAC_MISMATCH


def test_large_clear_integers_of_newer_sops_in_json() -> None:
    """sops from 3.13.2 on hashes them exactly, before that as floats; both are read, each as what it was."""
    old = sealed(b'{"n_unencrypted": 9007199254740993, "a": "canary"}', "json")
    assert open_(old, "json").to_json() == real.decrypt(old, "json").json
    new = Forge(old.replace(b"9007199254740992", b"9007199254740993"), "json").sign(b"9007199254740993", b"canary")
    assert open_(new, "json").root.items[0][2] == Scalar(Kind.INT, 2, 9007199254740993)
    assert refusal(new.replace(b"740993", b"740995"), "json").reason is Reason.MAC_MISMATCH


# -- what comments do


def test_comments_that_count() -> None:
    """sops makes an empty string of an empty comment in a list, and hashes what was a value before it was a comment."""
    data = sealed(b"l:\n  - canary-1\n  #\n  - canary-2\n")
    assert open_(data).to_json() == real.decrypt(data, "yaml").json
    assert [item.value for item in open_(data).root.items[0][2].items] == ["canary-1", "", "canary-2"]
    data_ = sealed(b"l:\n  - clear\n  #\n  - canary-2\n", "yaml", "--encrypted-comment-regex", "^$")
    assert open_(data_).to_json() == real.decrypt(data_, "yaml").json
    line = next(line for line in data.split(b"\n") if b"- ENC" in line)
    bad = data.replace(line, line.replace(b"- ENC", b"#ENC"))
    assert open_(bad).to_json() == real.decrypt(bad, "yaml").json
    data = sealed(b"# canary-comment\na: canary-1\n")
    bad = data.replace(b"type:comment", b"type:str")
    assert real.decrypt(bad, "yaml").reason == refusal(bad).reason == Reason.MAC_MISMATCH
