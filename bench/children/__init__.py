"""Programs that the bench runs as processes of their own. None of them imports the bench."""
