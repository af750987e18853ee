"""What must hold before anything is sent, and the words for what did not: of one store of Parameter Store. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sopsync.errors import Conflict, Rejected
from sopsync.model import Payload, Traits, Version
from sopsync.stores.aws_ssm_entry import Listed, unkept
from sopsync.stores.aws_ssm_settings import SECURE


@dataclass(frozen=True, slots=True)
class Rules:
    """Limits and errors never say how long a value is that breaks them."""

    store: str
    traits: Traits

    def legal(self, name: str) -> bool:
        return len(name) <= self.traits.max_name and re.fullmatch(self.traits.name_pattern, name) is not None

    @property
    def of_names(self) -> str:
        return f"a name is {self.traits.name_rule}; at most {self.traits.max_name} characters"

    def text(self, name: str, payload: Payload, options: Mapping[str, str], tags: Mapping[str, str]) -> str:
        """The value to write. Rejected if AWS would refuse it, its name, its options or its tags."""
        self.nameable(name, tags)
        self._options(name, options)
        if payload.value is None:
            raise self._rejected(name, "a parameter is one value, not a map", "encode: json, or {key} in its name")
        raw = payload.value.reveal()
        limit = self.traits.max_bytes_of.get(("tier", options.get("tier", "")), self.traits.max_bytes)
        if not raw:
            raise self._rejected(name, "empty, and a parameter cannot be", "leave the key out, or route it elsewhere")
        if len(raw) > limit:
            more = "" if limit > self.traits.max_bytes else "tier: advanced takes 8192 bytes; or "
            raise self._rejected(name, f"too large: it takes {limit} bytes", f"{more}split it over several entries")
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            raise self._rejected(name, "not UTF-8 text, and a parameter is", "encode it: base64") from None
        if re.search(r"\{\{.*\}\}", text, re.DOTALL):
            # docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
            raise self._rejected(name, "AWS takes no value with {{…}} in it", "encode it: base64")
        return text

    def nameable(self, name: str, tags: Mapping[str, str]) -> None:
        if not self.legal(name):
            raise self._rejected(ascii(name)[1:-1], self.of_names, "rename it in the config")
        if why := unkept(tags):
            raise self._rejected(name, why, "change tags in the config")

    def same_type(self, live: Listed, options: Mapping[str, str]) -> None:
        wanted = options.get("type") or SECURE
        if live.type != wanted:
            what = f"it is a {live.type}, and AWS never changes the type of a parameter"
            raise self._rejected(live.name, what, f"delete it, and it is created as a {wanted}; or route it elsewhere")

    def moved(self, name: str, expect: Version | None, found: str) -> Conflict:
        wanted = "nothing" if expect is None else f"v{expect}"
        return Conflict(f"planned on {wanted}, found {found}", store=self.store, name=name, hint="plan again")

    def overtaken(self, name: str, expect: Version, live: int) -> Conflict:
        """Not nothing was changed; so it says what was."""
        if live > int(expect):
            lost = f"v{int(expect) + 1}" + (f" to v{live - 1}" if live - 1 > int(expect) + 1 else "")
            what = f"{lost} was written meanwhile, and is in the history; ours is live as v{live}"
            hint = f"look: aws ssm get-parameter-history --name {name}; then plan again"
        else:
            what, hint = f"it was deleted meanwhile; ours is live as v{live}", "plan again"
        return Conflict(what, store=self.store, name=name, hint=hint)

    def _options(self, name: str, options: Mapping[str, str]) -> None:
        for option, choices in self.traits.choices.items():
            if options.get(option, choices[0]) not in choices:
                raise self._rejected(name, f"{option} is one of {', '.join(choices)}", "change it in the config")
        if "type" in options and "type" not in self.traits.options:
            raise self._rejected(name, f"chamber writes {SECURE} only", "leave type out")
        if options.get("type") == "String" and options.get("kms_key"):
            raise self._rejected(name, "a String is not encrypted, so it has no key", "leave kms_key or type out")

    def _rejected(self, name: str, what: str, hint: str) -> Rejected:
        return Rejected(what, store=self.store, name=name, hint=hint)
