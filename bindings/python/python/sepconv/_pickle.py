"""How pickled objects come back: from the path or name and the options, read and compiled when they are first used."""

from __future__ import annotations

from typing import Any

from ._native import Classifier, CompiledModel, Model


def model(recipe: tuple[Any, ...]) -> Model:
    return Model._lazy(recipe)


def compiled(recipe: tuple[Any, ...], options: dict[str, Any]) -> CompiledModel:
    return CompiledModel._lazy(recipe, options)


def classifier(
    recipe: tuple[Any, ...], preprocess: str | None, labels: list[str] | None, options: dict[str, Any]
) -> Classifier:
    return Classifier._lazy(recipe, preprocess, labels, options)
