"""The six tools that coding agents call: pure functions from JSON arguments to JSON results, one file each."""
