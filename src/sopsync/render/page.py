"""The status as one page that needs nothing else: for a browser, a screen reader, or paper. No script at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from sopsync.change import Action
from sopsync.errors import printable
from sopsync.estate import Estate, Shelf, Standing, ages, span
from sopsync.render.page_style import STYLE
from sopsync.render.status import due, last_applied

# What the reader should make of a state; always beside its glyph and word, never colour alone.
_TONES = {
    Action.UNCHANGED: "good", Action.DRIFT: "bad", Action.CONFLICT: "bad", Action.UNKNOWN: "bad", Action.ORPHAN: "idle",
}  # fmt: skip
_ATTENTION = (Action.CONFLICT, Action.DRIFT, Action.UNKNOWN, Action.ORPHAN)
_SECTIONS = (
    ("attention", "Needs attention"),
    ("stores", "Stores"),
    ("ages", "Age of values"),
    ("matrix", "Secrets in stores"),
    ("changes", "Last changes"),
)


def status_page(estate: Estate) -> str:
    """The whole HTML document. Whatever was written by others is escaped, and its policy lets nothing load or run."""
    plan = estate.plan
    title = f"Secrets at {plan.commit[:7]}" + (f" ({plan.branch})" if plan.branch else "")
    at = f"{estate.at:%Y-%m-%d %H:%M} UTC"
    links = "".join(f'<li><a href="#{name}">{heading}</a></li>' for name, heading in _SECTIONS)
    parts = (_attention(estate), _stores(estate), _ages(estate), _matrix(estate), _changes(estate))
    body = "".join(
        f'<section aria-labelledby="{name}"><h2 id="{name}">{heading}</h2>{"".join(part)}</section>\n'
        for (name, heading), part in zip(_SECTIONS, parts, strict=True)
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="robots" content="noindex">
<title>{_text(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header>
<h1>{_text(title)}</h1>
<p class="soft">As of {_time(at, estate.at.isoformat())}. Names and versions only: no value was read, no key used.</p>
<nav aria-label="Sections"><ul>{links}</ul></nav>
</header>
<main id="main">
{"".join(_verdict(estate))}
{body}</main>
<footer class="soft"><p>Made by sopsync status. “In sync” says that an entry matches its stamp; sopsync plan --verify
reads the values too.</p></footer>
</body>
</html>
"""


# -- sections


def _verdict(estate: Estate) -> Iterator[str]:
    """The one sentence, and the numbers."""
    total = sum(shelf.entries for shelf in estate.shelves)
    counts = {action: sum(shelf.counts.get(action, 0) for shelf in estate.shelves) for action in Action}
    pending = sum(shelf.pending for shelf in estate.shelves)
    down = [shelf.name for shelf in estate.shelves if shelf.problem is not None]
    bad = counts[Action.DRIFT] + counts[Action.CONFLICT]
    said = [
        f"not everything could be seen: {', '.join(down)} did not answer" if down else "",
        "not everything could be read" if not down and (counts[Action.UNKNOWN] or estate.plan.broken) else "",
        f"{_count(bad, 'entry', 'entries')} changed outside git or in conflict" if bad else "",
        f"{_count(len(estate.overdue), 'secret', 'secrets')} overdue for rotation" if estate.overdue else "",
        f"{_count(pending, 'change', 'changes')} waiting to be applied" if pending else "",
    ]
    said = [one for one in said if one]
    tone = "good" if not said else "wait" if len(said) == 1 and pending else "bad"
    sentence = "; ".join(said) if said else f"all {_count(total, 'entry', 'entries')} match what git says"
    yield f'<p class="verdict {tone}">{_text(sentence[0].upper() + sentence[1:])}.</p>'
    orphan = "?" if estate.plan.filtered else counts[Action.ORPHAN]
    tiles = (
        ("Entries", total), ("In sync", counts[Action.UNCHANGED]), ("Pending", pending),
        ("Drift", counts[Action.DRIFT]), ("Conflict", counts[Action.CONFLICT]), ("Orphan", orphan),
        ("Unknown", counts[Action.UNKNOWN]), ("Overdue", len(estate.overdue)),
    )  # fmt: skip
    yield f'<dl class="tiles">{"".join(f"<div><dt>{word}</dt><dd>{n}</dd></div>" for word, n in tiles)}</dl>'
    for note in estate.plan.notes:
        yield f'<p class="soft">Note: {_text(note)}</p>'


