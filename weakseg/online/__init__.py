"""Dynamic interactive learning from a stream of cases (Tian, Chen & Gao, arXiv 2312.06072)."""
