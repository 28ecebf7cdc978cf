"""Checks that members get paid: the whole stack, through the gateway, over HTTP."""