def _attention(estate: Estate) -> Iterator[str]:
    """Everything that somebody has to look at, with what to do."""
    rows = [[_state_of("bad", "?", "unread"), _code(p.where), _text(p.what), _text(p.hint)] for p in estate.plan.broken]
    for shelf in estate.shelves:
        if shelf.problem is not None:
            state = _state_of("bad", "?", "unreachable")
            rows.append([state, _code(shelf.name), _text(shelf.problem.what), _text(shelf.problem.hint)])
    down = {shelf.name for shelf in estate.shelves if shelf.problem is not None}
    for action in _ATTENTION:
        for one in estate.standings:
            change = one.change
            if change.action is action and change.ref.store not in down:
                reason = change.reason.split("\n")[0]
                hint = change.hint or "sopsync plan reads the value and tells more"
                rows.append([_state(one), _code(str(change.ref)), _text(reason), _text(hint)])
    for one in estate.standings:
        if one.overdue or (one.live and one.rotate_after and one.since is None):
            state = _state_of("wait", "!", "rotate")
            rows.append([state, _code(str(one.change.ref)), _text(due(one, estate.at)), "put a new value into git"])
    if not rows:
        yield "<p>Nothing.</p>"
        return
    yield _table("What needs attention, worst first", ("State", "Where", "What", "What to do"), rows, "attention")


def _stores(estate: Estate) -> Iterator[str]:
    head = ("Store", "Entries", "In sync", "Pending", "Drift", "Orphan", "Conflict", "Unknown", "Last applied")
    filtered = estate.plan.filtered
    rows = [[_text(s.name), *_numbers(s, filtered=filtered), _text(last_applied(s, estate.at))] for s in estate.shelves]
    caption = "One row a store. Last applied: the commit, and how long ago it was made"
    yield _table(caption, head, rows, "stores", numbers=range(1, 8))


def _numbers(shelf: Shelf, *, filtered: bool) -> list[str]:
    if shelf.problem is not None:
        return [str(shelf.entries or "?"), *["?"] * 6]
    counts = {action: str(shelf.counts.get(action, 0)) for action in Action}
    if filtered:
        counts[Action.ORPHAN] = "?"
    shown = (Action.DRIFT, Action.ORPHAN, Action.CONFLICT, Action.UNKNOWN)
    return [str(shelf.entries), counts[Action.UNCHANGED], str(shelf.pending), *(counts[action] for action in shown)]


def _ages(estate: Estate) -> Iterator[str]:
    bands = ages(estate)
    total = sum(bands.values())
    if not total:
        yield "<p>No value is live yet.</p>"
        return
    rows = [
        [band, str(count), f'<span class="bar" style="width:{20 * count / total:.1f}rem"></span>{count / total:.0%}']
        for band, count in bands.items()
    ]
    caption = "How long ago live values were made, by the commit each comes from"
    yield _table(caption, ("Age", "Values", "Share"), rows, "ages", numbers=(1,))


