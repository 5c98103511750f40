"""Why object storage was not reached, or refused, in a sentence that names the setting to look at.

obstore quotes whole requests and answers: addresses may be signed, and an answer may repeat what was signed. Only what
is known to hold no credential is taken from there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_DEBUG = re.compile(r"\s*\n+Debug source:.*", re.DOTALL)
_CODE = re.compile(r"<Code>([A-Za-z0-9]+)</Code>")
_STATUS = re.compile(r"status code: (\d{3} ?[A-Za-z ]*)")
_OF_ADDRESS = re.compile(r"([a-z]+://[^\s/?#]*)[^\s]*")
_LONGEST = 300  # characters of what obstore says that are told
_ABSENT = frozenset({"NoSuchKey", "BlobNotFound"})
_NO_BUCKET = frozenset({"NoSuchBucket", "InvalidBucketName", "ContainerNotFound"})
_OTHER_REGION = frozenset({"AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException"})
_METADATA = ("169.254.169.254", "169.254.170.2", "metadata.google.internal")
"""Where a machine asks for the credentials of its role."""
_KEYS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_CONNECTION_STRING",
}
_ENDPOINTS = {"s3": "MINIO_ENDPOINT", "az": "AZURE_STORAGE_CONNECTION_STRING"}
_INCOMPLETE = ("Missing SecretAccessKey", "Missing AccessKeyId", "Account must be specified")
_NO_STORAGE = "Unable to extract metadata from headers"
_UNREACHABLE = {
    "ConnectionRefused": "connection refused, does it run there?",
    "dns error": "nobody knows a host of this name",
    "InvalidContentType": "it does not speak TLS, as https:// asks for",
    "invalid peer certificate": "its certificate is not trusted",
}


def is_absent(error: FileNotFoundError, scheme: str) -> bool:
    """Whether it says that there is no such object; a missing bucket, or whatever else answers there, says 404, too."""
    return scheme == "file" or bool(_ABSENT & {*_CODE.findall(str(error))})


def said(error: Exception, scheme: str, endpoint: str | None) -> str:
    """What went wrong with storage of this scheme, at this endpoint if one is set."""
    if isinstance(error, TimeoutError):
        return f"no answer in time{_look_at(_ENDPOINTS.get(scheme) if endpoint else None)}"
    whole = str(error)
    plain = _DEBUG.sub("", whole)
    if scheme == "file":
        return f"{plain}{_look_at('STORAGE_URL')}"
    return next(_known(whole, plain, scheme, endpoint), None) or _rest(plain)


def _known(whole: str, plain: str, scheme: str, endpoint: str | None) -> Iterator[str]:
    code = found[1] if (found := _CODE.search(plain)) else ""
    status = found[1].strip() if (found := _STATUS.search(plain)) else ""
    if any(place in plain for place in _METADATA):
        yield f"there are no credentials, and this machine has no role{_look_at(_KEYS.get(scheme))}"
    if any(words in plain for words in _INCOMPLETE):
        yield f"a part of the credentials is missing{_look_at(_KEYS.get(scheme))}"
    if code in _NO_BUCKET:
        yield f"there is no such bucket ({code}){_look_at('STORAGE_URL')}"
    if code in _OTHER_REGION:
        yield f"the bucket is in another region ({code}){_look_at('AWS_DEFAULT_REGION')}"
    if status.startswith(("401", "403")):
        yield f"access was refused ({code or status}){_look_at(_KEYS.get(scheme))}"
    if status.startswith("404") or _NO_STORAGE in plain:
        yield f"what answers there is no object storage{_look_at(_ENDPOINTS.get(scheme))}"
    if "error sending request" in plain:
        yield _unreachable(whole, scheme, endpoint)
    if code or status:
        yield f"the answer was {' '.join(filter(None, (status, code)))}"


def _unreachable(whole: str, scheme: str, endpoint: str | None) -> str:
    if "kind: Timeout" in whole:
        return f"no answer in time{_look_at(_ENDPOINTS.get(scheme) if endpoint else None)}"
    why = next((words for mark, words in _UNREACHABLE.items() if mark in whole), "no connection")
    where = f"cannot reach {endpoint}: " if endpoint else "cannot reach it: "
    return f"{where}{why}{_look_at(_ENDPOINTS.get(scheme) if endpoint else None)}"


def _rest(plain: str) -> str:
    """What nobody has foreseen, on one line; of addresses only the host."""
    words = _OF_ADDRESS.sub(r"\1", " ".join(plain.split()))
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]} [cut]"


def _look_at(setting: str | None) -> str:
    return f"; see {setting}" if setting else ""
