"""Opens data keys wrapped by Google Cloud KMS.

Sources: `gcpkms/keysource.go` of sops 3.13; projects.locations.keyRings.cryptoKeys.decrypt in
https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys/decrypt. Where to send a
request is up to the environment (`SOPS_GCP_KMS_ENDPOINT`, `SOPS_GCP_KMS_UNIVERSE_DOMAIN`) and never to the file.
"""

from __future__ import annotations

import json
import re
import threading
import warnings
from pathlib import Path
from typing import Any

from sopsync.sops.keys.base import (
    ANSWER_SECONDS,
    CannotOpen,
    Surroundings,
    Unreachable,
    clean,
    decoded,
    missing_extra,
    quieten,
)
from sopsync.sops.metadata import MasterKey

# projects may be "example.com:name"; no segment may be able to end the path or climb in it
_PART = r"(?!\.{1,2}/)[\w.:~-]+"
_RESOURCE = re.compile(rf"projects/{_PART}/locations/{_PART}/keyRings/{_PART}/cryptoKeys/([\w-]+)")
_SCOPES = ("https://www.googleapis.com/auth/cloudkms",)


class GcpSource:
    """Google Cloud KMS with GOOGLE_CREDENTIALS (a path or JSON), GOOGLE_OAUTH_ACCESS_TOKEN, or the default credentials.
    Spoken over REST; SOPS_GCP_KMS_CLIENT_TYPE=grpc changes that (sops' own default is the other way round)."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._lock = threading.Lock()
        self._client: Any = None

    def place(self, key: MasterKey) -> str:  # noqa: ARG002 - one endpoint, one set of credentials
        return "gcp"

    def unwrap(self, key: MasterKey) -> bytes:
        resource = key.fields.get("resource_id", "")
        match = _RESOURCE.fullmatch(resource)
        if not match:
            raise CannotOpen(f"Cloud KMS {clean(resource)}: not the resource id of a key")
        what = f"Cloud KMS {match[1]}"
        wrapped = decoded(key.enc, what)
        try:
            import google.api_core.exceptions as e
            import google.auth.exceptions as a
            from google.api_core.retry import Retry, if_exception_type
        except ImportError:
            raise missing_extra(what, "gcp") from None
        again = Retry(if_exception_type(e.ServiceUnavailable), initial=0.2, maximum=2, timeout=ANSWER_SECONDS)
        try:
            with self._lock:
                self._client = self._client or self._connect()
            answer = self._client.decrypt(
                request={"name": resource, "ciphertext": wrapped}, retry=again, timeout=ANSWER_SECONDS
            )
        except ImportError:
            raise missing_extra(what, "gcp") from None
        except e.Forbidden:
            right = "cloudkms.cryptoKeyVersions.useToDecrypt"
            raise CannotOpen(f"{what}: permission denied", hint=f"grant {right} on {resource}") from None
        except (e.Unauthorized, a.DefaultCredentialsError, a.RefreshError, a.MalformedError):
            hint = "set GOOGLE_CREDENTIALS, or gcloud auth application-default login"
            raise Unreachable(f"{what}: no Google credentials that work", hint=hint) from None
        except json.JSONDecodeError:
            raise Unreachable(f"{what}: GOOGLE_CREDENTIALS is neither a file nor JSON") from None
        except (e.RetryError, e.ServiceUnavailable, e.GatewayTimeout, a.TransportError, OSError):
            raise Unreachable(f"{what}: Cloud KMS does not answer") from None
        except e.GoogleAPICallError as error:
            raise CannotOpen(f"{what}: {type(error).__name__}") from None
        plaintext: bytes = answer.plaintext
        return plaintext

    def _connect(self) -> Any:
        from google.api_core.client_options import ClientOptions
        from google.cloud import kms_v1

        quieten("google", "urllib3")
        get = self._around.get
        options = ClientOptions(api_endpoint=get("SOPS_GCP_KMS_ENDPOINT") or None)
        if get("SOPS_GCP_KMS_UNIVERSE_DOMAIN") and not options.api_endpoint:
            options.universe_domain = get("SOPS_GCP_KMS_UNIVERSE_DOMAIN")
        transport = "grpc" if get("SOPS_GCP_KMS_CLIENT_TYPE").lower() == "grpc" else "rest"
        return kms_v1.KeyManagementServiceClient(
            credentials=self._credentials(), transport=transport, client_options=options
        )

    def _credentials(self) -> Any:
        """In sops' order. None: the client finds the default ones itself."""
        import google.auth
        import google.oauth2.credentials

        auth: Any = google.auth
        oauth2: Any = google.oauth2
        given, token = self._around.get("GOOGLE_CREDENTIALS"), self._around.get("GOOGLE_OAUTH_ACCESS_TOKEN")
        path = self._around.get("GOOGLE_APPLICATION_CREDENTIALS")
        # The loaders warn of configurations from strangers, which may name a server to ask; these are the user's own.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            if given:
                return auth.load_credentials_from_dict(_read(given), scopes=_SCOPES)[0]
            if token:
                return oauth2.credentials.Credentials(token)
            return auth.load_credentials_from_file(path, scopes=_SCOPES)[0] if path else None


def _read(given: str) -> Any:
    """GOOGLE_CREDENTIALS is the path of a file, if there is one of that name, or else JSON."""
    try:
        text = Path(given).read_text("utf-8")
    except (OSError, ValueError):
        text = given
    return json.loads(text)
