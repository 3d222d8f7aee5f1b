"""Programs that define magics: there is no shell that would know them."""


def _refuse(*args, **kwargs):
    raise NotImplementedError("there is no IPython here, so magics cannot be defined; use functions")


register_line_magic = register_cell_magic = register_line_cell_magic = magics_class = _refuse
line_magic = cell_magic = line_cell_magic = needs_local_scope = _refuse


class Magics:
    """Cannot be used here."""

    def __init__(self, *args, **kwargs):
        _refuse()
