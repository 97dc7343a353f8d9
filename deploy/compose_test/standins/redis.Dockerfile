# Redis from Debian's package. What it is started with stands in docker-compose.yml.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN mkdir /data && chown redis:redis /data
USER redis
WORKDIR /data
VOLUME /data
