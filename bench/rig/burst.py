"""Requests of one session at the same time: how many of those that were answered have counted."""

from contextlib import ExitStack
from dataclasses import dataclass

from .client import Connection

AT_ONCE = 32
ROUNDS = 20


@dataclass
class Burst:
    """What came of all rounds."""

    answered: int
    counted: int


def measure(port, request, count):
    """`count` says what the answers have counted up to; looking counts as one more."""
    before = count()
    answered = 0
    with ExitStack() as open_connections:
        connections = [open_connections.enter_context(Connection(port)) for _ in range(AT_ONCE)]
        for _ in range(ROUNDS):
            for connection in connections:
                connection.send(request)
            # One that was refused said so: it is not lost.
            answered += sum(connection.receive()[0] == request.status for connection in connections)
    return Burst(answered, count() - before - 1)
