"""What is wrong with this Linux host, and where in the kernel it comes from."""

__version__ = "0.1.0"
