"""One operation of a service as its WSDL describes it: what its request and its answer hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import zeep
from zeep.helpers import serialize_object
from zeep.wsdl.bindings.soap import SoapBinding

from adapters.connectors.http_records import DEEPEST
from bus.errors import ConfigError


class Operation:
    """An operation, found by its name, at a port or at the first that has it; called at ``url`` alone.

    Raises ConfigError where there is none.
    """

    def __init__(self, client: zeep.Client, name: str, port: str | None, url: str, where: str) -> None:
        self._client, self._name, self._where = client, name, where
        binding = self._binding(port)
        found = binding.get(name)
        self._input = getattr(found.input.body, "type", None)
        self._output = getattr(found.output.body, "type", None) if found.output else None
        self._service = client.create_service(str(binding.name), url)

    def _binding(self, wanted: str | None) -> Any:
        known: set[str] = set()
        for service in self._client.wsdl.services.values():
            for name, port in service.ports.items():
                if not isinstance(port.binding, SoapBinding) or wanted not in {None, name}:
                    continue
                operations = port.binding.all()
                if self._name in operations:
                    return port.binding
                known |= operations.keys()
        if not known:
            told = "the WSDL has no such port of SOAP" if wanted else "the WSDL has no service of SOAP"
            raise ConfigError(told, where=self._where, hint="check `wsdl` and `port`")
        raise ConfigError(
            f"the WSDL has no operation {self._name}",
            where=f"{self._where}.operation",
            hint=f"it has {', '.join(sorted(known))}",
        )

    def check_request(self, paths: Iterable[str], option: str) -> None:
        """Raises ConfigError for a path that the request does not have."""
        for path in paths:
            _check(self._input, path, f"{self._where}.{option}", "request")

    def check_list(self, path: str, option: str) -> None:
        """Raises ConfigError for a path of the request that is no list: zeep would send its first item alone."""
        self.check_request([path], option)
        described, element = self._input, None
        for name in path.split("."):
            element = dict(getattr(described, "elements", None) or ()).get(name)
            described = getattr(element, "type", None)
        if element is None or not element.accepts_multiple:
            raise ConfigError(f"{path} is no list in the request", where=f"{self._where}.{option}")

    def check_answer(self, path: str, option: str) -> None:
        """Raises ConfigError for a path that the answer does not have."""
        _check(self._output, path, f"{self._where}.{option}", "answer")

    def __call__(self, arguments: dict[str, Any], headers: dict[str, str]) -> Any:
        """Calls it, in a thread; returns the answer's element with all that it may hold. Raises what zeep raises."""
        with self._client.settings(extra_http_headers=headers):
            answer = self._service[self._name](**arguments)
        return _completed(self._wrapped(serialize_object(answer, dict)), self._output)

    def _wrapped(self, answer: Any) -> Any:
        """The answer's element: zeep leaves out elements that hold a single other, up to two."""
        elements = list(getattr(self._output, "elements", None) or ())
        if len(elements) != 1:
            return answer
        ((name, element),) = elements
        inner = list(getattr(element.type, "elements", None) or ())
        if len(inner) == 1 and not element.type.attributes and not element.accepts_multiple:
            answer = {inner[0][0]: answer}
        return {name: answer}


def _check(described: Any, path: str, where: str, what: str) -> None:
    for name in filter(None, path.split(".")):
        elements = dict(getattr(described, "elements", None) or ())
        if not elements or any(not hasattr(element, "type") for element in elements.values()):
            return  # anything may be there
        if name not in elements:
            raise ConfigError(f"the {what} has no {name}", where=where, hint=f"it has {', '.join(map(str, elements))}")
        described = elements[name].type


def _completed(value: Any, described: Any, within: tuple[Any, ...] = ()) -> Any:
    """A value with everything that its type may have: what was left out is None, a list that was is empty.

    ``within`` are the types around it: one that holds itself is not filled in for ever.
    """
    elements = dict(getattr(described, "elements", None) or ())
    if not elements or len(within) > DEEPEST or not isinstance(value, dict | None):
        return value
    if value is None and any(each is described for each in within):
        return None
    given = value or {}
    whole = dict(given)
    for name, element in elements.items():
        kind, inner = getattr(element, "type", None), given.get(name)
        if element.accepts_multiple:
            whole[name] = [_completed(each, kind, (*within, described)) for each in inner or ()]
        else:
            whole[name] = _completed(inner, kind, (*within, described))
    return whole
