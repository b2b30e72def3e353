"""What one request costs, taken from some that are sent one after the other."""

from collections import Counter
from dataclasses import dataclass

from .client import Connection

REQUESTS = 50
# What the two questions to the store that enclose a measurement put into it themselves.
RESET_ANSWER, INFO_QUESTION = len("+OK\r\n"), len("INFO stats\r\n")


@dataclass(frozen=True)
class Costs:
    """Of one request, on average."""

    # How often each command was sent, and how often scripts ran each.
    sent: dict
    by_scripts: dict
    # How often the store had something to read.
    round_trips: float
    # Bytes from and to the client, headers and all; and to and from the store.
    client_in: float
    client_out: float
    store_in: float
    store_out: float


def measure(port, request, redis):
    """The request must not be the first of its kind, which opens connections and sends scripts."""
    with Connection(port) as connection:
        connection.ask(request)
        connection.sent = connection.received = 0
        redis.forget_counts()
        for _ in range(REQUESTS):
            connection.ask(request)
        stats, sent_bytes, received_bytes = redis.figures("stats"), connection.sent, connection.received
        with redis.watch() as watch:
            for _ in range(REQUESTS):
                connection.ask(request)
            sent, by_scripts = watch.seen()
    return Costs(
        sent={name: count / REQUESTS for name, count in Counter(sent).items()},
        by_scripts={name: count / REQUESTS for name, count in Counter(by_scripts).items()},
        round_trips=(stats["total_reads_processed"] - 1) / REQUESTS,
        client_in=sent_bytes / REQUESTS,
        client_out=received_bytes / REQUESTS,
        store_in=(stats["total_net_input_bytes"] - INFO_QUESTION) / REQUESTS,
        store_out=(stats["total_net_output_bytes"] - RESET_ANSWER) / REQUESTS,
    )
