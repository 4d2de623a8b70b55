"""What other libraries call the layers of a family: one family a file."""
