# PostgreSQL from Debian's package, with as much of the official image's manners as the stack uses.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY postgres.sh /usr/local/bin/entrypoint
ENV PGDATA=/var/lib/postgresql/data
RUN mkdir -p "$PGDATA" && chown postgres:postgres "$PGDATA" && chmod 700 "$PGDATA"
USER postgres
STOPSIGNAL SIGINT
VOLUME /var/lib/postgresql/data
ENTRYPOINT ["sh", "/usr/local/bin/entrypoint"]
