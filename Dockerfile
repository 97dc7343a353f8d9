# One image for every service that runs our code: MLflow's server, Airflow's four and the init job.
ARG BASE_IMAGE=python:3.12.12-slim-bookworm
FROM ${BASE_IMAGE}

# uv is only needed to build; the lock pins versions and hashes, and no address of a registry. Bytecode is
# made here, since the account that runs the services can write none: without it each process of
# Airflow compiles its libraries anew.
ARG PIP_BUILD_ARGS=""
WORKDIR /app
COPY requirements.lock ./
RUN python3 -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir ${PIP_BUILD_ARGS} "uv>=0.9" \
    && /opt/venv/bin/uv pip install --python /opt/venv/bin/python --no-cache --compile-bytecode \
       ${PIP_BUILD_ARGS} --require-hashes -r requirements.lock
COPY pyproject.toml README.md ./
COPY pipelines ./pipelines
RUN /opt/venv/bin/uv pip install --python /opt/venv/bin/python --no-cache --compile-bytecode \
    --no-deps ${PIP_BUILD_ARGS} .
COPY dags ./dags
COPY plugins ./plugins
COPY models ./models
COPY expectations ./expectations
COPY deploy ./deploy

# A new volume takes over the owner of /data. The code belongs to root: a service cannot change it.
RUN useradd --uid 50000 --create-home gauntlet && mkdir /data && chown gauntlet:gauntlet /data
USER gauntlet
ENV PATH=/opt/venv/bin:$PATH OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
