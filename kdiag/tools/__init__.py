"""Questions that kdiag answers by tracing, one module each."""
