"""Files that merge by what they are where their lines do not: each kind proves that its result holds both sides."""
