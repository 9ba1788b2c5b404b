"""Plans: model, validation, graph, schema."""
