"""What a LiteRT file says about itself: labels, licence, normalisation, checksum."""
