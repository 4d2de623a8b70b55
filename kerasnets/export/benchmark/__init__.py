"""How long an exported file takes: here, and on a phone."""
