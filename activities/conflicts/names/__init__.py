"""Names that are data: numbers of migrations, routes, variables, keys, which no compiler knows; one file a subject."""
