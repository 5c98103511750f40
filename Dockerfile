# The product's image: Temporal workers and, in every pod, the orchestrator (`python -m airbyte_workers.orchestrator`).
# BASE needs Python 3.11 or newer with pip, a POSIX shell, and the tools mv, sleep, sed.
ARG BASE=python:3.11.13-slim-bookworm@sha256:86adf8dbadc3d6e82ee5dd2c74bec2e1c2467cdad47886280501df722372d2e1


FROM ${BASE} AS build
WORKDIR /src
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1
COPY pyproject.toml requirements.lock ./

# Everything that is installed is in the lock with its hashes: first uv, then what the product needs at run time.
RUN sed -n '/^uv==/,/[^\]$/p' requirements.lock > uv.lock \
    && python -m pip install --quiet --no-cache-dir --no-compile --root-user-action=ignore --require-hashes -r uv.lock
RUN python -m uv venv --quiet --python "$(command -v python)" /opt/airbyte-workers \
    && python -m uv pip install --quiet --python /opt/airbyte-workers/bin/python \
        --require-hashes --constraints requirements.lock --requirements pyproject.toml

# What builds the wheel (hatchling) comes from the lock too.
COPY . .
RUN python -m uv build --quiet --wheel --require-hashes --build-constraints requirements.lock --out-dir /wheel \
    && python -m uv pip install --quiet --python /opt/airbyte-workers/bin/python --no-deps /wheel/*.whl

# What nothing reads at run time: the sources of Temporal's core, stubs, tests, scripts that activate an environment.
RUN cd /opt/airbyte-workers/lib/python3.*/site-packages \
    && rm -rf temporalio/bridge/sdk-core google-stubs ../../../bin/*activate* ../../../bin/pydoc.bat \
    && find . \( -type d -name tests -o -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' \) -prune -exec rm -rf {} + \
    && /opt/airbyte-workers/bin/airbyte-workers --help > /dev/null


FROM ${BASE} AS product
LABEL org.opencontainers.image.title="airbyte-workers" \
      org.opencontainers.image.description="Runs Airbyte connectors as durable Temporal jobs" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN python -m pip uninstall --quiet --yes --root-user-action=ignore setuptools wheel pip \
    && mkdir -p /var/lib/airbyte-workers/storage \
    && chown -R 10001:10001 /var/lib/airbyte-workers
COPY --from=build /opt/airbyte-workers /opt/airbyte-workers
ENV PATH="/opt/airbyte-workers/bin:${PATH}" \
    HOME=/var/lib/airbyte-workers \
    AIRBYTE_WORKERS_HOME=/var/lib/airbyte-workers \
    PYTHONUNBUFFERED=1
WORKDIR /var/lib/airbyte-workers
USER 10001:10001
ENTRYPOINT ["airbyte-workers"]


# destination-jsonl as a connector's image, for the demo of docker-compose.yml.
FROM product AS destination-jsonl
ENV AIRBYTE_ENTRYPOINT=/opt/airbyte-workers/bin/destination-jsonl
ENTRYPOINT ["/opt/airbyte-workers/bin/destination-jsonl"]


# The last stage is what a build without --target makes.
FROM product
