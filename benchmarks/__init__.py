"""Tables of papers: definitions, runs, results."""
