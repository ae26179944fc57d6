"""From Pyomo blocks to one sparse matrix: templates, instances, objectives, named decisions, reading a solution out."""
