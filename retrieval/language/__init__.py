"""What a sentence of a report says: its language, the findings it names, present or absent, by rules."""
