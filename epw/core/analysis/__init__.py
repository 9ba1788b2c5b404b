"""Analysis of a plan before it runs: score, risks, bottlenecks, what more agents would bring."""
