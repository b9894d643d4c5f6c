"""The table of model families that all scripts read: a new family is one entry in one of the files beside this."""
from families import deepseek, dots, gemma, glm, llama, mixtures, olmoe, qwen
from families.entry import MAIN_MIXES, Case, Family, Golden  # noqa: F401

PARTS = (qwen, llama, olmoe, deepseek, glm, dots, mixtures, gemma)
FAMILIES = {family.name: family for part in PARTS for family in part.FAMILIES}


def cases(use):
    """Pairs of a case and its family, by the case's name, in the order of the table."""
    return {case.name: (case, family) for family in FAMILIES.values() for case in family.cases
            if use in case.uses.split()}


def checkpoint_arguments(use):
    """The arguments of make-random-checkpoint.py for each case, by name."""
    return {name: case.arguments(family) for name, (case, family) in cases(use).items()}


def goldens():
    """Pairs of a golden and its family, by name."""
    return {name: (golden, family) for family in FAMILIES.values() for name, golden in family.goldens.items()}
