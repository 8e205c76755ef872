"""What keeps names out: pseudonyms by keyed hash, the allow-list of attributes, redaction of free text."""
