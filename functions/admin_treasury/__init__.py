"""Treasury admins send money with two approvals, watch and pause the pools, and have the books compared with
the chain.
"""
