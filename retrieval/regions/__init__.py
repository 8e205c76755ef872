"""What a user outlined: masks onto the grid of a Volume, measurements, change, and regions as queries."""
