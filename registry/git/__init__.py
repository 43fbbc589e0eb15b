"""Git, safely: the only package that starts git."""
