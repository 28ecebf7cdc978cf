"""Treasury admins send money with four eyes, watch and pause the pools, and have the books compared with the chain."""
