"""What the config of each mapper must look like; `airbyte_secret` marks what is a secret in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airbyte_workers.mappers.specs import MapperName

HASHING_METHODS = ("MD2", "MD5", "SHA-1", "SHA-224", "SHA-256", "SHA-384", "SHA-512")
AES_MODES = ("CBC", "CFB", "OFB", "CTR", "GCM", "ECB")
COMPARISONS, COMBINATIONS = ("EQUAL",), ("NOT", "AND", "OR")
NO_PADDING, PKCS5_PADDING = "NoPadding", "PKCS5Padding"
DEFAULT_HASHING_SUFFIX = "_hashed"
_FIELD = {"type": "string", "minLength": 1}
_SUFFIX = {"type": ["string", "null"]}


def _object(properties: Mapping[str, Any], *optional: str, **more: Any) -> dict[str, Any]:
    """An object with these fields and no other: a mistyped name would silently leave a default in force."""
    return {
        "type": "object",
        "required": [name for name in properties if name not in optional],
        "properties": dict(properties),
        "additionalProperties": False,
        **more,
    }


def _of_type(kinds: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    """Conditions of these types have these fields. Not alternatives: each would be tried at every level."""
    kind = {"type": {"enum": list(kinds)}}
    return {"if": {"required": ["type"], "properties": kind}, "then": _object(kind | properties)}


_CONDITION = {"$ref": "#/definitions/condition"}
_AES = _object(
    {
        "algorithm": {"const": "AES"},
        "targetField": _FIELD,
        "fieldNameSuffix": _SUFFIX,
        "mode": {"enum": list(AES_MODES)},
        "padding": {"enum": [NO_PADDING, PKCS5_PADDING]},
        "key": {
            "type": "string",
            "pattern": "^([0-9a-fA-F]{32}|[0-9a-fA-F]{48}|[0-9a-fA-F]{64})$",
            "pattern_descriptor": "a key of 16, 24 or 32 bytes in hex digits",
            "airbyte_secret": True,
        },
    },
    "fieldNameSuffix",
    title="AES",
)
_RSA = _object(
    {
        "algorithm": {"const": "RSA"},
        "targetField": _FIELD,
        "fieldNameSuffix": _SUFFIX,
        "publicKey": {
            "type": "string",
            "pattern": "^([0-9a-fA-F]{2})+$",
            "pattern_descriptor": "a public key (X.509, DER) in hex digits",
        },
    },
    "fieldNameSuffix",
    title="RSA",
)

CONFIG_SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    MapperName.HASHING: _object(
        {"targetField": _FIELD, "method": {"enum": list(HASHING_METHODS)}, "fieldNameSuffix": _SUFFIX},
        "fieldNameSuffix",
    ),
    MapperName.RENAMING: _object({"originalFieldName": _FIELD, "newFieldName": _FIELD}),
    MapperName.FIELD_FILTERING: _object({"targetField": _FIELD}),
    MapperName.ROW_FILTERING: _object(
        {"conditions": _CONDITION},
        definitions={
            "condition": {
                "type": "object",
                "required": ["type"],
                "properties": {"type": {"enum": [*COMPARISONS, *COMBINATIONS]}},
                "allOf": [
                    _of_type(COMPARISONS, fieldName=_FIELD, comparisonValue={"type": "string"}),
                    _of_type(COMBINATIONS, conditions={"type": "array", "minItems": 1, "items": _CONDITION}),
                ],
            }
        },
    ),
    MapperName.ENCRYPTION: {"type": "object", "oneOf": [_AES, _RSA]},
}
