"""Who signed a tag or a commit: the signers' file, SSH signatures read natively, PGP ones through git.

`allowed_signers` reads who may sign, `armor` and `ssh` read and verify a signature, `verifying` composes them into a
`registry.signature.Verdict`, and `proofs` remembers what was computed. Rules that need no key are in
`registry.signature`.
"""
