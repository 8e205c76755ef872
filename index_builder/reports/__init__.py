"""Tables of reports, whatever their encoding, separators and headings, joined to studies."""
