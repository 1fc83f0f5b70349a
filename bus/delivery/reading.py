"""From messages to deliveries: the envelope, the right type, a validated body, and only the fields of the contract."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic

from pydantic import ValidationError

from bus import envelope, subjects
from bus.broker.consume import Incoming
from bus.contracts import Subscribe
from bus.envelope import Event
from bus.errors import ConfigError, ContractError, EnvelopeError
from bus.events import Catalogue, EventType, reason
from bus.ports import Delivery

ORIGIN = "Bus-Origin"  #: header of a redriven event: ``<stream>:<sequence>`` of its first publication
DEAD_LETTER = "Bus-Dead-Letter"  #: header of a redrive: the dead letter's id
DISCARD = "Bus-Discard"  #: header of a redrive: go on without the event


@dataclass(slots=True, eq=False)
class Inbound:
    """A message in the engine's hand."""

    incoming: Incoming
    event: Event
    delivery: Delivery
    attempts: int = 0
    seen_at: float = field(default_factory=monotonic)

    @property
    def lane(self) -> str:
        """Messages of one lane are applied in order."""
        return self.event.subject

    @property
    def place(self) -> tuple[str, int]:
        """Where the message lies: a redelivery has the same."""
        return self.incoming.stream, self.incoming.sequence

    @property
    def origin(self) -> tuple[str, int]:
        """Where the event was first published; a redriven message lies elsewhere."""
        return self.delivery.stream, self.delivery.version


def redriven(incoming: Incoming) -> bool:
    """Whether it is a dead letter that comes again. Anyone may write the headers, but operations alone the stream."""
    return incoming.stream == subjects.REDRIVE_STREAM and ORIGIN in incoming.headers


class Reader:
    """Reads the messages of one subscription."""

    def __init__(self, subscribe: Subscribe, catalogue: Catalogue, where: str) -> None:
        try:
            self.type: EventType = catalogue[str(subscribe.event)]
        except KeyError:
            raise ConfigError(f"unknown event type {subscribe.event}", where=where) from None
        self._fields = subscribe.fields
        self._validate = self.type.model.__pydantic_validator__.validate_json
        self._ce_type = self.type.name.ce_type

    def read(self, incoming: Incoming) -> Inbound:
        """The delivery in a message. Raises ContractError (EnvelopeError) where it is none."""
        event = envelope.parse(incoming.headers, incoming.body)
        if event.type != self._ce_type:
            raise EnvelopeError(f"ce-type is not {self._ce_type}", where="CloudEvent")
        if not redriven(incoming):
            self._check_subject(incoming.subject, event)
            stream, sequence = incoming.stream, incoming.sequence
        else:
            stream, _, number = incoming.headers[ORIGIN].partition(":")
            sequence = int(number)
        try:
            data = self._validate(event.data)
        except ValidationError as error:
            raise ContractError(reason(error), where=str(self.type.name)) from None
        return Inbound(incoming, event, Delivery(event, data, self._fields, stream, sequence))

    def _check_subject(self, subject: str, event: Event) -> None:
        """No attribute is believed that the subject, which permissions guard, does not confirm."""
        parts = subject.split(".")
        if len(parts) != subjects.EVENT_TOKENS:
            raise EnvelopeError("the subject is not an event's", where="CloudEvent")
        if event.source != f"{subjects.SOURCE_PREFIX}{parts[1]}/{parts[2]}":
            raise EnvelopeError("ce-source is not the application of the subject", where="CloudEvent")
        if event.subject != parts[7]:
            raise EnvelopeError("ce-subject is not the key token of the subject", where="CloudEvent")
