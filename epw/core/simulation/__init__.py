"""Simulation: how long an execution takes and what it costs, by the scheduler and the state that run it."""
