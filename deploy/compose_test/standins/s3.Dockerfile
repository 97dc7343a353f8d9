# moto's S3 in memory. MinIO's arguments are ignored.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
ENTRYPOINT ["sh", "-c", "exec moto_server --host 0.0.0.0 --port 9000"]
