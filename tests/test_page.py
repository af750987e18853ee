"""The status page: complete, closed to the outside, fit for keyboard and screen reader, and in a real browser."""

from __future__ import annotations

import re
import struct
import subprocess
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sopsync.render.page_style import STYLE
from tests.support import leaks
from tests.support.story import Stage, capture, local_outside
from tests.support.tools import need

CONFIG = """
version: 1
owner: acme
stores:
  local: {type: local, recipients: [$RECIPIENT]}
  down: {type: vault, address: "http://127.0.0.1:1", mount: kv}
  second: {type: local, path: .sopsync/second.db, recipients: [$RECIPIENT]}
sync:
  - from: "services/{service}/{env}.yaml"
    to:
      - {store: local, name: "{env}/{service}/{key}"}
      - {store: down, name: "{env}/{service}"}
      - {store: second, name: "{env}/{service}/{key}"}
  - from: "odd/*.yaml"
    to:
      - {store: local, name: "odd/{key}"}
  - from: "own/*.yaml"
"""
HOSTILE = "<script>document.title='taken'</script><img src=//evil.example> \x1b[31m"
ODD = 'odd/"><script>document.title="taken"<!-- &amp; \x1b.yaml'


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page with everything on it, some of it made by somebody who means ill."""
    stage = Stage(tmp_path, monkeypatch, local_outside)
    stage.do_write(["sopsync.yaml"], CONFIG.strip().splitlines())
    stage.do_put(["services/api/prod.yaml", "token=canary-1", "db=canary-2"])
    stage.do_put(["services/web/stage.yaml", "token=canary-3"])
    stage.do_put([ODD, f"a<b>{'long' * 30}=canary-4"])
    stage.do_manifest(["own/pay.yaml", "90d", '{store: local, name: "pay/{key}"}', "key=canary-5"])
    stage.do_commit([f"Start {HOSTILE} (#410)"])
    monkeypatch.setenv("VAULT_TOKEN", "canary-no-such-token")
    assert capture(["apply", "--yes", "-q"])[0] == 3
    stage.do_put(["services/api/prod.yaml", "token=canary-6"])
    stage.do_put(["services/new/prod.yaml", "token=canary-7"])
    stage.do_drop(["services/web/stage.yaml"])
    stage.do_commit(["Rotate (#412)"])
    stage.do_outside(["put", "prod/api/db", "value=canary-foreign"])
    stage.do_outside(["put", "prod/new/token", "value=canary-theirs"])
    assert capture(["apply", "--yes", "-q", "--store", "second"])[0] == 0
    monkeypatch.delenv("SOPS_AGE_KEY")
    made = tmp_path / "status.html"
    assert capture(["status", "--html", str(made)])[0] == 1
    leaks.assert_clean(made)
    return made


class Parsed(HTMLParser):
    """Elements as (name, attributes, names of those around it), and text by the element that holds it."""

    VOID = ("meta", "img", "br", "link", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str], tuple[str, ...]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}, tuple(self._open)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag, f"</{tag}> is out of place"

    def handle_data(self, data: str) -> None:
        self.texts.append((self._open[-1] if self._open else "", data))

    def named(self, *tags: str) -> Iterator[dict[str, str]]:
        return (attributes for tag, attributes, _ in self.elements if tag in tags)


def test_the_page_lets_nothing_in_and_nothing_run(page: Path) -> None:
    parsed = Parsed(page.read_text())
    assert not {"script", "img", "link", "iframe", "form", "object"} & {tag for tag, *_ in parsed.elements}
    for tag, attributes, _ in parsed.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "src"], (tag, attributes)
        assert attributes.get("href", "#").startswith("#")
    assert "url(" not in STYLE
    assert "@import" not in STYLE
    policy = [meta["content"] for meta in parsed.named("meta") if "http-equiv" in meta]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_what_others_wrote_is_shown_as_text(page: Path) -> None:
    shown = "".join(data for _, data in Parsed(page.read_text()).texts)
    assert f"Start {HOSTILE} (#410)".replace("\x1b", "\\x1b") in shown
    assert ODD.replace("\x1b", "<1b>") in shown
    assert "\x1b" not in page.read_text()


def test_a_screen_reader_finds_its_way(page: Path) -> None:
    parsed = Parsed(page.read_text())
    assert [attributes["lang"] for attributes in parsed.named("html")] == ["en"]
    levels = [int(tag[1]) for tag, *_ in parsed.elements if re.fullmatch(r"h\d", tag)]
    assert levels == [1, *[2] * 5]
    ids = [attributes["id"] for _, attributes, _ in parsed.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes, _ in parsed.elements:
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids
        if attributes.get("href", "").startswith("#"):
            assert attributes["href"][1:] in ids
    tables = sum(1 for _ in parsed.named("table"))
    assert tables == sum(1 for _ in parsed.named("caption")) == 5
    assert all(attributes.get("scope") in ("col", "row", "rowgroup") for attributes in parsed.named("th"))
    # what scrolls can be reached with the keyboard, and has a name
    scrolling = [a for a in parsed.named("div") if a.get("class") == "scroll"]
    assert len(scrolling) == tables
    assert all(a["tabindex"] == "0" and a["role"] == "region" for a in scrolling)
    assert all("aria-label" in a or "aria-labelledby" in a for a in scrolling)


def test_the_page_tells_everything(page: Path) -> None:
    shown = " ".join(" ".join(data for _, data in Parsed(page.read_text()).texts).split())
    for expected in (
        "down did not answer", "1 secret overdue", "entries changed outside git", "waiting to be applied",
        "? unreachable", "x conflict", "! drift", "o orphan", "! rotate", "= in sync", "~ update",
        "local:prod/api/db v2, expected v1", "sopsync.yaml:10: prune: true deletes it", "every 90d: ",
        "#410", "#412", "Ana Diaz", "a year or more 8", "the whole file", "not there",
    ):  # fmt: skip
        assert expected in shown, expected


def test_a_page_that_cannot_be_written_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(tmp_path, monkeypatch, local_outside)
    stage.do_write(["sopsync.yaml"], CONFIG.strip().splitlines())
    stage.do_commit(["Start"])
    code, said = capture(["status", "--store", "local", "--html", "none/status.html"])
    assert (code, said.splitlines()[0]) == (1, "error: none/status.html: cannot write it: No such file or directory")
    assert capture(["status", "--store", "local", "--html", str(tmp_path / "s.html")])[0] == 0
    text = (tmp_path / "s.html").read_text()
    for expected in ("No value is live yet", "Git wants no secret", "No live value comes from a commit", "Nothing."):
        assert expected in text


# -- contrast: WCAG 2.2, 1.4.3 and 1.4.11


def colours(scheme: str) -> dict[str, str]:
    light, dark = STYLE.split("@media (prefers-color-scheme: dark)")
    block = light if scheme == "light" else dark.partition("* {")[0]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))


def contrast(one: str, two: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(two)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_schemes(scheme: str) -> None:
    found = colours(scheme)
    pairs = [(text, ground) for text in ("text", "soft", "link") for ground in ("ground", "raised")]
    pairs += [(tone, f"{tone}-ground") for tone in ("good", "wait", "bad", "idle")]
    assert {name for pair in pairs for name in pair} | {"line"} == found.keys()
    assert not [pair for pair in pairs if contrast(found[pair[0]], found[pair[1]]) < 4.5]


def test_contrast_is_measured_right() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


# -- a real browser


def browse(page: Path, tmp_path: Path, *args: str) -> str:
    quiet = ("quic", "background-networking", "component-update", "sync", "gpu", "dev-shm-usage")
    done = subprocess.run(
        [
            need("chromium"), "--headless", "--no-sandbox", "--no-first-run", "--hide-scrollbars",
            *(f"--disable-{what}" for what in quiet), f"--user-data-dir={tmp_path / 'profile'}", *args, page.as_uri(),
        ],
        capture_output=True, check=True, timeout=120,
    )  # fmt: skip
    return done.stdout.decode()


@pytest.mark.parametrize(("scheme", "setting"), [("light", 1), ("dark", 0)])
def test_chromium_follows_the_scheme(scheme: str, setting: int, page: Path, tmp_path: Path) -> None:
    shot = tmp_path / "shot.png"
    browse(
        page, tmp_path, f"--blink-settings=preferredColorScheme={setting}", f"--screenshot={shot}",
        "--window-size=1200,900",
    )  # fmt: skip
    assert first_pixel(shot.read_bytes()) == colours(scheme)["ground"]


def first_pixel(png: bytes) -> str:
    """Top left, as `#rrggbb`. No filter of PNG changes the first pixel of the first row."""
    at, data = 8, b""
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        data += png[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += length + 12
    return "#" + zlib.decompress(data)[1:4].hex()


def test_chromium_reads_what_was_written(page: Path, tmp_path: Path) -> None:
    """Nothing that others wrote became an element, or ran."""
    dom = Parsed(browse(page, tmp_path, "--dump-dom"))
    assert [tag for tag, *_ in dom.elements] == [tag for tag, *_ in Parsed(page.read_text()).elements]
    (title,) = [data for tag, data in dom.texts if tag == "title"]
    assert title.startswith("Secrets at ")


def test_chromium_fits_a_narrow_window(page: Path, tmp_path: Path) -> None:
    """Tables scroll within themselves; the page never does sideways. Measured by a script put into a copy."""
    measure = "<script>document.title=document.documentElement.scrollWidth+' '+innerWidth</script></body>"
    text = re.sub(r"<meta http-equiv[^>]*>", "", page.read_text()).replace("</body>", measure)
    copy = tmp_path / "measured.html"
    copy.write_text(text)
    dom = Parsed(browse(copy, tmp_path, "--dump-dom", "--window-size=500,900"))
    (title,) = [data for tag, data in dom.texts if tag == "title"]
    width, window = map(int, title.split())
    assert width <= window <= 500
