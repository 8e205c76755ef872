"""`python -m radseek.showcase FOLDER` runs the main job."""

import sys

from radseek.showcase.run import main

if __name__ == "__main__":
    sys.exit(main())
