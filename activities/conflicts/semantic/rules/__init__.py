"""Rules by which two sides do not fit together, one file a subject."""
