"""The drawn chest: bones, soft tissue, vessels, findings, its CT and its radiograph."""
