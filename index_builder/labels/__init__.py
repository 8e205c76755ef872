"""Tables of labels, long or wide, as data sets are downloaded: read by the catalogue's words and joined to an index.

`label_file.read_labels` reads a file, `label_join.join_labels` finds its studies in an index.
"""
