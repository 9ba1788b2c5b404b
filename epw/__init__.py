"""The installed command's way in; what it starts lives beside this package."""
