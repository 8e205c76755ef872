"""Measures of scores and rankings against known labels, each with its interval over patients.

`finding_measures` says all of one finding and of many, `ranking_measures` of retrieval, `score_comparison` of two score
columns on the same cases, `curve_points` what is drawn; `label_table` holds what is known of an index's studies.
"""
