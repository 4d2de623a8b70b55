"""Words and pictures: tables for the terminal, model cards, drawings of networks."""
