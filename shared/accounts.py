"""What is refused about a member's names and addresses, at sign-up and later."""

from shared.problems import Problem


class EmailAlreadyRegistered(Problem):
    """Whatever its capitals."""

    status, title = 409, "An account with this e-mail address exists."


class UsernameTaken(Problem):
    """Whatever its capitals."""

    status, title = 409, "This username is taken."


class VerificationCodeNotValid(Problem):
    """Wrong, used, expired, tried too often, or for nobody: one answer for all."""

    status, title = 422, "This verification code is not valid."
