"""Samples of a host turned into findings: what is wrong, how it is known, and what to look at next."""
