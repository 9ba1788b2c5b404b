"""Checkers of languages, whose messages of both sides and of their merge show what no longer fits together."""
