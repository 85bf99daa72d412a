"""tracefs: sessions that leave nothing behind, and the formats that the kernel writes there."""
