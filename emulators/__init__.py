"""The cloud on a laptop: everything `make run` and the tests start, and nothing that is deployed."""

import os

# gRPC reads this once, at its first import. With its fork handlers on, starting a child while a call is under way can
# abort the child before it has begun.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
