"""Does the member get paid? The whole stack through the gateway over HTTP."""
