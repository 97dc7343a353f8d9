"""What follows from findings: policy, ledger, registry and the switch of the champion."""
