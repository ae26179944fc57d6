"""One whole solve: the reference without a plan, stages of the aim, fixed linear program, infeasibility, re-solve session."""
