"""Every table by name."""

from benchmarks.spec import Table
from benchmarks.tables.acdc import ACDC

TABLES: dict[str, Table] = {table.name: table for table in (ACDC,)}
