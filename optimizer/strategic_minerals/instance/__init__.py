"""Plan and tables as aligned arrays; calendar, scaling, what producers earn, instruments as the formulation sees them."""
