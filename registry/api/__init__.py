"""Use cases: each composes the layers below into one thing a user does. The only composer."""
