"""The main job from end to end on synthetic scans: `python -m radseek.showcase FOLDER`."""
