# Stand-ins for the images of PostgreSQL, Redis and MinIO; see private_engine.py.
FROM standin:debian AS postgres
COPY postgres.sh /usr/local/bin/entrypoint
ENV PGDATA=/var/lib/postgresql/data
RUN mkdir -p "$PGDATA" && chown postgres:postgres "$PGDATA" && chmod 700 "$PGDATA"
USER postgres
STOPSIGNAL SIGINT
VOLUME /var/lib/postgresql/data
ENTRYPOINT ["sh", "/usr/local/bin/entrypoint"]

FROM standin:debian AS redis
RUN mkdir /data && chown redis:redis /data
USER redis
WORKDIR /data
VOLUME /data

# moto's S3 in memory; the arguments for MinIO are ignored.
FROM gauntlet:compose-test AS s3
ENTRYPOINT ["sh", "-c", "exec moto_server --host 0.0.0.0 --port 9000"]
