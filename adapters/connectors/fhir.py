"""What the FHIR connectors share: how a server's refusals are told, and the mark of what the bus wrote.

The mark stands in ``meta.source`` of a resource: ``urn:opd-bus:<stream>:<place in it>:<digest of the content>``. By its
place an older event never overwrites a newer one; by its digest a source knows a resource that still is what the bus
wrote, whoever has touched it in between.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from http import HTTPStatus
from typing import Any

from adapters.connectors.http import UNFIT, Answer
from adapters.connectors.keys import text_of
from bus.errors import Rejected

CONTENT_TYPE = "application/fhir+json"
ACCEPT = {"Accept": CONTENT_TYPE}

_ISSUE = re.compile(r"[a-z][a-z-]{1,39}")  # a code of http://hl7.org/fhir/issue-type
_ELEMENT = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z][A-Za-z0-9]*|\[[0-9]{1,4}\])*")  # nothing that holds a value
_MARK = re.compile(r"urn:opd-bus:(?P<stream>[A-Z0-9_]+):(?P<place>[0-9]+):(?P<digest>[0-9a-f]{16})")
_OF_ACCESS = frozenset(("login", "expired", "forbidden", "security", "unknown"))  # issues that concern every resource
_OF_SERVERS = frozenset(("id", "meta", "text"))  #: elements that a server adds by itself


@dataclass(frozen=True, slots=True)
class Mark:
    """Which event a resource was written from, and what was written."""

    stream: str
    place: int
    digest: str

    def __str__(self) -> str:
        return f"urn:opd-bus:{self.stream}:{self.place}:{self.digest}"

    @classmethod
    def of(cls, resource: Mapping[str, Any]) -> Mark | None:
        """The mark of a resource; None where the bus never wrote it. Some servers append to it."""
        meta = resource.get("meta")
        source = meta.get("source") if isinstance(meta, Mapping) else None
        found = _MARK.match(source) if isinstance(source, str) else None
        return cls(found["stream"], int(found["place"]), found["digest"]) if found else None


def is_echo(resource: Mapping[str, Any]) -> bool:
    """Whether a resource is as the bus wrote it."""
    mark = Mark.of(resource)
    return mark is not None and mark.digest == digest_of(resource)


def digest_of(resource: Mapping[str, Any]) -> str:
    """A digest of the elements that are not the server's own."""
    own = {name: _plain(value) for name, value in resource.items() if name not in _OF_SERVERS}
    return blake2b(json.dumps(own, sort_keys=True).encode(errors="surrogateescape"), digest_size=8).hexdigest()


def _plain(value: Any) -> Any:
    """A value as it is the same on both sides: 12.50 is 12.5."""
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return text_of(value) if isinstance(value, Decimal | float) else value


def refused(answer: Answer, where: str) -> Rejected:
    """A refusal of one resource: its issues' codes and elements. Their texts may hold values and stay out."""
    told = f"the server answers HTTP {answer.status}"
    issues = ", ".join(f"{code} {element}".strip() for code, element in issues_of(answer))
    return Rejected(f"{told}: {issues}" if issues else told, where=where)


def issues_of(answer: Answer) -> list[tuple[str, str]]:
    """The code and element of each issue in an OperationOutcome; none where the answer is something else."""
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        return []
    if not isinstance(document, Mapping) or not isinstance(listed := document.get("issue"), list):
        return []
    issues = {(_code(issue), _element(issue)): None for issue in listed if isinstance(issue, Mapping)}
    return [issue for issue in issues if issue[0]][:5]


def _code(issue: Mapping[str, Any]) -> str:
    code = issue.get("code")
    return code if isinstance(code, str) and _ISSUE.fullmatch(code) else ""


def _element(issue: Mapping[str, Any]) -> str:
    named = issue.get("expression") or issue.get("location")
    path = named[0] if isinstance(named, list) and named else None
    return path if isinstance(path, str) and _ELEMENT.fullmatch(path) else ""


def check(answer: Answer, where: str) -> None:
    """Raises what the status of a written resource means: Rejected with the server's issues where it refused it.

    A 403 that is about this resource (an issue as ``business-rule``) is such a refusal, and no lack of access.
    """
    refusals = range(HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR)
    special = {HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, *UNFIT}
    if answer.status == HTTPStatus.FORBIDDEN:
        codes = {code for code, _ in issues_of(answer)}
        if not codes or codes & _OF_ACCESS:
            answer.check(where)
    if answer.status in refusals and answer.status not in special and not answer.busy:
        raise refused(answer, where)
    answer.check(where)
