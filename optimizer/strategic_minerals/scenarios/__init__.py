"""From hazards and listed events to the data of scenarios: sampled, reduced, combined."""
