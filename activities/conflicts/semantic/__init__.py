"""Changes that merge line by line and do not fit together: what a side defines, defines no more, and newly uses."""
