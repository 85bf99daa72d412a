"""BCC, in a process of its own, compiles and loads programs in C; kdiag itself reads their maps."""
