"""What checks and tables both need to work out first: shares of CPU time, rates of disks, memory at hand."""
