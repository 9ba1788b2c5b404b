"""Processes of agents: started, limited and ended here and nowhere else."""
