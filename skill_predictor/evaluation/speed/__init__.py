"""How fast: latency side by side, what the machine could do at best, start-up, memory."""
