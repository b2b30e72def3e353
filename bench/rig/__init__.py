"""The bench's own parts: processes, a store, load, scenarios, reports."""
