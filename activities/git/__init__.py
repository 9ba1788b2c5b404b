"""The only code that calls git: our own bare repository (the hub) beside the user's."""
