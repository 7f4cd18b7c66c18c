"""All recipes by name. To add one: write its parameters and trainer, and list it here."""

from jobs.engine.recipes import image_classifier, tables
from jobs.engine.recipes.recipe import Recipe

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe for recipe in (image_classifier.RECIPE, tables.CLASSIFIER, tables.REGRESSOR)
}


def recipe_for_task(task: str) -> Recipe | None:
    """The recipe that learns from datasets of a task, None when there is none (yet)."""
    return next((recipe for recipe in RECIPES.values() if recipe.task == task), None)
