"""Evaluation of recipes: cross-validation protocols and ablation studies."""
