"""What the tests of deploy/ share: programs, processes, a store, a browser, containers."""

import signal


def _end_in_order(_number, _frame):
    raise SystemExit("ended by SIGTERM")


# So that nothing is left running or mounted by tests that are told to end.
signal.signal(signal.SIGTERM, _end_in_order)
