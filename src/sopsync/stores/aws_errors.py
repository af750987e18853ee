"""What AWS's answers, and its silence, mean for the reader. Texts of AWS are recognised, never quoted.

Codes: https://docs.aws.amazon.com/systems-manager/latest/APIReference/CommonErrors.html,
https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html, and each operation's own page.
"""

from __future__ import annotations

import re

from sopsync.errors import Denied, StoreError, Unavailable
from sopsync.stores.place import UNTRUSTED, Place

THROTTLED = frozenset({
    "Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException", "TooManyUpdates",
    "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException", "PriorRequestNotComplete",
})  # fmt: skip
"""A positive no: nothing was done, and the same call may be made again, whatever it is."""
_LOGIN = frozenset({
    "ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure",
    "InvalidSignatureException", "SignatureDoesNotMatch", "MissingAuthenticationToken", "IncompleteSignature",
    "MissingAuthenticationTokenException",
})  # fmt: skip
_CLOCK = re.compile(r"RequestExpired|RequestTimeTooSkewed|RequestInTheFuture|Signature (?:expired|not yet current)")
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html"""
_DENIED = frozenset(
    {"AccessDeniedException", "AccessDenied", "UnauthorizedOperation", "NotAuthorized", "OptInRequired"}
)
_TAKEN = frozenset({"ParameterAlreadyExists", "ResourceExistsException"})
_GONE = frozenset({"ParameterNotFound", "ParameterVersionNotFound", "ResourceNotFoundException"})
_KEY = frozenset({"InvalidKeyId", "DecryptionFailure", "EncryptionFailure", "KMSInvalidStateException"})
_LIMITS = {
    "ParameterLimitExceeded": (
        "the region is full of parameters",
        "ask AWS for a higher quota, or delete what nobody needs; an advanced tier counts apart",
    ),
    "ParameterMaxVersionLimitExceeded": (
        "a label on the oldest of 100 versions blocks the next one",
        "take the label off: aws ssm unlabel-parameter-version, as get-parameter-history shows it",
    ),
    "LimitExceededException": (
        "a quota of the account is used up",
        "ask AWS for a higher quota, or delete what nobody needs: secrets, versions, replicas",
    ),
}
"""https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html and
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html"""
_OF_KEYS = {
    "secretsmanager:GetSecretValue": "kms:Decrypt",
    "secretsmanager:UpdateSecret": "kms:Decrypt, kms:Encrypt and kms:GenerateDataKey",
}
"""What Secrets Manager needs of KMS, and does not name. https://docs.aws.amazon.com/secretsmanager/latest/apireference/,
each operation's page."""
_NEEDS = re.compile(r"not authorized to perform: ([a-z0-9-]+:[A-Za-z]+)(?: on resource: ([\w:/.*+=,@-]+))?")


def refusal(code: str, message: str, status: int, place: Place) -> StoreError:
    """An answer that nobody expected, as the error it stands for. `status`: of HTTP."""
    if code in THROTTLED:
        return place.unavailable("too many requests", "retry later; rates: in the config sets the pace")
    if _CLOCK.search(f"{code} {message}"):
        return place.whole.denied("AWS refuses the time that requests are signed with", "set this machine's clock")
    if code in _LOGIN:
        return place.whole.denied("the credentials are not valid, or have expired", "log in to AWS again")
    if code in _DENIED:
        return _denied(message, place)
    if code in _TAKEN:
        return place.conflict("planned on nothing, found something else")
    if code in _GONE:
        return place.conflict("deleted meanwhile")
    if code in _KEY:
        return place.rejected(
            f"the KMS key cannot be used ({code})", "look at kms_key: is it there, enabled, and ours?"
        )
    if limit := _LIMITS.get(code):
        return place.rejected(*limit)
    if code.isdecimal():  # of HTTP, for lack of one of AWS's
        return foreign(place)
    shown = re.sub(r"[^A-Za-z.]", "", code) or "no code"
    if status >= 500 or not code:
        return place.unavailable(f"AWS failed ({shown})")
    return place.rejected(f"AWS takes the request for a bad one ({shown})", "look at its name, value, tags and options")


def foreign(place: Place) -> Unavailable:
    """An answer, or a no, of a proxy or a web server."""
    return place.whole.unavailable("that was not the answer of AWS", "look at endpoint_url and proxies")


def _denied(message: str, place: Place) -> Denied:
    """AWS names the action that is missing, which need not be the one that was called: kms:Decrypt, sts:AssumeRole."""
    found = _NEEDS.search(message)
    action, on = (found[1], found[2]) if found else (place.needs, None)
    if not found and "KMS" in message:
        needed = _OF_KEYS.get(place.needs, "kms:Decrypt and kms:GenerateDataKey")
        return place.denied("access to the KMS key is denied", f"grant {needed} on it; sopsync policy prints all")
    return place.denied(
        f"not allowed: {action}", f"grant {action}{f' on {on}' if on else ''}; sopsync policy prints all"
    )


def silence(error: Exception, place: Place) -> StoreError:
    """What botocore raised instead of an answer, by its class. Its text may quote what was to be sent."""
    kinds = {kind.__name__ for kind in type(error).__mro__}  # by name: not every version of botocore has them all
    whole = place.whole
    if kinds & {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"}:
        return whole.denied("no AWS credentials", "log in to AWS, or set AWS_PROFILE")
    if kinds & {"SSOError", "TokenRetrievalError", "LoginError"}:
        return whole.denied("the AWS login has expired", "aws sso login")
    if "ProfileNotFound" in kinds:
        return whole.denied("there is no such AWS profile", "look at profile, and AWS_PROFILE")
    if kinds & {"NoRegionError", "InvalidRegionError"}:
        return whole.rejected("no AWS region", "set region, or AWS_REGION")
    if "SSLError" in kinds and UNTRUSTED in str(error):  # others are a connection that broke off
        return whole.rejected("the server's certificate is not trusted", "look at endpoint_url, and AWS_CA_BUNDLE")
    if kinds & {"ParamValidationError", "UnknownEndpointError", "EndpointProviderError"}:
        what = f"the request cannot be made ({type(error).__name__})"
        return place.rejected(what, "look at its name, value, tags and options")
    if kinds & {"ConnectTimeoutError", "ReadTimeoutError"}:
        return place.unavailable("no answer in time")
    if kinds & {"HTTPClientError", "ConnectionError"}:
        return place.unavailable("no connection to AWS", "look at region, endpoint_url and network, then retry")
    return place.unavailable(f"the request could not be made ({type(error).__name__})")
