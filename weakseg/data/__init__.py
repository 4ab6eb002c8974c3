"""Data: official downloads become one checked layout, which everything else reads."""
