"""Rules about what code does beyond its names and types, which no checker follows from one side to the other."""
