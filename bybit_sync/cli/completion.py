"""``bybit-sync completion SHELL``: the script by which a shell completes the commands."""

from __future__ import annotations

import os
from typing import Any

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

_PROGRAM, _VARIABLE = "bybit-sync", "_BYBIT_SYNC_COMPLETE"
_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' type value completion response
    response=$(env COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" \\
        %(complete_var)s=bash_complete "$1")
    COMPREPLY=()
    for completion in $response; do
        IFS=',' read -r type value <<< "$completion"
        if [[ $type == 'dir' ]]; then
            compopt -o dirnames
        elif [[ $type == 'file' ]]; then
            compopt -o default
        elif [[ $type == 'plain' ]]; then
            COMPREPLY+=("$value")
            [[ $value == *[.=] ]] && compopt -o nospace 2> /dev/null
        fi
    done
    return 0
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class _Bash(BashComplete):
    """click's own, but for words with ``=`` and ``:``, at which bash parts them."""

    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the cursor, and the one that is being written."""
        line = os.environ["COMP_LINE"].encode()[: int(os.environ["COMP_POINT"])].decode()
        words = split_arg_string(line)
        incomplete = "" if line[-1:].isspace() or not words else words.pop()
        return words[1:], incomplete

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """Only what follows the last ``=``: bash puts it behind that."""
        _, incomplete = self.get_completion_args()
        head = incomplete.rpartition("=")
        value = item.value.removeprefix(head[0] + head[1])
        return f"{item.type},{value}"


def prepare() -> None:
    """Let click complete by our own script where that differs."""
    add_completion_class(_Bash)


@click.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> None:
    """Print the script that completes commands, endpoints and parameters of `bybit-sync`.

    \b
    bash: echo 'eval "$(bybit-sync completion bash)"' >> ~/.bashrc
    zsh:  echo 'eval "$(bybit-sync completion zsh)"' >> ~/.zshrc
    fish: bybit-sync completion fish > ~/.config/fish/completions/bybit-sync.fish

    \b
    Example: eval "$(bybit-sync completion bash)"
    """
    prepare()
    from . import commands

    made = get_completion_class(shell)
    assert made is not None  # it is one of the choices
    script = made(commands, {}, _PROGRAM, _VARIABLE).source_template % {
        "complete_func": "_bybit_sync_completion",
        "complete_var": _VARIABLE,
        "prog_name": _PROGRAM,
    }
    click.echo(script)
