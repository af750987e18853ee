"""What the config may say of any store in AWS: whose credentials, which account and region, how fast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

CLOSED = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
PerSecond = Annotated[float, Field(gt=0, le=100_000)]


class AwsSettings(BaseModel):
    """Without any of these: the credentials, region and endpoints that the AWS tools would use here."""

    model_config = CLOSED

    region: str = Field(default="", pattern=r"^([a-z]{2,}(-[a-z0-9]+)+)?$")
    """`eu-west-1`; omitted: AWS_REGION, AWS_DEFAULT_REGION, or the profile's."""
    profile: str = ""
    """A profile of the AWS configuration files; omitted: AWS_PROFILE, or the default chain."""
    role_arn: str = Field(default="", pattern=r"^(arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+)?$")
    """A role to assume with those credentials."""
    external_id: str = Field(default="", max_length=1224, pattern=r"^([\w+=,.@:/-]{2,})?$")
    """What the role's trust policy asks for as `sts:ExternalId`."""
    endpoint_url: str = Field(default="", pattern=r"^(https?://[^?#@\s]+)?$")
    """Another endpoint of the store's own service, such as a VPC endpoint; omitted: AWS_ENDPOINT_URL_* or the region's
    own. Other services that it calls (STS, tagging) have those. FIPS and dual-stack endpoints: AWS_USE_FIPS_ENDPOINT,
    AWS_USE_DUALSTACK_ENDPOINT."""

    def where(self) -> tuple[str, ...]:
        """The account and region, as far as the config says: two stores that give the same are one place."""
        account = self.role_arn.split(":")[4] if self.role_arn else self.profile
        return (self.endpoint_url.rstrip("/"), account, self.region)


Rates = Mapping[str, PerSecond]
"""Group of calls → calls per second."""
