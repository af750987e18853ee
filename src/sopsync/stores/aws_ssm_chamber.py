"""The conventions of segmentio/chamber, so that it reads what we write and writes what we read. Pure.

Its source (store/ssmstore.go, store/store.go, cmd/root.go, at 8936b38) is cited by function:

* A secret is the parameter `/service/key` (`idToName`), both lower case (cmd: `utils.NormalizeService`,
  `strings.ToLower`), the key of `[\\w\\-\\.]+`, the service of the same, with slashes in between (`validateKey`,
  `validateService`): `CHAMBER` in aws_ssm_settings.
* It is a SecureString under `alias/parameter_store_key` unless CHAMBER_KMS_KEY_ALIAS says otherwise (`KMSKey`).
* `Description` is its own version number: one more than that of the live version (`Write`); what is no number is 0
  (`parameterMetaToSecretMeta`, which ignores the error of `strconv.Atoi`). It need not be the number AWS counts.

So a stamp cannot be in the Description; it is in the tags `sopsync-w` and `sopsync-p`, which chamber leaves alone.
"""

from __future__ import annotations

import re

KEY = "alias/parameter_store_key"


def number(description: str) -> int:
    """`strconv.Atoi`, and 0 for what it refuses."""
    return int(description) if re.fullmatch(r"[+-]?[0-9]{1,18}", description, re.ASCII) else 0


def following(description: str) -> str:
    """The Description of the version after one that has this."""
    return str(number(description) + 1)
