# One image for every service that runs our code: MLflow's server, Airflow's four and the init jobs.
ARG BASE_IMAGE=python:3.12.12-slim-bookworm
FROM ${BASE_IMAGE}

# uv is only needed to build; the lock names versions and no address of a registry.
ARG PIP_BUILD_ARGS=""
WORKDIR /app
COPY requirements.lock ./
RUN python3 -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir ${PIP_BUILD_ARGS} "uv>=0.9" \
    && VIRTUAL_ENV=/opt/venv /opt/venv/bin/uv pip install --no-cache ${PIP_BUILD_ARGS} -r requirements.lock
COPY pyproject.toml README.md ./
COPY pipelines ./pipelines
RUN VIRTUAL_ENV=/opt/venv /opt/venv/bin/uv pip install --no-cache --no-deps .
COPY dags ./dags
COPY plugins ./plugins
COPY models ./models
COPY expectations ./expectations
COPY deploy ./deploy

RUN useradd --uid 50000 --create-home gauntlet && mkdir -p /data && chown gauntlet /data /app
USER gauntlet
ENV PATH=/opt/venv/bin:$PATH OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1
VOLUME /data
