"""NIfTI files to Series: the affine is the truth, the scaling is applied once, sidecars name the modality."""
