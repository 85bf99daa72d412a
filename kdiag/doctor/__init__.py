"""What works on this host, each thing tried and not inferred, and the choice of a mechanism."""
