"""The only code that calls git: the hub, our bare repository, beside the user's own."""
