"""Telling people and programs of events, by the channels of `policy.yaml`; a module for each kind of channel.

Rules: a message is tried again where that may help, as long as `registry.timeouts` says; a channel that fails stops no
other, and no event. What an address, a secret or a password is stands in no message, log line or error: what a server
or a library said of a failure is never repeated.
"""
