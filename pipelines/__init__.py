"""Gauntlet retrains models on fresh events and promotes a version only when it beats the champion.

Floors, top to bottom. Imports go down only; ``|`` separates neighbours that do not import each
other. import-linter keeps this (``pyproject.toml``).

    cli                                 commands for people and scripts
    wiring                              builds the real collaborators
    settings | adapters | simulation    environment | ports made real | a world with known truth
    flows                               orchestration: lock, read, call, write
    reporting                           pages and plots
    release | serving                   decisions, ledger, rollouts | answering requests
    gates                               one folder a gate: evidence in, findings out
    outcomes                            the prediction log joined with what happened
    predictions | packaging             the prediction log | the version folder
    training                            fit, score, split
    features | quality | drift          point-in-time features | suites | what moved
    data                                snapshots and ingestion
    spec | stats                        what a user declares | formulas
    core                                errors, time, findings, records, files
"""
