"""Records turned into text, JSON, Markdown or a Nagios line. No mechanism is known here, no file read."""
