"""Papers' tables as values, run and rendered."""
