"""`cidr`: an IP address in one of several networks."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from voluptuous import Invalid, Schema

from winchester_core.criteria.conditions.typed_condition import (
    TypedCondition,
    expression_schema,
    parse_each,
    quote,
)
from winchester_core.interfaces import json_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

Network: TypeAlias = IPv4Network | IPv6Network

MAX_ADDRESS_LENGTH = 100
"""Maximum length in characters; no address is longer, even with a zone id after a `%`."""


NETWORK_SCHEMA = {
    "type": "string",
    "pattern": r"^[0-9A-Fa-f:.]+(/[0-9.]+)?$",
    "title": "IP network",
}


def parse_network(text: Any) -> Network:
    """Parse a network such as `10.0.0.0/8` or `fe80::/10`. Raises `voluptuous.Invalid`."""
    if not isinstance(text, str):
        raise Invalid(f"expected a network as text, such as 10.0.0.0/8, not {quote(text)}")
    try:
        return ip_network(text)
    except ValueError as error:
        raise Invalid(
            f"{quote(text)} is not a network: {error!s:.200}{_suggested_network(text)}"
        ) from error


@json_schema(anyOf=[NETWORK_SCHEMA, {"type": "array", "items": NETWORK_SCHEMA, "minItems": 1}])
def parse_networks(expression: Any) -> list[Network]:
    """Parse a network or a list of them. Raises `voluptuous.MultipleInvalid` with every error."""
    if not isinstance(expression, (list, tuple)):
        return [parse_network(expression)]
    if not expression:
        raise Invalid("expected a network, or a list of at least one network")
    return parse_each(expression, parse_network)


class CidrCondition(TypedCondition):
    """The trait is the text of an IPv4 or IPv6 address in one of the networks.

    An address matches only networks of the same version: `::ffff:10.0.0.1` is an IPv6 address.
    """

    example: ClassVar[str] = "address: {cidr: [10.0.0.0/8, 192.168.0.0/16]}"
    config_schema: ClassVar[Schema] = expression_schema(parse_networks)
    trait_types = (str,)

    def __init__(self, trait: str, expression: Any) -> None:
        super().__init__(trait, expression)
        self._networks = parse_networks(expression)

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Return whether the trait is an address in one of the networks."""
        value = event.get(self.trait)
        if not isinstance(value, str) or len(value) > MAX_ADDRESS_LENGTH:
            return False
        try:
            address = ip_address(value)
        except ValueError:
            return False
        return any(address in each for each in self._networks)

    def describe(self) -> str:
        """Return the trait and the networks, in words."""
        return f"{self.trait} is an IP address in {' or '.join(map(str, self._networks))}"


def _suggested_network(text: str) -> str:
    try:
        return f"; did you mean {str(ip_network(text, strict=False))!r}?"
    except ValueError:
        return ""
