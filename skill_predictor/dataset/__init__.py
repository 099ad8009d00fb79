"""Tasks with their labels: reading and writing the files they are kept in."""
