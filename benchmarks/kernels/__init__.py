"""Time and peak memory of the costly losses against their plain forms."""
