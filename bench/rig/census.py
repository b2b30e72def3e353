"""Many sessions, and the memory that each of them takes."""

from .client import Connection

# Made before the first look, so that what is made once is not counted.
FIRST = 1_000
SESSIONS = 10_000


def bytes_per_session(port, request, memory):
    """`request` begins a session each time; `memory` says how many bytes are used."""
    with Connection(port) as connection:
        for _ in range(FIRST):
            connection.ask(request)
        before = memory()
        for _ in range(SESSIONS):
            connection.ask(request)
        return (memory() - before) / SESSIONS
