"""The path of a system call through the kernel: where its time goes, where its error is born."""
