"""BPF: programs of kdiag's own through bpf(2) alone, and BCC in a process of its own."""
