"""The errors that recon3d raises on purpose: each says what, got, wanted and what to do."""


class Recon3dError(Exception):
    """Root of the errors a user can act on; `cli.main` catches it once and exits with 1."""


class InputError(Recon3dError):
    """Something handed in (a photo, a file, a setting) can't be used as it is."""


class StageError(Recon3dError):
    """A stage ran on good input and could not reach a result; says why and what to try."""
