"""A cohort on disk: DICOM objects, NIfTI copies, masks, reports, labels."""
