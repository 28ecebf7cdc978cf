"""Members order what is in their cart, and see, pay and cancel their orders."""
