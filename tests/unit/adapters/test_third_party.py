"""Libraries stay quiet next to Airflow, whose old modules warn of every name that is looked up."""

import subprocess
import sys

LOADED = """
import warnings
import airflow.utils.timezone, airflow.utils.trigger_rule
from pipelines.adapters.third_party import settle_libraries
warnings.simplefilter("always")
settle_libraries()
with warnings.catch_warnings(record=True) as caught:
    import skops.io
print([str(one.message) for one in caught if "airflow" in str(one.message)])
"""


def test_skops_gives_no_warning_for_each_name_in_airflows_old_modules() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED], check=True, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