def _matrix(estate: Estate) -> Iterator[str]:
    """One row a secret, grouped by file; one column a store."""
    names = [shelf.name for shelf in estate.shelves]
    files: dict[str, dict[str, dict[str, list[Standing]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for one in estate.standings:
        origin = one.change.origin
        path, key = (origin.path, origin.pointer) if origin else ("", str(one.change.ref))
        files[path][key][one.change.ref.store].append(one)
    if not files:
        yield "<p>Git wants no secret, and no store holds one of ours.</p>"
        return
    columns = "".join(f'<th scope="col">{_text(name)}</th>' for name in names)
    yield '<div class="scroll" role="region" tabindex="0" aria-label="Secrets in stores">'
    yield '<table class="matrix"><caption>Each secret of each file, and how it stands in each store</caption>'
    yield f'<thead><tr><th scope="col">Secret</th>{columns}</tr></thead>'
    for path, secrets in sorted(files.items()):
        file = _code(path) if path else "in no file"
        yield f'<tbody><tr><th class="file" scope="rowgroup" colspan="{len(names) + 1}">{file}</th></tr>'
        for key, stores in sorted(secrets.items()):
            cells = "".join(f"<td>{_cell(stores.get(name, ()), estate)}</td>" for name in names)
            yield f'<tr><th scope="row">{_code(key) if key else "the whole file"}</th>{cells}</tr>'
        yield "</tbody>"
    yield "</table></div>"


def _cell(standings: Sequence[Standing], estate: Estate) -> str:
    if not standings:
        return '<span aria-hidden="true" class="soft">&ndash;</span><span class="hidden">not there</span>'
    return "".join(_entry(one, estate) for one in standings)


def _entry(one: Standing, estate: Estate) -> str:
    seen = one.change.seen
    parts = [f"v{seen.version}" if one.live and seen is not None else "", _age(one, estate), due(one, estate.at)]
    said = ", ".join(part for part in parts if part)
    return (
        f'<div class="entry">{_state(one)}<span>{_text(said)}</span>'
        f'<span class="soft">{_code(one.change.ref.name)}</span></div>'
    )


def _age(one: Standing, estate: Estate) -> str:
    if not one.live:
        return ""
    return f"{span(estate.at - one.since)} old" if one.since else "age unknown"


def _changes(estate: Estate) -> Iterator[str]:
    rows = []
    for recent in estate.recent:
        info = recent.told.info
        if info is None:
            continue
        when = _time(info.date[:10], info.date)
        rows.append(
            [
                when,
                _code(info.commit[:7]),
                *map(_text, (info.author, info.subject, recent.told.pull)),
                str(len(recent.entries)),
            ]
        )
    if not rows:
        yield "<p>No live value comes from a commit of this clone.</p>"
        return
    head = ("Date", "Commit", "Author", "Why", "Pull request", "Live entries")
    yield _table("The newest commits that live values come from", head, rows, "changes", numbers=(5,))


# -- pieces


def _table(
    caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], name: str, *, numbers: Sequence[int] = ()
) -> str:
    """Cells are HTML already; the first of a row is its header."""

    def kind(at: int) -> str:
        return ' class="number"' if at in numbers else ""

    columns = "".join(f'<th scope="col"{kind(i)}>{word}</th>' for i, word in enumerate(head))
    lines = "".join(
        f'<tr><th scope="row">{row[0]}</th>'
        + "".join(f"<td{kind(i)}>{cell}</td>" for i, cell in enumerate(row[1:], 1))
        + "</tr>\n"
        for row in rows
    )
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-labelledby="{name}"><table>'
        f"<caption>{caption}</caption><thead><tr>{columns}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def _state(one: Standing) -> str:
    action = one.change.action
    word = "in sync" if action is Action.UNCHANGED else action.value
    return _state_of(_TONES.get(action, "wait"), action.glyph, word)


def _state_of(tone: str, glyph: str, word: str) -> str:
    return f'<span class="state {tone}"><span aria-hidden="true">{escape(glyph)}</span> {word}</span>'


def _time(shown: str, machine: str) -> str:
    return f'<time datetime="{escape(machine)}">{escape(shown)}</time>'


def _code(text: str) -> str:
    return f"<code>{_text(text)}</code>"


def _text(text: str) -> str:
    return escape(printable(text))


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
