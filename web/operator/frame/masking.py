"""Readers' addresses as the current operator may see them: whole from the role operator up, masked below it."""

from db.masking import masked, masked_in
from web.operator.frame.access import blueprint, may


@blueprint.app_template_global()
def visible_address(address: str | None) -> str | None:
    """An address, whole or masked; None where there is none (erased, or an operator's letter)."""
    return address if address is None or may("operator") else masked(address)


@blueprint.app_template_global()
def visible_text(text: str | None) -> str:
    """A text that may quote addresses (an error, a server's reply, a note), with each of them whole or masked."""
    return (text or "") if may("operator") else masked_in(text or "")
