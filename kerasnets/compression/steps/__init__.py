"""What TF-MOT does to a network while it is trained, a file a step."""
