"""Whether a resource is one of FHIR R4 (4.0.1), by two sets of models: each sees what the other does not.

``fhirclient``'s are made from the specification of 4.0.1: the elements of R4 as its JSON names them, and their types.
``fhir.resources`` has R4 itself only in its releases up to 6.5, of pydantic 1; what it has now is R4B
(4.3.0), whose Patient, Encounter, Condition and Immunization, with all data types in them, have the same elements. It
looks at values too: what is empty, no date, or there in two types at once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fhir.resources.R4B import get_fhir_model_class
from fhirclient.models.fhirabstractbase import FHIRValidationError
from fhirclient.models.fhirelementfactory import FHIRElementFactory
from pydantic import ValidationError


class Fault(NamedTuple):
    """What is wrong with a resource, as an issue of an OperationOutcome has it."""

    code: str
    told: str
    path: str


def fault_of(resource: dict[str, Any]) -> Fault | None:
    """The first fault of a resource; None where it is one of R4."""
    kind = resource["resourceType"]
    try:
        get_fhir_model_class(kind).model_validate(resource)
        FHIRElementFactory.instantiate(kind, resource)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join([kind, *(str(part) for part in first["loc"] if isinstance(part, str))])
        return Fault("required" if "missing" in first["type"] else "invalid", first["msg"], path)
    except FHIRValidationError as error:
        return Fault("structure", str(error), kind)
    return None
