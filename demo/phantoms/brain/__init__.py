"""The inside of the drawn head: anatomy, bleeds, lesions, and brain MR."""
