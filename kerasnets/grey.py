"""What grey is."""

# shares of red, green and blue, ITU-R BT.601
LUMA = (0.299, 0.587, 0.114)
