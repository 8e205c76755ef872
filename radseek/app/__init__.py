"""What a running page or server holds: a session on one index, uploads, verdicts, the worklist."""
