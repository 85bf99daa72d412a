"""Facts of the kernel: error numbers, system calls, symbols, configuration, lockdown."""
