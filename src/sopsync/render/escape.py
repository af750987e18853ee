"""Text that others wrote, made harmless: one function for each language that it is written into.

Key names, paths, owners and messages may come from a pull request. A terminal and a log are `errors.printable`'s; all
others start from it, so that no control character, no bidirectional override and no stray byte gets as far as here.
"""

from __future__ import annotations

from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from sopsync.errors import encoded, printable


def markdown(text: str) -> str:
    """A code span: in it nobody is mentioned, nothing is linked, and no HTML or markup counts (GFM 6.1, 6.3).

    A pipe would end the cell of a table, a backtick the span, and a backslash may be read twice: with one of them the
    span is HTML, and every character but letters, digits and blanks an entity, which never is markup (GFM 6.2).
    """
    shown = printable(text)
    if not shown.strip():
        return ""
    if not set(shown) & set("|`\\"):
        return f"`{shown}`"
    return f"<code>{''.join(c if c.isalnum() or c == ' ' else f'&#{ord(c)};' for c in shown)}</code>"


def comment(text: str) -> str:
    """Inside `<!-- -->`: letters, digits and a few marks, the rest percent-encoded; it cannot end the comment."""
    return quote(encoded(text), safe="/.:@+{} ").replace("--", "-%2D")


def command_data(text: str) -> str:
    """The message of a workflow command of GitHub (actions/toolkit, packages/core/src/command.ts, escapeData)."""
    return printable_lines(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def command_property(text: str) -> str:
    """A property of one (escapeProperty). Not made printable first: a path must stay what it is."""
    raw = encoded(text).decode("utf-8", "replace")
    escaped = raw.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A").replace(":", "%3A").replace(",", "%2C")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in escaped)


def printable_lines(text: str) -> str:
    """Printable, but lines stay lines."""
    return "\n".join(map(printable, text.split("\n")))


def sarif_message(text: str) -> str:
    """Plain text of SARIF 2.1.0: brackets would be a link (3.11.6), braces a placeholder (3.11.5)."""
    shown = printable_lines(text).replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    return shown.replace("{", "{{").replace("}", "}}")


def uri(path: str) -> str:
    """A path of the repository as a relative reference (RFC 3986); its bytes, whatever they are."""
    quoted = quote(encoded(path), safe="/")
    return quoted.replace("//", "/%2F")


def xml_text(text: str) -> str:
    """Character data of XML 1.0."""
    return escape(printable_lines(text))


def xml_attribute(text: str) -> str:
    """An attribute's value, with its quotes."""
    return quoteattr(printable(text))
