"""Sign-up, sign-in, sessions and the public keys of access tokens."""
