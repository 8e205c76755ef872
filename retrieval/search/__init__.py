"""From words or a study to ranked studies and sentences: queries, filters, similar cases, contrast, spelling."""
