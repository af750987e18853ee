"""STS as a client of the stores uses it: who am I, and sessions of a role. moto asks its own IAM, empty here.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html, in the query protocol.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from tests.support.aws.callers import Callers
from tests.support.aws.wire import Call, Refusal

_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
_SECRET = "not-a-secret-and-not-checked"


def answer(call: Call, callers: Callers) -> str | None:
    """The XML answer; None for an operation that is left to moto."""
    if call.operation == "GetCallerIdentity":
        user = f"<UserId>AIDAEXAMPLE</UserId><Account>{call.account}</Account><Arn>{escape(call.caller.arn)}</Arn>"
        return _wrapped(call.operation, user)
    if call.operation in ("AssumeRole", "AssumeRoleWithWebIdentity"):
        role, session = call.body["RoleArn"], call.body["RoleSessionName"]
        if not callers.knows_role(role):
            why = f"User: {call.caller.arn} is not authorized to perform: sts:{call.operation} on resource: {role}"
            raise Refusal("AccessDenied", why, 403)
        key, token, arn = callers.assume(role, session)
        return _wrapped(
            call.operation,
            f"<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{_SECRET}</SecretAccessKey>"
            f"<SessionToken>{token}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
            f"<AssumedRoleUser><AssumedRoleId>AROAEXAMPLE:{escape(session)}</AssumedRoleId>"
            f"<Arn>{escape(arn)}</Arn></AssumedRoleUser>",
        )
    return None


def refused(refusal: Refusal) -> str:
    """STS says AccessDenied and InvalidClientTokenId (403) where the JSON services have names of their own."""
    code = {"AccessDeniedException": "AccessDenied", "UnrecognizedClientException": "InvalidClientTokenId"}.get(
        refusal.code, refusal.code
    )
    return (
        f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>Sender</Type><Code>{code}</Code>'
        f"<Message>{escape(refusal.message)}</Message></Error></ErrorResponse>"
    )


def _wrapped(operation: str, inside: str) -> str:
    result = f"<{operation}Result>{inside}</{operation}Result>"
    return f'<{operation}Response xmlns="{_NAMESPACE}">{result}</{operation}Response>'
