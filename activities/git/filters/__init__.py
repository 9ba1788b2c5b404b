"""Clean and smudge filters, Git LFS among them."""
