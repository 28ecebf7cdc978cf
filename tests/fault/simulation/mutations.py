"""All breaks of the product that schedules, or tests of the schema, must notice."""

from tests.fault.simulation import mutations_chain, mutations_orders, mutations_payouts, mutations_people

MUTANTS = mutations_payouts.MUTANTS + mutations_chain.MUTANTS + mutations_people.MUTANTS + mutations_orders.MUTANTS
