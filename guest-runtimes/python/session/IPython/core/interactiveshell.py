"""Programs set what an interactive shell shows; there is none."""


class InteractiveShell:
    """Settings that nobody reads."""

    ast_node_interactivity = "last_expr"

    @classmethod
    def initialized(cls):
        return False
