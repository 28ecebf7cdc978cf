"""The Api that all operations of affiliates share."""

from shared.api import Api

api = Api("affiliate")
