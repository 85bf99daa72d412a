"""How the path of a call is seen: one module a mechanism, each turning what it sees into a Capture."""
