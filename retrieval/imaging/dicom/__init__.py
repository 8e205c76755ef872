"""DICOM files to Series: headers read safely, frames put in order, stored values rescaled once."""
