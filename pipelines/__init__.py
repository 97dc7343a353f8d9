"""Gauntlet retrains models on fresh events and promotes a version only when it beats the champion.

Floors, top to bottom. Imports go down only; ``|`` separates neighbours that do not import each
other. import-linter keeps this (``pyproject.toml``).

    api                                 commands as functions, for notebooks
    cli                                 commands for people and scripts
    wiring                              builds the real collaborators
    stores                              opens the stores that the settings name
    settings | adapters | simulation    environment | ports made real | a world with known truth
    flows                               orchestration: lock, read, call, write
    reporting                           pages and plots
    backtest                            the policy replayed over history
    release | serving | monitoring      decisions, ledger | answering requests | what changed
    gates                               one folder a gate: evidence in, findings out
    outcomes                            the prediction log joined with what happened
    predictions | packaging             the prediction log | the version folder
    training                            fit, score, split
    features | quality | drift          point-in-time features | suites | what moved
      | scaffold                        | the first declaration of a model
    data | faults                       snapshots and ingestion | known faults of events
    spec | stats                        what a user declares | formulas
    core                                errors, time, findings, records, files
"""
